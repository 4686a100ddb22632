/* unread.c - answers that their clients do not read: see connections.h 8.
 *
 * The kernel takes what fits its buffers; the rest waits in the connection's output, and nothing
 * else says how much that is. */
#include <event2/http.h>

#include "base/clock.h"
#include "http/connections_impl.h"

/* It has all of its answer, which still waits for its client. */
static int is_unread(const struct tb_connection *c)
{
    return c->unread > 0 && c->is_answered;
}

/* Those whose request is still worked on stand in the same list; they are few (jobs.h). */
static struct tb_connection *oldest(const struct tb_listener *listener)
{
    struct tb_connection *c = TAILQ_FIRST(&listener->in[TB_CONNECTION_ANSWERING]);
    while (c != NULL && !is_unread(c))
        c = TAILQ_NEXT(c, in_state);
    return c;
}

struct tb_connection *tb_unread_slowest(const struct tb_listener *listener)
{
    struct tb_connection *c = oldest(listener);
    uint64_t slow_ns = (uint64_t)TB_CONNECTIONS_SLOW_MS * TB_NS_PER_MS;
    return c != NULL && tb_clock_mono_ns() - c->answered_ns >= slow_ns ? c : NULL;
}

void tb_unread_changed(struct tb_connection *c, size_t n_added, size_t n_deleted)
{
    struct tb_connections *all = c->listener->all;
    if (n_added > 0 && c->state == TB_CONNECTION_ANSWERING && !c->is_answered) {
        c->is_answered = 1;
        c->answered_ns = tb_clock_mono_ns();
    }
    c->unread += n_added - n_deleted;
    all->unread += n_added - n_deleted;
    if (n_added > 0 && all->unread > TB_CONNECTIONS_UNREAD)
        event_active(all->unread_much, EV_TIMEOUT, 0);
}

void tb_unread_forget(struct tb_connection *c)
{
    c->listener->all->unread -= c->unread;
    c->unread = 0;
}

/* Of both listeners, the one that has had its answer for the longest. */
static struct tb_connection *oldest_of_all(const struct tb_connections *all)
{
    struct tb_connection *found = NULL;
    for (int i = 0; i < all->n_listeners; i++) {
        struct tb_connection *c = oldest(&all->listeners[i]);
        if (c != NULL && (found == NULL || c->answered_ns < found->answered_ns))
            found = c;
    }
    return found;
}

void tb_unread_all(evutil_socket_t fd, short events, void *arg)
{
    struct tb_connections *all = arg;
    (void)fd;
    (void)events;
    while (all->unread > TB_CONNECTIONS_UNREAD) {
        struct tb_connection *c = oldest_of_all(all);
        if (c == NULL)
            return;
        evhttp_connection_free(c->evcon);
    }
}
