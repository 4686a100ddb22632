/* relayd.h - the parts of relayd, a daemon that passes messages on and has every kind of bug.
 *
 * It is compiled in many ways by the test (../corpus.py) and dies once for each fault. Nothing in
 * it keeps the compiler from inlining, cloning or merging: a daemon's authors do not either. */
#ifndef RELAYD_H
#define RELAYD_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One way to fail. bug: faults of one name there have the same signal, function and caller, and are
 * told apart by a line or by the caller's caller alone; they may be one item or two. NULL: it is a
 * bug of its own. */
struct fault {
    const char *name;
    const char *bug;
    void (*run)(void);
};

/* Of each part, ended by a name that is NULL. */
extern const struct fault config_faults[], heap_faults[], metrics_faults[], parse_faults[],
    report_faults[], session_faults[], shapes_faults[], table_faults[], text_faults[],
    timer_faults[], worker_faults[], plugin_faults[], ring_faults[], wire_faults[];

/* Differs from run to run, 0 to 6: how deep the input is nested, which bytes are left over. */
extern int run_number;

/* Requests that were served. */
extern int served;

/* ---- lists ---- */
struct link {
    struct link *prev, *next;
};
void list_init(struct link *list);
void list_add(struct link *list, struct link *link);
void list_remove(struct link *link);

/* ---- sessions ---- */
struct user {
    int credit;
    char name[24];
};
struct session {
    struct link link;
    int id;
    int n_streams;
    long last_seen, bytes;
    struct user *user;
    struct session *peer;
    const char *label;
};
struct session *session_open(int id);
struct session *session_find(int id);
void session_close(struct session *session);
/* With as much credit as the setting says. */
struct user *user_new(const char *name, const char *credit);

/* ---- text ---- */
size_t log_line(const char *topic, const char *line);
void text_copy(char *to, const char *from);

/* ---- configuration ---- */
const char *setting(const char *name); /* NULL: not set */
int setting_number(const char *name);
void die(const char *why) __attribute__((noreturn));

/* ---- what a plug-in gets and gives ---- */
struct host {
    void (*log)(const char *line);
};
struct codec {
    int (*encode)(const char *text, int len);
    int (*finish)(const struct host *host);
};

#ifdef __cplusplus
}
#endif

#endif
