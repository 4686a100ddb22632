/* pace.h - how many requests may be under way at one endpoint: more while all goes well, half as
 * many when it does not. Pure.
 *
 * 1. Between 1 and max. It begins with 4 and doubles with each round of replies until the first
 *    trouble, then it grows by one with each round.
 * 2. It grows only while it is what holds things up.
 * 3. Requests that get no reply hold up nothing else: while all that may be under way is, and
 * nothing has moved for TB_PACE_WIDEN_MS, there may be one more.
 * 4. The troubles of one round halve it once: what was sent before the last cut says nothing about
 *    the time after it. */
#ifndef TB_AGENT_PACE_H
#define TB_AGENT_PACE_H

#include <stdbool.h>
#include <stdint.h>

enum { TB_PACE_WIDEN_MS = 250 };

struct tb_pace {
    double limit, threshold; /* doubles below the threshold, adds above */
    unsigned max;
    uint64_t cut_ns;   /* monotonic; when it was cut last */
    uint64_t moved_ns; /* monotonic; when something was sent or came back last */
};

void tb_pace_init(struct tb_pace *pace, unsigned max);
unsigned tb_pace_limit(const struct tb_pace *pace);
/* Something was sent, or came back. */
void tb_pace_moved(struct tb_pace *pace, uint64_t now_ns);
/* While n_flying are under way and more wait: one more, if it is time to. */
void tb_pace_widen(struct tb_pace *pace, unsigned n_flying, uint64_t now_ns);
/* When it is, monotonic; 0: nothing but a reply makes room. */
uint64_t tb_pace_widen_ns(const struct tb_pace *pace, unsigned n_flying);
/* A reply that is one, to a request that was sent while the limit was used up. */
void tb_pace_well(struct tb_pace *pace, bool was_full);
/* Told to slow down, a server error, or no answer, to a request of sent_ns. */
void tb_pace_ill(struct tb_pace *pace, uint64_t sent_ns, uint64_t now_ns);
/* The endpoint answers nobody: begins with 1 again. */
void tb_pace_halt(struct tb_pace *pace, uint64_t now_ns);

#endif
