/* pages.h - serves pages (http/page.h) on the agent's HTTP server, rendered beside the loop.
 *
 * Pages are for GET and HEAD. Every page is sent with the headers that keep foreign pages and
 * foreign scripts out: a Content-Security-Policy without inline code, no framing, no referrer. */
#ifndef TB_AGENT_PAGES_H
#define TB_AGENT_PAGES_H

#include <event2/http.h>

#include "http/jobs.h"
#include "http/page.h"

/* 1 when the request is answered or will be, 0 when it is not for a page. Borrows pages and jobs
 * until the job is done. */
int tb_pages_ask(const struct tb_pages *pages, struct tb_jobs *jobs,
                 struct evhttp_request *request);

#endif
