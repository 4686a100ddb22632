/* pace.c - see pace.h. */
#include "agent/deliver/pace.h"

#include "base/clock.h"

enum { START = 4 };

void tb_pace_init(struct tb_pace *pace, unsigned max)
{
    *pace = (struct tb_pace){.limit = max < START ? max : START, .threshold = max, .max = max};
}

unsigned tb_pace_limit(const struct tb_pace *pace)
{
    return (unsigned)pace->limit;
}

void tb_pace_moved(struct tb_pace *pace, uint64_t now_ns)
{
    pace->moved_ns = now_ns;
}

uint64_t tb_pace_widen_ns(const struct tb_pace *pace, unsigned n_flying)
{
    if (n_flying < tb_pace_limit(pace) || tb_pace_limit(pace) >= pace->max)
        return 0;
    return pace->moved_ns + (uint64_t)TB_PACE_WIDEN_MS * TB_NS_PER_MS;
}

void tb_pace_widen(struct tb_pace *pace, unsigned n_flying, uint64_t now_ns)
{
    uint64_t at_ns = tb_pace_widen_ns(pace, n_flying);
    if (at_ns == 0 || now_ns < at_ns)
        return;
    pace->limit = pace->limit + 1 < pace->max ? pace->limit + 1 : pace->max;
    pace->moved_ns = now_ns;
}

void tb_pace_well(struct tb_pace *pace, bool was_full)
{
    if (!was_full)
        return;
    pace->limit += pace->limit < pace->threshold ? 1 : 1 / pace->limit;
    if (pace->limit > pace->max)
        pace->limit = pace->max;
}

void tb_pace_ill(struct tb_pace *pace, uint64_t sent_ns, uint64_t now_ns)
{
    if (sent_ns < pace->cut_ns)
        return;
    pace->limit = pace->limit > 2 ? pace->limit / 2 : 1;
    pace->threshold = pace->limit;
    pace->cut_ns = now_ns;
}

void tb_pace_halt(struct tb_pace *pace, uint64_t now_ns)
{
    if (pace->limit > 1)
        pace->threshold = pace->limit > 2 ? pace->limit / 2 : 1;
    pace->limit = 1;
    pace->cut_ns = now_ns;
}
