/* session.c - sessions: used after they are gone, closed twice. */
#include "relayd.h"

#include <stdlib.h>
#include <string.h>

static struct link sessions = {&sessions, &sessions};

struct session *session_open(int id)
{
    struct session *session = calloc(1, sizeof(*session));
    if (session == NULL)
        die("no memory");
    session->id = id;
    list_add(&sessions, &session->link);
    return session;
}

struct session *session_find(int id)
{
    for (struct link *l = sessions.next; l != &sessions; l = l->next)
        if (((struct session *)l)->id == id)
            return (struct session *)l;
    return NULL;
}

static void session_free(struct session *session)
{
    session->label = NULL;
    free(session);
}

static void session_unlink(struct session *session)
{
    list_remove(&session->link);
    session->id = 0;
}

void session_close(struct session *session)
{
    session_unlink(session);
    session_free(session);
}

struct user *user_new(const char *name, const char *credit)
{
    struct user *user = calloc(1, sizeof(*user));
    if (user == NULL)
        die("no memory");
    user->credit = setting_number(credit);
    strncpy(user->name, name, sizeof(user->name) - 1);
    return user;
}

/* ---- faults ---- */

static long share_of(const struct session *session)
{
    return session->bytes / session->n_streams;
}

static long balance(const struct session *session)
{
    long share = share_of(session);
    return share > 100 ? share : 100;
}

static void serve_balance(void)
{
    struct session *session = session_open(setting_number("port"));
    session->last_seen = balance(session);
}

/* Two bugs of two kinds in one function. */
long session_rate(const struct session *session)
{
    long credit = session->user->credit;
    return session->bytes * 100 / credit;
}

static void bill_nobody(void)
{
    struct session *session = session_open(1);
    session->last_seen = session_rate(session);
}

static void bill_without_credit(void)
{
    struct session *session = session_open(1);
    session->user = user_new("somebody", "credit");
    session->last_seen = session_rate(session);
}

/* Two of one kind in one function, with one caller: nothing but the line tells them apart, and
 * lines move with each rebuild. */
static int route(const struct session *session)
{
    int credit = session->user->credit;
    return credit + session->peer->id;
}

int route_all(int with_user)
{
    struct session *session = session_open(3);
    if (with_user)
        session->user = user_new("somebody", "port");
    return route(session);
}

static void route_no_user(void)
{
    exit(route_all(0));
}

static void route_no_peer(void)
{
    exit(route_all(1));
}

static void close_twice(void)
{
    struct session *session = session_open(5);
    session_free(session);
    session_free(session);
    served++;
}

static void hang_up_twice(void)
{
    struct session *session = session_open(6);
    session_unlink(session);
    session_unlink(session);
    served++;
}

const struct fault session_faults[] = {
    {"balance-zero", NULL, serve_balance},         {"rate-null", NULL, bill_nobody},
    {"rate-zero", NULL, bill_without_credit},      {"route-user", "route", route_no_user},
    {"route-peer", "route", route_no_peer},        {"session-free-twice", NULL, close_twice},
    {"session-unlink-twice", NULL, hang_up_twice}, {NULL, NULL, NULL}};
