/* recent.h - what came in just now, for `towbar top`. */
#ifndef TB_STORE_RECENT_H
#define TB_STORE_RECENT_H

#include "store/store.h"

/* The item and the time of each occurrence that was received since then, the latest first, at most
 * max. The callback returns 0 to go on. */
int tb_store_recent(struct tb_store *store, int64_t since_ms, size_t max,
                    int (*row)(void *arg, int64_t item, int64_t received_ms), void *arg);

#endif
