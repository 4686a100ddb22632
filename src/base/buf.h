/* buf.h - growing bytes with a cap from birth and a sticky error.
 *
 * Append as often as you like, then test err once: 0, -ENOMEM, or -EMSGSIZE when the cap was met.
 * After an error nothing more is appended. data is NUL-terminated whenever it is not NULL. */
#ifndef TB_BASE_BUF_H
#define TB_BASE_BUF_H

#include <stddef.h>
#include <stdint.h>

struct tb_buf {
    char *data; /* owned; NULL while empty */
    size_t len;
    size_t cap;
    size_t max; /* bytes that data may ever hold */
    int err;    /* sticky */
};

void tb_buf_init(struct tb_buf *buf, size_t max);
/* Frees the bytes; a zeroed or done buffer is fine. Keeps max. */
void tb_buf_done(struct tb_buf *buf);
/* Forgets content and error, keeps the memory. */
void tb_buf_reset(struct tb_buf *buf);
void tb_buf_add(struct tb_buf *buf, const void *data, size_t len);
void tb_buf_adds(struct tb_buf *buf, const char *text);
void tb_buf_addf(struct tb_buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The content as text: never NULL, "" when empty. Borrowed until the next change. */
const char *tb_buf_str(const struct tb_buf *buf);

#endif
