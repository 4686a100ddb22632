/* sampler.c - see sampler.h. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "agent/log.h"
#include "agent/sampling/sampler_internal.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/id.h"

#define DAEMON "127.0.0.1:2000" /* where Amazon's daemon listens */

static int64_t wall_ms(void)
{
    return (int64_t)(tb_clock_wall_ns() / TB_NS_PER_MS);
}

/* ---- the file ---- */

static bool has_rules(const struct tb_config *config)
{
    const struct tb_config_xray *xray = &config->sinks.xray;
    return xray->mode != TB_XRAY_OFF && xray->sampling_rules && xray->sampling_rules[0] != '\0';
}

/* The text of the file, with no lock held: who decides does not wait for a disk. */
static int read_file(const char *path, struct tb_buf *text, char why[TB_SAMPLER_WHY])
{
    int err = tb_fd_slurp(AT_FDCWD, path, text);
    if (err)
        (void)snprintf(why, TB_SAMPLER_WHY, "xray.sampling_rules %.200s: %s", path,
                       err == -EMSGSIZE ? "it is over 1 MiB" : strerror(-err));
    return err;
}

/* Into *out, which is changed only where all of it is well. */
static int take_rules(const char *path, struct tb_buf *text, struct tb_sampling *out,
                      char why[TB_SAMPLER_WHY])
{
    char rules_why[TB_SAMPLING_WHY] = "";
    int err = tb_sampling_rules(out, tb_buf_str(text), text->len, wall_ms(), rules_why);
    if (err)
        (void)snprintf(why, TB_SAMPLER_WHY, "xray.sampling_rules %.200s: %s", path,
                       rules_why[0] != '\0' ? rules_why : strerror(-err));
    return err;
}

/* The lock is held, or nobody else has it yet. */
static void set_address(struct tb_sampler *s, const struct tb_config *config)
{
    const struct tb_config_xray *xray = &config->sinks.xray;
    /* Where all are sent no rule decides anything. */
    bool asks = xray->mode == TB_XRAY_DAEMON && xray->asks_daemon && !xray->sends_unsampled;
    const char *said = xray->tcp_address && xray->tcp_address[0] ? xray->tcp_address : DAEMON;
    char address[TB_SAMPLER_ADDRESS];
    (void)snprintf(address, sizeof(address), "%s", asks ? said : "");
    s->is_changed = s->is_changed || strcmp(address, s->address) != 0;
    memcpy(s->address, address, sizeof(address));
    if (!asks) {
        s->fresh_until_ns = 0;
        s->trouble[0] = '\0';
    }
}

int tb_sampler_take(struct tb_sampler *s, const struct tb_config *config, char why[TB_SAMPLER_WHY])
{
    const char *path = config->sinks.xray.sampling_rules;
    struct tb_sampling *none = NULL;
    struct tb_buf text;
    tb_buf_init(&text, TB_SAMPLING_BYTES);
    int err = has_rules(config) ? read_file(path, &text, why) : tb_sampling_new(&none);
    pthread_mutex_lock(&s->lock);
    if (!err && none == NULL)
        err = take_rules(path, &text, s->file, why);
    if (!err) {
        struct tb_sampling *former = s->file;
        if (none != NULL && s->has_file) {
            s->file = none;
            none = former;
        }
        s->has_file = has_rules(config);
        set_address(s, config);
        pthread_cond_broadcast(&s->changed);
    } else if (err == -ENOMEM) {
        (void)snprintf(why, TB_SAMPLER_WHY, "%s", strerror(ENOMEM));
    }
    pthread_mutex_unlock(&s->lock);
    tb_buf_done(&text);
    tb_sampling_free(none);
    if (!err)
        tb_sampler_start(s);
    return err;
}

/* ---- decisions ---- */

static double uniform(void)
{
    uint64_t bits;
    tb_id_random(&bits, sizeof(bits));
    return (double)(bits >> 11) * 0x1p-53;
}

/* The lock is held. */
static struct tb_sampling *rules_now(const struct tb_sampler *s)
{
    return tb_clock_mono_ns() < s->fresh_until_ns ? s->central : s->file;
}

bool tb_sampler_decide(void *sampler, const struct tb_sampling_request *request)
{
    struct tb_sampler *s = sampler;
    pthread_mutex_lock(&s->lock);
    bool is_sampled = tb_sampling_decide(rules_now(s), request, wall_ms(), uniform(), NULL);
    if (s->is_quiet && tb_sampling_is_used(s->central))
        pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
    return is_sampled;
}

void tb_sampler_look(struct tb_sampler *s, struct tb_sampler_state *out)
{
    pthread_mutex_lock(&s->lock);
    const struct tb_sampling *rules = rules_now(s);
    out->from = rules == s->central ? "service" : s->has_file ? "file" : "default";
    for (out->n_rules = 0; tb_sampling_name(rules, out->n_rules) != NULL;)
        out->n_rules++;
    memcpy(out->trouble, s->trouble, sizeof(out->trouble));
    pthread_mutex_unlock(&s->lock);
}

/* ---- life ---- */

int tb_sampler_new(const struct tb_config *config, struct tb_sampler **out,
                   char why[TB_SAMPLER_WHY])
{
    uint8_t client[TB_SAMPLING_CLIENT / 2];
    struct tb_sampler *s = calloc(1, sizeof(*s));
    if (s == NULL)
        return -ENOMEM;
    (void)pthread_mutex_init(&s->lock, NULL);
    (void)pthread_cond_init(&s->changed, NULL);
    tb_id_random(client, sizeof(client));
    tb_hex(client, sizeof(client), s->client);
    s->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int err = s->wake_fd < 0 ? -errno : tb_sampling_new(&s->file);
    if (!err)
        err = tb_sampling_new(&s->central);
    if (err)
        (void)snprintf(why, TB_SAMPLER_WHY, "%s", strerror(-err));
    if (!err && has_rules(config)) {
        const char *path = config->sinks.xray.sampling_rules;
        struct tb_buf text;
        tb_buf_init(&text, TB_SAMPLING_BYTES);
        err = read_file(path, &text, why);
        err = err ? err : take_rules(path, &text, s->file, why);
        tb_buf_done(&text);
        s->has_file = true;
    }
    if (err) {
        tb_sampler_free(s);
        return err;
    }
    set_address(s, config);
    *out = s;
    return 0;
}

void tb_sampler_start(struct tb_sampler *s)
{
    sigset_t all;
    sigset_t before;
    if (s->has_thread || s->address[0] == '\0')
        return;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are for the loop alone */
    int err = pthread_create(&s->thread, NULL, tb_sampler_poll, s);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    s->has_thread = err == 0;
    if (err != 0)
        tb_log(TB_LOG_WARNING, "the X-Ray daemon is not asked for sampling rules: %s",
               strerror(err));
}

void tb_sampler_free(struct tb_sampler *s)
{
    const uint64_t one = 1;
    if (s == NULL)
        return;
    pthread_mutex_lock(&s->lock);
    s->is_stopping = true;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
    if (s->has_thread) {
        (void)!write(s->wake_fd, &one, sizeof(one)); /* an eventfd of zero takes it */
        (void)pthread_join(s->thread, NULL);
    }
    tb_sampling_free(s->file);
    tb_sampling_free(s->central);
    tb_fd_close(&s->wake_fd);
    (void)pthread_cond_destroy(&s->changed);
    (void)pthread_mutex_destroy(&s->lock);
    free(s);
}
