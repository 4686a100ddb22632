/* engine.c - see engine.h. */
#include "agent/engine.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "agent/deliver/sinks.h"
#include "agent/log.h"
#include "agent/native/debuginfod.h"
#include "agent/native/symbol_store.h"
#include "agent/native/symbolizer.h"
#include "agent/sampling/sampler.h"
#include "base/clock.h"
#include "base/fd.h"
#include "store/deploys.h"

enum { STOP_MS = 3000, PIPELINE_NICE = 5 };

/* What is made anew with the settings, for the pipeline. */
struct tools {
    struct tb_symbol_store *symbols;
    struct tb_symbolizer *symbolizer;
    struct tb_debuginfod *debuginfod; /* NULL: no server is set */
    char *folder;                     /* of what the servers sent */
};

struct tb_engine {
    struct tb_engine_options options; /* config: the one that counts */
    struct tools tools;
    struct tb_deliveries *deliveries;
    struct tb_sampler *sampler;
    struct tb_pipeline *pipeline;
    pthread_t thread;
    int runs;    /* there is a thread */
    int stop_fd; /* tells the pipeline's thread to end */
    pthread_mutex_t lock;
    struct tb_deploys *deploys;          /* under the lock */
    struct tb_files *files;              /* under the lock; NULL: none are read */
    struct tb_files_counts files_before; /* under the lock: of those that were replaced */
};

/* ---- the tools of the pipeline ---- */

static void close_tools(struct tools *tools)
{
    tb_debuginfod_free(tools->debuginfod);
    tb_symbolizer_free(tools->symbolizer);
    tb_symbol_store_close(tools->symbols);
    free(tools->folder);
    memset(tools, 0, sizeof(*tools));
}

static int open_debuginfod(const struct tb_config *c, struct tools *tools)
{
    if (c->n_debuginfod == 0)
        return 0;
    if (asprintf(&tools->folder, "%s" TB_CONFIG_DEBUGINFOD_DIR, c->state_dir) < 0) {
        tools->folder = NULL;
        return -ENOMEM;
    }
    const struct tb_debuginfod_options options = {.urls = c->debuginfod,
                                                  .n_urls = c->n_debuginfod,
                                                  .timeout_ms = c->debuginfod_timeout_ms,
                                                  .folder = tools->folder,
                                                  .cache_bytes = c->cache_bytes,
                                                  .indexes = tools->symbols};
    return tb_debuginfod_new(&options, &tools->debuginfod);
}

static int open_tools(const struct tb_config *c, struct tools *tools)
{
    memset(tools, 0, sizeof(*tools));
    int err = tb_symbol_store_open(c->state_dir, c->cache_bytes, &tools->symbols);
    if (err) /* Without it indexes are built anew by each symbolizer. */
        tb_log(TB_LOG_WARNING, "cannot keep indexes of symbols in %s/symbols: %s", c->state_dir,
               strerror(-err));
    struct tb_symbolizer_options symbolizer = {.config = c, .store = tools->symbols};
    if ((err = tb_symbolizer_new(&symbolizer, &tools->symbolizer)) ||
        (err = open_debuginfod(c, tools)))
        close_tools(tools);
    return err;
}

/* ---- the delivery ---- */

void tb_engine_wake(struct tb_engine *e)
{
    tb_deliveries_wake(e->deliveries);
}

static int start_deliveries(struct tb_engine *e, char why[TB_ENGINE_WHY])
{
    struct tb_deliver_sink sinks[TB_SINKS];
    size_t n = tb_sinks_on(e->options.config, sinks);
    return tb_deliveries_start(e->options.config, sinks, n, &e->deliveries, why);
}

/* Of those that run; the others follow when all the settings are taken over. */
static int reload_deliveries(struct tb_engine *e, const struct tb_config *config,
                             char why[TB_ENGINE_WHY])
{
    struct tb_deliver_sink sinks[TB_SINKS];
    size_t n = tb_sinks_on(config, sinks);
    return tb_deliveries_reload(e->deliveries, config, sinks, n, why);
}

static void change_deliveries(struct tb_engine *e, const struct tb_config *config)
{
    struct tb_deliver_sink sinks[TB_SINKS];
    size_t n = tb_sinks_on(config, sinks);
    tb_deliveries_change(e->deliveries, config, sinks, n, STOP_MS);
}

void tb_engine_wake_deploys(struct tb_engine *e)
{
    pthread_mutex_lock(&e->lock);
    tb_deploys_wake(e->deploys);
    pthread_mutex_unlock(&e->lock);
}

static void wake_delivery(void *arg)
{
    tb_engine_wake(arg);
}

/* ---- the pipeline ---- */

static struct tb_pipeline_options
pipeline_options(struct tb_engine *e, const struct tb_config *config, const struct tools *tools)
{
    return (struct tb_pipeline_options){.config = config,
                                        .spool = e->options.spool,
                                        .store = e->options.store,
                                        .symbolizer = tools->symbolizer,
                                        .debuginfod = tools->debuginfod,
                                        .patience_ms = e->options.patience_ms,
                                        .stored = wake_delivery,
                                        .arg = e,
                                        .samples = tb_sampler_decide,
                                        .samples_arg = e->sampler};
}

static int open_pipeline(struct tb_engine *e, char why[TB_ENGINE_WHY])
{
    int err = open_tools(e->options.config, &e->tools);
    if (!err) {
        struct tb_pipeline_options options = pipeline_options(e, e->options.config, &e->tools);
        err = tb_pipeline_new(&options, &e->pipeline);
    }
    if (err)
        snprintf(why, TB_ENGINE_WHY, "cannot start: %s", strerror(-err));
    return err;
}

static void *run(void *arg)
{
    struct tb_engine *e = arg;
    /* This thread alone, on Linux: where both want a processor, who sends is answered first. */
    (void)!nice(PIPELINE_NICE);
    tb_pipeline_run(e->pipeline, e->stop_fd);
    return NULL;
}

int tb_engine_start(struct tb_engine *e)
{
    sigset_t all;
    sigset_t before;
    uint64_t n;
    (void)!read(e->stop_fd, &n, sizeof(n)); /* of the last stop */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are for the loop alone */
    int err = -pthread_create(&e->thread, NULL, run, e);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    e->runs = err == 0;
    return err;
}

void tb_engine_stop(struct tb_engine *e)
{
    const uint64_t one = 1;
    if (!e->runs)
        return;
    (void)!write(e->stop_fd, &one, sizeof(one)); /* an eventfd of zero takes it */
    pthread_join(e->thread, NULL);
    e->runs = 0;
}

/* ---- deploys ---- */

/* Those that were there. */
static struct tb_deploys *put_deploys(struct tb_engine *e, struct tb_deploys *deploys)
{
    pthread_mutex_lock(&e->lock);
    struct tb_deploys *former = e->deploys;
    e->deploys = deploys;
    pthread_mutex_unlock(&e->lock);
    return former;
}

/* Those that are queued go out with these settings from now on: call tb_engine_wake_deploys. */
static int take_deploys(struct tb_engine *e, const struct tb_config *config,
                        char why[TB_ENGINE_WHY])
{
    struct tb_deploys *deploys = NULL;
    int err = tb_deploys_new(config, &deploys, why);
    if (err)
        return err;
    /* Two of them at once would tell Rollbar of one deploy twice: the former ends first, and who
     * wakes nobody meanwhile is made up for afterwards. */
    struct tb_deploys *former = put_deploys(e, NULL);
    tb_deploys_stop(former, STOP_MS);
    (void)put_deploys(e, deploys);
    return 0;
}

/* ---- files ---- */

static void add_up_files(struct tb_files_counts *sum, const struct tb_files_counts *before)
{
    sum->lines += before->lines;
    sum->messages += before->messages;
    sum->rejected += before->rejected;
    sum->too_long += before->too_long;
    sum->unmatched += before->unmatched;
    sum->removed += before->removed;
}

static int start_files(struct tb_engine *e, const struct tb_config *config, char why[TB_ENGINE_WHY])
{
    struct tb_files *files = NULL;
    int err = e->options.is_stepped ? tb_files_open(config, &files, why)
                                    : tb_files_start(config, &files, why);
    pthread_mutex_lock(&e->lock);
    e->files = files;
    pthread_mutex_unlock(&e->lock);
    return err;
}

void tb_engine_end_files(struct tb_engine *e)
{
    struct tb_files_counts last;
    struct tb_files *files = e->files; /* this thread alone changes it */
    pthread_mutex_lock(&e->lock);
    tb_files_counts(files, &last);
    add_up_files(&e->files_before, &last);
    e->files = NULL;
    pthread_mutex_unlock(&e->lock);
    tb_files_stop(files);
}

/* Two readers of one file would take it twice: the former ends first. */
static int take_files(struct tb_engine *e, const struct tb_config *config, char why[TB_ENGINE_WHY])
{
    char again_why[TB_ENGINE_WHY];
    tb_engine_end_files(e);
    int err = start_files(e, config, why);
    if (err && start_files(e, e->options.config, again_why) != 0)
        tb_log(TB_LOG_ERROR, "files are not read any more: %s", again_why);
    return err;
}

void tb_engine_files_counts(struct tb_engine *e, struct tb_files_counts *out)
{
    pthread_mutex_lock(&e->lock);
    tb_files_counts(e->files, out);
    add_up_files(out, &e->files_before);
    pthread_mutex_unlock(&e->lock);
}

struct tb_files *tb_engine_files(struct tb_engine *e)
{
    return e->files;
}

/* ---- other settings ---- */

static int take_pipeline(struct tb_engine *e, const struct tb_config *config,
                         char why[TB_ENGINE_WHY])
{
    struct tools tools;
    int did_run = e->runs;
    tb_engine_stop(e);
    int err = open_tools(config, &tools);
    if (!err) {
        struct tb_pipeline_options options = pipeline_options(e, config, &tools);
        if ((err = tb_pipeline_take(e->pipeline, &options)))
            close_tools(&tools);
    }
    if (err) {
        snprintf(why, TB_ENGINE_WHY, "the pipeline does not take the settings: %s", strerror(-err));
    } else {
        close_tools(&e->tools);
        e->tools = tools;
    }
    /* Without its thread nothing works any more: whoever restarts the agent helps. */
    if (did_run && tb_engine_start(e) != 0)
        abort();
    return err;
}

int tb_engine_take(struct tb_engine *e, const struct tb_config *config, char why[TB_ENGINE_WHY])
{
    char more_why[TB_ENGINE_WHY];
    int err = take_files(e, config, why);
    if (err)
        return err;
    if ((err = reload_deliveries(e, config, why)) == 0 &&
        (err = tb_sampler_take(e->sampler, config, why)) == 0)
        err = take_pipeline(e, config, why);
    if (err) {
        if (tb_sampler_take(e->sampler, e->options.config, more_why) != 0)
            tb_log(TB_LOG_ERROR, "the sampling rules stay: %s", more_why);
        if (reload_deliveries(e, e->options.config, more_why) != 0)
            tb_log(TB_LOG_ERROR, "the delivery keeps the new settings: %s", more_why);
        if (take_files(e, e->options.config, more_why) != 0)
            tb_log(TB_LOG_ERROR, "%s", more_why);
        return err;
    }
    e->options.config = config;
    change_deliveries(e, config);
    if (take_deploys(e, config, more_why) != 0)
        tb_log(TB_LOG_WARNING, "deploys go out with the former settings: %s", more_why);
    tb_engine_wake_deploys(e); /* whether some wait they see themselves */
    return 0;
}

/* ---- life ---- */

int tb_engine_open(const struct tb_engine_options *options, struct tb_engine **out,
                   char why[TB_ENGINE_WHY])
{
    struct tb_engine *e = calloc(1, sizeof(*e));
    if (e == NULL)
        abort();
    e->options = *options;
    pthread_mutex_init(&e->lock, NULL);
    int err = 0;
    e->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (e->stop_fd < 0) {
        err = -errno;
        snprintf(why, TB_ENGINE_WHY, "cannot start: %s", strerror(-err));
    }
    if (err || (err = start_deliveries(e, why)) || (err = take_deploys(e, options->config, why)) ||
        (err = tb_sampler_new(options->config, &e->sampler, why)) ||
        (err = open_pipeline(e, why)) || (err = start_files(e, options->config, why))) {
        tb_engine_close(e);
        return err;
    }
    if (!options->is_stepped && tb_store_deploys_next(options->store) >= 0)
        tb_engine_wake_deploys(e);
    if (!options->is_stepped)
        tb_sampler_start(e->sampler);
    *out = e;
    return 0;
}

void tb_engine_close(struct tb_engine *e)
{
    if (e == NULL)
        return;
    tb_engine_end_files(e);
    tb_engine_stop(e);
    tb_deploys_stop(e->deploys, STOP_MS);
    tb_deliveries_stop(e->deliveries, STOP_MS);
    tb_pipeline_free(e->pipeline);
    tb_sampler_free(e->sampler);
    close_tools(&e->tools);
    tb_fd_close(&e->stop_fd);
    pthread_mutex_destroy(&e->lock);
    free(e);
}

void tb_engine_look(struct tb_engine *e, struct tb_pipeline_snapshot *pipeline,
                    struct tb_deliver_status *delivery)
{
    tb_pipeline_snapshot(e->pipeline, pipeline);
    tb_deliveries_first(e->deliveries, delivery);
}

size_t tb_engine_sinks(struct tb_engine *e, struct tb_delivery_state out[TB_DELIVERIES])
{
    return tb_deliveries_look(e->deliveries, out);
}

static int is_stuck(uint64_t turned_ns, uint64_t now_ns)
{
    return now_ns > turned_ns && now_ns - turned_ns > (uint64_t)TB_ENGINE_STUCK_S * TB_NS_PER_S;
}

bool tb_engine_stuck(struct tb_engine *e, char part[TB_ENGINE_PART])
{
    uint64_t now_ns = tb_clock_mono_ns();
    char sink[TB_DELIVERY_NAME];
    if (is_stuck(tb_pipeline_turned_ns(e->pipeline), now_ns)) {
        (void)snprintf(part, TB_ENGINE_PART, "pipeline");
        return true;
    }
    if (!is_stuck(tb_deliveries_turned_ns(e->deliveries, sink), now_ns))
        return false;
    (void)snprintf(part, TB_ENGINE_PART, "delivery to %s", sink);
    return true;
}

struct tb_pipeline *tb_engine_pipeline(struct tb_engine *e)
{
    return e->pipeline;
}

struct tb_deliveries *tb_engine_deliveries(struct tb_engine *e)
{
    return e->deliveries;
}

struct tb_deploys *tb_engine_deploys(struct tb_engine *e)
{
    return e->deploys;
}
