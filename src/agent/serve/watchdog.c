/* watchdog.c - see watchdog.h. */
#include "agent/serve/watchdog.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "agent/log.h"
#include "agent/notify.h"
#include "agent/serve/health.h"

enum { PER_PERIOD = 2, US_PER_S = 1000000 };

struct tb_watchdog {
    struct tb_engine *engine;
    struct event *timer;
    int is_stuck; /* and that was said */
};

static void tell_alive(struct tb_engine *engine)
{
    struct tb_pipeline_snapshot pipeline;
    struct tb_deliver_status delivery;
    char state[160 + sizeof(pipeline.trouble)];
    tb_engine_look(engine, &pipeline, &delivery);
    if (pipeline.trouble[0] != '\0')
        snprintf(state, sizeof(state), "WATCHDOG=1\nSTATUS=%s", pipeline.trouble);
    else
        snprintf(state, sizeof(state),
                 "WATCHDOG=1\nSTATUS=%" PRId64 " errors taken in, %" PRId64 " sent, %" PRId64
                 " wait",
                 pipeline.store.occurrences, pipeline.store.sent, pipeline.store.queued);
    tb_notify(state);
}

static void tick(evutil_socket_t fd, short events, void *arg)
{
    struct tb_watchdog *watchdog = arg;
    char why[TB_HEALTH_WHY];
    (void)fd;
    (void)events;
    int err = tb_health_live(watchdog->engine, why);
    if (!err)
        tell_alive(watchdog->engine);
    else if (!watchdog->is_stuck)
        tb_log(TB_LOG_ERROR, "%s", why);
    watchdog->is_stuck = err != 0;
}

int tb_watchdog_new(struct event_base *base, struct tb_engine *engine, struct tb_watchdog **out)
{
    uint64_t us = tb_notify_watchdog_us() / PER_PERIOD;
    struct timeval every = {(time_t)(us / US_PER_S), (suseconds_t)(us % US_PER_S)};
    if (us == 0)
        return 0;
    struct tb_watchdog *watchdog = calloc(1, sizeof(*watchdog));
    if (watchdog == NULL)
        return -ENOMEM;
    watchdog->engine = engine;
    watchdog->timer = event_new(base, -1, EV_PERSIST, tick, watchdog);
    if (watchdog->timer == NULL || event_add(watchdog->timer, &every) < 0) {
        tb_watchdog_free(watchdog);
        return -ENOMEM;
    }
    tick(-1, 0, watchdog);
    *out = watchdog;
    return 0;
}

void tb_watchdog_free(struct tb_watchdog *watchdog)
{
    if (watchdog == NULL)
        return;
    if (watchdog->timer != NULL)
        event_free(watchdog->timer);
    free(watchdog);
}
