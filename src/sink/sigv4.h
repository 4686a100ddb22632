/* sigv4.h - Signature Version 4 of AWS: a request with the headers that prove who sends it.
 *
 * 1. Every header that stands in the request is signed, and the host as curl sends it, but those
 *    that proxies change: user-agent, expect, connection, transfer-encoding, x-amzn-trace-id.
 * 2. The path is encoded once more than it is sent, as every service but S3 wants it.
 * 3. The secret is in nothing that comes out; what is derived from it is wiped.
 * Source: AWS "Create a signed AWS API request"; botocore's botocore/auth.py. */
#ifndef TB_SINK_SIGV4_H
#define TB_SINK_SIGV4_H

#include "sink/sink.h"

enum { TB_SIGV4_HASH = 32, TB_SIGV4_HEX = 65, TB_SIGV4_DATE = 17 };

/* Adds X-Amz-Date, X-Amz-Security-Token where there is a session, and Authorization. The request is
 * complete before: what is added later is not signed. 0; -EINVAL: no URL of http or https, no
 * credentials, no room among the headers; -ENOMEM. */
int tb_sigv4_sign(struct tb_sink_request *request, const struct tb_sink_target *target,
                  const char *region, const char *service);

/* The address of a service in a region, "https://logs.ca-central-1.amazonaws.com/". 0, or -EINVAL
 * for what is no region. */
int tb_sigv4_endpoint(const char *region, const char *service, char *out, size_t cap);

/* The steps of it, for tests. out is appended to. */
struct tb_sigv4_scope {
    const char *date; /* "20261122T092741Z" */
    const char *region, *service;
};
/* names: of the signed headers, "host;x-amz-date". 0, -EINVAL or -ENOMEM. */
int tb_sigv4_canonical(const struct tb_sink_request *request, struct tb_buf *out,
                       struct tb_buf *names);
int tb_sigv4_to_sign(const struct tb_sigv4_scope *scope, const struct tb_buf *canonical,
                     struct tb_buf *out);
/* 0 or -EINVAL. */
int tb_sigv4_key(const struct tb_sigv4_scope *scope, const char *secret,
                 unsigned char out[TB_SIGV4_HASH]);
int tb_sigv4_signature(const unsigned char key[TB_SIGV4_HASH], const struct tb_buf *to_sign,
                       char out[TB_SIGV4_HEX]);
/* The time as scope has it. 0, or -EINVAL for a year over 9999. */
int tb_sigv4_date(int64_t now_ms, char out[TB_SIGV4_DATE]);

#endif
