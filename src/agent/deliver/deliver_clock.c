/* deliver_clock.c - what waits for a time: a clock that is set changes no wait, and nothing waits
 * for ever. */
#include "agent/deliver/deliver_internal.h"

#include <string.h>

#include "agent/log.h"
#include "base/clock.h"

enum {
    LOOK_EVERY_MS = 60 * 1000, /* so that a clock set back costs no more */
    DAY_MS = 24 * 3600 * 1000,
    STEP_MS = 2000,    /* of the wall clock; less is its being adjusted */
    FORGET_ROUNDS = 10 /* of 5000 queues a minute */
};

/* What waits for sinks that are off does not hold the database for ever. */
static int look_after_off(struct tb_deliver *deliver)
{
    enum { N_NAMES = 16 };
    const char *names[N_NAMES];
    char all[sizeof(deliver->setup->sink.all)];
    char *left = NULL;
    size_t n = 0;
    memcpy(all, deliver->setup->sink.all, sizeof(all));
    for (char *name = strtok_r(all, " ", &left); name && n < N_NAMES;
         name = strtok_r(NULL, " ", &left))
        names[n++] = name;
    int n_dropped = n == 0 ? 0
                           : tb_store_off(deliver->store, names, n, tb_deliver_wall_ms(),
                                          (int64_t)TB_DELIVER_OFF_DAYS * DAY_MS);
    if (n_dropped > 0)
        tb_log(TB_LOG_WARNING, "dropped %d items that waited for a sink that is off for %d days",
               n_dropped, (int)TB_DELIVER_OFF_DAYS);
    return n_dropped < 0 ? n_dropped : 0;
}

/* Senders choose tokens and the names of log streams: those that are over are not kept for ever. */
static int forget_queues(struct tb_deliver *deliver)
{
    int err = 1;
    for (int i = 0; i < FORGET_ROUNDS && err > 0; i++)
        err = tb_store_forget_tokens(deliver->store, deliver->sink->name, tb_deliver_wall_ms());
    return err < 0 ? err : 0;
}

/* A clock that was set back makes the past look like the future: no wait is believed that is longer
 * than the longest this program gives. */
static int clamp(struct tb_deliver *deliver)
{
    uint64_t now_ns = tb_clock_mono_ns();
    if (now_ns < deliver->clamp_ns)
        return 0;
    deliver->clamp_ns = now_ns + (uint64_t)LOOK_EVERY_MS * TB_NS_PER_MS;
    deliver->is_stale = true; /* and a look at all of it, whatever was overlooked */
    int64_t longest = (int64_t)deliver->setup->config.retry_max_ms;
    if (longest < TB_DELIVER_PAUSE_MAX_MS)
        longest = TB_DELIVER_PAUSE_MAX_MS;
    int err = look_after_off(deliver);
    if (err == 0)
        err = forget_queues(deliver);
    return err < 0 ? err
                   : tb_store_clamp(deliver->store, deliver->sink->name, tb_deliver_wall_ms(),
                                    longest + longest / 8);
}

int64_t tb_deliver_offset_ms(void)
{
    return tb_deliver_wall_ms() - (int64_t)(tb_clock_mono_ns() / TB_NS_PER_MS);
}

/* Was the wall clock set? Then what waits goes on waiting as long as it was to. */
int tb_deliver_follow_clock(struct tb_deliver *deliver)
{
    int64_t offset_ms = tb_deliver_offset_ms();
    int64_t step_ms = offset_ms - deliver->offset_ms;
    if (step_ms > -STEP_MS && step_ms < STEP_MS) {
        deliver->offset_ms = offset_ms;
        return clamp(deliver);
    }
    int err = tb_store_step(deliver->store, deliver->sink->name, tb_deliver_wall_ms(), step_ms);
    if (err < 0)
        return err;
    for (size_t i = 0; i < deliver->queues->n; i++) {
        struct tb_queue *queue = &deliver->queues->queues[i];
        queue->until_ms += queue->until_ms > 0 ? step_ms : 0;
    }
    tb_log(TB_LOG_INFO, "%s: the clock was set by %lld s", deliver->called,
           (long long)(step_ms / 1000));
    deliver->offset_ms = offset_ms;
    if (deliver->clock_ms != 0) /* what was put right is not wrong twice */
        deliver->clock_ms -= step_ms;
    deliver->is_stale = true;
    return clamp(deliver);
}
