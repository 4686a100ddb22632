/* clock.h - the time, in nanoseconds. Signal-safe. */
#ifndef TB_BASE_CLOCK_H
#define TB_BASE_CLOCK_H

#include <stdint.h>

enum { TB_NS_PER_MS = 1000 * 1000, TB_NS_PER_S = 1000 * 1000 * 1000 };

/* Nanoseconds since 1970 (wall clock; may step). */
uint64_t tb_clock_wall_ns(void);

/* Nanoseconds of a clock that never steps; comparable between the processes of one boot. */
uint64_t tb_clock_mono_ns(void);
/* The same as it was at the last tick, a few milliseconds ago at most: costs next to nothing. */
uint64_t tb_clock_tick_ns(void);

#endif
