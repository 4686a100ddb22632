/* budget.c - the memory for what is received: see connections.h 4.
 *
 * A large body is let in or refused by its head, before it costs anything; so many who ignore the
 * 503 cost their heads alone, and those who were let in end well. */
#include <errno.h>

#include "base/clock.h"
#include "http/connections_impl.h"

enum {
    EIGHTHS = 8,
    SENDER_EIGHTHS = 6,
    STEP_BYTES = 256 << 10, /* by which chunks grow */
    LOOKED_AT = 64          /* the oldest requests, when one of them has to go */
};

static size_t eighths(const struct tb_connections *all, unsigned n)
{
    return all->options.held_max / EIGHTHS * n;
}

static const char BUSY[] =
    "too many large bodies are being received at once: send it again in a second";

/* ---- small ones ---- */

/* What a request costs: its bytes for as long as they are here. */
static double cost(const struct tb_connection *c, uint64_t now_ns)
{
    return (double)c->charged * (double)(now_ns - c->began_ns + TB_NS_PER_MS);
}

static void refuse_costliest(struct tb_connections *all)
{
    struct tb_connection *worst = NULL;
    uint64_t now_ns = tb_clock_mono_ns();
    for (int i = 0; i < all->n_listeners; i++) {
        const struct tb_connection_list *list = &all->listeners[i].in[TB_CONNECTION_RECEIVING];
        int n = 0;
        for (struct tb_connection *c = TAILQ_FIRST(list); c != NULL && n < LOOKED_AT; n++) {
            if (c->refusal == 0 && c->charged > 0 &&
                (worst == NULL || cost(c, now_ns) > cost(worst, now_ns)))
                worst = c;
            c = TAILQ_NEXT(c, in_state);
        }
    }
    if (worst != NULL)
        tb_refuse_later(worst, 503,
                        "too much is being received at once: send it again in a second");
}

/* Of many that come in one turn of the loop the oldest are refused, and then stand there until it
 * is done: the others are looked at when those are gone. */
void tb_budget_keep(struct tb_connections *all)
{
    if (all->small > eighths(all, 1))
        refuse_costliest(all);
}

static void charge(struct tb_connection *c, size_t n)
{
    struct tb_connections *all = c->listener->all;
    all->small += n - c->charged;
    c->charged = n;
}

/* ---- large ones ---- */

int tb_budget_reserve(struct tb_connection *c, size_t n)
{
    struct tb_connections *all = c->listener->all;
    size_t room = eighths(all, EIGHTHS - 1);
    struct tb_sender *sender = c->sender != NULL
                                   ? c->sender
                                   : tb_senders_find(&all->senders, &c->peer, tb_clock_mono_ns());
    size_t others = sender->reserved - (c->sender != NULL ? c->reserved : 0);
    if (n > room - all->large ||
        (others > 0 && sender->reserved + n > eighths(all, SENDER_EIGHTHS)))
        return -EAGAIN;
    c->sender = sender;
    c->reserved += n;
    sender->reserved += n;
    all->large += n;
    return 0;
}

void tb_budget_declared(struct tb_connection *c)
{
    if (c->framing.length <= TB_CONNECTIONS_SMALL)
        return;
    if (tb_budget_reserve(c, (size_t)c->framing.length) != 0)
        tb_refuse_later(c, 503, BUSY);
}

void tb_budget_grown(struct tb_connection *c)
{
    struct tb_connections *all = c->listener->all;
    size_t has = c->reserved + TB_CONNECTIONS_SMALL;
    if (c->held > has &&
        tb_budget_reserve(c, (c->held - has) / STEP_BYTES * STEP_BYTES + STEP_BYTES) != 0) {
        tb_refuse_later(c, 503, BUSY);
        return;
    }
    charge(c, c->reserved > 0 ? 0 : c->held);
    tb_budget_keep(all);
}

void tb_budget_release(struct tb_connection *c, size_t still_held)
{
    if (c->sender != NULL)
        c->sender->reserved -= c->reserved;
    c->listener->all->large -= c->reserved;
    c->reserved = 0;
    c->sender = NULL;
    c->held = still_held;
    charge(c, still_held);
}
