/* deploy.h - POST /api/1/deploy/ and PATCH /api/1/deploy/N, as Rollbar has them: into the database,
 * and from there to Rollbar (deploys/deploys.h). The database is written beside the loop.
 *
 * 1. 200 means: it is in the database.
 * 2. The id that is answered is the agent's; Rollbar's own is kept beside it. */
#ifndef TB_AGENT_SERVE_DEPLOY_H
#define TB_AGENT_SERVE_DEPLOY_H

#include <event2/http.h>

#include "agent/config/config.h"
#include "http/jobs.h"

/* All borrowed until the job is done. */
struct tb_serve_deploy {
    const struct tb_config *config;
    struct tb_jobs *jobs;
    void (*queued)(void *arg); /* one is in the database */
    void *arg;
};

void tb_serve_deploy_post(const struct tb_serve_deploy *deploy, struct evhttp_request *request);
/* For what no route names: 1 when it is a deploy's, and answered or will be. */
int tb_serve_deploy_other(const struct tb_serve_deploy *deploy, struct evhttp_request *request);

#endif
