/* patience.h - whose questions the symbolizer is spared for a while. Pure.
 *
 * A question that times out stalls the pipeline, and with it the records of everybody. A user whose
 * questions timed out TB_PATIENCE_TIMEOUTS times in a row is not asked for during TB_PATIENCE_S;
 * then one question is tried, and when it times out too, the wait begins again. */
#ifndef TB_AGENT_PATIENCE_H
#define TB_AGENT_PATIENCE_H

#include <stdint.h>
#include <sys/types.h>

enum { TB_PATIENCE_TIMEOUTS = 2, TB_PATIENCE_S = 60, TB_PATIENCE_USERS = 32 };

/* Zeroed: nobody has timed out. */
struct tb_patience {
    struct {
        uid_t uid;
        unsigned n_timeouts; /* in a row; 0: the place is free */
        uint64_t last_ns;    /* of the last timeout; monotonic, like now_ns */
    } users[TB_PATIENCE_USERS];
};

int tb_patience_has(const struct tb_patience *patience, uid_t uid, uint64_t now_ns);
/* Tells how a question for uid went. When more users time out than have a place, the one whose
 * timeout is the longest ago is forgotten. */
void tb_patience_tell(struct tb_patience *patience, uid_t uid, int timed_out, uint64_t now_ns);

#endif
