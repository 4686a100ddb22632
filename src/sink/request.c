/* request.c - what all sinks make of a request. */
#include "sink/sink.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int tb_sink_request_init(struct tb_sink_request *request, const char *endpoint, size_t max_bytes)
{
    size_t len = strlen(endpoint);
    request->method = NULL;
    request->head_len = 0;
    request->url[0] = '\0';
    tb_buf_init(&request->body, max_bytes);
    if (len == 0 || len >= sizeof(request->url))
        return -EINVAL;
    memcpy(request->url, endpoint, len + 1);
    return 0;
}

int tb_sink_header(struct tb_sink_request *request, const char *format, ...)
{
    char *line = request->head + request->head_len;
    size_t room = sizeof(request->head) - request->head_len;
    va_list args;
    va_start(args, format);
    int len = vsnprintf(line, room, format, args);
    va_end(args);
    if (len <= 0 || (size_t)len >= room)
        return -EINVAL;
    /* A header line of its own making is what a value with a line end would be. */
    for (const char *c = line; *c; c++) {
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            return -EINVAL;
    }
    request->head_len += (size_t)len + 1;
    return 0;
}

void tb_sink_escape(const char *text, size_t len, struct tb_buf *out)
{
    size_t plain = 0;
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c >= ' ' && c != '"' && c != '\\')
            continue;
        tb_buf_add(out, text + plain, i - plain);
        if (c < ' ')
            tb_buf_addf(out, "\\u%04x", c);
        else
            tb_buf_adds(out, c == '"' ? "\\\"" : "\\\\");
        plain = i + 1;
    }
    tb_buf_add(out, text + plain, len - plain);
}

const char *tb_sink_next_header(const struct tb_sink_request *request, const char *line)
{
    const char *next = line ? line + strlen(line) + 1 : request->head;
    return next < request->head + request->head_len ? next : NULL;
}

void tb_sink_request_done(struct tb_sink_request *request)
{
    if (request)
        tb_buf_done(&request->body);
}
