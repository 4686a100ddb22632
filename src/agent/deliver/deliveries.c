/* deliveries.c - see deliveries.h. */
#include "agent/deliver/deliveries.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/log.h"
#include "agent/serve/status.h"
#include "base/clock.h"

/* A sink that is on; deliver is NULL where it could not start. */
struct one {
    char name[TB_DELIVERY_NAME];
    const struct tb_sink_type *type;
    struct tb_deliver *deliver;
    char why[TB_STORE_WHY];
};

/* What one had counted that is off, or was: numbers only grow. */
struct past {
    char name[TB_DELIVERY_NAME];
    int64_t sent, retried, quarantined;
};

struct tb_deliveries {
    pthread_mutex_t lock; /* for changes of ones, and for looks by other threads */
    struct one ones[TB_DELIVERIES];
    size_t n;
    struct past past[TB_DELIVERIES]; /* under the lock */
    size_t n_past;
};

static struct one *find(struct tb_deliveries *deliveries, const char *name)
{
    for (size_t i = 0; i < deliveries->n; i++) {
        if (strcmp(deliveries->ones[i].name, name) == 0)
            return &deliveries->ones[i];
    }
    return NULL;
}

/* X-Ray by the daemon and by the API have one name. */
static bool is_among(const struct one *one, const struct tb_deliver_sink *sinks, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (sinks[i].type == one->type)
            return true;
    }
    return false;
}

/* ---- start and stop ---- */

/* Starts one that is not among the others, or did not start when it was tried before. */
static int start(struct tb_deliveries *deliveries, const struct tb_config *config,
                 const struct tb_deliver_sink *sink)
{
    const char *name = sink->type->name;
    struct one one = {.type = sink->type};
    (void)snprintf(one.name, sizeof(one.name), "%s", name);
    int err = tb_deliver_start(config, sink, &one.deliver, one.why);
    if (err == 0)
        one.why[0] = '\0';
    pthread_mutex_lock(&deliveries->lock);
    struct one *place = find(deliveries, name);
    if (!place && deliveries->n < TB_DELIVERIES)
        place = &deliveries->ones[deliveries->n++];
    if (place)
        *place = one;
    pthread_mutex_unlock(&deliveries->lock);
    return err;
}

static void say_failed(const struct one *one)
{
    tb_log(TB_LOG_ERROR, "delivery to %s does not start, what is for it waits: %s", one->name,
           one->why);
}

/* And why: variables of the environment may be there for others. */
static void say_on(const struct tb_config *config, const struct tb_deliver_sink *sink)
{
    char url[TB_STATUS_URL];
    char room[80];
    const char *from = sink->section ? tb_config_sink_from(config, sink->section, room) : "";
    tb_status_url(sink->endpoint, url);
    tb_log(TB_LOG_INFO, "delivery to %s is on%s%s%s%s", sink->type->name,
           from[0] != '\0' ? ", by " : "", from, url[0] != '\0' ? ": " : "", url);
}

int tb_deliveries_start(const struct tb_config *config, const struct tb_deliver_sink *sinks,
                        size_t n, struct tb_deliveries **out, char why[TB_STORE_WHY])
{
    struct tb_deliveries *deliveries = calloc(1, sizeof(*deliveries));
    if (!deliveries) {
        (void)snprintf(why, TB_STORE_WHY, "out of memory");
        return -ENOMEM;
    }
    (void)pthread_mutex_init(&deliveries->lock, NULL);
    int err = start(deliveries, config, &sinks[0]);
    if (err < 0) {
        (void)snprintf(why, TB_STORE_WHY, "%s", deliveries->ones[0].why);
        tb_deliveries_stop(deliveries, 0);
        return err;
    }
    tb_deliveries_change(deliveries, config, sinks, n, 0);
    *out = deliveries;
    return 0;
}

/* The thread that stops it waits for none of the others. */
struct stopping {
    struct tb_deliver *deliver;
    unsigned deadline_ms;
    pthread_t thread;
    bool has_thread;
};

static void *stop_one(void *arg)
{
    struct stopping *stopping = arg;
    tb_deliver_stop(stopping->deliver, stopping->deadline_ms);
    return NULL;
}

static void stop_all(struct stopping *list, size_t n)
{
    for (size_t i = 1; i < n; i++)
        list[i].has_thread = pthread_create(&list[i].thread, NULL, stop_one, &list[i]) == 0;
    for (size_t i = 0; i < n; i++) {
        if (list[i].has_thread)
            pthread_join(list[i].thread, NULL);
        else
            (void)stop_one(&list[i]);
    }
}

void tb_deliveries_stop(struct tb_deliveries *deliveries, unsigned deadline_ms)
{
    struct stopping list[TB_DELIVERIES];
    if (!deliveries)
        return;
    for (size_t i = 0; i < deliveries->n; i++)
        list[i] =
            (struct stopping){.deliver = deliveries->ones[i].deliver, .deadline_ms = deadline_ms};
    stop_all(list, deliveries->n);
    pthread_mutex_destroy(&deliveries->lock);
    free(deliveries);
}

/* ---- reload ---- */

int tb_deliveries_reload(struct tb_deliveries *deliveries, const struct tb_config *config,
                         const struct tb_deliver_sink *sinks, size_t n, char why[TB_STORE_WHY])
{
    int err = 0;
    for (size_t i = 0; i < n && err == 0; i++) {
        const struct one *one = find(deliveries, sinks[i].type->name);
        if (one && one->deliver && one->type == sinks[i].type)
            err = tb_deliver_reload(one->deliver, config, &sinks[i], why);
    }
    return err;
}

/* The lock is held. NULL: there is none, or no room for another one. */
static struct past *find_past(struct tb_deliveries *deliveries, const char *name, bool makes)
{
    for (size_t i = 0; i < deliveries->n_past; i++) {
        if (strcmp(deliveries->past[i].name, name) == 0)
            return &deliveries->past[i];
    }
    if (!makes || deliveries->n_past == TB_DELIVERIES)
        return NULL;
    struct past *past = &deliveries->past[deliveries->n_past++];
    (void)snprintf(past->name, sizeof(past->name), "%s", name);
    return past;
}

/* The lock is held. What it counts in its last moments is not in it. */
static void remember(struct tb_deliveries *deliveries, const struct one *one)
{
    struct past *past = one->deliver ? find_past(deliveries, one->name, true) : NULL;
    struct tb_deliver_status status;
    if (!past)
        return;
    tb_deliver_status(one->deliver, &status);
    past->sent += status.sent;
    past->retried += status.retried;
    past->quarantined += status.quarantined;
}

/* Those that are off now come out of the list. */
static size_t take_out(struct tb_deliveries *deliveries, const struct tb_deliver_sink *sinks,
                       size_t n, unsigned deadline_ms, struct stopping out[TB_DELIVERIES])
{
    size_t n_out = 0;
    size_t n_left = 0;
    pthread_mutex_lock(&deliveries->lock);
    for (size_t i = 0; i < deliveries->n; i++) {
        struct one *one = &deliveries->ones[i];
        if (is_among(one, sinks, n)) {
            deliveries->ones[n_left++] = *one;
            continue;
        }
        remember(deliveries, one);
        out[n_out++] = (struct stopping){.deliver = one->deliver, .deadline_ms = deadline_ms};
        tb_log(TB_LOG_INFO, "delivery to %s is off; what is queued for it stays", one->name);
    }
    deliveries->n = n_left;
    pthread_mutex_unlock(&deliveries->lock);
    return n_out;
}

void tb_deliveries_change(struct tb_deliveries *deliveries, const struct tb_config *config,
                          const struct tb_deliver_sink *sinks, size_t n, unsigned deadline_ms)
{
    struct stopping gone[TB_DELIVERIES] = {0};
    stop_all(gone, take_out(deliveries, sinks, n, deadline_ms, gone));
    for (size_t i = 0; i < n; i++) {
        const struct one *one = find(deliveries, sinks[i].type->name);
        if (one && one->deliver)
            continue;
        if (start(deliveries, config, &sinks[i]) < 0)
            say_failed(find(deliveries, sinks[i].type->name));
        else
            say_on(config, &sinks[i]);
    }
}

/* ---- any thread ---- */

void tb_deliveries_wake(struct tb_deliveries *deliveries)
{
    pthread_mutex_lock(&deliveries->lock);
    for (size_t i = 0; i < deliveries->n; i++) {
        if (deliveries->ones[i].deliver)
            tb_deliver_wake(deliveries->ones[i].deliver);
    }
    pthread_mutex_unlock(&deliveries->lock);
}

bool tb_deliveries_wait_idle(struct tb_deliveries *deliveries, unsigned timeout_ms)
{
    uint64_t until_ns = tb_clock_mono_ns() + (uint64_t)timeout_ms * TB_NS_PER_MS;
    for (size_t i = 0; i < deliveries->n; i++) {
        uint64_t now_ns = tb_clock_mono_ns();
        unsigned left_ms = until_ns > now_ns ? (unsigned)((until_ns - now_ns) / TB_NS_PER_MS) : 0;
        if (deliveries->ones[i].deliver &&
            !tb_deliver_wait_idle(deliveries->ones[i].deliver, left_ms))
            return false;
    }
    return true;
}

size_t tb_deliveries_look(struct tb_deliveries *deliveries,
                          struct tb_delivery_state out[TB_DELIVERIES])
{
    pthread_mutex_lock(&deliveries->lock);
    size_t n = deliveries->n;
    for (size_t i = 0; i < n; i++) {
        const struct one *one = &deliveries->ones[i];
        memset(&out[i], 0, sizeof(out[i]));
        memcpy(out[i].name, one->name, sizeof(out[i].name));
        memcpy(out[i].why, one->why, sizeof(out[i].why));
        if (one->deliver)
            tb_deliver_status(one->deliver, &out[i].status);
        const struct past *past = find_past(deliveries, one->name, false);
        out[i].status.sent += past ? past->sent : 0;
        out[i].status.retried += past ? past->retried : 0;
        out[i].status.quarantined += past ? past->quarantined : 0;
    }
    pthread_mutex_unlock(&deliveries->lock);
    return n;
}

void tb_deliveries_first(struct tb_deliveries *deliveries, struct tb_deliver_status *out)
{
    pthread_mutex_lock(&deliveries->lock);
    tb_deliver_status(deliveries->ones[0].deliver, out);
    pthread_mutex_unlock(&deliveries->lock);
}

uint64_t tb_deliveries_turned_ns(struct tb_deliveries *deliveries, char name[TB_DELIVERY_NAME])
{
    uint64_t first_ns = UINT64_MAX;
    name[0] = '\0';
    pthread_mutex_lock(&deliveries->lock);
    for (size_t i = 0; i < deliveries->n; i++) {
        if (!deliveries->ones[i].deliver)
            continue;
        uint64_t turned_ns = tb_deliver_turned_ns(deliveries->ones[i].deliver);
        if (turned_ns >= first_ns)
            continue;
        first_ns = turned_ns;
        memcpy(name, deliveries->ones[i].name, TB_DELIVERY_NAME);
    }
    pthread_mutex_unlock(&deliveries->lock);
    return first_ns;
}
