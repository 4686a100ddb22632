/* post.h - POST /api/1/item/: a body of HTTP becomes an item in the spool, and an answer.
 *
 * Small items are done at once; what has to be truncated first is prepared beside the loop. */
#ifndef TB_AGENT_POST_H
#define TB_AGENT_POST_H

#include <event2/http.h>

#include "agent/serve/ingest.h"
#include "http/jobs.h"

/* Answers now or later. ingest and jobs are borrowed until the job is done. */
void tb_post_item(struct tb_ingest *ingest, struct tb_jobs *jobs, struct evhttp_request *request);

#endif
