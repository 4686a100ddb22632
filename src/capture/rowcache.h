/* rowcache.h - unwind rows already made, shared by all threads without a lock. Signal-safe.
 *
 * 1. What get returns was put for exactly that pc and generation, or it is a miss.
 * 2. A row of an older generation is never found: the modules may have changed places. */
#ifndef TB_CAPTURE_ROWCACHE_H
#define TB_CAPTURE_ROWCACHE_H

#include <stdint.h>

#include "unwind/walk.h"

/* 0; -ENOENT when it is known that there is no row; -EAGAIN when nothing is known. */
int tb_rowcache_get(uint64_t generation, uint64_t pc, struct tb_unwind_row *out);
/* row NULL: there is none. What cannot be packed is not kept. */
void tb_rowcache_put(uint64_t generation, uint64_t pc, const struct tb_unwind_row *row);

#endif
