/* xray_api.c - X-Ray's own API: PutTraceSegments, signed, which says of each document whether it
 * was taken.
 *
 * Source: AWS X-Ray API reference, "PutTraceSegments"; the daemon sends 50 documents at a time,
 * too. What the service says of one document is for ever; what it says of the request is in
 * aws_error.h. */
#include <cjson/cJSON.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sink/aws_error.h"
#include "sink/sigv4.h"
#include "sink/xray.h"

enum {
    BATCH = 50,
    BODY_MAX_BYTES = 4 << 20, /* 50 of the largest documents, as texts */
    GIVEN_MAX_BYTES = 4 << 20,
    CODE_SHOWN = 60,
    MESSAGE_SHOWN = 160
};
static const char path[] = "/TraceSegments";

/* The whole address, of the one that the settings have, or of the region's. */
static int set_url(const struct tb_sink_target *target, struct tb_sink_request *out)
{
    char url[sizeof(out->url)];
    char of_region[sizeof(out->url)] = "";
    const char *region = target->settings ? target->settings->region : "";
    const char *base = target->endpoint;
    if (base[0] == '\0' && tb_sigv4_endpoint(region, "xray", of_region, sizeof(of_region)) == 0)
        base = of_region;
    size_t len = strlen(base);
    while (len > 0 && base[len - 1] == '/')
        len--;
    bool is_whole = len >= sizeof(path) - 1 &&
                    memcmp(base + len - (sizeof(path) - 1), path, sizeof(path) - 1) == 0;
    int n = snprintf(url, sizeof(url), "%.*s%s", (int)len, base, is_whole ? "" : path);
    if (region[0] == '\0' || len == 0 || n < 0 || (size_t)n >= sizeof(url))
        return -EINVAL;
    return tb_sink_request_init(out, url, BODY_MAX_BYTES);
}

static int add_documents(const struct tb_sink_target *target, struct tb_sink_item *items, size_t n,
                         struct tb_buf *body)
{
    char *mem = malloc(TB_XRAY_DOCUMENT_BYTES + 1);
    int err = mem ? 0 : -ENOMEM;
    const char *before = "{\"TraceSegmentDocuments\":[";
    for (size_t i = 0; i < n && !err; i++) {
        size_t len = 0;
        err = tb_xray_document(target, &items[i], mem, TB_XRAY_DOCUMENT_BYTES + 1, &len);
        if (err == -EINVAL) {
            items[i].why = "it is no JSON object";
            err = 0;
            continue;
        }
        if (err)
            break;
        tb_buf_adds(body, before);
        tb_buf_adds(body, "\"");
        tb_sink_escape(mem, len, body);
        tb_buf_adds(body, "\"");
        before = ",";
    }
    free(mem);
    if (body->len > 0)
        tb_buf_adds(body, "]}");
    return err ? err : body->err;
}

static int encode(const struct tb_sink_target *target, struct tb_sink_item *items, size_t n,
                  struct tb_sink_request *out)
{
    if (n > BATCH)
        n = BATCH;
    int err = set_url(target, out);
    if (err < 0) {
        tb_buf_init(&out->body, BODY_MAX_BYTES);
        return err;
    }
    err = n > 0 ? add_documents(target, items, n, &out->body) : -EINVAL;
    if (!err && out->body.len > 0)
        err = tb_sink_header(out, "Content-Type: application/json");
    if (!err && out->body.len > 0)
        err = tb_sigv4_sign(out, target, target->settings->region, "xray");
    if (err < 0)
        tb_buf_done(&out->body);
    return err < 0 ? err : (int)n;
}

/* ---- what the answer means ---- */

static const char *text_of(const cJSON *object, const char *name)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));
    return text ? text : "";
}

static void refuse(const struct tb_sink_credentials *credentials, const cJSON *said,
                   struct tb_sink_judgement *out)
{
    char code[TB_AWS_SAID];
    char message[TB_AWS_SAID];
    tb_aws_error_said(text_of(said, "ErrorCode"), credentials, code);
    tb_aws_error_said(text_of(said, "Message"), credentials, message);
    /* The service's own trouble with one of them passes. */
    bool passes = strstr(code, "Internal") != NULL || strstr(code, "Throttl") != NULL;
    out->verdict = passes ? TB_VERDICT_RETRY : TB_VERDICT_DROP;
    (void)snprintf(out->reason, sizeof(out->reason), "%.*s%s%.*s", CODE_SHOWN,
                   code[0] ? code : "not processed", message[0] ? ": " : "", MESSAGE_SHOWN,
                   message);
}

/* Of each document that was not taken; one without an id may be any of them. */
static void judge_each(const struct tb_sink_target *target, const cJSON *list,
                       const struct tb_sink_item *items, size_t n, struct tb_sink_judgement *out)
{
    char own[TB_SINK_BATCH][TB_XRAY_ID_HEX];
    bool is_told[TB_SINK_BATCH] = {false};
    const cJSON *said;
    for (size_t i = 0; i < n; i++)
        tb_xray_document_id(items[i].uuid, own[i]);
    cJSON_ArrayForEach(said, list)
    {
        const char *id = text_of(said, "Id");
        for (size_t i = 0; i < n; i++) {
            if (is_told[i] || (strcmp(id, own[i]) != 0 && (n != 1 || id[0] != '\0')))
                continue;
            refuse(target->credentials, said, &out[i]);
            is_told[i] = true; /* a list that says the same of it a thousand times costs no more */
        }
    }
}

static void judge(const struct tb_sink_target *target, const struct tb_sink_reply *reply,
                  const struct tb_sink_item *items, size_t n, struct tb_sink_judgement *out)
{
    struct tb_sink_judgement all;
    cJSON *json = NULL;
    memset(&all, 0, sizeof(all));
    if (reply->status == 200 && reply->body && !reply->is_cut)
        json = cJSON_ParseWithLength(reply->body, reply->body_len);
    if (reply->status == 200 && !cJSON_IsObject(json)) {
        all.verdict = TB_VERDICT_RETRY;
        (void)snprintf(all.reason, sizeof(all.reason),
                       "HTTP 200: the answer is not X-Ray's: is xray.endpoint right?");
    } else if (reply->status != 200) {
        tb_aws_error_judge(target, reply, "xray:PutTraceSegments", &all);
    }
    if (all.verdict == TB_VERDICT_CREATE)
        all.verdict = TB_VERDICT_PARK; /* there is nothing to be made: the address is wrong */
    for (size_t i = 0; i < n; i++)
        out[i] = all;
    judge_each(target, cJSON_GetObjectItemCaseSensitive(json, "UnprocessedTraceSegments"), items, n,
               out);
    cJSON_Delete(json);
}

const struct tb_sink_type tb_sink_xray_api = {
    .name = "xray",
    .batch = BATCH,
    .max_bytes = GIVEN_MAX_BYTES,
    .is_signed = true,
    .encode = encode,
    .judge = judge,
};
