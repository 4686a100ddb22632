/* fetch.h - one file over HTTP or HTTPS, into a descriptor.
 *
 * Beside transport.h, which sends many small requests at once and keeps replies in memory: here one
 * thread waits for one reply that may be large, and follows redirects. These files are all of
 * the agent that calls libcurl.
 *
 * 1. All of it, redirects included, ends within timeout_ms, and no more than max_bytes are written.
 * 2. No other scheme than http and https is spoken, and none but https after https. Certificates
 *    are verified. A password in the URL goes to its host alone, and into no error text.
 * 3. One thread uses a fetcher. */
#ifndef TB_AGENT_FETCH_H
#define TB_AGENT_FETCH_H

#include <stdbool.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

enum { TB_FETCH_ERROR = 256, TB_FETCH_REDIRECTS = 5 };

struct tb_fetcher;

struct tb_fetch_request {
    const char *url;
    int fd;              /* where the body of a 200 is written; -1: nowhere */
    uint64_t max_bytes;  /* of that body */
    unsigned timeout_ms; /* not 0 */
    const char *magic;   /* what that body begins with; "" for anything; 15 bytes at most */
    /* What follows may be left out. */
    const char *method;         /* static; NULL: GET, or POST where there is something to post */
    const char *const *headers; /* "Name: value" */
    size_t n_headers;
    const char *post;   /* the request's body; NULL for none. No redirect is followed then */
    bool is_direct;     /* no proxy, no redirect: for addresses of this host */
    bool wants_refusal; /* the body of any status is written */
    const atomic_bool *is_over; /* it is given up, within a second, once that is true */
};

struct tb_fetch_reply {
    int status;                 /* of HTTP; 0: no answer came */
    uint64_t bytes;             /* that were written */
    char error[TB_FETCH_ERROR]; /* why not all of it came, for people; else "" */
};

/* 0 or -ENOMEM. */
int tb_fetcher_new(struct tb_fetcher **out);
void tb_fetcher_free(struct tb_fetcher *fetcher);
/* 0 when the reply is whole, whatever its status; -ETIMEDOUT; -EFBIG: the body is longer than
 * max_bytes; -EBADMSG: it begins otherwise; -EIO: everything else about the network; or the error
 * of writing it. reply is written always. */
int tb_fetch(struct tb_fetcher *fetcher, const struct tb_fetch_request *request,
             struct tb_fetch_reply *reply);
/* What libcurl says of a failure, as it may be shown: it quotes the whole address of a proxy that
 * it cannot read, with its password. text, or words of ours. */
const char *tb_fetch_said(const char *text);

#endif
