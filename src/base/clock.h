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

/* From the beginning to the end of a crash handler that may not read the processor's counter the
 * time comes by bare system calls, for all threads. */
void tb_clock_enter_handler(void);
void tb_clock_leave_handler(void);
/* They do with the time of the last tick, which needs no call either; for good. Makes no call. */
void tb_clock_refuse_calls(void);
/* In a fork child, where no handler runs but this thread's. */
void tb_clock_forked(int is_in_handler);

#endif
