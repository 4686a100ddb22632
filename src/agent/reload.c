/* reload.c - see reload.h. */
#include "agent/reload.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "agent/config/config_fixed.h"
#include "agent/log.h"
#include "agent/notify.h"
#include "base/clock.h"
#include "base/fd.h"

/* Settings that were read here. */
struct settings {
    struct tb_job job; /* first: frees them after the jobs that may hold them */
    struct tb_config config;
    struct settings *next; /* in gone */
};

struct tb_reload {
    const struct tb_config_flags *flags;
    const struct tb_config *config; /* those that count */
    struct tb_engine *engine;
    struct settings *own;  /* the same, where they were read here; else NULL */
    struct settings *gone; /* replaced, and not freed in time */
    struct tb_reload_loop loop;
    struct event *hup, *done;
    int done_fd;
    int had_terminal;
    int runs, again;
    pthread_t thread;
    /* Of the thread while it runs. */
    struct settings *read;
    int err;
    char why[TB_CONFIG_WHY];
    struct tb_reload_counts counts;
};

/* ---- beside the loop ---- */

static void *read_and_take(void *arg)
{
    struct tb_reload *r = arg;
    const uint64_t one = 1;
    r->err = tb_config_load(r->flags, &r->read->config, r->why);
    if (!r->err)
        r->err = tb_config_fixed(r->config, &r->read->config, r->why);
    if (!r->err && r->loop.check != NULL)
        r->err = r->loop.check(r->loop.arg, &r->read->config, r->why);
    if (!r->err && r->engine != NULL)
        r->err = tb_engine_take(r->engine, &r->read->config, r->why);
    (void)!write(r->done_fd, &one, sizeof(one)); /* an eventfd of zero takes it */
    return NULL;
}

/* ---- the loop ---- */

static void settings_free(struct settings *settings)
{
    tb_config_done(&settings->config);
    free(settings);
}

static void do_nothing(struct tb_job *job)
{
    (void)job;
}

static void free_job(struct tb_job *job)
{
    settings_free((struct settings *)job);
}

static void let_go(struct tb_reload *r, struct settings *old)
{
    if (old == NULL)
        return;
    old->job = (struct tb_job){.run = do_nothing, .done = free_job};
    if (r->loop.jobs != NULL && tb_jobs_add(r->loop.jobs, &old->job) == 0)
        return;
    old->next = r->gone;
    r->gone = old;
}

static void tell_taken(struct tb_reload *r)
{
    const struct tb_config *c = r->config;
    tb_log_format(strcmp(c->log_format, "json") == 0 ? TB_LOG_JSON : TB_LOG_TEXT);
    if (c->warning[0] != '\0')
        tb_log(TB_LOG_WARNING, "%s", c->warning);
    tb_log(TB_LOG_INFO, "the settings were read again and count now (%s)%s%s",
           c->file[0] != '\0' ? c->file : "defaults",
           c->token[0] != '\0' ? "; the token is from " : "; there is no Rollbar token",
           c->token_from);
    r->counts.taken++;
    r->counts.why[0] = '\0';
}

static void tell_refused(struct tb_reload *r, const char *why)
{
    tb_log(TB_LOG_ERROR, "the settings were not taken over, the former count: %s", why);
    r->counts.refused++;
    snprintf(r->counts.why, sizeof(r->counts.why), "%s", why);
}

static void finish(struct tb_reload *r)
{
    uint64_t n;
    pthread_join(r->thread, NULL);
    (void)!read(r->done_fd, &n, sizeof(n)); /* only wakes */
    r->runs = 0;
    if (r->err) {
        settings_free(r->read);
        tell_refused(r, r->why[0] != '\0' ? r->why : strerror(-r->err));
    } else {
        struct settings *old = r->own;
        r->own = r->read;
        r->config = &r->own->config;
        if (r->loop.taken != NULL)
            r->loop.taken(r->loop.arg, r->config);
        let_go(r, old);
        tell_taken(r);
    }
    r->read = NULL;
    r->counts.last_ms = (int64_t)(tb_clock_wall_ns() / TB_NS_PER_MS);
    tb_notify("READY=1");
}

static void start(struct tb_reload *r)
{
    sigset_t all;
    sigset_t before;
    tb_notify_reloading();
    r->again = 0;
    r->why[0] = '\0';
    r->read = calloc(1, sizeof(*r->read));
    if (r->read == NULL)
        abort();
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int err = -pthread_create(&r->thread, NULL, read_and_take, r);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    r->runs = err == 0;
    if (err == 0)
        return;
    free(r->read);
    r->read = NULL;
    tell_refused(r, strerror(-err));
    tb_notify("READY=1");
}

static void on_done(evutil_socket_t fd, short events, void *arg)
{
    struct tb_reload *r = arg;
    (void)fd;
    (void)events;
    finish(r);
    if (r->again)
        start(r);
}

static int has_terminal(void)
{
    int fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    int has = fd >= 0;
    tb_fd_close(&fd);
    return has;
}

/* nohup says that no hang-up is to end it. */
static int is_ignored(int signo)
{
    struct sigaction now;
    return sigaction(signo, NULL, &now) == 0 && now.sa_handler == SIG_IGN;
}

static void on_hup(evutil_socket_t signo, short events, void *arg)
{
    struct tb_reload *r = arg;
    (void)signo;
    (void)events;
    if (r->had_terminal && !has_terminal())
        r->loop.hung_up(r->loop.arg);
    else if (r->runs)
        r->again = 1;
    else
        start(r);
}

/* ---- life ---- */

static void mask_hup(int how)
{
    sigset_t hup;
    sigemptyset(&hup);
    sigaddset(&hup, SIGHUP);
    pthread_sigmask(how, &hup, NULL);
}

void tb_reload_hold(void)
{
    mask_hup(SIG_BLOCK);
}

int tb_reload_new(const struct tb_config_flags *flags, const struct tb_config *config,
                  struct tb_engine *engine, struct tb_reload **out)
{
    struct tb_reload *r = calloc(1, sizeof(*r));
    if (r == NULL)
        return -ENOMEM;
    r->flags = flags;
    r->config = config;
    r->engine = engine;
    r->had_terminal = has_terminal() && !is_ignored(SIGHUP);
    r->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (r->done_fd < 0) {
        int err = -errno;
        free(r);
        return err;
    }
    *out = r;
    return 0;
}

int tb_reload_begin(struct tb_reload *r, const struct tb_reload_loop *loop)
{
    r->loop = *loop;
    r->hup = evsignal_new(loop->base, SIGHUP, on_hup, r);
    r->done = event_new(loop->base, r->done_fd, EV_READ | EV_PERSIST, on_done, r);
    if (r->hup == NULL || r->done == NULL || event_add(r->hup, NULL) < 0 ||
        event_add(r->done, NULL) < 0)
        return -ENOMEM;
    mask_hup(SIG_UNBLOCK);
    return 0;
}

void tb_reload_end(struct tb_reload *r)
{
    if (r->runs)
        finish(r);
    if (r->hup != NULL)
        event_free(r->hup);
    if (r->done != NULL)
        event_free(r->done);
    r->hup = r->done = NULL;
    r->loop = (struct tb_reload_loop){0};
}

void tb_reload_free(struct tb_reload *r)
{
    if (r == NULL)
        return;
    while (r->gone != NULL) {
        struct settings *next = r->gone->next;
        settings_free(r->gone);
        r->gone = next;
    }
    if (r->own != NULL)
        settings_free(r->own);
    tb_fd_close(&r->done_fd);
    free(r);
}

void tb_reload_counts(const struct tb_reload *r, struct tb_reload_counts *out)
{
    *out = r->counts;
}
