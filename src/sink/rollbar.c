/* rollbar.c - Rollbar's item API: one item for each POST, and what its answers mean.
 *
 * Sources: docs.rollbar.com "Create an item", "Rate limits", "Response codes"; the header names are
 * those that Rollbar's own SDKs read. What is ours is the policy, docs/delivery.md 3:
 *   taken only when the status is 2xx and the body is JSON with err 0 - a proxy or a login page
 * that answers 200 is not Rollbar; 429 makes the whole token wait (rollbar_wait.c); 400, 413 and
 * 422 speak about this item: mended once (rollbar_repair.c), else never taken; 401 and 403 speak
 * about the token: no item of it is taken until a person acts; all else may pass: again later. */
#include "sink/rollbar.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

enum {
    BODY_MAX_BYTES = 512 << 10, /* Rollbar's documented limit */
    TOKEN_RUN = 8               /* characters in a row of a token: fewer are no help to anybody */
};

/* A header line of its own making is what a token with a line end would be. */
static int is_token(const char *token)
{
    for (const char *c = token; *c; c++) {
        if (*c <= ' ' || *c > '~')
            return 0;
    }
    return token[0] != '\0';
}

static int encode(const struct tb_sink_target *target, struct tb_sink_item *items, size_t n,
                  struct tb_sink_request *out)
{
    int err = tb_sink_request_init(out, target->endpoint, BODY_MAX_BYTES);
    if (err < 0 || n == 0 || !is_token(target->token) || items->len == 0 || items->data[0] != '{')
        return -EINVAL;
    if ((err = tb_sink_header(out, "Content-Type: application/json")) ||
        (err = tb_sink_header(out, "X-Rollbar-Access-Token: %s", target->token)))
        return err;
    tb_buf_adds(&out->body, "{\"data\":");
    tb_buf_add(&out->body, items->data, items->len);
    tb_buf_adds(&out->body, "}");
    err = out->body.err;
    if (err < 0)
        tb_buf_done(&out->body);
    return err < 0 ? err : 1;
}

/* How much of the token stands at the beginning of text: all of it, or a run of it, wherever in the
 * token, that is long enough to be worth hiding. */
static size_t token_run(const char *text, const char *token)
{
    size_t token_len = strlen(token);
    size_t longest = 0;
    for (size_t from = 0; from < token_len; from++) {
        size_t len = 0;
        while (token[from + len] != '\0' && text[len] == token[from + len])
            len++;
        if (len > longest)
            longest = len;
    }
    return longest >= TOKEN_RUN || (longest > 0 && longest == token_len) ? longest : 0;
}

/* Copies text for people: one line of ASCII, the token and its parts masked. Masking comes before
 * cutting: a token that is cut in half would not be found. */
static void add_reason(struct tb_sink_judgement *out, size_t *len, const char *text,
                       const char *token)
{
    static const char MASK[] = "(token)";
    size_t cap = sizeof(out->reason) - 1;
    while (*text && *len < cap) {
        size_t run = token_run(text, token);
        if (run > 0) {
            if (cap - *len < sizeof(MASK) - 1)
                break;
            memcpy(out->reason + *len, MASK, sizeof(MASK) - 1);
            *len += sizeof(MASK) - 1;
            text += run;
            continue;
        }
        unsigned char c = (unsigned char)*text++;
        out->reason[(*len)++] = (char)(c < ' ' || c > '~' ? '?' : c);
    }
    out->reason[*len] = '\0';
}

/* "HTTP 422: Invalid format. ..." */
static void set_reason(struct tb_sink_judgement *out, const struct tb_sink_reply *reply,
                       const char *said, const char *token)
{
    char status[32];
    size_t len = 0;
    if (reply->status > 0) {
        (void)snprintf(status, sizeof(status), "HTTP %d%s", reply->status, said[0] ? ": " : "");
        add_reason(out, &len, status, "");
    }
    add_reason(out, &len, said, token);
}

static enum tb_verdict verdict_of(int status, int is_taken)
{
    if (status >= 200 && status < 300)
        return is_taken ? TB_VERDICT_ACK : TB_VERDICT_RETRY;
    switch (status) {
    case 400:
    case 413:
    case 422:
        return TB_VERDICT_DROP;
    case 401:
    case 403:
        return TB_VERDICT_PARK;
    case 429:
        return TB_VERDICT_SLOW;
    default:
        return TB_VERDICT_RETRY;
    }
}

/* What to say when the reply says nothing that can be read. */
static const char *unsaid(const struct tb_sink_reply *reply)
{
    if (reply->status == 0)
        return reply->error && reply->error[0] ? reply->error : "no answer";
    if (reply->status >= 200 && reply->status < 300 && reply->is_cut)
        return "the answer is longer than 64 KiB: is rollbar.endpoint right?";
    if (reply->status >= 200 && reply->status < 300)
        return "the answer is not Rollbar's: is rollbar.endpoint right?";
    if (reply->status >= 300 && reply->status < 400)
        return "redirected: set rollbar.endpoint to the final address";
    if (reply->status == 404)
        return "nothing there: is rollbar.endpoint right?";
    if (reply->status == 407)
        return "the proxy wants a login: put user:password@ into rollbar.proxy";
    return "";
}

void tb_rollbar_judge(const struct tb_sink_target *target, const struct tb_sink_reply *reply,
                      struct tb_sink_judgement *out)
{
    memset(out, 0, sizeof(*out));
    cJSON *json = NULL;
    if (reply->status > 0 && reply->body)
        json = cJSON_ParseWithLength(reply->body, reply->body_len);
    const cJSON *err = cJSON_GetObjectItemCaseSensitive(json, "err");
    const char *message = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, "message"));
    int is_taken = (cJSON_IsNumber(err) && cJSON_GetNumberValue(err) == 0) || cJSON_IsFalse(err);
    out->verdict = verdict_of(reply->status, is_taken);
    out->wait_ms = tb_rollbar_wait_ms(reply, out->verdict);
    out->may_repair = out->verdict == TB_VERDICT_DROP;
    if (out->verdict != TB_VERDICT_ACK)
        set_reason(out, reply, message && message[0] ? message : unsaid(reply), target->token);
    cJSON_Delete(json);
}

static void judge(const struct tb_sink_target *target, const struct tb_sink_reply *reply,
                  const struct tb_sink_item *items, size_t n, struct tb_sink_judgement *out)
{
    (void)items;
    if (n > 0)
        tb_rollbar_judge(target, reply, out);
}

const struct tb_sink_type tb_sink_rollbar = {
    .name = "rollbar",
    .batch = 1,
    .max_bytes = BODY_MAX_BYTES,
    .encode = encode,
    .judge = judge,
    .repair = tb_rollbar_repair,
};
