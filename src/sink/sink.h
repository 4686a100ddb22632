/* sink.h - a destination is a few pure functions: encode items, judge the reply. No I/O here; all
 * waiting, trying again, signing time and credentials come from the agent. docs/sinks.md. */
#ifndef TB_SINK_SINK_H
#define TB_SINK_SINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

enum tb_verdict {
    TB_VERDICT_ACK,    /* taken */
    TB_VERDICT_RETRY,  /* not taken: again later */
    TB_VERDICT_SLOW,   /* the whole queue must wait wait_ms */
    TB_VERDICT_DROP,   /* never taken as it is: quarantine, with the reason */
    TB_VERDICT_PARK,   /* the queue is refused: keep it, ask a person */
    TB_VERDICT_CREATE, /* what they are to go into is not there: prepare, then again */
    TB_VERDICT_RENEW   /* credentials or clock were refused: new ones, then again */
};

enum { TB_SINK_HEAD_BYTES = 6144, TB_SINK_REASON = 256, TB_SINK_BATCH = 64 };

struct tb_sink_request {
    const char *method; /* static; NULL: POST */
    char url[1024];     /* "udp://HOST:PORT": body is one datagram, and there is no reply */
    char head[TB_SINK_HEAD_BYTES]; /* lines "Name: value", each with a NUL behind it: */
    size_t head_len;               /* tb_sink_header adds them */
    struct tb_buf body;
};

struct tb_sink_reply {
    int status;        /* HTTP status; 200 for a datagram that was sent; 0 when there was none */
    const char *error; /* transport error text when status is 0 */
    const char *body;
    size_t body_len;
    int is_cut;     /* the body was longer than what was taken of it */
    int is_lasting; /* status is 0 for a reason that does not pass by itself: a certificate */
    int64_t now_s;  /* the time of the reply, since 1970, for dates in headers */
    /* Headers as they came, NULL where there was none. */
    const char *rate_remaining, *rate_remaining_s, *rate_reset, *retry_after;
    const char *date, *error_type; /* Date; x-amzn-errortype */
};

struct tb_sink_judgement {
    enum tb_verdict verdict;
    int64_t wait_ms;  /* for SLOW; also with ACK when the window is used up */
    int may_repair;   /* for DROP: what repair makes of it may be taken */
    int64_t clock_ms; /* for RENEW: the service's clock less ours; 0: it is the credentials */
    char reason[TB_SINK_REASON]; /* for people; never holds the token. With ACK: what else was said
                                  */
};

/* One item of a request; all borrowed. */
struct tb_sink_item {
    const char *uuid; /* text form */
    const char *data; /* the envelope's data object, JSON, starting with its brace */
    size_t len;
    const char *why; /* set by encode, a static text: no request can be made of this one */
    void *tag;       /* the caller's */
};

/* Amazon's; "" for no session. */
struct tb_sink_credentials {
    const char *key_id, *secret, *session;
};

/* What may not leave for a sink. */
struct tb_sink_omit {
    bool source, request, person;
};

/* What a sink is told beside its address; strings are "" where unknown, never NULL. Each sink uses
 * its own part. */
struct tb_sink_settings {
    const char *host; /* the agent's, for items that name none */
    struct tb_sink_omit omit;
    /* otlp */
    const char *const *headers; /* "name: value", without those of the protocol */
    size_t n_headers;
    bool is_plain; /* bodies are not compressed */
    /* xray */
    const char *name_pattern; /* AWS_XRAY_URL: a request host that fits it is the segment's name */
    const char *name;         /* AWS_XRAY_TRACING_NAME: the name instead of the service's */
    const char *origin;       /* "AWS::ECS::Container" and the like */
    /* xray and cloudwatch */
    const char *region, *log_group;
    /* cloudwatch */
    unsigned retention_days; /* 0: is not set */
    bool drops_old;          /* items of over 14 days are dropped, not sent with today's time */
    bool has_metrics;        /* records are also EMF: a count by service and class */
};

struct tb_sink_target {
    const char *endpoint; /* full URL */
    const char *token;    /* of the queue: Rollbar's access token; the name of a log stream */
    const struct tb_sink_settings *settings;       /* NULL for Rollbar */
    const struct tb_sink_credentials *credentials; /* NULL where the sink signs nothing */
    int64_t now_ms; /* wall clock, by the service's clock as far as that is known */
};

/* One row for each destination. */
struct tb_sink_type {
    const char *name;
    unsigned batch;   /* items that one request may hold, 1 to TB_SINK_BATCH */
    size_t max_bytes; /* of data that one request is given; a single item may be larger */
    bool is_signed;   /* encode needs credentials */
    /* Makes one request of the first items, as many as fit; all have the same queue. It may put the
     * items into another order; those in the request then come first. Items that can never be sent
     * get why, count among those, and are left out. out need not be initialised; free it with
     * tb_sink_request_done whatever came back. How many items are settled by it, 1 to n; when all
     * of them have why there is no request, and out->body is empty. -EMSGSIZE (of one item alone)
     * when the destination takes no item so large; -EINVAL when target or data can never make a
     * request; -ENOMEM. */
    int (*encode)(const struct tb_sink_target *target, struct tb_sink_item *items, size_t n,
                  struct tb_sink_request *out);
    /* What the reply means for each of the items that encode settled, in its order and without
     * those that have why, and for their queue. Takes any reply. */
    void (*judge)(const struct tb_sink_target *target, const struct tb_sink_reply *reply,
                  const struct tb_sink_item *items, size_t n, struct tb_sink_judgement *out);
    /* NULL where nothing can be mended. Makes another data object of one that was refused with that
     * status, to be sent in its place; the same one every time. 1 with it appended to out, 0 when
     * there is nothing to be mended, or a negative errno. */
    int (*repair)(int status, const char *data, size_t len, struct tb_buf *out);
    /* NULL where no verdict is CREATE. The requests that make what is missing, step 0 on: 1 with
     * out to be sent; 0: that was all, the items are to be sent again; or a negative errno. */
    int (*prepare)(const struct tb_sink_target *target, unsigned step, struct tb_sink_request *out);
    /* What the reply to one of them means: ACK goes on with the next step, anything else is the
     * verdict of the items that wait for it. */
    void (*judge_step)(const struct tb_sink_target *target, unsigned step,
                       const struct tb_sink_reply *reply, struct tb_sink_judgement *out);
};

extern const struct tb_sink_type tb_sink_rollbar, tb_sink_otlp, tb_sink_otlp_spans,
    tb_sink_cloudwatch;
/* The one of that name, or NULL. */
const struct tb_sink_type *tb_sink_find(const char *name);
/* Both have the name "xray": that of the daemon, to udp://HOST:PORT, and that of the API. */
extern const struct tb_sink_type tb_sink_xray, tb_sink_xray_api;

/* Adds a header, in printf form. 0, or -EINVAL when it would hold a control character or there is
 * no room. */
int tb_sink_header(struct tb_sink_request *request, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* The line behind that one, the first behind NULL; NULL: it was the last. */
const char *tb_sink_next_header(const struct tb_sink_request *request, const char *line);
/* Adds UTF-8 text as it stands in a JSON string, without the quotes. */
void tb_sink_escape(const char *text, size_t len, struct tb_buf *out);
/* An empty request to the target's endpoint whose body may have max_bytes. 0, or -EINVAL for an
 * endpoint that is no URL. */
int tb_sink_request_init(struct tb_sink_request *request, const char *endpoint, size_t max_bytes);
void tb_sink_request_done(struct tb_sink_request *request);

#endif
