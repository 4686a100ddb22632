/* context.c - what tb_trace_extract reads of headers, and what tb_trace_inject writes then, for
 * tests that compare with other propagators. A request is a line, its fields have 0x1f between:
 *
 *   h or e (headers, environment) | OTEL_PROPAGATORS to read by | to write by | NAME:VALUE | ..
 *
 * So is an answer: NAME:VALUE of what is known, and "> " before the names of what is sent. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/id.h"
#include "trace/context.h"

enum { LINE = 1 << 20, FIELDS = 80, FIXED = 3, MARK = 0x1f };

struct request {
    char *fields[FIELDS + 1];
    size_t n;
};

static bool get(void *arg, const char *name, unsigned nth, struct tb_slice *out)
{
    const struct request *request = arg;
    size_t len = strlen(name);
    for (size_t i = FIXED; i < request->n; i++) {
        const char *line = request->fields[i];
        if (strncasecmp(line, name, len) != 0 || line[len] != ':' || nth-- > 0)
            continue;
        *out = (struct tb_slice){line + len + 1, strlen(line + len + 1)};
        return true;
    }
    return false;
}

static void tell_n(const char *name, const char *value, size_t len)
{
    if (len > 0)
        (void)printf("%s:%.*s%c", name, (int)len, value, MARK);
}

static void tell(const char *name, const char *value)
{
    tell_n(name, value, strlen(value));
}

static void tell_slice(const char *name, struct tb_slice value)
{
    tell_n(name, value.text, value.len);
}

static void tell_id(const char *name, const uint8_t *bytes, size_t len)
{
    static const uint8_t zeros[16];
    char text[TB_TRACE_ID_TEXT];
    if (memcmp(bytes, zeros, len) == 0)
        return;
    tb_hex(bytes, len, text);
    tell(name, text);
}

static int put(void *arg, const char *name, const char *value, size_t len)
{
    char marked[128];
    (void)arg;
    (void)snprintf(marked, sizeof(marked), "> %s", name);
    tell_n(marked, value, len);
    return 0;
}

static void tell_context(const struct tb_trace_context *c)
{
    static const char *const sampled[] = {"", "0", "1"};
    static const char *const xray_sampled[] = {"", "0", "1", "?"};
    tell("source", tb_trace_source_name(c->source));
    tell_id("trace_id", c->trace.trace_id, sizeof(c->trace.trace_id));
    tell_id("span_id", c->trace.span_id, sizeof(c->trace.span_id));
    (void)printf("flags:%02x%c", c->trace.flags, MARK);
    tell("sampled", sampled[c->sampled]);
    tell("debug", c->is_debug ? "1" : "");
    tell("state", c->state);
    tell_id("xray_trace_id", c->trace.xray_trace_id, sizeof(c->trace.xray_trace_id));
    tell_id("xray_parent_id", c->trace.xray_parent_id, sizeof(c->trace.xray_parent_id));
    tell("xray_sampled", xray_sampled[c->trace.xray_sampled]);
    tell("xray_more", c->xray_more);
    tell_id("b3_parent_id", c->b3_parent_id, sizeof(c->b3_parent_id));
    tell("session_id", c->session_id);
    tell("execution_scope_id", c->execution_scope_id);
    tell_slice("dataset", c->dataset);
    tell_slice("context", c->honeycomb_context);
    tell_slice("origin", c->datadog_origin);
    for (size_t i = 0; i < c->n_others; i++)
        tell_slice("other", c->other[i]);
}

static void answer(struct request *request)
{
    struct tb_trace_propagators in;
    struct tb_trace_propagators out;
    struct tb_trace_context context;
    (void)tb_trace_propagators(request->fields[1], &in);
    (void)tb_trace_propagators(request->fields[2], &out);
    (void)printf("unknown:%u%c", in.n_unknown, MARK);
    if (request->fields[0][0] == 'e')
        (void)tb_trace_extract_env(request->fields + FIXED, &in, &context);
    else
        (void)tb_trace_extract(get, request, &in, &context);
    tell_context(&context);
    (void)tb_trace_inject(&context, &out, put, NULL);
    (void)putchar('\n');
}

int main(void)
{
    static char line[LINE];
    while (fgets(line, sizeof(line), stdin) != NULL) {
        struct request request = {.n = 0};
        line[strcspn(line, "\n")] = '\0';
        for (char *at = line; at != NULL && request.n < FIELDS;) {
            request.fields[request.n++] = at;
            at = strchr(at, MARK);
            if (at != NULL)
                *at++ = '\0';
        }
        if (request.n < FIXED)
            return 2;
        answer(&request);
    }
    return 0;
}
