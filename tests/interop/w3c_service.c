/* w3c_service.c - the headers of a request in, those of a call that it makes out: for
 * test_w3c_harness.py. On standard input lines of "name:value", an empty one at the end of each
 * request; the same on standard output. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/id.h"
#include "trace/context.h"

enum { LINES = 64, LINE_BYTES = 16 << 10 };

struct request {
    char *lines[LINES];
    size_t n;
};

static bool get(void *arg, const char *name, unsigned nth, struct tb_slice *out)
{
    const struct request *request = arg;
    size_t len = strlen(name);
    for (size_t i = 0; i < request->n; i++) {
        const char *line = request->lines[i];
        if (strncasecmp(line, name, len) != 0 || line[len] != ':' || nth-- > 0)
            continue;
        *out = (struct tb_slice){line + len + 1, strlen(line + len + 1)};
        return true;
    }
    return false;
}

static int put(void *arg, const char *name, const char *value, size_t len)
{
    (void)arg;
    (void)len;
    return printf("%s:%s\n", name, value) < 0 ? -1 : 0;
}

/* A trace that is not continued is begun anew; the span is this service's own in any case. */
static void answer(struct request *request)
{
    struct tb_trace_propagators w3c;
    struct tb_trace_context context;
    (void)tb_trace_propagators("tracecontext", &w3c);
    if (!tb_trace_extract(get, request, &w3c, &context)) {
        tb_id_random(context.trace.trace_id, sizeof(context.trace.trace_id));
        context.trace.flags = 2;
    }
    tb_id_random(context.trace.span_id, sizeof(context.trace.span_id));
    (void)tb_trace_inject(&context, &w3c, put, NULL);
    (void)printf("\n");
    (void)fflush(stdout);
}

int main(void)
{
    static char line[LINE_BYTES];
    struct request request = {.n = 0};
    while (fgets(line, sizeof(line), stdin) != NULL) {
        line[strcspn(line, "\r\n")] = '\0';
        if (line[0] != '\0') {
            if (request.n < LINES)
                request.lines[request.n++] = strdup(line);
            continue;
        }
        answer(&request);
        while (request.n > 0)
            free(request.lines[--request.n]);
    }
    return 0;
}
