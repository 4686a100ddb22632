/* client.h - asks a running agent over its Unix socket, or another server over loopback; and tries
 * whether a server can be reached.
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
    const char *method; /* with json: another than POST; or NULL */
    long timeout_ms;
};

/* A server that is only connected to. */
struct tb_client_peer {
    const char *url;     /* http or https */
    const char *proxy;   /* "": what the environment says */
    const char *ca_file; /* "": the system's */
    long timeout_ms;
};

/* Name, connection, proxy and TLS, and then hangs up: nothing is asked. 0, or a negative errno with
 * a sentence in why. */
int tb_client_connect(const struct tb_client_peer *peer, char why[TB_CLIENT_WHY]);

/* Asks the server for nothing (HEAD) and takes its Date, in seconds since 1970, 0 when it says
 * none. 0 whatever the status was, or a negative errno with a sentence in why. */
int tb_client_date(const struct tb_client_peer *peer, int64_t *out, char why[TB_CLIENT_WHY]);

/* Returns the HTTP status, body appended; or a negative errno with a sentence in why:
 * -ECONNREFUSED when nobody listens there, -ECONNRESET when the server went away in the middle,
 * -ETIMEDOUT, -EIO. */
int tb_client_ask(const struct tb_client_request *request, struct tb_buf *body,
                  char why[TB_CLIENT_WHY]);

#endif
