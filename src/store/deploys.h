/* deploys.h - which version went where and when, and what of that Rollbar does not know yet.
 *
 * 1. A deploy has an id for ever; the latest TB_DEPLOYS_KEPT are kept.
 * 2. One that is to be sent stays queued until Rollbar has its latest status; when it is due and
 * how often it was tried is in the row, so that it goes on after a restart.
 * 3. At most TB_DEPLOYS_QUEUED wait: one more is refused. */
#ifndef TB_STORE_DEPLOYS_H
#define TB_STORE_DEPLOYS_H

#include "store/store.h"

enum { TB_DEPLOYS_KEPT = 10000, TB_DEPLOYS_QUEUED = 1000, TB_DEPLOY_STATUS = 16 };

enum tb_deploy_state {
    TB_DEPLOY_QUEUED,  /* Rollbar has not all of it */
    TB_DEPLOY_SENT,    /* it has */
    TB_DEPLOY_KEPT,    /* there was no token: it is kept here only */
    TB_DEPLOY_REFUSED, /* Rollbar will not have it; reason says why */
};

/* Texts are never NULL. */
struct tb_deploy {
    int64_t id;
    const char *environment, *revision, *status, *comment, *local_username, *rollbar_username;
    const char *token;           /* "": the agent's own */
    int64_t start_ms, finish_ms; /* 0: not finished */
    enum tb_deploy_state state;
    int64_t remote_id;       /* Rollbar's, 0: it has none yet */
    const char *sent_status; /* what Rollbar has; "" for nothing */
    int attempts, http_status;
    int64_t due_at_ms;
    const char *reason; /* of the last try that failed, or "" */
};

/* started, succeeded, failed or timed_out? */
int tb_deploy_is_status(const char *text);

/* Stores it with its texts, token, start_ms, finish_ms and state. 0; -EAGAIN when TB_DEPLOYS_QUEUED
 * wait; another negative errno. */
int tb_store_deploy_add(struct tb_store *store, const struct tb_deploy *deploy, int64_t *id_out);
/* Another status: it is sent again unless it is kept here only. -ENOENT. */
int tb_store_deploy_update(struct tb_store *store, int64_t id, const char *status, int64_t now_ms);

struct tb_deploy_filter {
    int64_t id;              /* 0: any */
    const char *environment; /* NULL: any */
    int64_t from_ms, to_ms;  /* of its start; to_ms 0: no end */
    size_t max;
};
/* The latest first. The callback returns 0 to go on; texts are good until it returns. */
int tb_store_deploys(struct tb_store *store, const struct tb_deploy_filter *filter,
                     int (*row)(void *arg, const struct tb_deploy *deploy), void *arg);

/* What is queued and due, the first one first. */
int tb_store_deploys_due(struct tb_store *store, int64_t now_ms, size_t max,
                         int (*row)(void *arg, const struct tb_deploy *deploy), void *arg);
/* When the next one is due; -1 when none is queued; or a negative errno below -1. */
int64_t tb_store_deploys_next(struct tb_store *store);
/* What came of a try. For TB_DEPLOY_SENT: sent_status is what was sent, and the row stays queued
 * when its status is another one by now. */
struct tb_deploy_verdict {
    int64_t id;
    enum tb_deploy_state state;
    int64_t remote_id;       /* 0: as it was */
    const char *sent_status; /* NULL: as it was */
    int64_t due_at_ms;
    int http_status;
    const char *reason;
};
int tb_store_deploy_verdict(struct tb_store *store, const struct tb_deploy_verdict *verdict);

#endif
