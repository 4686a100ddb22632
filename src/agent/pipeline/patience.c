/* patience.c - see patience.h. */
#include "agent/pipeline/patience.h"

#include "base/clock.h"

enum { MINUTE_MS = 60000 };
#define DAY_NS (UINT64_C(86400) * TB_NS_PER_S)

unsigned tb_patience_budget_ms(const struct tb_patience *patience)
{
    return patience->budget_ms > 0 ? patience->budget_ms : TB_PATIENCE_MS;
}

/* What is not forgotten yet of what the user of place i has spent. */
static uint64_t spent(const struct tb_patience *patience, int i, uint64_t now_ns)
{
    uint64_t before_ns = patience->users[i].spent_ns;
    uint64_t since_ns = now_ns > patience->users[i].at_ns ? now_ns - patience->users[i].at_ns : 0;
    if (since_ns > DAY_NS)
        since_ns = DAY_NS; /* so that the product has room */
    uint64_t forgotten_ns = since_ns * tb_patience_budget_ms(patience) / MINUTE_MS;
    return before_ns > forgotten_ns ? before_ns - forgotten_ns : 0;
}

static int find(const struct tb_patience *patience, uid_t uid)
{
    for (int i = 0; i < TB_PATIENCE_USERS; i++)
        if (patience->users[i].spent_ns > 0 && patience->users[i].uid == uid)
            return i;
    return -1;
}

int tb_patience_has(const struct tb_patience *patience, uid_t uid, uint64_t now_ns)
{
    int i = find(patience, uid);
    uint64_t budget_ns = (uint64_t)tb_patience_budget_ms(patience) * TB_NS_PER_MS;
    return i < 0 || spent(patience, i, now_ns) < budget_ns;
}

static int least(const struct tb_patience *patience, uint64_t now_ns)
{
    int found = 0;
    for (int i = 1; i < TB_PATIENCE_USERS; i++)
        if (spent(patience, i, now_ns) < spent(patience, found, now_ns))
            found = i;
    return found;
}

void tb_patience_spend(struct tb_patience *patience, uid_t uid, uint64_t spent_ns, uint64_t now_ns)
{
    int i = find(patience, uid);
    if (spent_ns == 0)
        return;
    if (i < 0) {
        i = least(patience, now_ns);
        patience->users[i].uid = uid;
        patience->users[i].spent_ns = 0;
    }
    patience->users[i].spent_ns = spent(patience, i, now_ns) + spent_ns;
    patience->users[i].at_ns = now_ns;
}

void tb_patience_spend_storing(struct tb_patience *patience, uid_t uid, uint64_t spent_ns,
                               int is_behind, uint64_t now_ns)
{
    tb_patience_spend(patience, patience->is_behind ? patience->debtor : uid, spent_ns, now_ns);
    if (is_behind && !patience->is_behind)
        patience->debtor = uid;
    patience->is_behind = is_behind;
}
