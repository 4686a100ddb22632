/* tls_server.h - a Rollbar that says yes, over TLS, in a process of its own. */
#ifndef TB_BENCH_TLS_SERVER_H
#define TB_BENCH_TLS_SERVER_H

#include <sys/types.h>

#include "bench.h"

struct bench_tls {
    pid_t pid;
    int port;
    char ca_file[BENCH_PATH]; /* its certificate, made at the start */
    char url[64];
};

/* Takes items at https://localhost:port/api/1/item/ and answers each after delay_ms. 0 or a
 * negative errno. The process ends with its parent. */
int bench_tls_start(const char *folder, unsigned delay_ms, struct bench_tls *out);
void bench_tls_stop(struct bench_tls *server);

#endif
