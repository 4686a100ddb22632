/* buf.c - see buf.h. */
#include "base/buf.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void tb_buf_init(struct tb_buf *buf, size_t max)
{
    memset(buf, 0, sizeof(*buf));
    buf->max = max;
}

void tb_buf_done(struct tb_buf *buf)
{
    if (!buf)
        return;
    free(buf->data);
    tb_buf_init(buf, buf->max);
}

void tb_buf_reset(struct tb_buf *buf)
{
    buf->len = 0;
    buf->err = 0;
    if (buf->data)
        buf->data[0] = '\0';
}

/* Room for len more bytes and the NUL. */
static int reserve(struct tb_buf *buf, size_t len)
{
    if (buf->err)
        return buf->err;
    if (len > buf->max - buf->len)
        return buf->err = -EMSGSIZE;
    size_t need = buf->len + len + 1;
    if (need <= buf->cap)
        return 0;
    size_t cap = buf->cap ? buf->cap : 256;
    while (cap < need)
        cap *= 2;
    char *data = realloc(buf->data, cap);
    if (!data)
        return buf->err = -ENOMEM;
    buf->data = data;
    buf->cap = cap;
    return 0;
}

void tb_buf_add(struct tb_buf *buf, const void *data, size_t len)
{
    if (len == 0 || reserve(buf, len) < 0)
        return;
    memcpy(buf->data + buf->len, data, len);
    buf->len += len;
    buf->data[buf->len] = '\0';
}

void tb_buf_adds(struct tb_buf *buf, const char *text)
{
    tb_buf_add(buf, text, strlen(text));
}

void tb_buf_addf(struct tb_buf *buf, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (len < 0) {
        buf->err = buf->err ? buf->err : -EINVAL;
        return;
    }
    if (reserve(buf, (size_t)len) < 0)
        return;
    va_start(args, format);
    (void)vsnprintf(buf->data + buf->len, (size_t)len + 1, format, args);
    va_end(args);
    buf->len += (size_t)len;
}

const char *tb_buf_str(const struct tb_buf *buf)
{
    return buf->data ? buf->data : "";
}
