/* active.c - see active.h: what a trace is made from. */
#include "capture/report/active.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/id.h"
#include "capture/lib.h"
#include "capture/report/carrier.h"
#include "capture/report/context.h"
#include "towbar/towbar.h"

_Static_assert(sizeof(towbar_trace_state) == TB_TRACE_IMAGE_BYTES, "a state is an image");

/* ---- settings ---- */

enum { UNREAD, DEFAULT, WISHED };

static struct tb_trace_propagators wished; /* filled before wish says so, and not changed after */
static atomic_int wish;

const struct tb_trace_propagators *tb_active_wished(void)
{
    return atomic_load_explicit(&wish, memory_order_acquire) == WISHED ? &wished : NULL;
}

/* Baggage, which is the caller's to pass on, is not asked for. */
static const struct tb_trace_propagators *all_kinds(struct tb_trace_propagators *out)
{
    tb_trace_propagators_default(out);
    if (out->n > 0 && out->kinds[out->n - 1] == TB_TRACE_BAGGAGE)
        out->n--;
    return out;
}

void tb_active_configure(void)
{
    const char *after_fork = secure_getenv("TOWBAR_FORK_TRACE");
    const char *names = secure_getenv("OTEL_PROPAGATORS");
    tb_lib.forgets_trace = after_fork && strcmp(after_fork, "reset") == 0;
    if (atomic_load_explicit(&wish, memory_order_relaxed) != UNREAD)
        return;
    if (names && names[0])
        (void)tb_trace_propagators(names, &wished);
    atomic_store_explicit(&wish, names && names[0] ? WISHED : DEFAULT, memory_order_release);
}

/* ---- images ---- */

static void publish_context(const struct tb_trace_context *context, uint16_t kinds,
                            uint64_t started_ns)
{
    unsigned char bytes[TB_TRACE_IMAGE_BYTES];
    char texts[TB_TRACE_CARRIED_BYTES];
    struct tb_trace_image image = {.source = context->source,
                                   .sampled = context->sampled,
                                   .is_debug = context->is_debug,
                                   .kinds = kinds,
                                   .started_ns = started_ns};
    tb_carrier_keep(&context->trace, texts, tb_trace_carried_pack(context, texts), &image);
    tb_trace_image_pack(&context->trace, &image, bytes);
    tb_context_publish(bytes);
}

static void publish_none(void)
{
    static const unsigned char none[TB_TRACE_IMAGE_BYTES];
    tb_context_publish(none);
}

int tb_active_load(struct tb_trace_context *context, struct tb_trace_image *image,
                   char texts[TB_TRACE_CARRIED_BYTES])
{
    unsigned char bytes[TB_TRACE_IMAGE_BYTES];
    if (!tb_context_trace(bytes) || tb_trace_image_unpack(bytes, context, image) < 0)
        return 0;
    tb_trace_carried_unpack(texts, tb_carrier_read(&context->trace, image, texts), context);
    return 1;
}

towbar_trace_state towbar_trace_capture(void)
{
    towbar_trace_state state = {{0}};
    tb_lib_touch();
    (void)tb_context_trace(state.image); /* written only when there is one */
    return state;
}

void towbar_trace_pop(const towbar_trace_state *before)
{
    if (before)
        tb_context_publish(before->image);
    else
        publish_none();
}

towbar_trace_state towbar_trace_adopt(const towbar_trace_state *state)
{
    towbar_trace_state before = towbar_trace_capture();
    towbar_trace_pop(state);
    return before;
}

/* ---- incoming ---- */

/* Of one header: no context is made, which has room for all of them. */
static void publish_one(const struct tb_trace *trace, enum tb_trace_kind kind, uint64_t started_ns,
                        const char *texts, size_t len)
{
    unsigned char bytes[TB_TRACE_IMAGE_BYTES];
    struct tb_trace_image image = {.source = kind == TB_TRACE_XRAY ? TB_TRACE_FROM_XRAY
                                                                   : TB_TRACE_FROM_TRACEPARENT,
                                   .sampled = TB_SAMPLED_UNSAID,
                                   .kinds = TB_ACTIVE_KIND(kind),
                                   .started_ns = started_ns};
    if (kind != TB_TRACE_XRAY || trace->xray_sampled == TB_XRAY_YES ||
        trace->xray_sampled == TB_XRAY_NO)
        image.sampled = trace->flags & 1 ? TB_SAMPLED_YES : TB_SAMPLED_NO;
    tb_carrier_keep(trace, texts, len, &image);
    tb_trace_image_pack(trace, &image, bytes);
    tb_context_publish(bytes);
}

static int publish_traceparent(const char *header, size_t len, uint64_t started_ns)
{
    struct tb_trace trace = {.flags = 0};
    int err = tb_trace_parse_w3c(header, len, &trace);
    if (!err)
        publish_one(&trace, TB_TRACE_W3C, started_ns, NULL, 0);
    return err;
}

static int publish_xray(const char *header, size_t len, uint64_t started_ns)
{
    struct tb_trace trace = {.flags = 0};
    char texts[TB_TRACE_CARRIED_BYTES];
    int n = tb_trace_carried_xray(header, len, &trace, texts);
    if (n >= 0)
        publish_one(&trace, TB_TRACE_XRAY, started_ns, texts, (size_t)n);
    return n < 0 ? n : 0;
}

towbar_trace_state towbar_trace_push(const char *header)
{
    int kept = errno;
    towbar_trace_state before = towbar_trace_capture();
    size_t len = header ? strnlen(header, TB_TRACE_HEADER_BYTES + 1) : 0;
    if (len > TB_TRACE_HEADER_BYTES)
        len = 0;
    uint64_t now = len > 0 ? tb_clock_wall_ns() : 0;
    if (len == 0 ||
        (publish_traceparent(header, len, now) < 0 && publish_xray(header, len, now) < 0))
        publish_none();
    errno = kept;
    return before;
}

uint16_t tb_active_kind(const char *name)
{
    static const struct {
        const char *name;
        enum tb_trace_kind kind;
    } names[] = {{"traceparent", TB_TRACE_W3C},
                 {"x-amzn-trace-id", TB_TRACE_XRAY},
                 {"b3", TB_TRACE_B3},
                 {"x-b3-traceid", TB_TRACE_B3MULTI},
                 {"x-honeycomb-trace", TB_TRACE_HONEYCOMB},
                 {"x-datadog-trace-id", TB_TRACE_DATADOG}};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        size_t n = 0;
        while (names[i].name[n] && (name[n] | 0x20) == names[i].name[n])
            n++;
        if (names[i].name[n] == '\0' && name[n] == '\0')
            return TB_ACTIVE_KIND(names[i].kind);
    }
    return 0;
}

struct asked {
    const char *(*get)(void *arg, const char *name);
    void *arg;
    uint16_t kinds; /* of which a header came */
};

static bool get_asked(void *arg, const char *name, unsigned nth, struct tb_slice *out)
{
    struct asked *asked = arg;
    if (nth > 0)
        return false;
    const char *value = asked->get(asked->arg, name);
    if (!value)
        return false;
    asked->kinds |= tb_active_kind(name);
    *out = (struct tb_slice){value, strnlen(value, TB_TRACE_HEADER_BYTES + 1)};
    return true;
}

towbar_trace_state towbar_trace_extract(const char *(*get)(void *arg, const char *name), void *arg)
{
    int kept = errno;
    struct asked asked = {.get = get, .arg = arg};
    struct tb_trace_propagators all;
    struct tb_trace_context context;
    const struct tb_trace_propagators *propagators = tb_active_wished();
    towbar_trace_state before = towbar_trace_capture();
    if (!propagators)
        propagators = all_kinds(&all);
    if (get && tb_trace_extract(get_asked, &asked, propagators, &context))
        publish_context(&context, asked.kinds, tb_clock_wall_ns());
    else
        publish_none();
    errno = kept;
    return before;
}

towbar_trace_state towbar_trace_start(void)
{
    enum { EPOCH_BYTES = 4, SAMPLED = 1, RANDOM = 2 };
    int kept = errno;
    struct tb_trace trace = {.flags = SAMPLED | RANDOM};
    struct tb_trace_image image = {.source = TB_TRACE_FROM_API,
                                   .kinds =
                                       TB_ACTIVE_KIND(TB_TRACE_W3C) | TB_ACTIVE_KIND(TB_TRACE_XRAY),
                                   .started_ns = tb_clock_wall_ns()};
    unsigned char bytes[TB_TRACE_IMAGE_BYTES];
    towbar_trace_state before = towbar_trace_capture();
    uint32_t seconds = (uint32_t)(image.started_ns / TB_NS_PER_S);
    tb_id_random(trace.trace_id, sizeof(trace.trace_id));
    for (int i = 0; i < EPOCH_BYTES; i++)
        trace.trace_id[i] = (uint8_t)(seconds >> (24 - 8 * i));
    tb_id_random(trace.span_id, sizeof(trace.span_id));
    trace.span_id[0] |= 1; /* never zeros */
    memcpy(trace.xray_trace_id, trace.trace_id, sizeof(trace.xray_trace_id));
    tb_trace_image_pack(&trace, &image, bytes);
    tb_context_publish(bytes);
    errno = kept;
    return before;
}

void tb_active_inherit(void)
{
    unsigned char bytes[TB_TRACE_IMAGE_BYTES];
    struct tb_trace_propagators all;
    struct tb_trace_context context;
    const struct tb_trace_propagators *propagators = tb_active_wished();
    if (tb_context_trace(bytes) || getauxval(AT_SECURE) || !environ)
        return;
    if (!propagators)
        propagators = all_kinds(&all);
    if (!tb_trace_extract_env(environ, propagators, &context))
        return;
    context.trace.inherited = 1;
    publish_context(&context, 0, tb_lib.about.start_wall_ns);
}
