/* agent.c - see agent.h: what the parts need is opened here, in order, and closed in the reverse.
 *
 * Threads: this one runs the loop (serve.h); one runs the pipeline; one is the delivery's own. They
 * meet in tb_pipeline_snapshot, tb_deliver_wake and tb_deliver_status, which are safe for that. */
#include "agent/agent.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/deliver/deliver.h"
#include "agent/log.h"
#include "agent/serve/page_token.h"
#include "agent/pipeline/pipeline.h"
#include "agent/serve/serve.h"
#include "agent/serve/status.h"
#include "agent/native/debuginfod.h"
#include "agent/native/symbol_store.h"
#include "agent/native/symbolizer.h"
#include "base/clock.h"
#include "base/fd.h"
#include "spool/reader.h"
#include "store/store.h"

enum { WHY_BYTES = 512, STOP_MS = 3000, ONCE_STEP_MS = 200, ONCE_SLACK_MS = 5000, END_MS = 2000 };

struct agent {
    const struct tb_config *config;
    const struct tb_pages *pages;
    int state_fd; /* the state folder; -1 */
    int lock_fd;  /* held: one agent for one state folder */
    int stop_fd;  /* tells the pipeline's thread to end */
    struct tb_spool *spool;
    struct tb_store *store;
    struct tb_symbol_store *symbols;
    struct tb_symbolizer *symbolizer;
    struct tb_debuginfod *debuginfod; /* NULL: no server is set */
    char *debuginfod_folder;
    struct tb_deliver *deliver;
    struct tb_pipeline *pipeline;
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

static void wake_delivery(void *arg)
{
    tb_deliver_wake(arg);
}

/* Without it indexes are built anew by each symbolizer. */
static void open_symbols(struct agent *a)
{
    int err = tb_symbol_store_open(a->config->state_dir, a->config->cache_bytes, &a->symbols);
    if (err)
        tb_log(TB_LOG_WARNING, "cannot keep indexes of symbols in %s/symbols: %s",
               a->config->state_dir, strerror(-err));
}

static int open_debuginfod(struct agent *a)
{
    const struct tb_config *c = a->config;
    if (c->n_debuginfod == 0)
        return 0;
    if (asprintf(&a->debuginfod_folder, "%s" TB_CONFIG_DEBUGINFOD_DIR, c->state_dir) < 0) {
        a->debuginfod_folder = NULL;
        return -ENOMEM;
    }
    const struct tb_debuginfod_options options = {.urls = c->debuginfod,
                                                  .n_urls = c->n_debuginfod,
                                                  .timeout_ms = c->debuginfod_timeout_ms,
                                                  .folder = a->debuginfod_folder,
                                                  .cache_bytes = c->cache_bytes,
                                                  .indexes = a->symbols};
    return tb_debuginfod_new(&options, &a->debuginfod);
}

static int open_pipeline(struct agent *a, int once, char why[WHY_BYTES])
{
    open_symbols(a);
    struct tb_symbolizer_options symbolizer = {.config = a->config, .store = a->symbols};
    int err = tb_symbolizer_new(&symbolizer, &a->symbolizer);
    if (!err)
        err = open_debuginfod(a);
    if (!err) {
        struct tb_pipeline_options pipeline = {.config = a->config,
                                               .spool = a->spool,
                                               .store = a->store,
                                               .symbolizer = a->symbolizer,
                                               .debuginfod = a->debuginfod,
                                               .patience_ms = once ? 0 : END_MS,
                                               .stored = wake_delivery,
                                               .arg = a->deliver};
        err = tb_pipeline_new(&pipeline, &a->pipeline);
    }
    if (err)
        snprintf(why, WHY_BYTES, "cannot start: %s", strerror(-err));
    return err;
}

/* Without it nobody can log in, which is no reason to take no errors. */
static void make_page_token(const struct agent *a)
{
    int err = a->config->shared_spool ? tb_page_token_make(a->state_fd) : 0;
    if (err < 0)
        tb_log(TB_LOG_WARNING, "cannot make %s/%s, so nobody can log in to the pages: %s",
               a->config->state_dir, TB_PAGE_TOKEN_FILE, strerror(-err));
}

static int open_all(struct agent *a, int once, char why[WHY_BYTES])
{
    int err;
    if ((err = open_spool(a, once, why)) || (err = lock_state(a, why)) ||
        (err = tb_store_open(a->config->state_dir, TB_STORE_WRITE, &a->store, why)))
        return err;
    if (!once && (err = tb_serve_open(a->config, &a->serve, why)))
        return err;
    if ((err = tb_deliver_start(a->config, &a->deliver, why)))
        return err;
    return open_pipeline(a, once, why);
}

static void close_all(struct agent *a)
{
    tb_serve_close(a->serve);
    tb_deliver_stop(a->deliver, STOP_MS);
    tb_pipeline_free(a->pipeline);
    tb_debuginfod_free(a->debuginfod);
    free(a->debuginfod_folder);
    tb_symbolizer_free(a->symbolizer);
    tb_symbol_store_close(a->symbols);
    tb_store_close(a->store);
    tb_spool_close(a->spool);
    tb_fd_close(&a->stop_fd);
    tb_fd_close(&a->lock_fd);
    tb_fd_close(&a->state_fd);
}

/* ---- once ---- */

static int64_t progress(const struct tb_deliver_status *status)
{
    return status->sent + status->retried + status->quarantined + status->parked_tokens;
}

/* Until every row that is due was tried, or nothing has moved for longer than a request may take.
 */
static void deliver_due(struct agent *a, struct tb_deliver_status *status)
{
    int64_t seen = -1;
    unsigned still_ms = 0;
    tb_deliver_wake(a->deliver);
    while (!tb_deliver_wait_idle(a->deliver, ONCE_STEP_MS)) {
        tb_deliver_status(a->deliver, status);
        still_ms = progress(status) != seen ? 0 : still_ms + ONCE_STEP_MS;
        seen = progress(status);
        if (still_ms > a->config->timeout_ms + ONCE_SLACK_MS)
            break;
    }
    tb_deliver_status(a->deliver, status);
}

static void print_summary(struct agent *a, const struct tb_deliver_status *delivery)
{
    struct tb_pipeline_snapshot s;
    struct tb_store_counts now;
    tb_pipeline_snapshot(a->pipeline, &s);
    if (tb_store_counts(a->store, &now) == 0)
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
    printf("\n");
}

static int run_once(struct agent *a)
{
    struct tb_deliver_status delivery;
    int n;
    do
        n = tb_pipeline_batch(a->pipeline);
    while (n > 0);
    /* What was stored is settled and sent also when the rest could not be. */
    int err = tb_pipeline_finish(a->pipeline);
    deliver_due(a, &delivery);
    print_summary(a, &delivery);
    return n < 0 ? n : err;
}

/* ---- until a signal ---- */

static void *pipeline_thread(void *arg)
{
    struct agent *a = arg;
    tb_pipeline_run(a->pipeline, a->stop_fd);
    return NULL;
}

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
    char endpoint[TB_STATUS_URL];
    tb_status_url(c->endpoint, endpoint);
    tb_log(TB_LOG_INFO, "towbard %s is up: %s%s%s%s, spool %s, state %s", TOWBAR_VERSION,
           address[0] != '\0' ? "http://" : "", address, address[0] != '\0' ? " and " : "",
           c->socket, c->spool, c->state_dir);
    if (address[0] != '\0' && a->pages != NULL)
        tb_log(TB_LOG_INFO, "see what went wrong at http://%s/%s", address,
               c->shared_spool ? "; towbar prints the link that logs you in" : "");
    if (c->token[0] != '\0')
        tb_log(TB_LOG_INFO, "sending to %s with the token from %s", endpoint, c->token_from);
    else
        tb_log(TB_LOG_INFO, "no Rollbar token: errors are kept here; ROLLBAR_ACCESS_TOKEN or "
                            "rollbar.token_file would send them");
}

static int run_until_signal(struct agent *a)
{
    struct tb_serve_options options = {
        .config = a->config, .pipeline = a->pipeline, .deliver = a->deliver, .pages = a->pages};
    pthread_t thread;
    sigset_t all;
    sigset_t before;
    a->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (a->stop_fd < 0)
        return -errno;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are for this thread alone */
    int err = -pthread_create(&thread, NULL, pipeline_thread, a);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (err)
        return err;
    make_page_token(a);
    write_address(a);
    greet(a);
    err = tb_serve_run(a->serve, &options);
    uint64_t one = 1;
    (void)!write(a->stop_fd, &one, sizeof(one)); /* an eventfd of zero takes it */
    pthread_join(thread, NULL);
    (void)unlinkat(a->state_fd, "listen", 0);
    tb_log(TB_LOG_INFO, "towbard ends; what is queued will be sent when it runs again");
    return err;
}

int tb_agent_run(const struct tb_config *config, int once, const struct tb_pages *pages)
{
    struct agent a = {
        .config = config, .pages = pages, .state_fd = -1, .lock_fd = -1, .stop_fd = -1};
    char why[WHY_BYTES] = "";
    sigset_t all;
    sigset_t before;
    warn(config);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* inherited by the delivery's thread */
    int err = open_all(&a, once, why);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (err)
        tb_log(TB_LOG_ERROR, "%s", why[0] != '\0' ? why : strerror(-err));
    else if (once)
        err = run_once(&a);
    else
        err = run_until_signal(&a);
    close_all(&a);
    return err ? 1 : 0;
}
