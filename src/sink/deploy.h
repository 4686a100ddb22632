/* deploy.h - Rollbar's deploy API: a request for a new deploy or for its next status, and the id
 * in the answer. Pure. What an answer means is judged as for items (sink.h). */
#ifndef TB_SINK_DEPLOY_H
#define TB_SINK_DEPLOY_H

#include "sink/sink.h"

struct tb_sink_deploy {
    const char *environment, *revision, *status, *comment, *local_username, *rollbar_username;
    int64_t remote_id; /* 0: Rollbar does not know it yet; else only its status is told */
};

/* target->endpoint is the URL of items; that of deploys is beside it. As tb_sink_type.encode. */
int tb_sink_deploy_encode(const struct tb_sink_target *target, const struct tb_sink_deploy *deploy,
                          struct tb_sink_request *out);
/* data.deploy_id or result.deploy_id of the answer; 0 when it has none. */
int64_t tb_sink_deploy_id(const char *body, size_t len);

#endif
