/* reply.h - an answer as text, as libevent would send it. */
#ifndef TB_HTTP_REPLY_H
#define TB_HTTP_REPLY_H

#include <stddef.h>

/* A 200 with that JSON as its body. Its length, or 0 when it does not fit. The loop's thread's. */
size_t tb_reply_print(const char *json, size_t len, char *out, size_t cap);

#endif
