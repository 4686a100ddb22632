/* symbol_store.h - the folder that keeps indexes, STATE/symbols (docs/symbols.md 3): the agent's
 * side, which writes.
 *
 * 1. A file is there as a whole or not at all, whenever the agent is killed.
 * 2. All files together take max_bytes of the disk, and are TB_SYMBOL_STORE_FILES, at most. When
 *    there would be more, those that were used longest ago go, and a tenth more than must. The
 *    folder is listed for that alone, and when the store is opened; in between the files are
 *    counted as they come.
 * 3. What comes from the worker is copied only when it is a sealed file of memory that begins like
 *    the index it is said to be. What is in it the readers check.
 * 4. A folder that cannot be written costs nothing but the next build; the log says so once.
 *
 * A handle belongs to one thread, but for tb_symbol_store_count. */
#ifndef TB_AGENT_SYMBOL_STORE_H
#define TB_AGENT_SYMBOL_STORE_H

#include <stddef.h>
#include <stdint.h>

#include "symbol/news.h"

enum { TB_SYMBOL_STORE_FILES = 16384 };

struct tb_symbol_store;

struct tb_symbol_store_counts {
    int64_t files, bytes;
};

/* Makes the folder, removes what a killed agent left half written, and what is too much. max_bytes
 * 0: none are kept. 0, -ENOMEM, or why the folder cannot be used. */
int tb_symbol_store_open(const char *state_dir, uint64_t max_bytes, struct tb_symbol_store **out);
void tb_symbol_store_close(struct tb_symbol_store *store);
/* From the next index on: fewer files than TB_SYMBOL_STORE_FILES, for tests; 10 at least. */
void tb_symbol_store_limit(struct tb_symbol_store *store, size_t max_files);
/* The folder; NULL: none are kept. Also for NULL. */
const char *tb_symbol_store_folder(const struct tb_symbol_store *store);
/* An index that is new, or was used. fd, which is borrowed, holds the new one. 0; -EBADMSG when it
 * is none; -EFBIG; or why it could not be written: -ENOSPC when what is there cannot be removed. */
int tb_symbol_store_take(struct tb_symbol_store *store, const struct tb_symbol_news *news, int fd);
/* Of any thread. */
void tb_symbol_store_count(struct tb_symbol_store *store, struct tb_symbol_store_counts *out);

#endif
