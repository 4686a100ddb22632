/* store.h - stores that take records one by one: ours, the bare file, and the peers.
 *
 * append returns when the record outlives the process; of those named synced, the power too. */
#ifndef TB_BENCH_STORE_H
#define TB_BENCH_STORE_H

#include <stddef.h>

struct bench_store {
    const char *name;
    /* Opens a store in folder, which was empty before the first process opened it: 0 or a negative
     * errno. out is released by close, which accepts NULL. */
    int (*open)(const char *folder, void **out);
    int (*append)(void *store, const void *data, size_t len);
    void (*close)(void *store);
};

extern const struct bench_store bench_ours, bench_ours_synced, bench_ours_watched;
extern const struct bench_store bench_file, bench_file_synced;
extern const struct bench_store bench_sqlite_normal, bench_sqlite_full;
extern const struct bench_store *const bench_lmdb; /* NULL: built without it */

#endif
