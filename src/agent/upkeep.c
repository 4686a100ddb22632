/* upkeep.c - see upkeep.h. */
#include "agent/upkeep.h"

#include <string.h>

#include "agent/log.h"
#include "base/clock.h"

void tb_upkeep_init(struct tb_upkeep *upkeep, const struct tb_config *config,
                    struct tb_spool *spool)
{
    memset(upkeep, 0, sizeof(*upkeep));
    upkeep->config = config;
    upkeep->spool = spool;
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
    if (now->n_vanished > before->n_vanished)
        tb_log(TB_LOG_INFO,
               "%llu processes ended without a word; those that were killed, or may have been, are "
               "reported",
               (unsigned long long)(now->n_vanished - before->n_vanished));
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
    if (upkeep->looked_ns != 0 && now_ns - upkeep->looked_ns < TB_NS_PER_S)
        return;
    upkeep->looked_ns = now_ns;
    memcpy(policy.max_age_hours, c->max_age_hours, sizeof(policy.max_age_hours));
    int err = tb_spool_evict(upkeep->spool, &policy, &out);
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
