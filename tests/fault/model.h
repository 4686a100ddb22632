/* model.h - a disk that forgets. Records what the spool does to its files; then makes the folder
 * that a loss of power could have left after the first k operations.
 *
 * 1. What was synced is there: the bytes and the size of a file after fsync or fdatasync of it, its
 *    name after fsync of its folder. Nothing else is implied.
 * 2. Of what was not synced each 4 KiB piece of each write is there or not, by itself; the size of
 *    a file is that of any moment since its last sync; the names in a folder are those of any
 *    moment since the folder's last sync, of each folder by itself. A rename from one folder to
 *    another needs both. */
#ifndef TEST_FAULT_MODEL_H
#define TEST_FAULT_MODEL_H

#include "world.h"

enum model_mark {
    MARK_ACKED,  /* record n is in the file fd, and its writer was told so */
    MARK_STORED, /* record n is in the database */
    MARK_STORE_SYNCED,
};

/* Records what happens in world from now on; its folders are there and empty. */
void model_begin(const struct world *world);
void model_end(void); /* no more is recorded */
void model_free(void);
void model_mark(enum model_mark kind, uint32_t n, int fd);
/* Notes what was stored into the mapping of this file, page by page. */
void model_look_at_mapping(int fd);
/* fsync of the folder in/. */
void model_sync_in(void);
size_t model_n_ops(void);

/* Makes in target what is left after k operations. seed NULL: all of them happened (kill -9 of
 * everything); else what was not synced is left to chance. */
void model_rebuild(const struct world *target, size_t k, uint64_t *seed);
/* Was record n promised to survive a loss of power: acknowledged, then its file and in/ synced? */
int model_is_promised(uint32_t n, size_t k);
/* Is record n in the database: is_synced says for certain, else as far as no power was lost. */
int model_is_stored(uint32_t n, size_t k, int is_synced);
int model_is_acked(uint32_t n, size_t k);

#endif
