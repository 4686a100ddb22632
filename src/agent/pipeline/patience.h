/* patience.h - whose questions the symbolizer is spared for a while. Pure.
 *
 * All records pass one symbolizer, one after the other: the time that a user's take is everybody's.
 * 1. Each user has a budget: so much of the symbolizer's time in a minute, by the clock. What he
 *    has spent is forgotten at that rate; while it is the budget or more, he is not asked for.
 * 2. A question is never cut short for it: two that time out, in a row, are twice the budget, and a
 *    minute without names.
 * 3. What a user left to be stored (symbolizer.h 4) is his to pay, whoever's question comes next.
 */
#ifndef TB_AGENT_PATIENCE_H
#define TB_AGENT_PATIENCE_H

#include <stdint.h>
#include <sys/types.h>

enum { TB_PATIENCE_MS = 10000, TB_PATIENCE_USERS = 32 };

/* Zeroed: nobody has spent anything, and the budget is TB_PATIENCE_MS. */
struct tb_patience {
    struct {
        uid_t uid;
        uint64_t spent_ns; /* at at_ns; 0: the place is free */
        uint64_t at_ns;    /* monotonic, like now_ns */
    } users[TB_PATIENCE_USERS];
    unsigned budget_ms; /* in a minute; 0: TB_PATIENCE_MS */
    int is_behind;      /* something was left to be stored, by: */
    uid_t debtor;
};

unsigned tb_patience_budget_ms(const struct tb_patience *patience);
int tb_patience_has(const struct tb_patience *patience, uid_t uid, uint64_t now_ns);
/* A question for uid took so long. When more users have spent something than have a place, the one
 * who has spent least is forgotten. */
void tb_patience_spend(struct tb_patience *patience, uid_t uid, uint64_t spent_ns, uint64_t now_ns);
/* So long it took to store what was left before, or is of a question for uid. is_behind: something
 * is left now. */
void tb_patience_spend_storing(struct tb_patience *patience, uid_t uid, uint64_t spent_ns,
                               int is_behind, uint64_t now_ns);

#endif
