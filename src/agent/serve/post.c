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

void tb_post_refused(struct tb_post *post, int status)
{
    enum tb_ingest_refusal why = tb_refusal_of(status);
    if (why < TB_N_REFUSALS)
        post->counts.refused[why]++;
}

static void refuse(struct tb_post *post, struct evhttp_request *request, int status,
                   const char *message)
{
    tb_post_refused(post, status);
    tb_http_error(request, status, message);
}

static enum tb_ingest_input input_of(const struct evhttp_request *request)
{
    static const enum tb_ingest_input inputs[] = {[TB_HTTP_UNIX] = TB_INPUT_UNIX,
                                                  [TB_HTTP_TCP] = TB_INPUT_HTTP,
                                                  [TB_HTTP_TLS] = TB_INPUT_TLS};
    return inputs[tb_http_input_of(request)];
}

static void answer_200(struct evhttp_request *request, const struct tb_ingest_reply *reply)
{
    char mem[REPLY_BYTES];
    struct tb_json j;
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

/* Spools what was not refused, and says what came of it. */
static void settle(struct tb_post *post, struct evhttp_request *request,
                   struct tb_ingest_item *item)
{
    if (item->reply.status != 0) {
        refuse(post, request, item->reply.status, item->reply.message);
        return;
    }
    tb_ingest_append(&post->ingest, item);
    if (item->reply.status == 200) {
        post->counts.received[input_of(request)]++;
        answer_200(request, &item->reply);
    } else {
        post->counts.refused[TB_REFUSED_SPOOL]++;
        tb_http_error(request, item->reply.status, item->reply.message);
    }
}

/* ---- beside the loop ---- */

struct large {
    struct tb_job job; /* first */
    struct tb_post *post;
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
    settle(large->post, large->request, &large->item);
    large_free(large);
}

static void take_later(struct tb_post *post, struct evhttp_request *request, struct evbuffer *body,
                       const char *token)
{
    struct large *large = calloc(1, sizeof(*large));
    if (large != NULL) {
        large->job = (struct tb_job){.run = prepare, .done = take};
        large->post = post;
        large->request = request;
        large->token = token != NULL ? strdup(token) : NULL;
        large->body = evbuffer_new();
    }
    if (large != NULL && (token == NULL || large->token != NULL) && large->body != NULL &&
        evbuffer_add_buffer(large->body, body) == 0 && tb_jobs_add(post->jobs, &large->job) == 0)
        return;
    if (large != NULL)
        large_free(large);
    refuse(post, request, 503, "too many large items are here at once: send it again in a second");
}

/* ---- the route ---- */

void tb_post_item(struct tb_post *post, struct evhttp_request *request)
{
    const struct evkeyvalq *headers = evhttp_request_get_input_headers(request);
    const char *token = evhttp_find_header(headers, "X-Rollbar-Access-Token");
    const char *encoding = evhttp_find_header(headers, "Content-Encoding");
    struct evbuffer *input = evhttp_request_get_input_buffer(request);
    size_t len = evbuffer_get_length(input);
    const char *body = len > 0 ? (const char *)evbuffer_pullup(input, -1) : "";
    struct tb_ingest_item item;
    if (encoding != NULL && strcasecmp(encoding, "identity") != 0) {
        refuse(post, request, 415,
               "towbard takes no compressed bodies yet: send the item without Content-Encoding");
        return;
    }
    if (body == NULL) {
        refuse(post, request, 503, "out of memory: send it again in a second");
        return;
    }
    int err = tb_ingest_prepare(body, len, token, 0, &item);
    if (err == -E2BIG) {
        take_later(post, request, input, token);
    } else {
        (void)evbuffer_drain(input, len); /* the answer may be read late */
        settle(post, request, &item);
    }
    tb_ingest_done(&item);
}
