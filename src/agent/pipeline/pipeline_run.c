/* pipeline_run.c - the thread of the pipeline: when a batch is made, when it is settled, and what
 * is waited for. */
#include <malloc.h>
#include <poll.h>

#include "agent/pipeline/pipeline_internal.h"
#include "base/clock.h"

enum {
    SETTLE_MS = 1000,
    SETTLE_AGAIN_MS = 50, /* when nothing was stored: what woke it was somebody's note, say */
    SYNC_EVERY_MS = 20,   /* while the database fails and crashes come */
    REST_MS = 2000,       /* after the last record memory is given back */
    SYMBOLIZER_MS = 60000 /* after the last question its process ends */
};

/* When nothing comes: until it is settled, a record put aside is due, or the watch would look again
 * at what it has just not looked at. */
static int idle_ms(const struct tb_pipeline *p, int is_settled, int look_ms)
{
    int wait_ms = p->aside.n > 0 ? TB_ASIDE_MS : SETTLE_MS;
    wait_ms = is_settled ? wait_ms : SETTLE_AGAIN_MS;
    return look_ms > 0 && look_ms < wait_ms ? look_ms : wait_ms;
}

/* Is it time, after a batch of n records? */
static int must_settle(const struct tb_pipeline *p, int n, uint64_t settled_ns)
{
    uint64_t passed_ms = (tb_clock_mono_ns() - settled_ns) / TB_NS_PER_MS;
    if (n > 0)
        return passed_ms >= SETTLE_MS;
    return n < 0 || p->is_dirty || passed_ms >= SETTLE_AGAIN_MS;
}

/* Waits until something may have changed: 1 when it is time to stop, 2 when the spool has something
 * new, 0 when the time is over. */
static int wait_for_work(struct tb_pipeline *p, int stop_fd, int wait_ms)
{
    tb_pipeline_turn(p);
    struct pollfd fds[2] = {{.fd = stop_fd, .events = POLLIN},
                            {.fd = tb_spool_wake_fd(p->options.spool), .events = POLLIN}};
    int n = poll(fds, 2, wait_ms);
    if (n > 0 && fds[0].revents != 0)
        return 1;
    return n > 0 ? 2 : 0;
}

/* Until the next try; crashes that come meanwhile are made durable where they are. */
static int wait_while_failing(struct tb_pipeline *p, int stop_fd)
{
    uint64_t until_ns = tb_clock_mono_ns() + (uint64_t)TB_PIPELINE_BACKOFF_MS * TB_NS_PER_MS;
    for (uint64_t now_ns; (now_ns = tb_clock_mono_ns()) < until_ns;) {
        int woken = wait_for_work(p, stop_fd, 1 + (int)((until_ns - now_ns) / TB_NS_PER_MS));
        if (woken == 1)
            return 1;
        if (woken == 2) {
            tb_upkeep_sync(&p->upkeep, TB_CLASS_CRASH);
            struct pollfd stop = {.fd = stop_fd, .events = POLLIN};
            if (poll(&stop, 1, SYNC_EVERY_MS) > 0)
                return 1;
        }
    }
    return 0;
}

/* What a burst took is given back when it is over: the C library would keep it. */
static void rest(struct tb_pipeline *p, int n)
{
    uint64_t now_ns = tb_clock_mono_ns();
    if (p->options.symbolizer != NULL)
        (void)tb_symbolizer_rest(p->options.symbolizer, SYMBOLIZER_MS);
    if (n != 0) {
        p->worked_ns = now_ns;
    } else if (p->worked_ns > 0 && now_ns - p->worked_ns >= (uint64_t)REST_MS * TB_NS_PER_MS) {
        p->worked_ns = 0;
        tb_store_shrink(p->options.store);
        (void)malloc_trim(0);
    }
}

void tb_pipeline_run(struct tb_pipeline *p, int stop_fd)
{
    uint64_t settled_ns = tb_clock_mono_ns();
    int stop = 0;
    while (!stop) {
        int n = tb_pipeline_batch(p);
        rest(p, n);
        int look_ms = tb_deaths_look(p->deaths);
        int is_settled = must_settle(p, n, settled_ns);
        if (is_settled) {
            settled_ns = tb_clock_mono_ns();
            (void)tb_pipeline_settle(p); /* said there; tried again at the next turn */
            if (n > 0)                   /* there is more than is stored in time */
                tb_upkeep_sync_late(&p->upkeep);
        }
        if (n < 0)
            stop = wait_while_failing(p, stop_fd);
        else
            stop = wait_for_work(p, stop_fd, n > 0 ? 0 : idle_ms(p, is_settled, look_ms)) == 1;
    }
    (void)tb_pipeline_finish(p);
}
