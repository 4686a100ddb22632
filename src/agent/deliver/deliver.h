/* deliver.h - the delivery thread of one sink: what is due for it in the outbox goes there.
 * deliveries.h has all of them.
 *
 * docs/delivery.md says what each status, header and failure does. In short:
 * 1. At least once: a row stays queued until its verdict is committed, and is sent again with the
 *    same uuid after a crash or a broken connection. Rollbar drops repeats.
 * 2. Each token has a queue, and they take turns; in each crashes come first, then by age. One item
 *    that is refused, one token that is paused and one connection that hangs hold up nothing else.
 * 3. Waiting is kept in the database (due_at, paused and parked tokens, an endpoint that rests), so
 *    it goes on after a restart; only parked tokens get a new chance then, since the settings may
 *    have changed.
 * 4. As many requests are under way as the endpoint bears, 1 to the sink's connections (pace.h).
 * One that answers nobody is tried with one request at a time, with back-off, until one goes
 * through.
 * 5. Verdicts are committed some at a time, 20 ms later at most. When one cannot be stored (full
 *    disk) it is kept and nothing new is taken until it can: a full disk does not become a storm of
 *    repeats.
 * 6. A request holds as many rows of one queue as the sink takes and as wait just then; each has
 * its own verdict. A batch that is refused as a whole is halved. All functions may be called from
 * any thread; stop by one, and last. The thread has its own handle of the store and its own
 * transport, and shares with the callers only what the mutex in struct tb_deliver guards, two
 * atomics, and the transport's wake. */
#ifndef TB_AGENT_DELIVER_H
#define TB_AGENT_DELIVER_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/config/config.h"
#include "sink/sink.h"
#include "store/store.h"

enum {
    TB_DELIVER_TOKENS = 16,
    TB_DELIVER_NAME = 48,
    TB_DELIVER_URL = 256,
    TB_DELIVER_OFF_DAYS = 14 /* then what waits for a sink that is off is dropped */
};

struct tb_deliver;

/* A sink as it is to be served; all is borrowed for the call, and NULL is "". sinks.h makes it of
 * the settings. */
struct tb_deliver_sink {
    const struct tb_sink_type *type;
    bool has_tokens;       /* its queues are access tokens: route.h */
    const char *section;   /* of the settings, for people */
    char endpoint[1024];   /* a URL; "": Amazon's of that region for */
    const char *service;   /* "logs", "xray" */
    const char *proxy;     /* "": that of the environment */
    const char *ca_file;   /* "": the system's */
    const char *cert_file; /* of the client; "": none */
    const char *key_file;  /* of that; "": it is in cert_file */
    unsigned timeout_ms, connections;
    /* The names of all sinks that are on: it drops what waits too long for others. "": it does not
     * look after those. */
    char all[128];
    struct tb_sink_settings settings; /* host NULL: this host's; region NULL: found out */
};

/* How one token does. */
struct tb_deliver_token {
    char name[TB_DELIVER_NAME]; /* "own", "project feedd*", "...89ab": never the secret */
    int64_t sent, refused;      /* since the start; refused for good */
    int64_t in_flight;
    int64_t paused_until_ms; /* wall clock; 0 when it is not paused */
    bool is_parked;
};

struct tb_deliver_status {
    char endpoint[TB_DELIVER_URL]; /* may hold a password; "": not known yet */
    /* Since the thread was started. */
    int64_t sent, retried, quarantined;
    int64_t in_flight;       /* requests under way */
    int64_t limit, max;      /* that there may be now, and ever */
    int64_t parked_tokens;   /* refused by Rollbar: a person must act */
    int64_t paused_until_ms; /* wall clock; 0 when no token is paused */
    int64_t retry_at_ms;     /* wall clock; when the endpoint that answers nobody is tried; or 0 */
    int64_t last_sent_ms, last_error_ms; /* wall clock; 0 when there was none */
    int last_http_status;                /* of the last error; 0 when there was no answer */
    char last_error[TB_SINK_REASON];     /* for people; stays after things went well again */
    char store_error[TB_STORE_WHY];      /* "" while the database takes verdicts */
    /* Those that were used last, the latest first. */
    struct tb_deliver_token tokens[TB_DELIVER_TOKENS];
    size_t n_tokens;
};

/* Opens the database in config's state folder and starts the thread. Both are copied. 0, or a
 * negative errno with why. */
int tb_deliver_start(const struct tb_config *config, const struct tb_deliver_sink *sink,
                     struct tb_deliver **out, char why[TB_STORE_WHY]);
/* Takes over all settings of delivery, which are copied; the type of sink stays. What waits goes on
 * with them, parked tokens get a new chance, and an endpoint that rests is tried at once; what is
 * under way ends first, with the settings it was sent with. 0, or a negative errno with why: then
 * nothing has changed. */
int tb_deliver_reload(struct tb_deliver *deliver, const struct tb_config *config,
                      const struct tb_deliver_sink *sink, char why[TB_STORE_WHY]);
/* New rows were committed. */
void tb_deliver_wake(struct tb_deliver *deliver);
/* True when all rows that were committed before the last wake and could be delivered now were tried
 * and their verdicts are stored: nothing is due or under way. Rows that wait (back-off, paused or
 * parked token, an endpoint or database that does not answer) do not count. */
bool tb_deliver_idle(struct tb_deliver *deliver);
/* Waits for that: true, or false after timeout_ms. */
bool tb_deliver_wait_idle(struct tb_deliver *deliver, unsigned timeout_ms);
void tb_deliver_status(struct tb_deliver *deliver, struct tb_deliver_status *out);
/* When its thread last looked, by the monotonic clock: once a minute at least where nothing is
 * stuck. */
uint64_t tb_deliver_turned_ns(const struct tb_deliver *deliver);
/* Takes nothing new, gives what is under way deadline_ms to end, breaks off the rest (it stays
 * queued), ends the thread and frees deliver. NULL is fine. */
void tb_deliver_stop(struct tb_deliver *deliver, unsigned deadline_ms);

#endif
