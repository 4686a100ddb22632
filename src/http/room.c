/* room.c - who goes when a listener has more connections than it may: connections.h 1. */
#include <event2/http.h>
#include <stddef.h>

#include "base/clock.h"
#include "http/connections_impl.h"

static int is_older(const struct tb_connection *c, int ms)
{
    return tb_clock_mono_ns() - c->began_ns >= (uint64_t)ms * TB_NS_PER_MS;
}

/* The one that has been idle for the longest, unless it has only just come. */
static struct tb_connection *idlest(struct tb_listener *listener)
{
    struct tb_connection *c = TAILQ_FIRST(&listener->in[TB_CONNECTION_IDLE]);
    return c != NULL && is_older(c, TB_CONNECTIONS_IDLE_MS) ? c : NULL;
}

/* The one that has been sending a small request for the longest, and for too long. */
static struct tb_connection *slowest(struct tb_listener *listener)
{
    struct tb_connection *c = TAILQ_FIRST(&listener->in[TB_CONNECTION_RECEIVING]);
    while (c != NULL && (c->reserved > 0 || c->refusal != 0))
        c = TAILQ_NEXT(c, in_state);
    return c != NULL && is_older(c, TB_CONNECTIONS_SLOW_MS) ? c : NULL;
}

/* 1, or 0: nobody may go yet. */
static int make_room(struct tb_listener *listener)
{
    struct tb_connection *idle = idlest(listener);
    struct tb_connection *lingering = TAILQ_FIRST(&listener->in[TB_CONNECTION_LINGERING]);
    struct tb_connection *slow = slowest(listener);
    struct tb_connection *unread = tb_unread_slowest(listener);
    if (idle != NULL)
        evhttp_connection_free(idle->evcon);
    else if (lingering != NULL)
        tb_refuse_late(lingering);
    else if (slow != NULL)
        tb_refuse(slow, 408, "too many send slowly at once: send the request in one piece");
    else if (unread != NULL)
        evhttp_connection_free(unread->evcon);
    return idle != NULL || lingering != NULL || slow != NULL || unread != NULL;
}

void tb_room_keep(struct tb_listener *listener)
{
    for (int n = listener->n - listener->cap; n > 0; n--)
        if (!make_room(listener)) {
            tb_listener_full(listener);
            return;
        }
    if (listener->n > listener->cap)
        tb_listener_full(listener); /* who was refused lingers: look again */
}
