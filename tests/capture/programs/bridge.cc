/* bridge.cc - spans of opentelemetry-cpp, and what towbar then takes for the active trace. Ends
 * with the line number of the first thing that is not so, or 0. */
#include <towbar/opentelemetry.hpp>

#include <cstdio>
#include <cstring>
#include <thread>

#include <opentelemetry/trace/default_span.h>
#include <opentelemetry/trace/scope.h>

namespace trace = opentelemetry::trace;
using span_ptr = opentelemetry::nostd::shared_ptr<trace::Span>;

static int first_wrong;

#define CHECK(what)                                                                                \
    do {                                                                                           \
        if (!(what) && first_wrong == 0) {                                                         \
            first_wrong = __LINE__;                                                                \
            fprintf(stderr, "%d: %s\n", __LINE__, #what);                                          \
        }                                                                                          \
    } while (0)

static span_ptr make(uint8_t trace_byte, uint8_t span_byte)
{
    uint8_t trace_id[16], span_id[8];
    memset(trace_id, trace_byte, sizeof(trace_id));
    memset(span_id, span_byte, sizeof(span_id));
    return span_ptr(new trace::DefaultSpan(trace::SpanContext(
        trace::TraceId(trace_id), trace::SpanId(span_id), trace::TraceFlags(1), false)));
}

static bool is_active(uint8_t trace_byte, uint8_t span_byte)
{
    char trace_id[33], span_id[17], text[3];
    if (towbar_trace_ids(trace_id, span_id) != 0)
        return trace_byte == 0;
    snprintf(text, sizeof(text), "%02x", trace_byte);
    if (strncmp(trace_id, text, 2) != 0)
        return false;
    snprintf(text, sizeof(text), "%02x", span_byte);
    return strncmp(span_id, text, 2) == 0;
}

static const char *get(void *, const char *name)
{
    if (strcmp(name, "traceparent") == 0)
        return "00-11111111111111111111111111111111-aaaaaaaaaaaaaaaa-01";
    if (strcmp(name, "tracestate") == 0)
        return "congo=t61rcWkgMzE";
    return nullptr;
}

static void put(void *arg, const char *name, const char *)
{
    *static_cast<bool *>(arg) |= strcmp(name, "tracestate") == 0;
}

static bool has_state()
{
    bool found = false;
    towbar_trace_inject(put, &found);
    return found;
}

static void spans_alone()
{
    CHECK(is_active(0, 0));
    {
        trace::Scope outer(make(0x22, 0x01));
        CHECK(is_active(0x22, 0x01));
        {
            trace::Scope inner(make(0x22, 0x02));
            CHECK(is_active(0x22, 0x02));
            trace::Scope other(make(0x33, 0x03));
            CHECK(is_active(0x33, 0x03));
        }
        CHECK(is_active(0x22, 0x01));
        std::thread([] { CHECK(is_active(0, 0)); }).join();
    }
    CHECK(is_active(0, 0));
}

static void spans_of_a_request()
{
    towbar_trace_state before = towbar_trace_extract(get, nullptr);
    CHECK(is_active(0x11, 0xaa) && has_state());
    {
        trace::Scope server(make(0x11, 0x04));
        CHECK(is_active(0x11, 0x04) && has_state());
        {
            trace::Scope other(make(0x33, 0x05));
            CHECK(is_active(0x33, 0x05) && !has_state());
        }
        CHECK(is_active(0x11, 0x04) && has_state());
    }
    CHECK(is_active(0x11, 0xaa) && has_state());
    towbar_trace_pop(&before);
    CHECK(is_active(0, 0));
}

int main()
{
    towbar::follow_opentelemetry();
    spans_alone();
    spans_of_a_request();
    trace::Scope last(make(0x44, 0x06));
    int err = towbar_init(nullptr);
    CHECK(err == 0 && towbar_error("below a span") == 0);
    return first_wrong > 255 ? 255 : first_wrong;
}
