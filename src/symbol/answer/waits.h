/* waits.h - what a thread waits in, by the names of its innermost frames. Pure. */
#ifndef TB_SYMBOL_WAITS_H
#define TB_SYMBOL_WAITS_H

#include <stdbool.h>
#include <stddef.h>

#include "symbol/stack/frames.h"

enum { TB_SYMBOL_WAIT_BYTES = 96 };

/* "futex (pthread_cond_wait)", "poll", "read (fgets)": the system call, and the function of the C
 * library that made it where that has another name. False, with nothing written, for a thread that
 * waits in nothing known. frames are innermost first. */
bool tb_symbol_waits_in(const struct tb_symbol_frame *frames, size_t n,
                        char out[TB_SYMBOL_WAIT_BYTES]);

#endif
