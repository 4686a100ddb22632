/* post.c - see post.h. */
#include "agent/serve/post.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/keyvalq_struct.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "agent/serve/inflate.h"
#include "base/json.h"
#include "http/http.h"

enum {
    REPLY_BYTES = 256,
    SMALL_BYTES = 64 << 10,         /* inflated in the loop's thread */
    TOKEN_IN_BODY_BYTES = 128 << 10 /* so much of a stranger's is read to find his token */
};

static const char NO_MEMORY[] = "out of memory: send it again in a second";

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

static enum tb_ingest_input counted_as(enum tb_http_input input)
{
    static const enum tb_ingest_input inputs[] = {[TB_HTTP_UNIX] = TB_INPUT_UNIX,
                                                  [TB_HTTP_TCP] = TB_INPUT_HTTP,
                                                  [TB_HTTP_TLS] = TB_INPUT_TLS};
    return inputs[input];
}

static size_t write_200(const struct tb_ingest_reply *reply, char *out, size_t cap)
{
    struct tb_json j;
    tb_json_init(&j, out, cap);
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
    return j.len;
}

static void answer_200(struct evhttp_request *request, const struct tb_ingest_reply *reply)
{
    char mem[REPLY_BYTES];
    size_t len = write_200(reply, mem, sizeof(mem));
    /* For programs: without the headers that tb_http_reply has for browsers. */
    (void)evhttp_add_header(evhttp_request_get_output_headers(request), "Content-Type",
                            "application/json");
    (void)evbuffer_add(evhttp_request_get_output_buffer(request), mem, len);
    evhttp_send_reply(request, 200, NULL, NULL);
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
        post->counts.received[counted_as(tb_http_input_of(request))]++;
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
    enum tb_coding coding;
    char *header_token, *ours;    /* copies, or NULL */
    struct tb_ingest_token token; /* of these */
    struct tb_ingest_item item;
};

static void large_free(struct large *large)
{
    if (large->body != NULL)
        evbuffer_free(large->body);
    free(large->header_token);
    free(large->ours);
    tb_ingest_done(&large->item);
    free(large);
}

static void set_reply(struct tb_ingest_item *item, int status, const char *message)
{
    item->reply.status = status;
    (void)snprintf(item->reply.message, sizeof(item->reply.message), "%s", message);
}

static void say_inflate(struct tb_ingest_item *item, int err)
{
    if (err == -EMSGSIZE)
        set_reply(item, 413, "the body is larger than 8 MiB when inflated: send less at once");
    else if (err == -EBADMSG)
        set_reply(item, 400, "the body is not what its Content-Encoding says, or it is cut short");
    else
        set_reply(item, 503, NO_MEMORY);
}

static void prepare(struct tb_job *job)
{
    struct large *large = (struct large *)job;
    size_t len = evbuffer_get_length(large->body);
    const char *body = (const char *)evbuffer_pullup(large->body, -1);
    struct tb_buf plain;
    tb_buf_init(&plain, TB_HTTP_BODY_MAX);
    int err = body == NULL ? -ENOMEM : 0;
    if (!err && large->coding != TB_CODING_NONE) {
        err = tb_inflate(large->coding, body, len, &plain);
        (void)evbuffer_drain(large->body, len);
        body = tb_buf_str(&plain);
        len = plain.len;
    }
    if (err)
        say_inflate(&large->item, err);
    else
        (void)tb_ingest_prepare_as(body, len, &large->token, 1, &large->item);
    tb_buf_done(&plain);
    (void)evbuffer_drain(large->body, SIZE_MAX);
}

static void take(struct tb_job *job)
{
    struct large *large = (struct large *)job;
    settle(large->post, large->request, &large->item);
    large_free(large);
}

/* 0, or -1 without memory. */
static int copy_token(struct large *large, const struct tb_ingest_token *token)
{
    large->header_token = token->header != NULL ? strdup(token->header) : NULL;
    large->ours = token->ours != NULL ? strdup(token->ours) : NULL;
    large->token = (struct tb_ingest_token){
        .header = large->header_token, .ours = large->ours, .must_show = token->must_show};
    return (token->header != NULL && large->header_token == NULL) ||
                   (token->ours != NULL && large->ours == NULL)
               ? -1
               : 0;
}

static void take_later(struct tb_post *post, struct evhttp_request *request, enum tb_coding coding,
                       const struct tb_ingest_token *token)
{
    struct evbuffer *body = evhttp_request_get_input_buffer(request);
    size_t most = evbuffer_get_length(body) * TB_INFLATE_RATIO;
    struct large *large = calloc(1, sizeof(*large));
    if (large != NULL) {
        large->job = (struct tb_job){.run = prepare, .done = take};
        large->post = post;
        large->request = request;
        large->coding = coding;
        large->body = evbuffer_new();
    }
    if (large != NULL && copy_token(large, token) == 0 && large->body != NULL &&
        (coding == TB_CODING_NONE ||
         tb_http_reserve(request, most < TB_HTTP_BODY_MAX ? most : TB_HTTP_BODY_MAX) == 0) &&
        evbuffer_add_buffer(large->body, body) == 0 && tb_jobs_add(post->jobs, &large->job) == 0)
        return;
    if (large != NULL)
        large_free(large);
    refuse(post, request, 503, "too many large items are here at once: send it again in a second");
}

/* ---- the route ---- */

struct heads {
    const char *token;
    const char *encoding;
    int n_encodings;
};

/* Is h the header of that name? Most differ at their first letter. */
static int is_header(const struct evkeyval *h, const char *name)
{
    return ((h->key[0] ^ name[0]) & ~0x20) == 0 && strcasecmp(h->key, name) == 0;
}

static struct heads read_heads(struct evhttp_request *request)
{
    const struct evkeyvalq *headers = evhttp_request_get_input_headers(request);
    struct heads out = {0};
    for (const struct evkeyval *h = headers->tqh_first; h != NULL; h = h->next.tqe_next) {
        if (is_header(h, "Content-Encoding")) {
            out.encoding = h->value;
            out.n_encodings++;
        } else if (out.token == NULL && is_header(h, "X-Rollbar-Access-Token")) {
            out.token = h->value;
        }
    }
    return out;
}

/* The agent's token, or NULL. */
static const char *ours(const struct tb_post *post)
{
    return post->token != NULL && post->token[0] != '\0' ? post->token : NULL;
}

/* The agent's own in a header is as none. */
static const char *theirs(const char *header, const char *agents)
{
    return header != NULL && !tb_http_is_token(agents, header, strlen(header)) ? header : NULL;
}

/* What the request shows. 0, or it is answered. */
static int look_at_token(struct tb_post *post, struct evhttp_request *request,
                         const struct heads *heads, struct tb_ingest_token *out)
{
    enum tb_http_shown shown = tb_http_shown(post->http, request);
    size_t len = evbuffer_get_length(evhttp_request_get_input_buffer(request));
    int must_show = shown == TB_HTTP_NO_TOKEN && tb_http_is_foreign(request);
    *out = (struct tb_ingest_token){
        .header = theirs(heads->token, ours(post)), .ours = ours(post), .must_show = must_show};
    if (!must_show || (out->header == NULL && len <= TOKEN_IN_BODY_BYTES))
        return 0;
    if (out->header != NULL)
        refuse(post, request, 403,
               "access token not found: from other hosts towbard takes that of ingest.token_file");
    else
        refuse(post, request, 401,
               "access_token is missing and it is required: with a body over 128 KiB in a header");
    return -EACCES;
}

/* What is small when it is inflated too is inflated here. 0; -E2BIG: it has to be done beside the
 * loop; another one: item has the answer. */
static int read_small(struct evhttp_request *request, enum tb_coding coding,
                      const struct tb_ingest_token *token, struct tb_ingest_item *item)
{
    struct evbuffer *input = evhttp_request_get_input_buffer(request);
    size_t len = evbuffer_get_length(input);
    const char *body = len > 0 ? (const char *)evbuffer_pullup(input, -1) : "";
    struct tb_buf plain;
    int err = body == NULL ? -ENOMEM : 0;
    tb_buf_init(&plain, SMALL_BYTES);
    if (!err && coding != TB_CODING_NONE) {
        err = len > SMALL_BYTES ? -EMSGSIZE : tb_inflate(coding, body, len, &plain);
        body = tb_buf_str(&plain);
        len = plain.len;
    }
    if (err == -EMSGSIZE)
        err = -E2BIG;
    else if (err)
        say_inflate(item, err);
    else
        err = tb_ingest_prepare_as(body, len, token, 0, item);
    tb_buf_done(&plain);
    return err;
}

void tb_post_item(struct tb_post *post, struct evhttp_request *request)
{
    struct tb_ingest_item item = {0};
    struct tb_ingest_token token;
    struct heads heads = read_heads(request);
    enum tb_coding coding =
        heads.n_encodings <= 1 ? tb_coding_of(heads.encoding) : TB_CODING_UNKNOWN;
    if (tb_http_is_limited(post->http, request)) {
        tb_post_refused(post, 429);
        return;
    }
    if (coding == TB_CODING_UNKNOWN) {
        refuse(post, request, 415,
               "towbard knows no Content-Encoding but gzip and deflate, and one of them at a time");
        return;
    }
    if (look_at_token(post, request, &heads, &token) != 0)
        return;
    if (read_small(request, coding, &token, &item) == -E2BIG) {
        take_later(post, request, coding, &token);
    } else {
        (void)evbuffer_drain(evhttp_request_get_input_buffer(request), SIZE_MAX); /* read late */
        settle(post, request, &item);
    }
    tb_ingest_done(&item);
}

/* ---- plain requests ---- */

static int is_items(const struct tb_quick *request)
{
    static const char path[] = "/api/1/item/";
    size_t len = sizeof(path) - 1;
    return (request->target_len == len || request->target_len == len - 1) &&
           memcmp(request->target, path, request->target_len) == 0;
}

size_t tb_post_quick(struct tb_post *post, enum tb_http_input input, const struct tb_quick *request,
                     char *out, size_t cap)
{
    const struct tb_ingest_token token = {
        .header = theirs(request->has_token ? request->token : NULL, ours(post)),
        .ours = ours(post)};
    struct tb_ingest_item item;
    size_t len = 0;
    if (!is_items(request))
        return 0;
    int err = tb_ingest_prepare_as(request->body, request->body_len, &token, 0, &item);
    if (!err && item.reply.status == 0)
        tb_ingest_append(&post->ingest, &item);
    if (!err && item.reply.status == 200) {
        post->counts.received[counted_as(input)]++;
        len = write_200(&item.reply, out, cap);
    }
    tb_ingest_done(&item);
    return len;
}
