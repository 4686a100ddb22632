/* deploys.c - see deploys.h. */
#include "agent/deploys/deploys.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "agent/deliver/backoff.h"
#include "agent/deliver/transport.h"
#include "agent/log.h"
#include "agent/wait.h"
#include "base/clock.h"
#include "base/fd.h"
#include "sink/deploy.h"
#include "sink/rollbar.h"
#include "store/deploys.h"

enum { LOOK_EVERY_MS = 60 * 1000, STORE_RETRY_MS = 5000 };

/* What came of a try and is not stored yet. */
struct outcome {
    bool is_there;
    struct tb_deploy_verdict verdict; /* its texts are these */
    char reason[TB_SINK_REASON], status[TB_DEPLOY_STATUS];
};

struct tb_deploys {
    char *state_dir, *endpoint, *token;
    unsigned timeout_ms, retry_min_ms, retry_max_ms;
    struct tb_transport *transport;
    int wake_fd;
    struct tb_store *store; /* the working thread's */
    struct outcome outcome; /* the same */
    atomic_bool is_stopping;
    uint64_t stop_at_ns;  /* monotonic; written before is_stopping: gives up then */
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t changed;
    pthread_t thread;
    bool has_thread; /* to be joined */
    bool is_running;
    bool is_asked; /* since the last look */
};

/* A row on its way; all texts are owned. */
struct trip {
    bool is_there;
    int64_t id, remote_id;
    int attempts;
    char *environment, *revision, *status, *comment, *local_username, *rollbar_username, *token;
};

static int64_t wall_ms(void)
{
    return (int64_t)(tb_clock_wall_ns() / TB_NS_PER_MS);
}

/* ---- one of them ---- */

static void trip_done(struct trip *trip)
{
    char *const texts[] = {trip->environment, trip->revision,       trip->status,
                           trip->comment,     trip->local_username, trip->rollbar_username,
                           trip->token};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        free(texts[i]);
}

static int take(void *arg, const struct tb_deploy *row)
{
    struct trip *trip = arg;
    const struct {
        char **to;
        const char *text;
    } texts[] = {{&trip->environment, row->environment},
                 {&trip->revision, row->revision},
                 {&trip->status, row->status},
                 {&trip->comment, row->comment},
                 {&trip->local_username, row->local_username},
                 {&trip->rollbar_username, row->rollbar_username},
                 {&trip->token, row->token}};
    trip->is_there = true;
    trip->id = row->id;
    trip->remote_id = row->remote_id;
    trip->attempts = row->attempts;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        *texts[i].to = strdup(texts[i].text);
        trip->is_there = trip->is_there && *texts[i].to != NULL;
    }
    return 1;
}

/* How long what is under way may still be waited for; 0: no more. */
static int patience_ms(const struct tb_deploys *deploys)
{
    uint64_t now_ns = tb_clock_mono_ns();
    if (!atomic_load(&deploys->is_stopping))
        return LOOK_EVERY_MS;
    return deploys->stop_at_ns > now_ns ? (int)((deploys->stop_at_ns - now_ns) / TB_NS_PER_MS) + 1
                                        : 0;
}

/* Sends and waits. The verdict on what came back; http_status 0 while stopping: nothing did. */
static void ask(struct tb_deploys *deploys, const struct tb_sink_target *target,
                const struct tb_sink_request *request, struct tb_sink_judgement *out,
                int64_t *remote_id, int *http_status)
{
    struct tb_sink_reply reply = {.error = "it was given up"};
    void *tag;
    int err = tb_transport_send(deploys->transport, request, deploys);
    if (err < 0)
        reply.error = strerrordesc_np(-err);
    while (err == 0 && tb_transport_next(deploys->transport, &tag, &reply) == 0) {
        int wait_ms = patience_ms(deploys);
        if (wait_ms == 0)
            break;
        err = tb_transport_run(deploys->transport, wait_ms);
    }
    tb_rollbar_judge(target, &reply, out);
    *http_status = reply.status;
    if (out->verdict == TB_VERDICT_ACK)
        *remote_id = tb_sink_deploy_id(reply.body, reply.body_len);
}

static void say(const struct trip *trip, const struct tb_sink_judgement *judgement)
{
    if (judgement->verdict == TB_VERDICT_ACK)
        tb_log(TB_LOG_INFO, "Rollbar knows deploy %lld: %s %.100s", (long long)trip->id,
               trip->status, trip->revision);
    else
        tb_log(TB_LOG_WARNING, "deploy %lld (%.100s): %s%s", (long long)trip->id, trip->revision,
               judgement->reason,
               judgement->verdict == TB_VERDICT_DROP ? "" : "; it is tried again");
}

/* Until it is stored nothing else is sent: what Rollbar has taken would be told again and again. */
static int store_outcome(struct tb_deploys *deploys)
{
    int err = tb_store_deploy_verdict(deploys->store, &deploys->outcome.verdict);
    if (err < 0)
        tb_log(TB_LOG_WARNING, "deploys wait for the database: %s", tb_store_error(deploys->store));
    deploys->outcome.is_there = err < 0;
    return err;
}

static int settle(struct tb_deploys *deploys, const struct trip *trip,
                  const struct tb_sink_judgement *judgement, int64_t remote_id, int http_status)
{
    struct outcome *outcome = &deploys->outcome;
    struct tb_deploy_verdict *verdict = &outcome->verdict;
    *outcome = (struct outcome){.verdict = {.id = trip->id,
                                            .state = TB_DEPLOY_QUEUED,
                                            .remote_id = remote_id,
                                            .due_at_ms = wall_ms(),
                                            .http_status = http_status,
                                            .reason = outcome->reason}};
    (void)snprintf(outcome->reason, sizeof(outcome->reason), "%s", judgement->reason);
    (void)snprintf(outcome->status, sizeof(outcome->status), "%s", trip->status);
    switch (judgement->verdict) {
    case TB_VERDICT_ACK:
        verdict->state = TB_DEPLOY_SENT;
        verdict->sent_status = outcome->status;
        break;
    case TB_VERDICT_DROP:
        verdict->state = TB_DEPLOY_REFUSED;
        break;
    case TB_VERDICT_SLOW:
        verdict->due_at_ms += judgement->wait_ms;
        break;
    case TB_VERDICT_PARK:
        verdict->due_at_ms += deploys->retry_max_ms;
        break;
    case TB_VERDICT_RETRY:
    case TB_VERDICT_CREATE:
    case TB_VERDICT_RENEW:
    default:
        verdict->due_at_ms += tb_backoff_ms(deploys->retry_min_ms, deploys->retry_max_ms,
                                            trip->attempts > 0 ? (unsigned)trip->attempts : 0);
        break;
    }
    say(trip, judgement);
    return store_outcome(deploys);
}

static int send_one(struct tb_deploys *deploys, const struct trip *trip)
{
    const struct tb_sink_target target = {.endpoint = deploys->endpoint,
                                          .token = trip->token[0] != '\0' ? trip->token
                                                                          : deploys->token};
    const struct tb_sink_deploy deploy = {.environment = trip->environment,
                                          .revision = trip->revision,
                                          .status = trip->status,
                                          .comment = trip->comment,
                                          .local_username = trip->local_username,
                                          .rollbar_username = trip->rollbar_username,
                                          .remote_id = trip->remote_id};
    struct tb_sink_request request;
    struct tb_sink_judgement judgement = {.verdict = TB_VERDICT_PARK};
    int64_t remote_id = 0;
    int http_status = 0;
    int err = tb_sink_deploy_encode(&target, &deploy, &request);
    if (err == 0)
        ask(deploys, &target, &request, &judgement, &remote_id, &http_status);
    else
        (void)snprintf(judgement.reason, sizeof(judgement.reason), "%s",
                       target.token[0] == '\0' ? "there is no access token"
                                               : strerrordesc_np(-err));
    tb_sink_request_done(&request);
    /* What was under way when the agent ends is not known: it stays as it was. */
    if (atomic_load(&deploys->is_stopping) && http_status == 0)
        return -EINTR;
    return settle(deploys, trip, &judgement, remote_id, http_status);
}

/* Tries all that is due now. When the next one is due; -1: nothing is queued; less: an error, or
 * it is to stop. */
static int64_t look(struct tb_deploys *deploys)
{
    int64_t now_ms = wall_ms();
    while (!atomic_load(&deploys->is_stopping)) {
        struct trip trip = {0};
        int err = deploys->outcome.is_there ? store_outcome(deploys) : 0;
        if (err == 0)
            err = tb_store_deploys_due(deploys->store, now_ms, 1, take, &trip);
        bool is_there = trip.is_there;
        if (err == 0 && is_there)
            err = send_one(deploys, &trip);
        trip_done(&trip);
        if (err < 0)
            return err - 1;
        if (!is_there)
            return tb_store_deploys_next(deploys->store);
    }
    return -EINTR - 1;
}

static int open_store(struct tb_deploys *deploys)
{
    char why[TB_STORE_WHY];
    int err = deploys->store != NULL
                  ? 0
                  : tb_store_open(deploys->state_dir, TB_STORE_WRITE, &deploys->store, why);
    if (err < 0)
        tb_log(TB_LOG_WARNING, "deploys cannot be sent: %s", why);
    return err;
}

/* ---- the thread ---- */

/* Until at_ms of the wall clock, or until asked. The lock is held. */
static void wait_until(struct tb_deploys *deploys, int64_t at_ms)
{
    int64_t left_ms = at_ms - wall_ms();
    /* A clock that was set back makes the past look like the future: it looks every minute. */
    if (left_ms > LOOK_EVERY_MS)
        left_ms = LOOK_EVERY_MS;
    uint64_t end_ns = tb_clock_mono_ns() + (uint64_t)(left_ms > 0 ? left_ms : 1) * TB_NS_PER_MS;
    if (!deploys->is_asked && !atomic_load(&deploys->is_stopping))
        (void)tb_wait_until(&deploys->changed, &deploys->lock, end_ns);
}

static void *run(void *arg)
{
    struct tb_deploys *deploys = arg;
    pthread_mutex_lock(&deploys->lock);
    while (!atomic_load(&deploys->is_stopping)) {
        deploys->is_asked = false;
        pthread_mutex_unlock(&deploys->lock);
        int64_t next_ms = open_store(deploys) == 0 ? look(deploys) : -2;
        pthread_mutex_lock(&deploys->lock);
        if (next_ms == -1 && !deploys->is_asked)
            break;
        if (next_ms != -1)
            wait_until(deploys, next_ms < -1 ? wall_ms() + STORE_RETRY_MS : next_ms);
    }
    tb_store_close(deploys->store);
    deploys->store = NULL;
    deploys->is_running = false;
    pthread_mutex_unlock(&deploys->lock);
    return NULL;
}

/* Signals are the main thread's business. The lock is held. */
static void start(struct tb_deploys *deploys)
{
    sigset_t all;
    sigset_t before;
    if (deploys->has_thread)
        (void)pthread_join(deploys->thread, NULL); /* it has ended, or is about to */
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    int err = pthread_create(&deploys->thread, NULL, run, deploys);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    deploys->has_thread = deploys->is_running = err == 0;
    if (err != 0)
        tb_log(TB_LOG_WARNING, "deploys cannot be sent: %s", strerrordesc_np(err));
}

/* ---- the others ---- */

int tb_deploys_new(const struct tb_config *config, struct tb_deploys **out,
                   char why[TB_TRANSPORT_WHY])
{
    struct tb_deploys *deploys = calloc(1, sizeof(*deploys));
    snprintf(why, TB_TRANSPORT_WHY, "out of memory");
    if (deploys == NULL)
        return -ENOMEM;
    deploys->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    const struct tb_transport_limits limits = {.timeout_ms = config->timeout_ms,
                                               .connections = 1,
                                               .wake_fd = deploys->wake_fd,
                                               .section = "rollbar",
                                               .proxy = config->proxy,
                                               .ca_file = config->ca_file};
    deploys->timeout_ms = config->timeout_ms;
    deploys->retry_min_ms = config->retry_min_ms > 0 ? config->retry_min_ms : 1;
    deploys->retry_max_ms =
        config->retry_max_ms > deploys->retry_min_ms ? config->retry_max_ms : deploys->retry_min_ms;
    deploys->state_dir = strdup(config->state_dir);
    deploys->endpoint = strdup(config->endpoint);
    deploys->token = strdup(config->token);
    (void)pthread_mutex_init(&deploys->lock, NULL);
    (void)pthread_cond_init(&deploys->changed, NULL);
    int err = deploys->state_dir == NULL || deploys->endpoint == NULL || deploys->token == NULL
                  ? -ENOMEM
                  : 0;
    if (err == 0)
        err = deploys->wake_fd < 0 ? -EMFILE : tb_transport_new(&limits, &deploys->transport, why);
    if (err < 0)
        tb_deploys_stop(deploys, 0);
    else
        *out = deploys;
    return err;
}

void tb_deploys_wake(struct tb_deploys *deploys)
{
    if (deploys == NULL)
        return;
    pthread_mutex_lock(&deploys->lock);
    deploys->is_asked = true;
    if (deploys->is_running)
        pthread_cond_signal(&deploys->changed);
    else if (!atomic_load(&deploys->is_stopping))
        start(deploys);
    pthread_mutex_unlock(&deploys->lock);
}

void tb_deploys_once(struct tb_deploys *deploys)
{
    if (open_store(deploys) == 0)
        (void)look(deploys);
    tb_store_close(deploys->store);
    deploys->store = NULL;
}

void tb_deploys_stop(struct tb_deploys *deploys, unsigned deadline_ms)
{
    if (deploys == NULL)
        return;
    pthread_mutex_lock(&deploys->lock);
    deploys->stop_at_ns = tb_clock_mono_ns() + (uint64_t)deadline_ms * TB_NS_PER_MS;
    atomic_store(&deploys->is_stopping, true);
    pthread_cond_signal(&deploys->changed);
    bool has_thread = deploys->has_thread;
    pthread_mutex_unlock(&deploys->lock);
    (void)!write(deploys->wake_fd, &(const uint64_t){1}, sizeof(uint64_t)); /* ends its waiting */
    if (has_thread)
        (void)pthread_join(deploys->thread, NULL);
    tb_transport_free(deploys->transport);
    tb_fd_close(&deploys->wake_fd);
    pthread_cond_destroy(&deploys->changed);
    pthread_mutex_destroy(&deploys->lock);
    free(deploys->state_dir);
    free(deploys->endpoint);
    free(deploys->token);
    free(deploys);
}
