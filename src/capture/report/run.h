/* run.h - the part of a walk that a report's cost is made of: rows that are known, over a stack
 * that may be loaded directly. See tb_unwind_ops.run. Signal-safe. */
#ifndef TB_CAPTURE_RUN_H
#define TB_CAPTURE_RUN_H

#include <stddef.h>

#include "unwind/walk.h"

/* arg is a struct tb_stack. Goes on inside the module that was found last. */
size_t tb_run_steps(void *arg, struct tb_unwind_regs *regs, struct tb_unwind_frame *frames,
                    size_t max);

#endif
