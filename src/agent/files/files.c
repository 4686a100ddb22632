/* files.c - see files.h: the thread that sweeps, and what others may ask. */
#include "agent/files/files.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "agent/files/settings.h"
#include "agent/files/sweep.h"
#include "agent/log.h"
#include "base/clock.h"
#include "base/fd.h"

enum {
    POLL_MS = 1000,
    REST_MIN_MS = 50, /* between two sweeps, whatever happens in the folders */
    REST_TIMES = 10,  /* a sweep takes a tenth of the time at most */
    STOP_MS = 5000,
    EVENTS_MAX = 64, /* pages of them: more come than are read out? then the next time */
    STILL_STEP_MS = TB_TAIL_STILL_MS + 100
};

struct tb_files {
    struct tb_config config; /* a copy of what is needed of the settings */
    struct tb_sweep sweep;   /* the thread's, or the caller's who steps */
    int stop_fd, done_fd;    /* told to the thread, and by it */
    int has_thread;
    pthread_t thread;
    pthread_mutex_t lock;
    bool is_over, is_left;         /* under lock: the thread ends; nobody waits for it any more */
    struct tb_files_counts counts; /* under lock */
};

/* ---- the thread ---- */

static void publish(struct tb_files *f)
{
    pthread_mutex_lock(&f->lock);
    f->counts = f->sweep.counts;
    pthread_mutex_unlock(&f->lock);
}

/* Waits for the end, and with inotify for a change, for so long. True when it is to end. */
static bool wait_for(const struct tb_files *f, int with_changes, int ms)
{
    struct pollfd fds[2] = {{.fd = f->stop_fd, .events = POLLIN},
                            {.fd = with_changes ? f->sweep.inotify_fd : -1, .events = POLLIN}};
    return poll(fds, 2, ms) > 0 && (fds[0].revents & POLLIN) != 0;
}

static void tell(int event_fd)
{
    uint64_t one = 1;
    (void)!write(event_fd, &one, sizeof(one)); /* an eventfd of zero takes it */
}

/* Which files have changed the sweep finds by itself. */
static void read_out(int inotify_fd)
{
    char events[4096];
    for (int i = 0; i < EVENTS_MAX && inotify_fd >= 0; i++)
        if (read(inotify_fd, events, sizeof(events)) <= 0)
            break;
}

static void free_files(struct tb_files *f);

/* Tells whoever waits; a thread that nobody waits for any more frees what it used. */
static void end_thread(struct tb_files *f)
{
    pthread_mutex_lock(&f->lock);
    f->is_over = true;
    bool is_left = f->is_left;
    pthread_mutex_unlock(&f->lock);
    if (is_left)
        free_files(f);
    else
        tell(f->done_fd);
}

static void *run(void *arg)
{
    struct tb_files *f = arg;
    bool ends = false;
    while (!ends) {
        uint64_t began_ns = tb_clock_mono_ns();
        read_out(f->sweep.inotify_fd);
        int more = tb_sweep_run(&f->sweep);
        publish(f);
        if (more == 1) {
            ends = wait_for(f, 0, 0);
            continue;
        }
        uint64_t took_ms = (tb_clock_mono_ns() - began_ns) / TB_NS_PER_MS;
        int rest_ms = REST_MIN_MS + (int)(took_ms < POLL_MS ? took_ms : POLL_MS) * REST_TIMES;
        ends = wait_for(f, 0, more == -EXFULL ? REST_MIN_MS : more < 0 ? POLL_MS : rest_ms);
        if (!ends && more == 0)
            ends = wait_for(f, 1, POLL_MS);
    }
    end_thread(f);
    return NULL;
}

/* ---- life ---- */

static void free_files(struct tb_files *f)
{
    tb_sweep_close(&f->sweep);
    tb_fd_close(&f->sweep.inotify_fd);
    tb_fd_close(&f->stop_fd);
    tb_fd_close(&f->done_fd);
    tb_config_done(&f->config);
    pthread_mutex_destroy(&f->lock);
    free(f);
}

int tb_files_open(const struct tb_config *config, struct tb_files **out, char why[TB_SPOOL_WHY])
{
    *out = NULL;
    why[0] = '\0';
    if (config->n_rollbar_files == 0 && config->n_logs == 0)
        return 0;
    struct tb_files *f = calloc(1, sizeof(*f));
    if (f == NULL)
        return -ENOMEM;
    f->stop_fd = f->done_fd = -1;
    pthread_mutex_init(&f->lock, NULL);
    int err = tb_files_settings_copy(config, &f->config);
    if (!err)
        err = tb_sweep_open(&f->config, &f->sweep, why);
    if (err) {
        if (why[0] == '\0')
            snprintf(why, TB_SPOOL_WHY, "cannot read files: %s", strerror(-err));
        free_files(f);
        return err;
    }
    *out = f;
    return 0;
}

int tb_files_step(struct tb_files *f)
{
    if (f == NULL)
        return 0;
    int64_t before = f->sweep.counts.lines + f->sweep.counts.messages;
    int more = tb_sweep_run(&f->sweep);
    if (more == 0 && f->sweep.waits) { /* the last message of a log may still get lines */
        (void)poll(NULL, 0, STILL_STEP_MS);
        more = tb_sweep_run(&f->sweep);
    }
    publish(f);
    return more == 1 || f->sweep.counts.lines + f->sweep.counts.messages > before;
}

int tb_files_start(const struct tb_config *config, struct tb_files **out, char why[TB_SPOOL_WHY])
{
    sigset_t all;
    sigset_t before;
    int err = tb_files_open(config, out, why);
    struct tb_files *f = *out;
    if (err || f == NULL)
        return err;
    f->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    f->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    err = f->stop_fd < 0 || f->done_fd < 0 ? -errno : 0;
    f->sweep.inotify_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    if (!err)
        err = -pthread_create(&f->thread, NULL, run, f);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    f->has_thread = err == 0;
    if (err) {
        snprintf(why, TB_SPOOL_WHY, "cannot read files: %s", strerror(-err));
        free_files(f);
        *out = NULL;
    }
    return err;
}

/* Does the thread end within the time that it has? A signal ends no wait. */
static bool is_done_soon(const struct tb_files *f)
{
    struct pollfd done = {.fd = f->done_fd, .events = POLLIN};
    uint64_t end_ns = tb_clock_mono_ns() + (uint64_t)STOP_MS * TB_NS_PER_MS;
    for (;;) {
        uint64_t now_ns = tb_clock_mono_ns();
        int left_ms = now_ns < end_ns ? (int)((end_ns - now_ns) / TB_NS_PER_MS) : 0;
        int n = poll(&done, 1, left_ms);
        if (n > 0 || (n < 0 && errno != EINTR) || left_ms == 0)
            return n > 0;
    }
}

/* True when the thread has ended after all. */
static bool leave(struct tb_files *f)
{
    pthread_mutex_lock(&f->lock);
    bool is_over = f->is_over;
    f->is_left = !is_over;
    if (f->is_left) {
        atomic_store(&f->sweep.take.is_left, true);
        pthread_detach(f->thread);
    }
    pthread_mutex_unlock(&f->lock);
    return is_over;
}

void tb_files_stop(struct tb_files *f)
{
    if (f == NULL)
        return;
    if (f->has_thread) {
        atomic_store(&f->sweep.ends, true);
        tell(f->stop_fd);
        if (!is_done_soon(f) && !leave(f)) {
            tb_log(TB_LOG_WARNING, "a file system does not answer: the reading of files is left to "
                                   "itself, and goes on from the place that was kept last");
            return; /* the thread uses it, and frees it */
        }
        pthread_join(f->thread, NULL);
    }
    free_files(f);
}

void tb_files_counts(struct tb_files *f, struct tb_files_counts *out)
{
    memset(out, 0, sizeof(*out));
    if (f == NULL)
        return;
    pthread_mutex_lock(&f->lock);
    *out = f->counts;
    pthread_mutex_unlock(&f->lock);
}
