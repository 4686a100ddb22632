/* shapes.c - functions that compilers split, clone, merge and jump out of. */
#include "relayd.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- tail calls ---- */

int flush_one(struct session *session)
{
    session->peer->bytes = 0;
    return session->id;
}

static int flush_all(struct session *session)
{
    if (session->id == 0)
        return 0;
    return flush_one(session);
}

int relay_stop(struct session *session)
{
    return flush_all(session);
}

static void stop_early(void)
{
    exit(relay_stop(session_open(21)) + 1);
}

/* A long function that calls another at its end. */
int settle(struct session *session, int n)
{
    session->bytes = session->user->credit / n;
    return session->id;
}

int settle_later(struct session *session)
{
    static struct user user;
    session->user = &user;
    for (int i = 0; i < session->id; i++)
        user.credit += setting_number("port") + i;
    return settle(session, user.name[0]);
}

static void settle_nothing(void)
{
    exit(settle_later(session_open(4)) + 1);
}

/* ---- an error path that is moved out of the way ---- */

static void tell(const struct session *session, const char *what)
{
    fprintf(stderr, "%s: %s\n", session->user->name, what);
    fflush(stderr);
}

int receive(struct session *session, const char *data, int len)
{
    int n = 0;
    if (__builtin_expect(len < 0, 0)) {
        tell(session, "read failed");
        return -1;
    }
    for (int i = 0; i < len; i++)
        n += data[i];
    return n;
}

static void receive_failed(void)
{
    exit(receive(session_open(22), "", setting_number("low")));
}

/* ---- a short way out, and a long rest ---- */

static int charge(struct session *session, int amount)
{
    if (session->n_streams > 0)
        return 0;
    session->bytes += amount;
    session->last_seen = session->bytes * 7;
    for (int i = 0; i < amount; i++)
        session->bytes ^= session->last_seen << (i & 7);
    return session->user->credit -= amount;
}

int charge_for_entry(struct session *session)
{
    return charge(session, 5) + 1;
}

int charge_for_relay(struct session *session)
{
    return charge(session, setting_number("port")) + 2;
}

static void charge_entry(void)
{
    exit(charge_for_entry(session_open(23)));
}

static void charge_relay(void)
{
    exit(charge_for_relay(session_open(23)));
}

/* ---- one member of a struct, one constant argument ---- */

static __attribute__((noinline)) long age_of(const struct session *session, long now, int unit)
{
    return (now - session->last_seen) / unit;
}

long oldest(const struct session *session)
{
    long age = age_of(session, 1000, 60);
    return age > 10 ? age : age_of(session, 2000, 60);
}

static void age_of_nobody(void)
{
    exit((int)oldest(session_find(4711)));
}

/* ---- two functions of the same text ---- */

struct pipe {
    struct session *end;
    int n;
};

static __attribute__((noinline)) int drop_reader(struct pipe *pipe)
{
    pipe->end->n_streams--;
    return pipe->n - 1;
}

static __attribute__((noinline)) int drop_writer(struct pipe *pipe)
{
    pipe->end->n_streams--;
    return pipe->n - 1;
}

static void close_reader(void)
{
    struct pipe pipe = {session_find(4711), 1};
    exit(drop_reader(&pipe) + 1);
}

static void close_writer(void)
{
    struct pipe pipe = {session_find(4711), 2};
    exit(drop_writer(&pipe) + 2);
}

/* ---- small helpers in small helpers ---- */

static inline struct user *user_of(const struct session *session)
{
    return session->user;
}

static inline const char *name_of(const struct session *session)
{
    return user_of(session)->name;
}

static inline int is_named(const struct session *session, const char *name)
{
    return strcmp(name_of(session), name) == 0;
}

static int may_enter(const struct session *session)
{
    return is_named(session, "root") || user_of(session)->credit > 0;
}

static void enter(void)
{
    exit(may_enter(session_open(24)));
}

/* The same helpers, two steps below another caller. */
static const char *banner_for(const struct session *session)
{
    return name_of(session) + 1;
}

static void print_banner(void)
{
    puts(banner_for(session_open(25)));
    served++;
}

/* ---- a state that cannot be ---- */

static const char *state_name(int state)
{
    switch (state) {
    case 0:
        return "new";
    case 1:
        return "open";
    default:
        abort();
    }
}

static void show_state(void)
{
    puts(state_name(setting_number("port")));
}

static int advance(int state)
{
    if (state > 3)
        __builtin_trap();
    return state + 1;
}

static void advance_too_far(void)
{
    exit(advance(setting_number("port")));
}

const struct fault shapes_faults[] = {{"tail-flush", NULL, stop_early},
                                      {"tail-settle", NULL, settle_nothing},
                                      {"cold-receive", NULL, receive_failed},
                                      {"charge-entry", NULL, charge_entry},
                                      {"charge-relay", NULL, charge_relay},
                                      {"age-null", NULL, age_of_nobody},
                                      {"drop-reader", NULL, close_reader},
                                      {"drop-writer", NULL, close_writer},
                                      {"enter-null", NULL, enter},
                                      {"banner-null", NULL, print_banner},
                                      {"state-abort", NULL, show_state},
                                      {"state-trap", NULL, advance_too_far},
                                      {NULL, NULL, NULL}};
