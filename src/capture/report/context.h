/* context.h - what every thread has of its own, readable in a signal handler.
 *
 * 1. It is small enough for the loader to put it into the static part of the thread's storage even
 *    when the library comes by dlopen, so that no access allocates, unless others that came so took
 *    the 512 bytes there are for them (docs/limits.md).
 * 2. The image is written with its byte "valid" at 0 meanwhile: a handler sees a whole trace or
 *    none. Others read it through otel_thread_ctx_v1, which points to it (OTEP 4947). */
#ifndef TB_CAPTURE_CONTEXT_H
#define TB_CAPTURE_CONTEXT_H

#include <stdint.h>

#include "trace/trace.h"

struct tb_thread;

struct tb_context {
    unsigned char image[TB_TRACE_IMAGE_BYTES]; /* docs/spool-format.md section 8 */
    volatile unsigned n_published;             /* images, so far; of a handler too */
    struct tb_thread *thread;                  /* owned by thread.c; NULL until needed */
    uint64_t stack_low, stack_high;            /* of the thread's stack: known to be readable */
    volatile int crash_depth; /* of crash.c: handlers of ours that run, one inside the other */
    volatile int is_quiet;    /* they make no system calls (quiet.h) */
    volatile int is_dying;    /* nothing is to come between them and the death */
    int cancel_state;         /* of the thread, before them */
    volatile int asks_kernel; /* for the time (base/clock.h), while they run */
    int tid;                  /* 0: not known without a call */
};

/* This thread's. Signal-safe. */
struct tb_context *tb_context(void);
/* This thread's id; where a filter forbids to ask for it, a number below 0 that no other thread
 * has. Signal-safe. */
int tb_context_tid(void);
/* This process's id; in a quiet handler, and where a filter forbids to ask, that of the process
 * whose slot this is, which a child by vfork shares. Signal-safe. */
int tb_context_pid(void);
/* Copies the image if it is whole: 1, or 0 when there is no trace. Signal-safe. */
int tb_context_trace(unsigned char out[TB_TRACE_IMAGE_BYTES]);
/* Makes this one the thread's trace; a handler sees it, none, or the one before. Signal-safe. */
void tb_context_publish(const unsigned char image[TB_TRACE_IMAGE_BYTES]);
/* In a fork child: the trace is the parent's, or none (tb_lib.forgets_trace). */
void tb_context_forked(void);

#endif
