/* pages.c - see pages.h. */
#include "agent/serve/pages.h"

#include <event2/keyvalq_struct.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "http/http.h"

enum { PAGE_MAX_BYTES = 16 << 20 };

static const char POLICY[] =
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/* Everything is copied: the request's own memory belongs to the loop. */
struct visit {
    struct tb_job job; /* first */
    const struct tb_pages *pages;
    struct evhttp_request *request; /* libevent keeps it until it is answered */
    char *path, *query, *cookie, *etag;
    int is_rendered;
    struct tb_page_reply reply;
};

static void visit_free(struct visit *visit)
{
    free(visit->path);
    free(visit->query);
    free(visit->cookie);
    free(visit->etag);
    tb_buf_done(&visit->reply.body);
    free(visit);
}

static void render(struct tb_job *job)
{
    struct visit *visit = (struct visit *)job;
    const struct tb_page_request request = {.path = visit->path,
                                            .query = visit->query,
                                            .cookie = visit->cookie,
                                            .etag = visit->etag,
                                            .now_ms = (int64_t)(tb_clock_wall_ns() / TB_NS_PER_MS)};
    visit->pages->answer(visit->pages->arg, &request, &visit->reply);
    visit->is_rendered = 1;
}

static void add_cookie(struct evhttp_request *request, const char *cookie)
{
    char text[TB_PAGE_COOKIE + 16];
    (void)snprintf(text, sizeof(text), "%s%s", cookie,
                   tb_http_input_of(request) == TB_HTTP_TLS ? "; Secure" : "");
    (void)evhttp_add_header(evhttp_request_get_output_headers(request), "Set-Cookie", text);
}

static void add_headers(struct evhttp_request *request, const struct tb_page_reply *reply)
{
    struct evkeyvalq *headers = evhttp_request_get_output_headers(request);
    (void)evhttp_add_header(headers, "Content-Security-Policy", POLICY);
    (void)evhttp_add_header(headers, "X-Frame-Options", "DENY");
    (void)evhttp_add_header(headers, "Referrer-Policy", "no-referrer");
    (void)evhttp_add_header(headers, "Cross-Origin-Resource-Policy", "same-origin");
    if (reply->location[0] != '\0')
        (void)evhttp_add_header(headers, "Location", reply->location);
    if (reply->cookie[0] != '\0')
        add_cookie(request, reply->cookie);
    if (reply->etag[0] == '\0')
        return;
    (void)evhttp_add_header(headers, "ETag", reply->etag);
    (void)evhttp_add_header(headers, "Cache-Control", "no-cache"); /* ask again with the ETag */
}

static void send_page(struct tb_job *job)
{
    struct visit *visit = (struct visit *)job;
    struct tb_page_reply *reply = &visit->reply;
    if (!visit->is_rendered) {
        tb_http_error(visit->request, 503, "towbard ends");
    } else if (reply->body.err != 0) {
        tb_http_error(visit->request, 500, "this page is larger than its memory");
    } else if (reply->status == 0) {
        tb_http_error(visit->request, 404, "there is nothing here");
    } else {
        add_headers(visit->request, reply);
        tb_http_reply(visit->request, reply->status, reply->type, tb_buf_str(&reply->body),
                      reply->body.len);
    }
    visit_free(visit);
}

static char *copy(const char *text)
{
    return strdup(text != NULL ? text : "");
}

static struct visit *visit_new(const struct tb_pages *pages, struct evhttp_request *request)
{
    const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(request);
    const struct evkeyvalq *headers = evhttp_request_get_input_headers(request);
    const char *path = evhttp_uri_get_path(uri);
    struct visit *visit = calloc(1, sizeof(*visit));
    if (visit == NULL)
        return NULL;
    visit->job = (struct tb_job){.run = render, .done = send_page};
    visit->pages = pages;
    visit->request = request;
    visit->path = path != NULL && *path != '\0' ? evhttp_uridecode(path, 0, NULL) : strdup("/");
    visit->query = copy(evhttp_uri_get_query(uri));
    visit->cookie = copy(evhttp_find_header(headers, "Cookie"));
    visit->etag = copy(evhttp_find_header(headers, "If-None-Match"));
    tb_buf_init(&visit->reply.body, PAGE_MAX_BYTES);
    if (visit->path != NULL && visit->query != NULL && visit->cookie != NULL && visit->etag != NULL)
        return visit;
    visit_free(visit);
    return NULL;
}

int tb_pages_ask(const struct tb_pages *pages, struct tb_jobs *jobs, struct evhttp_request *request)
{
    enum evhttp_cmd_type method = evhttp_request_get_command(request);
    if (pages == NULL || evhttp_request_get_evhttp_uri(request) == NULL ||
        (method != EVHTTP_REQ_GET && method != EVHTTP_REQ_HEAD))
        return 0;
    struct visit *visit = visit_new(pages, request);
    if (visit == NULL || tb_jobs_add(jobs, &visit->job) != 0) {
        if (visit != NULL)
            visit_free(visit);
        tb_http_error(request, 503, "too many pages are asked for at once; try again");
    }
    return 1;
}
