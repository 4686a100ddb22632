/* quick.h - the head of a plain request, read without libevent: a POST whose head says nothing that
 * needs more than its target, its host, its token and its body. Pure.
 *
 * Most senders of items send exactly that, and reading it so costs a twentieth. What has anything
 * unusual is not read at all, and goes the way of all other requests. framing.h has seen every byte
 * before: it says where head and body end, and has refused what is malformed. */
#ifndef TB_HTTP_QUICK_H
#define TB_HTTP_QUICK_H

#include <stddef.h>

enum { TB_QUICK_HOST = 128, TB_QUICK_TOKEN = 256 };

struct tb_quick {
    const char *target; /* borrowed from data, as body is */
    size_t target_len;
    const char *body;
    size_t body_len;
    int has_token;
    char token[TB_QUICK_TOKEN]; /* the first X-Rollbar-Access-Token */
    char host[TB_QUICK_HOST];
};

/* data is a whole request of HTTP/1.1 without chunks, the first head_len bytes are its head. 0, or
 * -1 when it is none that this reads: another method, a header that changes what has to be done
 * (Connection but keep-alive, Content-Encoding, Expect, Origin), or values that are too long. */
int tb_quick_read(const char *data, size_t head_len, size_t len, struct tb_quick *out);

#endif
