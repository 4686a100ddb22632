/* environ.c - a trace that came in environment variables; see context.h. OpenTelemetry,
 * "environment variables as context propagation carriers". */
#include <errno.h>
#include <string.h>

#include "trace/context.h"
#include "trace/text.h"

enum { NAME_BYTES = 64 };

int tb_trace_env_name(const char *header, char *out, size_t cap)
{
    size_t len = 0;
    if (cap < 2)
        return -ENOSPC;
    if (header[0] == '\0' || (header[0] >= '0' && header[0] <= '9'))
        out[len++] = '_';
    for (; *header != '\0'; header++) {
        char c = *header;
        if (len + 1 >= cap)
            return -ENOSPC;
        if (c >= 'a' && c <= 'z')
            c = (char)(c - 'a' + 'A');
        out[len++] = (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ? c : '_';
    }
    out[len] = '\0';
    return 0;
}

static bool find(char *const *env, const char *name, struct tb_slice *out)
{
    size_t len = strlen(name);
    for (; *env != NULL; env++) {
        if (strncmp(*env, name, len) != 0 || (*env)[len] != '=')
            continue;
        out->text = *env + len + 1;
        out->len = strnlen(out->text, TB_TRACE_HEADER_BYTES + 1);
        return true;
    }
    return false;
}

static bool get(void *arg, const char *header, unsigned nth, struct tb_slice *out)
{
    char *const *env = *(char *const **)arg;
    char name[NAME_BYTES];
    if (tb_trace_env_name(header, name, sizeof(name)) < 0)
        return false;
    bool is_there = find(env, name, out);
    if (nth == 0 && is_there)
        return true;
    /* AWS's own, with a "_" before it, is one more value of the same header. */
    return nth == (is_there ? 1 : 0) && strcmp(name, "X_AMZN_TRACE_ID") == 0 &&
           find(env, "_X_AMZN_TRACE_ID", out);
}

bool tb_trace_extract_env(char *const *env, const struct tb_trace_propagators *propagators,
                          struct tb_trace_context *out)
{
    if (!tb_trace_extract(get, &env, propagators, out))
        return false;
    out->trace.inherited = 1;
    out->source = TB_TRACE_FROM_ENVIRONMENT;
    return true;
}
