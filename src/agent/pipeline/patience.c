/* patience.c - see patience.h. */
#include "agent/pipeline/patience.h"

#include "base/clock.h"

static int find(const struct tb_patience *patience, uid_t uid)
{
    for (int i = 0; i < TB_PATIENCE_USERS; i++)
        if (patience->users[i].n_timeouts > 0 && patience->users[i].uid == uid)
            return i;
    return -1;
}

int tb_patience_has(const struct tb_patience *patience, uid_t uid, uint64_t now_ns)
{
    int i = find(patience, uid);
    return i < 0 || patience->users[i].n_timeouts < TB_PATIENCE_TIMEOUTS ||
           now_ns - patience->users[i].last_ns >= (uint64_t)TB_PATIENCE_S * TB_NS_PER_S;
}

/* A free place has never timed out: 0 is the longest ago. */
static int oldest(const struct tb_patience *patience)
{
    int found = 0;
    for (int i = 1; i < TB_PATIENCE_USERS; i++)
        if (patience->users[i].last_ns < patience->users[found].last_ns)
            found = i;
    return found;
}

void tb_patience_tell(struct tb_patience *patience, uid_t uid, int timed_out, uint64_t now_ns)
{
    int i = find(patience, uid);
    if (!timed_out) {
        if (i >= 0) {
            patience->users[i].n_timeouts = 0;
            patience->users[i].last_ns = 0;
        }
        return;
    }
    if (i < 0) {
        i = oldest(patience);
        patience->users[i].uid = uid;
        patience->users[i].n_timeouts = 0;
    }
    patience->users[i].n_timeouts++;
    patience->users[i].last_ns = now_ns;
}
