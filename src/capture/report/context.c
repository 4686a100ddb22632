/* context.c - see context.h. Compiled for TLS descriptors (library.cmake), as OTEP 4947 asks. */
#include "capture/report/context.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "capture/lib.h"
#include "towbar/towbar.h"

enum { VALID_AT = 24, INHERITED_AT = 89, HEADER_MAX = 4096 };

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

/* The bytes before "valid" change only while it is 0, also in the eyes of a signal handler. */
static void publish(const unsigned char image[TB_TRACE_IMAGE_BYTES])
{
    volatile unsigned char *valid = &self.image[VALID_AT];
    *valid = 0;
    atomic_signal_fence(memory_order_seq_cst);
    memcpy(self.image, image, VALID_AT);
    memcpy(self.image + VALID_AT + 1, image + VALID_AT + 1, TB_TRACE_IMAGE_BYTES - VALID_AT - 1);
    otel_thread_ctx_v1 = self.image;
    atomic_signal_fence(memory_order_seq_cst);
    *valid = image[VALID_AT];
}

int tb_context_trace(unsigned char out[TB_TRACE_IMAGE_BYTES])
{
    if (self.image[VALID_AT] != 1)
        return 0;
    memcpy(out, self.image, TB_TRACE_IMAGE_BYTES);
    return 1;
}

towbar_trace_state towbar_trace_push(const char *header)
{
    int kept = errno;
    towbar_trace_state before;
    unsigned char image[TB_TRACE_IMAGE_BYTES] = {0};
    struct tb_trace trace = {.flags = 0};
    tb_lib_touch();
    memcpy(before.image, self.image, sizeof(before.image));
    if (header && tb_trace_parse(header, strnlen(header, HEADER_MAX), &trace) == 0)
        tb_trace_pack(&trace, image);
    publish(image);
    errno = kept;
    return before;
}

void towbar_trace_pop(const towbar_trace_state *before)
{
    static const unsigned char none[TB_TRACE_IMAGE_BYTES];
    publish(before ? before->image : none);
}

void tb_context_inherit(void)
{
    static const char *const names[] = {"TRACEPARENT", "_X_AMZN_TRACE_ID"};
    struct tb_trace trace = {.flags = 0};
    unsigned char image[TB_TRACE_IMAGE_BYTES];
    if (self.image[VALID_AT] == 1)
        return;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        const char *value = secure_getenv(names[i]);
        if (value)
            (void)tb_trace_parse(value, strnlen(value, HEADER_MAX), &trace);
    }
    if (!tb_trace_is_set(&trace))
        return;
    trace.inherited = 1;
    tb_trace_pack(&trace, image);
    publish(image);
}

void tb_context_forked(void)
{
    self.tid = 0;
    if (self.image[VALID_AT] == 1)
        self.image[INHERITED_AT] = 1;
}
