/* agent.c - see agent.h: what the parts need is opened here, in order, and closed in the reverse.
 *
 * Threads: this one runs the loop (serve.h); one runs the pipeline; one is the delivery's own; one
 * comes with a reload and goes with it. They meet in tb_engine_look and tb_engine_wake. */
#include "agent/agent.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/deliver/sinks.h"
#include "agent/engine.h"
#include "agent/log.h"
#include "agent/reload.h"
#include "agent/serve/page_token.h"
#include "agent/serve/page_url.h"
#include "agent/serve/serve.h"
#include "agent/serve/status.h"
#include "base/fd.h"
#include "spool/reader.h"
#include "store/store.h"

enum {
    WHY_BYTES = TB_ENGINE_WHY,
    ONCE_STEP_MS = 200,
    ONCE_SLACK_MS = 5000,
    END_MS = 2000,
    FILES_MIN = 64
};

struct agent {
    const struct tb_config *config; /* as the agent was started with */
    const struct tb_agent_pages *pages;
    int state_fd; /* the state folder; -1 */
    int lock_fd;  /* held: one agent for one state folder */
    struct tb_spool *spool;
    struct tb_store *store;
    struct tb_engine *engine;
    struct tb_reload *reload;
    struct tb_serve *serve;
};

/* ---- the state folder ---- */

/* Makes the folder with those above it; what cannot be made, opening it will tell. */
static void make_folders(const char *path)
{
    char *copy = strdup(path);
    if (copy == NULL)
        return;
    for (char *slash = strchr(copy + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        (void)mkdir(copy, 0755);
        *slash = '/';
    }
    (void)mkdir(copy, 0700);
    free(copy);
}

static int lock_state(struct agent *a, char why[WHY_BYTES])
{
    const char *path = a->config->state_dir;
    make_folders(path);
    a->state_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (a->state_fd >= 0)
        a->lock_fd = openat(a->state_fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (a->lock_fd < 0) {
        int err = -errno;
        snprintf(why, WHY_BYTES, "cannot use the state folder %s (--state-dir): %s", path,
                 strerror(-err));
        return err;
    }
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if (fcntl(a->lock_fd, F_OFD_SETLK, &whole) == 0)
        return 0;
    snprintf(why, WHY_BYTES,
             "another towbard uses the state folder %s: stop it, or choose another "
             "with --state-dir",
             path);
    return -EBUSY;
}

/* With fewer it would start and then take no connection, or die of it in the middle. */
static int check_files(char why[WHY_BYTES])
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= FILES_MIN)
        return 0;
    const struct rlimit more = {.rlim_cur = FILES_MIN, .rlim_max = limit.rlim_max};
    if (limit.rlim_max >= FILES_MIN && setrlimit(RLIMIT_NOFILE, &more) == 0)
        return 0;
    snprintf(why, WHY_BYTES,
             "the limit of open files is %llu and must be %d at least: raise it (ulimit -n, "
             "LimitNOFILE=)",
             (unsigned long long)limit.rlim_max, FILES_MIN);
    return -EMFILE;
}

/* What is worth a word before anything is sent. */
static void warn(const struct tb_config *c)
{
    char endpoint[TB_STATUS_URL];
    if (c->warning[0] != '\0')
        tb_log(TB_LOG_WARNING, "%s", c->warning);
    if (!c->endpoint_is_blank || c->token[0] == '\0')
        return;
    tb_status_url(c->endpoint, endpoint);
    tb_log(TB_LOG_WARNING, "ROLLBAR_ENDPOINT is set but empty, so items are sent to %s", endpoint);
}

/* ---- open and close ---- */

static int open_spool(struct agent *a, int once, char why[WHY_BYTES])
{
    int flags = TB_SPOOL_CREATE | (a->config->shared_spool ? TB_SPOOL_SHARED : 0) |
                (once ? 0 : TB_SPOOL_PATIENT);
    /* The folders above a spool of our own are made like the state folder's. */
    char *above = strdup(a->config->spool);
    char *slash = above != NULL ? strrchr(above, '/') : NULL;
    if (slash != NULL && slash != above) {
        *slash = '\0';
        make_folders(above);
    }
    free(above);
    return tb_spool_open(a->config->spool, flags, &a->spool, why);
}

/* Without it nobody can log in, which is no reason to take no errors. */
static void make_page_token(const struct agent *a)
{
    int err = tb_page_asks_login(a->config) ? tb_page_token_make(a->state_fd) : 0;
    if (err < 0)
        tb_log(TB_LOG_WARNING, "cannot make %s/%s, so nobody can log in to the pages: %s",
               a->config->state_dir, TB_PAGE_TOKEN_FILE, strerror(-err));
}

static int open_all(struct agent *a, int once, char why[WHY_BYTES])
{
    int err = once ? 0 : check_files(why);
    if (err || (err = open_spool(a, once, why)) || (err = lock_state(a, why)) ||
        (err = tb_store_open(a->config->state_dir, TB_STORE_WRITE, &a->store, why)))
        return err;
    if (!once && (err = tb_serve_open(a->config, &a->serve, why)))
        return err;
    const struct tb_engine_options engine = {.config = a->config,
                                             .spool = a->spool,
                                             .store = a->store,
                                             .patience_ms = once ? 0 : END_MS,
                                             .is_stepped = once};
    return tb_engine_open(&engine, &a->engine, why);
}

static void close_all(struct agent *a)
{
    tb_serve_close(a->serve);
    tb_engine_close(a->engine);
    tb_reload_free(a->reload);
    tb_store_close(a->store);
    tb_spool_close(a->spool);
    tb_fd_close(&a->lock_fd);
    tb_fd_close(&a->state_fd);
}

/* ---- once ---- */

/* What all of them have done so far; *delivery is Rollbar's. A try that led to nothing is none: a
 * sink that answers nobody is tried again and again. */
static int64_t progress(struct tb_deliveries *deliveries, struct tb_deliver_status *delivery)
{
    struct tb_delivery_state states[TB_DELIVERIES];
    int64_t sum = 0;
    size_t n = tb_deliveries_look(deliveries, states);
    for (size_t i = 0; i < n; i++) {
        const struct tb_deliver_status *status = &states[i].status;
        sum += status->sent + status->quarantined + status->parked_tokens;
    }
    *delivery = states[0].status;
    return sum;
}

/* The longest that a request of those that are on may take. */
static unsigned longest_ms(const struct tb_config *c)
{
    struct tb_deliver_sink sinks[TB_SINKS];
    unsigned longest = 0;
    size_t n = tb_sinks_on(c, sinks);
    for (size_t i = 0; i < n; i++)
        longest = sinks[i].timeout_ms > longest ? sinks[i].timeout_ms : longest;
    return longest;
}

/* Until every row that is due was tried, or nothing was taken for longer than a request may take:
 * all sinks at the same time. */
static void deliver_due(struct agent *a, struct tb_deliver_status *delivery)
{
    struct tb_deliveries *deliveries = tb_engine_deliveries(a->engine);
    int64_t seen = -1;
    unsigned still_ms = 0;
    unsigned patience_ms = longest_ms(a->config) + ONCE_SLACK_MS;
    tb_deliveries_wake(deliveries);
    while (!tb_deliveries_wait_idle(deliveries, ONCE_STEP_MS)) {
        int64_t now = progress(deliveries, delivery);
        still_ms = now != seen ? 0 : still_ms + ONCE_STEP_MS;
        seen = now;
        if (still_ms > patience_ms)
            break;
    }
    (void)progress(deliveries, delivery);
}

/* Of the sinks beside Rollbar: what was sent, and what waits and why. */
static void print_sinks(struct agent *a)
{
    struct tb_delivery_state states[TB_DELIVERIES];
    size_t n = tb_deliveries_look(tb_engine_deliveries(a->engine), states);
    for (size_t i = 1; i < n; i++) {
        struct tb_store_counts counts = {0};
        const char *why = states[i].why[0] != '\0' ? states[i].why : states[i].status.last_error;
        (void)tb_store_sink_counts(a->store, states[i].name, &counts);
        printf("; %s: sent %lld, %lld wait%s%s", states[i].name, (long long)states[i].status.sent,
               (long long)counts.queued, counts.queued > 0 && why[0] != '\0' ? ": " : "",
               counts.queued > 0 ? why : "");
    }
}

static void print_summary(struct agent *a, const struct tb_deliver_status *delivery)
{
    struct tb_pipeline_snapshot s;
    struct tb_store_counts now;
    tb_pipeline_snapshot(tb_engine_pipeline(a->engine), &s);
    if (tb_store_sink_counts(a->store, "rollbar", &now) == 0)
        s.store = now;
    printf("towbard: took in %lld records, %llu to quarantine, %llu damaged; sent %lld, %lld wait",
           (long long)s.n_stored, (unsigned long long)s.spool.n_quarantined,
           (unsigned long long)s.spool.n_damaged, (long long)delivery->sent,
           (long long)s.store.queued);
    const char *from = a->config->token_from;
    if (a->config->token[0] == '\0' && delivery->last_http_status == 0 && s.store.queued > 0)
        printf("; there is no Rollbar token: set ROLLBAR_ACCESS_TOKEN or rollbar.token_file");
    else if (delivery->parked_tokens > 0 && delivery->last_http_status == 0)
        printf("; Rollbar has refused the token%s%s: put a valid post_server_item token there",
               from[0] != '\0' ? " from " : "", from);
    else if (delivery->parked_tokens > 0)
        printf("; Rollbar refuses the token%s%s (%d): put a valid post_server_item token there",
               from[0] != '\0' ? " from " : "", from, delivery->last_http_status);
    else if (s.store.queued > 0 && delivery->last_error[0] != '\0')
        printf("; %s", delivery->last_error);
    print_sinks(a);
    printf("\n");
}

static int run_once(struct agent *a)
{
    struct tb_pipeline *pipeline = tb_engine_pipeline(a->engine);
    struct tb_deliver_status delivery;
    int n;
    struct tb_files *files = tb_engine_files(a->engine);
    do {
        n = tb_pipeline_batch(pipeline);
        /* What is stored makes room in the spool for what is still in files. */
        if (n == 0 && files != NULL && tb_pipeline_settle(pipeline) == 0)
            n = tb_files_step(files);
    } while (n > 0);
    tb_engine_end_files(a->engine); /* its segments may go then */
    /* What was stored is settled and sent also when the rest could not be. */
    int err = tb_pipeline_finish(pipeline);
    deliver_due(a, &delivery);
    tb_deploys_once(tb_engine_deploys(a->engine));
    print_summary(a, &delivery);
    return n < 0 ? n : err;
}

/* ---- until a signal ---- */

/* For the CLI, which must find a port that was free. */
static void write_address(const struct agent *a)
{
    char text[TB_LISTEN_ADDRESS + 2];
    int len = snprintf(text, sizeof(text), "%s\n", tb_serve_address(a->serve));
    int err = tb_fd_replace(a->state_fd, "listen", text, (size_t)len);
    if (err)
        tb_log(TB_LOG_WARNING, "cannot write %s/listen: %s", a->config->state_dir, strerror(-err));
}

static void greet(const struct agent *a)
{
    const struct tb_config *c = a->config;
    const char *address = tb_serve_address(a->serve);
    const char *scheme = c->tls_cert_file[0] != '\0' ? "https://" : "http://";
    char endpoint[TB_STATUS_URL];
    char page[TB_PAGE_URL];
    tb_page_url(c, address, page);
    tb_status_url(c->endpoint, endpoint);
    tb_log(TB_LOG_INFO, "towbard %s is up: %s%s%s%s, spool %s, state %s", TOWBAR_VERSION,
           address[0] != '\0' ? scheme : "", address, address[0] != '\0' ? " and " : "", c->socket,
           c->spool, c->state_dir);
    if (address[0] != '\0' && a->pages != NULL)
        tb_log(TB_LOG_INFO, "see what went wrong at %s%s", page,
               tb_page_asks_login(c) ? "; towbar prints the link that logs you in" : "");
    if (c->token[0] != '\0')
        tb_log(TB_LOG_INFO, "sending to %s with the token from %s", endpoint, c->token_from);
    else
        tb_log(TB_LOG_INFO, "no Rollbar token: errors are kept here; ROLLBAR_ACCESS_TOKEN or "
                            "rollbar.token_file would send them");
}

static int cannot_run(int err)
{
    tb_log(TB_LOG_ERROR, "cannot run: %s", strerror(-err));
    return err;
}

static int run_until_signal(struct agent *a, const struct tb_config_flags *flags)
{
    int err = tb_reload_new(flags, a->config, a->engine, &a->reload);
    if (err || (err = tb_engine_start(a->engine)))
        return cannot_run(err);
    const struct tb_serve_options options = {
        .engine = a->engine, .reload = a->reload, .shown = a->pages};
    make_page_token(a);
    write_address(a);
    greet(a);
    err = tb_serve_run(a->serve, &options);
    if (err)
        (void)cannot_run(err);
    tb_engine_stop(a->engine);
    (void)unlinkat(a->state_fd, "listen", 0);
    tb_log(TB_LOG_INFO, "towbard ends; what is queued will be sent when it runs again");
    return err;
}

int tb_agent_run(const struct tb_config *config, const struct tb_config_flags *flags, int once,
                 const struct tb_agent_pages *pages)
{
    struct agent a = {.config = config, .pages = pages, .state_fd = -1, .lock_fd = -1};
    char why[WHY_BYTES] = "";
    sigset_t all;
    sigset_t before;
    warn(config);
    if (!once)
        tb_reload_hold();
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* inherited by the delivery's thread */
    int err = open_all(&a, once, why);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (err)
        tb_log(TB_LOG_ERROR, "%s", why[0] != '\0' ? why : strerror(-err));
    else if (once)
        err = run_once(&a);
    else
        err = run_until_signal(&a, flags);
    close_all(&a);
    tb_log_flush(1);
    return err ? 1 : 0;
}
