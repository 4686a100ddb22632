/* upkeep.c - see upkeep.h. */
#include "agent/pipeline/upkeep.h"

#include <string.h>

#include "agent/log.h"
#include "base/clock.h"

enum {
    LEAST_S = 1,
    MOST_S = 60,
    TIMES_REST = 20,      /* as long as it took */
    TIMES_REST_LEAST = 2, /* when much was written meanwhile */
    FILLING = 16,         /* that part of max_bytes is much */
};

void tb_upkeep_init(struct tb_upkeep *upkeep, const struct tb_config *config,
                    struct tb_spool *spool)
{
    memset(upkeep, 0, sizeof(*upkeep));
    upkeep->config = config;
    upkeep->spool = spool;
    upkeep->room = UINT64_MAX;
    tb_kinds_init(&upkeep->kinds, spool);
}

void tb_upkeep_done(struct tb_upkeep *upkeep)
{
    tb_kinds_done(&upkeep->kinds);
}

void tb_upkeep_tell(struct tb_upkeep *upkeep, const struct tb_spool_stats *now, uint64_t n_said)
{
    const struct tb_spool_stats *before = &upkeep->told;
    unsigned long long n_drops = 0;
    for (int c = 0; c < TB_N_CLASSES; c++)
        n_drops += now->n_drops[c] - before->n_drops[c];
    if (now->n_damaged > before->n_damaged)
        tb_log(TB_LOG_WARNING,
               "the spool is damaged: %llu frames or files failed their checksum and were passed "
               "over",
               (unsigned long long)(now->n_damaged - before->n_damaged));
    if (now->n_quarantined > before->n_quarantined + n_said)
        tb_log(TB_LOG_WARNING,
               "%llu files or records of the spool went to quarantine; they are kept in the "
               "spool's folder agent/quarantine, with the reason",
               (unsigned long long)(now->n_quarantined - before->n_quarantined - n_said));
    if (now->n_refused > before->n_refused)
        tb_log(TB_LOG_WARNING, "%llu foreign files lie in the spool and are left alone",
               (unsigned long long)(now->n_refused - before->n_refused));
    if (n_drops > 0)
        tb_log(TB_LOG_WARNING,
               "%llu records were refused by processes that ended before they could tell", n_drops);
    upkeep->told = *now;
}

static void tell_evicted(const struct tb_spool_evicted *out)
{
    static const char limits[] = "the spool is over its limits (spool_limits)";
    unsigned long long n[TB_N_CLASSES];
    for (int c = 0; c < TB_N_CLASSES; c++)
        n[c] = out->records[c];
    if (out->files > 0)
        tb_log(TB_LOG_WARNING,
               "%s: %llu files were removed; lost with them: %llu crashes, %llu errors, %llu "
               "warnings, %llu of info",
               limits, (unsigned long long)out->files, n[0], n[1], n[2], n[3]);
    if (out->foreign > 0)
        tb_log(TB_LOG_WARNING, "%s: %llu foreign files were removed from it", limits,
               (unsigned long long)out->foreign);
    if (out->quarantine_bytes > 0)
        tb_log(TB_LOG_WARNING, "%s: the oldest %llu KiB of quarantine were removed", limits,
               (unsigned long long)out->quarantine_bytes >> 10);
}

static uint64_t when(uint64_t began_ns, uint64_t now_ns, uint64_t times)
{
    uint64_t rest_ns = (now_ns - began_ns) * times;
    uint64_t most_ns = (uint64_t)MOST_S * TB_NS_PER_S;
    uint64_t least_ns = began_ns + (uint64_t)LEAST_S * TB_NS_PER_S;
    uint64_t at_ns = now_ns + (rest_ns < most_ns ? rest_ns : most_ns);
    return at_ns > least_ns ? at_ns : least_ns;
}

static void rest(struct tb_upkeep_rest *rest, uint64_t began_ns)
{
    uint64_t now_ns = tb_clock_mono_ns();
    rest->least_ns = when(began_ns, now_ns, TIMES_REST_LEAST);
    rest->next_ns = when(began_ns, now_ns, TIMES_REST);
}

static int is_filling(const struct tb_upkeep *upkeep)
{
    uint64_t room = tb_spool_room(upkeep->spool);
    return room < upkeep->room && upkeep->room - room > upkeep->config->max_bytes / FILLING;
}

void tb_upkeep_evict(struct tb_upkeep *upkeep)
{
    const struct tb_config *c = upkeep->config;
    struct tb_spool_policy policy = {.max_bytes = c->max_bytes,
                                     .max_percent = c->max_percent,
                                     .keep_free_percent = c->keep_free_percent,
                                     .uid_percent = c->shared_spool ? c->uid_percent : 0,
                                     .kind = tb_kind_of,
                                     .arg = &upkeep->kinds};
    struct tb_spool_evicted out;
    uint64_t now_ns = tb_clock_mono_ns();
    if (now_ns < upkeep->evict.least_ns || (now_ns < upkeep->evict.next_ns && !is_filling(upkeep)))
        return;
    memcpy(policy.max_age_hours, c->max_age_hours, sizeof(policy.max_age_hours));
    int err = tb_spool_evict(upkeep->spool, &policy, &out);
    rest(&upkeep->evict, now_ns);
    upkeep->room = tb_spool_room(upkeep->spool);
    tell_evicted(&out);
    if (err)
        tb_log(TB_LOG_ERROR, "cannot look whether the spool is over its limits: %s",
               strerror(-err));
}

void tb_upkeep_sync(struct tb_upkeep *upkeep, int max_class)
{
    int err = tb_spool_sync(upkeep->spool, max_class);
    if (err)
        tb_log(TB_LOG_ERROR,
               "cannot sync the spool: %s; what is in it is still stored as soon as the database "
               "takes it, but may not survive a loss of power",
               strerror(-err));
}

void tb_upkeep_sync_late(struct tb_upkeep *upkeep)
{
    uint64_t now_ns = tb_clock_mono_ns();
    if (now_ns < upkeep->sync.next_ns)
        return;
    tb_upkeep_sync(upkeep, TB_CLASS_ERROR);
    rest(&upkeep->sync, now_ns);
}
