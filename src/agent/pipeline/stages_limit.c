/* stages_limit.c - see stages_limit.h. */
#include "agent/pipeline/stages_limit.h"

#include "base/clock.h"

struct tb_limit_rates tb_stage_limit_rates(const struct tb_config *config)
{
    return (struct tb_limit_rates){.item_per_minute = config->item_per_minute,
                                   .service_per_minute = config->service_per_minute,
                                   .burst_minutes = config->burst_minutes};
}

int tb_stage_limit(const struct tb_stage_tools *tools, struct tb_work *work)
{
    if (tools->limit == NULL)
        return 0;
    uint64_t now_ns = tb_clock_wall_ns();
    struct tb_limit_rates rates = tb_stage_limit_rates(tools->config);
    /* What the sender says of the time is not asked: it could say anything. */
    uint64_t written_ns = work->record->time_ns;
    const struct tb_limit_event event = {.environment = work->facts.environment,
                                         .fingerprint = work->group.fingerprint,
                                         .service = work->service,
                                         .is_crash = work->record->class_ == TB_CLASS_CRASH,
                                         .time_ns = written_ns < now_ns ? written_ns : now_ns};
    (void)tb_limit_take(tools->limit, &rates, &event, &work->limit);
    return 0;
}
