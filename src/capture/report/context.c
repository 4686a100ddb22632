/* context.c - see context.h. Compiled for TLS descriptors (library.cmake), as OTEP 4947 asks. */
#include "capture/report/context.h"

#include <stdatomic.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "capture/lib.h"
#include "towbar/towbar.h"

enum { SPAN_AT = 16, SPAN_BYTES = 8, VALID_AT = 24, INHERITED_AT = 89 };

/* Found by its name from outside the process. */
extern _Thread_local void *otel_thread_ctx_v1;
TOWBAR_API _Thread_local void *otel_thread_ctx_v1;

static _Thread_local struct tb_context self;

struct tb_context *tb_context(void)
{
    return &self;
}

int tb_context_tid(void)
{
    enum { ALIGNMENT = 16 };
    long tid = self.is_quiet ? self.tid : syscall(SYS_gettid);
    return tid > 0 ? (int)tid : -(int)(((uintptr_t)&self / ALIGNMENT & INT32_MAX) | 1);
}

int tb_context_pid(void)
{
    long pid = self.is_quiet ? 0 : syscall(SYS_getpid);
    return pid > 0 ? (int)pid : atomic_load(&tb_lib.pid);
}

/* The bytes before "valid" change only while it is 0, also in the eyes of a signal handler. One
 * that publishes itself in the middle of this would leave half of its own: then all is written
 * again. A trace without a span is none to OpenTelemetry, whose record has both or neither. */
void tb_context_publish(const unsigned char image[TB_TRACE_IMAGE_BYTES])
{
    static const unsigned char no_span[SPAN_BYTES];
    volatile unsigned char *valid = &self.image[VALID_AT];
    int has_span = memcmp(image + SPAN_AT, no_span, SPAN_BYTES) != 0;
    unsigned turn;
    do {
        turn = self.n_published + 1;
        self.n_published = turn;
        *valid = 0;
        atomic_signal_fence(memory_order_seq_cst);
        memcpy(self.image, image, VALID_AT);
        memcpy(self.image + VALID_AT + 1, image + VALID_AT + 1,
               TB_TRACE_IMAGE_BYTES - VALID_AT - 1);
        otel_thread_ctx_v1 = has_span || !image[VALID_AT] ? self.image : NULL;
        atomic_signal_fence(memory_order_seq_cst);
        *valid = image[VALID_AT];
    } while (self.n_published != turn);
}

int tb_context_trace(unsigned char out[TB_TRACE_IMAGE_BYTES])
{
    if (self.image[VALID_AT] != 1)
        return 0;
    memcpy(out, self.image, TB_TRACE_IMAGE_BYTES);
    return 1;
}

void tb_context_forked(void)
{
    self.tid = 0;
    if (self.image[VALID_AT] == 1 && tb_lib.forgets_trace)
        self.image[VALID_AT] = 0;
    else if (self.image[VALID_AT] == 1)
        self.image[INHERITED_AT] = 1;
}
