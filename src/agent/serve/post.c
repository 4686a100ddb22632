/* post.c - see post.h. */
#include "agent/serve/post.h"

#include <errno.h>
#include <event2/buffer.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/json.h"
#include "http/http.h"

enum { REPLY_BYTES = 256 };

static void answer(struct evhttp_request *request, const struct tb_ingest_reply *reply)
{
    char mem[REPLY_BYTES];
    struct tb_json j;
    if (reply->status != 200) {
        tb_http_error(request, reply->status, reply->message);
        return;
    }
    tb_json_init(&j, mem, sizeof(mem));
    tb_json_object(&j);
    tb_json_kint(&j, "err", 0);
    tb_json_key(&j, "result");
    tb_json_object(&j);
    tb_json_key(&j, "id");
    tb_json_raw(&j, "null", 4);
    tb_json_kstr(&j, "uuid", reply->uuid);
    tb_json_end(&j);
    tb_json_end(&j);
    (void)tb_json_finish(&j); /* a uuid has at most 36 bytes */
    tb_http_reply(request, 200, "application/json", mem, j.len);
}

/* ---- beside the loop ---- */

struct large {
    struct tb_job job; /* first */
    struct tb_ingest *ingest;
    struct evhttp_request *request; /* libevent keeps it until it is answered */
    struct evbuffer *body;
    char *token; /* NULL: none */
    struct tb_ingest_item item;
};

static void large_free(struct large *large)
{
    if (large->body != NULL)
        evbuffer_free(large->body);
    free(large->token);
    tb_ingest_done(&large->item);
    free(large);
}

static void prepare(struct tb_job *job)
{
    struct large *large = (struct large *)job;
    size_t len = evbuffer_get_length(large->body);
    const char *body = (const char *)evbuffer_pullup(large->body, -1);
    if (body == NULL) {
        large->item.reply = (struct tb_ingest_reply){
            .status = 503, .message = "out of memory: send it again in a second"};
        return;
    }
    (void)tb_ingest_prepare(body, len, large->token, 1, &large->item);
    (void)evbuffer_drain(large->body, len);
}

static void take(struct tb_job *job)
{
    struct large *large = (struct large *)job;
    if (large->item.reply.status == 0)
        tb_ingest_append(large->ingest, &large->item);
    answer(large->request, &large->item.reply);
    large_free(large);
}

static void take_later(struct tb_ingest *ingest, struct tb_jobs *jobs,
                       struct evhttp_request *request, struct evbuffer *body, const char *token)
{
    struct large *large = calloc(1, sizeof(*large));
    if (large != NULL) {
        large->job = (struct tb_job){.run = prepare, .done = take};
        large->ingest = ingest;
        large->request = request;
        large->token = token != NULL ? strdup(token) : NULL;
        large->body = evbuffer_new();
    }
    if (large != NULL && (token == NULL || large->token != NULL) && large->body != NULL &&
        evbuffer_add_buffer(large->body, body) == 0 && tb_jobs_add(jobs, &large->job) == 0)
        return;
    if (large != NULL)
        large_free(large);
    tb_http_error(request, 503, "too many large items are here at once: send it again in a second");
}

/* ---- the route ---- */

void tb_post_item(struct tb_ingest *ingest, struct tb_jobs *jobs, struct evhttp_request *request)
{
    const struct evkeyvalq *headers = evhttp_request_get_input_headers(request);
    const char *token = evhttp_find_header(headers, "X-Rollbar-Access-Token");
    const char *encoding = evhttp_find_header(headers, "Content-Encoding");
    struct evbuffer *input = evhttp_request_get_input_buffer(request);
    size_t len = evbuffer_get_length(input);
    const char *body = len > 0 ? (const char *)evbuffer_pullup(input, -1) : "";
    struct tb_ingest_item item;
    if (encoding != NULL && strcasecmp(encoding, "identity") != 0) {
        tb_http_error(request, 415,
                      "towbard takes no compressed bodies yet: send the item without "
                      "Content-Encoding");
        return;
    }
    if (body == NULL) {
        tb_http_error(request, 503, "out of memory: send it again in a second");
        return;
    }
    int err = tb_ingest_prepare(body, len, token, 0, &item);
    if (err == -E2BIG) {
        take_later(ingest, jobs, request, input, token);
    } else {
        if (item.reply.status == 0)
            tb_ingest_append(ingest, &item);
        (void)evbuffer_drain(input, len); /* the answer may be read late */
        answer(request, &item.reply);
    }
    tb_ingest_done(&item);
}
