/* deliver_status.c - what the operator and the other threads are told. */
#include "agent/deliver/deliver_internal.h"

#include <stdio.h>
#include <string.h>

#include "agent/log.h"
#include "base/clock.h"

enum { SAY_EVERY_S = 10, TELL_TOKENS_MS = 50 };

int64_t tb_deliver_wall_ms(void)
{
    return (int64_t)(tb_clock_wall_ns() / TB_NS_PER_MS);
}

bool tb_deliver_may_say(struct tb_deliver *deliver, enum said kind, unsigned *n_more)
{
    uint64_t now = tb_clock_mono_ns();
    uint64_t *last = &deliver->said_ns[kind];
    if (*last > 0 && now - *last < (uint64_t)SAY_EVERY_S * TB_NS_PER_S) {
        deliver->n_unsaid[kind]++;
        return false;
    }
    *last = now;
    *n_more = deliver->n_unsaid[kind];
    deliver->n_unsaid[kind] = 0;
    return true;
}

/* ---- one verdict ---- */

/* Whose token or which queue it is, for a line about that: " (...)", or "". */
static void name_queue(const struct tb_deliver *deliver, const struct tb_queue *queue, char *out,
                       size_t cap)
{
    char name[TB_DELIVER_NAME];
    bool has_tokens = deliver->setup->sink.has_tokens;
    tb_deliver_name_queue(deliver, queue, name);
    if (has_tokens && queue->token[0] == '\0')
        (void)snprintf(out, cap, " (the agent's: set rollbar.token_file and reload)");
    else if (queue->token[0] != '\0')
        (void)snprintf(out, cap, " (%s)", name);
}

/* Parked without an answer: nothing was asked, because there is no token. */
static const char *parked_words(const struct tb_deliver *deliver, const struct slot *slot)
{
    if (!deliver->setup->sink.has_tokens)
        return "refused, all for it waits until the settings are mended and read again";
    return slot->http_status == 0 ? "waits for an access token (set rollbar.token_file and reload)"
                                  : "access token refused, its items wait for a right one";
}

static void log_verdict(struct tb_deliver *deliver, const struct slot *slot)
{
    static const struct {
        enum said kind;
        enum tb_log_level level;
        const char *what;
    } LINES[] = {
        [TB_VERDICT_ACK] = {SAID_SENT, TB_LOG_INFO, "items go through again"},
        [TB_VERDICT_RETRY] = {SAID_RETRY, TB_LOG_WARNING, "not taken, will be tried again"},
        [TB_VERDICT_SLOW] = {SAID_SLOW, TB_LOG_WARNING, "told to slow down"},
        [TB_VERDICT_DROP] = {SAID_DROP, TB_LOG_WARNING, "refused for good, quarantined"},
        [TB_VERDICT_PARK] = {SAID_PARK, TB_LOG_ERROR, NULL},
    };
    const struct tb_sink_judgement *judgement = &slot->judgement;
    bool is_ack = judgement->verdict == TB_VERDICT_ACK;
    const char *what = judgement->verdict == TB_VERDICT_PARK ? parked_words(deliver, slot)
                                                             : LINES[judgement->verdict].what;
    char whose[160] = ""; /* of several tokens, which */
    unsigned n_more = 0;
    if (is_ack && judgement->reason[0] != '\0' && tb_deliver_may_say(deliver, SAID_NOTED, &n_more))
        tb_log(TB_LOG_WARNING, "delivery to %s: item %s was sent: %s", deliver->sink->name,
               slot->uuid, judgement->reason);
    if (is_ack && !deliver->in_trouble)
        return;
    deliver->in_trouble = !is_ack;
    if (!tb_deliver_may_say(deliver, LINES[judgement->verdict].kind, &n_more))
        return;
    if (judgement->verdict == TB_VERDICT_PARK && slot->http_status != 0)
        name_queue(deliver, slot->queue, whose, sizeof(whose));
    if (is_ack)
        tb_log(TB_LOG_INFO, "delivery to %s: items go through again", deliver->sink->name);
    else if (n_more > 0)
        tb_log(LINES[judgement->verdict].level, "delivery to %s: item %s and %u more: %s%s: %s",
               deliver->sink->name, slot->uuid, n_more, what, whose, judgement->reason);
    else
        tb_log(LINES[judgement->verdict].level, "delivery to %s: item %s: %s%s: %s",
               deliver->sink->name, slot->uuid, what, whose, judgement->reason);
}

/* The lock is held. */
static void count_verdict(struct tb_deliver_status *status, const struct slot *slot, int64_t now_ms)
{
    const struct tb_sink_judgement *judgement = &slot->judgement;
    if (judgement->verdict == TB_VERDICT_ACK) {
        status->sent++;
        status->last_sent_ms = now_ms;
        return;
    }
    if (judgement->verdict == TB_VERDICT_DROP)
        status->quarantined++;
    else
        status->retried++;
    status->last_error_ms = now_ms;
    status->last_http_status = slot->http_status;
    memcpy(status->last_error, judgement->reason, sizeof(status->last_error));
}

void tb_deliver_tell(struct tb_deliver *deliver)
{
    int64_t now_ms = tb_deliver_wall_ms();
    for (size_t i = 0; i < deliver->n_judged; i++)
        log_verdict(deliver, deliver->judged[i]);
    pthread_mutex_lock(&deliver->lock);
    for (size_t i = 0; i < deliver->n_judged; i++)
        count_verdict(&deliver->status, deliver->judged[i], now_ms);
    pthread_mutex_unlock(&deliver->lock);
}

void tb_deliver_tell_trouble(struct tb_deliver *deliver, const char *why)
{
    unsigned n_more = 0;
    deliver->in_trouble = true;
    if (tb_deliver_may_say(deliver, SAID_RETRY, &n_more))
        tb_log(TB_LOG_WARNING, "delivery to %s: all waits: %s", deliver->sink->name, why);
    pthread_mutex_lock(&deliver->lock);
    deliver->status.last_error_ms = tb_deliver_wall_ms();
    deliver->status.last_http_status = 0;
    (void)snprintf(deliver->status.last_error, sizeof(deliver->status.last_error), "%s", why);
    pthread_mutex_unlock(&deliver->lock);
}

/* ---- all of it ---- */

/* The lock is held. */
static void tell_token(const struct tb_deliver *deliver, const struct tb_queue *queue,
                       struct tb_deliver_token *out)
{
    int64_t now_ms = tb_deliver_wall_ms();
    memset(out, 0, sizeof(*out));
    tb_deliver_name_queue(deliver, queue, out->name);
    out->sent = queue->sent;
    out->refused = queue->refused;
    out->in_flight = queue->n_flying;
    out->paused_until_ms = queue->until_ms > now_ms ? queue->until_ms : 0;
    out->is_parked = queue->is_parked;
}

/* The lock is held. The tokens that were used last. */
static void tell_tokens(struct tb_deliver *deliver)
{
    struct tb_deliver_status *status = &deliver->status;
    const struct tb_queue *used[TB_DELIVER_TOKENS] = {NULL};
    status->n_tokens = 0;
    for (size_t i = 0; i < deliver->queues->n; i++) {
        const struct tb_queue *queue = &deliver->queues->queues[i];
        size_t at = status->n_tokens;
        if (queue->id == 0)
            continue;
        for (; at > 0 && used[at - 1]->used_ns < queue->used_ns; at--) {
            if (at < TB_DELIVER_TOKENS)
                used[at] = used[at - 1];
        }
        if (at < TB_DELIVER_TOKENS)
            used[at] = queue;
        status->n_tokens += status->n_tokens < TB_DELIVER_TOKENS;
    }
    for (size_t i = 0; i < status->n_tokens && used[i]; i++)
        tell_token(deliver, used[i], &status->tokens[i]);
}

void tb_deliver_publish(struct tb_deliver *deliver, uint64_t asked)
{
    int64_t now_ms = tb_deliver_wall_ms();
    uint64_t now_ns = tb_clock_mono_ns();
    bool rests = tb_deliver_store_rests(deliver);
    bool is_over = deliver->holds.paused_until_ms > 0 && deliver->holds.paused_until_ms <= now_ms;
    if (!rests && (deliver->holds_changed || is_over) &&
        tb_store_holds(deliver->store, deliver->sink->name, now_ms, &deliver->holds) == 0)
        deliver->holds_changed = false;
    deliver->has_parked = deliver->holds.parked_tokens > 0;
    bool is_held = tb_deliver_is_broken(deliver) && deliver->hold_until_ns > now_ns;
    bool is_ready =
        !rests && !is_held &&
        (deliver->is_stale || deliver->next_ms <= now_ms || tb_deliver_has_ready(deliver));
    pthread_mutex_lock(&deliver->lock);
    struct tb_deliver_status *status = &deliver->status;
    (void)snprintf(status->endpoint, sizeof(status->endpoint), "%.255s",
                   deliver->setup->sink.endpoint);
    status->parked_tokens = deliver->holds.parked_tokens;
    status->paused_until_ms = deliver->holds.paused_until_ms;
    status->in_flight = (int64_t)deliver->n_flying;
    status->limit = tb_deliver_is_broken(deliver) ? 1 : tb_pace_limit(&deliver->pace);
    status->max = deliver->setup->sink.connections;
    status->retry_at_ms =
        is_held ? now_ms + (int64_t)((deliver->hold_until_ns - now_ns) / TB_NS_PER_MS) : 0;
    deliver->handled = rests || is_held ? asked : deliver->seen;
    deliver->is_idle = deliver->n_flying == 0 && !is_ready && !deliver->next_setup &&
                       (rests || deliver->n_judged == 0);
    if (deliver->is_idle || now_ns - deliver->told_ns > (uint64_t)TELL_TOKENS_MS * TB_NS_PER_MS) {
        tell_tokens(deliver);
        deliver->told_ns = now_ns;
    }
    pthread_cond_broadcast(&deliver->changed);
    pthread_mutex_unlock(&deliver->lock);
}
