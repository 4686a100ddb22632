/* client.h - asks a running agent over its Unix socket, or another server over loopback.
 *
 * The only file of the tool that calls libcurl. */
#ifndef TB_CLI_CLIENT_H
#define TB_CLI_CLIENT_H

#include "base/buf.h"

enum { TB_CLIENT_BODY_MAX = 4 << 20, TB_CLIENT_WHY = 256 };

struct tb_client_request {
    const char *socket; /* path of a Unix socket, or NULL: TCP */
    const char *url;    /* http://127.0.0.1:PORT/path; the host does not matter with a socket */
    const char *header; /* one "Name: value", or NULL */
    const char *json;   /* POSTed; NULL: GET */
    long timeout_ms;
};

/* Returns the HTTP status, body appended; or a negative errno with a sentence in why:
 * -ECONNREFUSED when nobody listens there, -ECONNRESET when the server went away in the middle,
 * -ETIMEDOUT, -EIO. */
int tb_client_ask(const struct tb_client_request *request, struct tb_buf *body,
                  char why[TB_CLIENT_WHY]);

#endif
