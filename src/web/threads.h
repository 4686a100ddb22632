/* threads.h - the other threads of a crash as people read them (custom.native.threads).
 *
 * Whoever sent the item may have put anything there: groups that are none are passed over. */
#ifndef TB_WEB_THREADS_H
#define TB_WEB_THREADS_H

#include "web/stack.h"

enum {
    TB_THREADS_NAMED = 100, /* threads of one group whose names are shown */
    TB_THREADS_BRIEF = 4,   /* the same in one line */
    TB_THREADS_GROUPS = 256 /* groups on a page */
};

/* Texts are the event's. */
struct tb_threads {
    int list;         /* node of the groups; -1 none */
    int64_t n_there;  /* beside the one that crashed */
    int64_t n_hidden; /* in no group that is shown */
    const char *note; /* why not all were captured, or "" */
};

struct tb_thread_group {
    int n_threads;
    const char *who; /* "worker-1 (4251), 4252, 48 more" */
    const char *who_briefly;
    const char *waits_in; /* "futex (pthread_cond_wait)"; "" not known */
    struct tb_stack stack;
    int64_t n_omitted;    /* outer frames for which there was no room */
    int is_cut;           /* more of the stack was not captured */
    const char *cut_note; /* why not, or "" */
    int crashed;          /* at the same instant */
};

/* 0 when nothing is known of other threads, else 1. */
int tb_threads_read(struct tb_event *event, struct tb_threads *out);
/* The group at or after node, a member of list, which becomes the next one: 1; 0 at the end; or
 * -ENOMEM. out->stack is for tb_stack_done. */
int tb_threads_next(struct tb_event *event, int *node, struct tb_thread_group *out);
/* "thread" for one, else "threads". */
const char *tb_threads_word(int64_t n);

#endif
