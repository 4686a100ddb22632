/* peers_lmdb_none.c - in place of peers_lmdb.c where LMDB is not installed. */
#include "store.h"

const struct bench_store *const bench_lmdb = NULL;
