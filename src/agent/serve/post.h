/* post.h - POST /api/1/item/: a body of HTTP becomes an item in the spool, and an answer.
 *
 * Small items are done at once; what has to be truncated first, or is large when it is inflated, is
 * prepared beside the loop. */
#ifndef TB_AGENT_POST_H
#define TB_AGENT_POST_H

#include <event2/http.h>

#include "agent/serve/counts.h"
#include "agent/serve/ingest.h"
#include "http/http.h"
#include "http/jobs.h"

/* What items need; the caller's, and borrowed until the last job is done. */
struct tb_post {
    struct tb_ingest ingest;
    struct tb_jobs *jobs;
    struct tb_http *http;
    const char *token; /* ingest.token_file's, borrowed; NULL or "": none */
    struct tb_ingest_counts counts;
};

/* Answers now or later, and counts. */
void tb_post_item(struct tb_post *post, struct evhttp_request *request);
/* tb_http_options.quick: the items that are small, and not refused. */
size_t tb_post_quick(struct tb_post *post, enum tb_http_input input, const struct tb_quick *request,
                     char *out, size_t cap);
/* Counts what was refused with that status before it came here. */
void tb_post_refused(struct tb_post *post, int status);

#endif
