/* demo.h - what the parts of `towbar demo` share. */
#ifndef TB_CLI_DEMO_H
#define TB_CLI_DEMO_H

#include <stdint.h>
#include <sys/types.h>

#include "cli/verb.h"
#include "trace/trace.h"

enum {
    TB_DEMO_PATH = 512,
    TB_DEMO_PAGE = 64,
    TB_DEMO_WHY = 160,
    TB_DEMO_WAIT_MS = 20000, /* for anything: a slow machine under sanitizers */
    TB_DEMO_N_ERRORS = 5,
    TB_DEMO_N_REQUESTS = TB_DEMO_N_ERRORS + 2,
    TB_DEMO_N_REPORTS = TB_DEMO_N_REQUESTS + 1, /* one request leaves two: feedd's and Flask's */
    TB_DEMO_N_ITEMS = 4,
};

struct tb_demo;

struct tb_demo_child {
    const char *name;
    void (*set_environment)(const struct tb_demo *demo); /* in the new process; NULL: as it is */
    pid_t pid;                                           /* 0: not running */
    int output_fd;                                       /* its stdout; -1 */
    int status;                                          /* of waitpid, once it has ended */
};

/* One request that must leave an error behind, or two when it goes through Flask. */
struct tb_demo_request {
    int is_web;       /* asked of Flask, which asks feedd */
    const char *user; /* which bug it meets */
    char traceparent[TB_TRACEPARENT_TEXT];
    char trace_id[TB_TRACE_ID_TEXT];
    char span_id[TB_SPAN_ID_TEXT];
};

struct tb_demo {
    const struct tb_cli *cli;
    char dir[TB_DEMO_PATH]; /* everything is in here */
    char towbard[TB_DEMO_PATH], feedd[TB_DEMO_PATH];
    struct tb_config config; /* of the demo's agent */
    int has_config;
    int sends;     /* ROLLBAR_ACCESS_TOKEN and ROLLBAR_ENDPOINT are both set: they are used */
    unsigned port; /* of feedd; the same again when it is started again */
    struct tb_demo_child agent, feed_daemon, web;
    unsigned web_port;            /* of Flask; 0: its part is replayed */
    char page[TB_DEMO_PAGE];      /* "127.0.0.1:41234": the agent's address, kept for its life */
    char why_no_web[TB_DEMO_WHY]; /* why Flask's part is replayed */
    struct tb_demo_request requests[TB_DEMO_N_REQUESTS]; /* in the order in which they were sent */
    size_t n_requests;
    int64_t n_reports;                   /* that must come of them */
    const struct tb_demo_request *shown; /* the one that Flask and feedd both failed */
    int64_t crash_item;                  /* the number of the crash's item, once it is stored */
    uint64_t start_ns;
};

/* ---- demo_child.c: processes and signals ---- */

/* From here on SIGINT, SIGTERM and SIGHUP only set a flag. */
void tb_demo_catch_signals(void);
/* A signal asked for the end. */
int tb_demo_is_over(void);
/* Sleeps until a signal asks for the end. */
void tb_demo_wait_for_end(void);
/* Starts argv with stdout in a pipe and stderr in DIR/NAME.log, without a core file; it dies with
 * this process. 0 or a negative errno. */
int tb_demo_start(struct tb_demo *demo, struct tb_demo_child *child, char *const argv[]);
/* One line of its stdout without the newline: 0, -ETIMEDOUT, -EPIPE when it ended, -EINTR. */
int tb_demo_read_line(struct tb_demo_child *child, char *out, size_t cap);
/* Did it end? Then status is written. */
int tb_demo_ended(struct tb_demo_child *child);
/* Sends the signal (0: none) and waits until it has ended; SIGKILL follows when it takes longer
 * than it may. */
void tb_demo_stop(struct tb_demo_child *child, int signal_number);
/* Calls ready until it says 1: 0; -ETIMEDOUT; -EINTR; or the negative errno that ready said. */
int tb_demo_wait(struct tb_demo *demo, int (*ready)(struct tb_demo *demo));
/* Removes a folder and all that is in it. */
void tb_demo_remove(const char *dir);

/* ---- demo_web.c: Cruddur's Flask backend ---- */

/* Starts it, with pyrollbar pointed at the agent. When it cannot be had, its part is replayed, and
 * why_no_web says why: also 0. Otherwise a negative errno that was said on stderr. */
int tb_demo_start_web(struct tb_demo *demo);
/* The home feed of a user as Flask gives it: the HTTP status, 500 where the request failed; or a
 * negative errno. Replayed, feedd is asked instead, and where it dies of that the agent gets what
 * pyrollbar sent then. */
int tb_demo_ask_web(struct tb_demo *demo, const char *user, const char *traceparent);
extern const char tb_demo_recorded[];

/* ---- demo_check.c: is it what it must be? ---- */

/* Looks at the stored occurrences and items and says on stderr what is wrong. Returns how much is.
 */
int tb_demo_verify(struct tb_demo *demo);

#endif
