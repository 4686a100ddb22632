/* sink.h - a destination is two pure functions: encode an item, judge the reply. No I/O here. */
#ifndef TB_SINK_SINK_H
#define TB_SINK_SINK_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

enum tb_verdict {
    TB_VERDICT_ACK,   /* taken */
    TB_VERDICT_RETRY, /* not taken: again later */
    TB_VERDICT_SLOW,  /* the whole token must wait wait_ms */
    TB_VERDICT_DROP,  /* never taken as it is: quarantine, with the reason */
    TB_VERDICT_PARK   /* the token is refused: keep its queue, ask a person */
};

enum { TB_SINK_HEADERS = 8, TB_SINK_REASON = 256 };

struct tb_sink_request {
    const char *method; /* static; NULL: POST */
    char url[1024];
    char headers[TB_SINK_HEADERS][512]; /* "Name: value" */
    size_t n_headers;
    struct tb_buf body;
};

struct tb_sink_reply {
    int status;        /* HTTP status; 0 when there was none */
    const char *error; /* transport error text when status is 0 */
    const char *body;
    size_t body_len;
    int is_cut;     /* the body was longer than what was taken of it */
    int is_lasting; /* status is 0 for a reason that does not pass by itself: a certificate */
    int64_t now_s;  /* the time of the reply, since 1970, for dates in headers */
    /* Headers as they came, NULL where there was none. */
    const char *rate_remaining, *rate_remaining_s, *rate_reset, *retry_after;
};

struct tb_sink_judgement {
    enum tb_verdict verdict;
    int64_t wait_ms;             /* for SLOW; also with ACK when the window is used up */
    int may_repair;              /* for DROP: what repair makes of it may be taken */
    char reason[TB_SINK_REASON]; /* for people; never holds the token */
};

struct tb_sink_target {
    const char *endpoint; /* full URL */
    const char *token;
};

/* One row for each destination. */
struct tb_sink_type {
    const char *name;
    /* Makes the request for one item from the envelope's data object (JSON, starting with its
     * brace). out need not be initialised; free it with tb_sink_request_done whatever came back. 0;
     * -EMSGSIZE when the destination takes no item so large; -EINVAL when target or data can never
     * make a request; -ENOMEM. */
    int (*encode)(const struct tb_sink_target *target, const char *data, size_t len,
                  struct tb_sink_request *out);
    /* What the reply means for the item and its token. Takes any reply. */
    void (*judge)(const struct tb_sink_target *target, const struct tb_sink_reply *reply,
                  struct tb_sink_judgement *out);
    /* Makes another data object of one that was refused with that status, to be sent in its place;
     * the same one every time. 1 with it appended to out, 0 when there is nothing to be mended, or
     * a negative errno. */
    int (*repair)(int status, const char *data, size_t len, struct tb_buf *out);
};

extern const struct tb_sink_type tb_sink_rollbar;

void tb_sink_request_done(struct tb_sink_request *request);

#endif
