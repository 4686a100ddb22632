/* cache.h - files of modules that stay open from one question to the next: to inflate and list the
 * debug data of a C library takes longer than all the rest of an answer.
 *
 * 1. Each tb_symbol_cache_get opens the file anew and asks whether the reporter may read it; only
 *    what was worked out before is taken from the cache, when path, inode, size and times are the
 *    same. A file that was replaced is noticed, a permission that was taken away too.
 * 2. After tb_symbol_cache_trim at most n_max files are kept, those that were used last. When their
 *    mapped bytes and the heap of the process are more than bytes_max, none are: so each question
 *    has almost all the memory that the sandbox grants, and what was worked out while memory was
 *    short, and is perhaps not whole, is of no later answer. What is in use is never closed.
 * 3. No descriptor is kept: files are mapped. */
#ifndef TB_SYMBOL_CACHE_H
#define TB_SYMBOL_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "symbol/files/image.h"
#include "symbol/index/shelf.h"

enum {
    TB_SYMBOL_CACHE_FILES = 64,
    TB_SYMBOL_CACHE_BYTES = 256 << 20 /* an eighth of what the sandbox grants */
};

struct tb_symbol_cache {
    struct tb_symbol_image *first; /* most recently used */
    size_t n, n_max;
    size_t mapped_bytes, bytes_max;
    struct tb_symbol_shelf shelf; /* of indexes; counts for itself */
};

void tb_symbol_cache_init(struct tb_symbol_cache *cache);
void tb_symbol_cache_done(struct tb_symbol_cache *cache);
/* The file at an absolute path. uid, if not NULL, must be able to read it: else -EACCES. 0, or why
 * it cannot be had. Give it back with tb_symbol_cache_put. */
int tb_symbol_cache_get(struct tb_symbol_cache *cache, const char *path, const uint32_t *uid,
                        struct tb_symbol_image **out);
/* Accepts NULL. */
void tb_symbol_cache_put(struct tb_symbol_cache *cache, struct tb_symbol_image *image);
/* Call when a question has been answered. */
void tb_symbol_cache_trim(struct tb_symbol_cache *cache);
/* Closes all that is not in use. */
void tb_symbol_cache_drop(struct tb_symbol_cache *cache);

#endif
