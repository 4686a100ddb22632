/* shelf.h - indexes that stay mapped from one question to the next, in front of the folder that
 * keeps them (docs/symbols.md 3).
 *
 * 1. An index is known by a build ID and the owner of the module's file; that of a file without a
 *    build ID by the file itself, and only until the shelf is done, as is one that is for one
 *    reporter alone. Who may use the others the caller says.
 * 2. After tb_symbol_shelf_trim there are at most TB_SYMBOL_SHELF_INDEXES and
 *    TB_SYMBOL_SHELF_BYTES; what is in use, or must still be handed over, stays.
 * 3. Files of the folder are read, never written: what was built is handed over to the one who may
 *    write it, as is word of what was used. */
#ifndef TB_SYMBOL_SHELF_H
#define TB_SYMBOL_SHELF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "symbol/index/index.h"
#include "symbol/index/indexer.h"

enum {
    TB_SYMBOL_SHELF_INDEXES = 128,
    TB_SYMBOL_SHELF_BYTES = 256 << 20,
    TB_SYMBOL_SHELF_NEWS = 128,      /* built and not yet handed over; each has a descriptor */
    TB_SYMBOL_SHELF_TELL_MS = 600000 /* how often it is told that an index is in use */
};

/* What an index is of. Zero it first. */
struct tb_symbol_key {
    uint8_t build_id[TB_BUILD_ID_BYTES];
    uint32_t build_id_len; /* 0: the file itself, as follows */
    uint32_t uid;          /* owner of the module's file */
    bool is_for_one;   /* of what is perhaps not the owner's words: the file itself counts too */
    uint32_t reporter; /* then the user that may have it; else 0 */
    uint64_t device, inode, bytes;
    int64_t mtime_ns, ctime_ns;
};

struct tb_symbol_shelved {
    struct tb_symbol_shelved *next; /* used longer ago */
    struct tb_symbol_key key;
    struct tb_symbol_index index;
    uint8_t *mapped;
    int fd;          /* not yet handed over; -1: that is done, or must not be */
    size_t n_users;  /* modules of the question at hand */
    bool is_stale;   /* there is a newer one */
    bool is_in_file; /* the folder has it */
    bool is_used;    /* since that was told */
    uint64_t told_ns;
};

struct tb_symbol_shelf {
    struct tb_symbol_shelved *first; /* most recently used */
    size_t n, n_news, bytes;
};

/* Zeroed memory is an empty shelf. */
void tb_symbol_shelf_done(struct tb_symbol_shelf *shelf);
/* The key of a module's file. */
struct tb_symbol_key tb_symbol_key_of(const uint8_t *build_id, uint32_t build_id_len,
                                      const struct stat *file);
/* Makes it that of an index which reporter alone may have, and no folder. */
void tb_symbol_key_for_one(struct tb_symbol_key *key, const struct stat *file, uint32_t reporter);
/* The index of key, from the shelf or from folder (NULL: none); or NULL. Give it back with
 * tb_symbol_shelf_put. */
struct tb_symbol_shelved *tb_symbol_shelf_get(struct tb_symbol_shelf *shelf, const char *folder,
                                              const struct tb_symbol_key *key);
/* Consumes made, a new index of key. is_kept: it is to be handed over. Give it back as well. NULL
 * without memory. */
struct tb_symbol_shelved *tb_symbol_shelf_add(struct tb_symbol_shelf *shelf,
                                              const struct tb_symbol_key *key,
                                              struct tb_symbol_indexed *made, bool is_kept);
/* Accepts NULL. */
void tb_symbol_shelf_put(struct tb_symbol_shelved *shelved);
void tb_symbol_shelf_trim(struct tb_symbol_shelf *shelf);

/* ---- handing over ---- */

/* One that is new, or of whose use it is time to tell; NULL: none. */
struct tb_symbol_shelved *tb_symbol_shelf_news(struct tb_symbol_shelf *shelf, uint64_t now_ns);
/* It was handed over, or told. */
void tb_symbol_shelf_told(struct tb_symbol_shelf *shelf, struct tb_symbol_shelved *shelved,
                          uint64_t now_ns);

#endif
