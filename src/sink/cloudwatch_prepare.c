/* cloudwatch_prepare.c - requests of CloudWatch Logs, and those that make a log group and a stream.
 *
 * Steps, after a ResourceNotFoundException, which does not say which of the two is missing:
 *   0 CreateLogGroup; there already, or not allowed to: goes on, the group may be somebody's
 *   1 CreateLogStream; there already: goes on
 *   2 PutRetentionPolicy, where the settings want one; it holds up no item */
#include "sink/cloudwatch.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "sink/aws_error.h"
#include "sink/sigv4.h"

enum { STEP_GROUP, STEP_STREAM, STEP_RETENTION, N_STEPS };
enum { NAME_CHARS = 512, STEP_BYTES = 16 << 10, MESSAGE_CHARS = 120 };

static bool is_group_name(const char *name)
{
    static const char OTHERS[] = ".-_/#";
    size_t n = 0;
    for (; name[n] != '\0'; n++) {
        char c = name[n];
        if (!((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
              strchr(OTHERS, c) != NULL))
            return false;
    }
    return n > 0 && n <= NAME_CHARS;
}

int tb_cloudwatch_begin(const struct tb_sink_target *target, const char *action, size_t max_bytes,
                        struct tb_sink_request *out)
{
    const struct tb_sink_settings *settings = target->settings;
    const char *endpoint = target->endpoint ? target->endpoint : "";
    char url[sizeof(out->url)] = "";
    int err = 0;
    if (endpoint[0] == '\0' && settings != NULL)
        err = tb_sigv4_endpoint(settings->region, "logs", url, sizeof(url));
    if (tb_sink_request_init(out, endpoint[0] != '\0' ? endpoint : url, max_bytes) < 0 || err < 0 ||
        settings == NULL || !is_group_name(settings->log_group))
        return -EINVAL;
    if ((err = tb_sink_header(out, "Content-Type: application/x-amz-json-1.1")) ||
        (err = tb_sink_header(out, "X-Amz-Target: Logs_20140328.%s", action)))
        return err;
    return 0;
}

/* 1 to 512 characters without ':' and '*'. Whoever made the name of the queue heeded that; one
 * that comes from elsewhere must not stop the queue. */
static void add_stream(const char *name, struct tb_buf *out)
{
    size_t n_chars = 0;
    for (const char *c = name; *c != '\0'; c++) {
        bool is_first = ((unsigned char)*c & 0xc0) != 0x80;
        n_chars += is_first;
        if (n_chars > NAME_CHARS)
            break;
        bool is_bad = *c == ':' || *c == '*' || ((unsigned char)*c < ' ') || *c == 0x7f;
        tb_sink_escape(is_bad ? "_" : c, 1, out);
    }
    if (n_chars == 0)
        tb_buf_adds(out, "towbar");
}

void tb_cloudwatch_place(const struct tb_sink_target *target, bool has_stream, struct tb_buf *out)
{
    tb_buf_addf(out, "\"logGroupName\":\"%s\"", target->settings->log_group);
    if (!has_stream)
        return;
    tb_buf_adds(out, ",\"logStreamName\":\"");
    add_stream(target->token ? target->token : "", out);
    tb_buf_adds(out, "\"");
}

int tb_cloudwatch_prepare(const struct tb_sink_target *target, unsigned step,
                          struct tb_sink_request *out)
{
    static const char *const ACTIONS[] = {"CreateLogGroup", "CreateLogStream",
                                          "PutRetentionPolicy"};
    if (target->settings == NULL)
        return -EINVAL;
    if (step >= N_STEPS || (step == STEP_RETENTION && target->settings->retention_days == 0))
        return 0;
    int err = tb_cloudwatch_begin(target, ACTIONS[step], STEP_BYTES, out);
    if (err < 0)
        return err;
    tb_buf_adds(&out->body, "{");
    tb_cloudwatch_place(target, step == STEP_STREAM, &out->body);
    if (step == STEP_RETENTION)
        tb_buf_addf(&out->body, ",\"retentionInDays\":%u", target->settings->retention_days);
    tb_buf_adds(&out->body, "}");
    if ((err = out->body.err) ||
        (err = tb_sigv4_sign(out, target, target->settings->region, "logs"))) {
        tb_buf_done(&out->body);
        return err;
    }
    return 1;
}

static void go_on(struct tb_sink_judgement *out)
{
    memset(out, 0, sizeof(*out));
    out->verdict = TB_VERDICT_ACK;
}

void tb_cloudwatch_judge_step(const struct tb_sink_target *target, unsigned step,
                              const struct tb_sink_reply *reply, struct tb_sink_judgement *out)
{
    static const char *const RIGHTS[] = {"logs:CreateLogGroup", "logs:CreateLogStream",
                                         "logs:PutRetentionPolicy"};
    struct tb_aws_error error;
    if (reply->status >= 200 && reply->status < 300) {
        go_on(out);
        return;
    }
    tb_aws_error_read(target, reply, &error);
    tb_aws_error_judge(target, reply, RIGHTS[step < N_STEPS ? step : STEP_RETENTION], out);
    if (step == STEP_GROUP && error.class == TB_AWS_DENIED)
        go_on(out);
    /* Just made, and not yet seen by all of AWS; or step 0 was not allowed to make it. */
    if (step == STEP_STREAM && out->verdict == TB_VERDICT_CREATE) {
        out->verdict = TB_VERDICT_RETRY;
        (void)snprintf(out->reason, sizeof(out->reason),
                       "there is no log group %.*s yet: make it, or allow logs:CreateLogGroup",
                       MESSAGE_CHARS, target->settings ? target->settings->log_group : "");
    }
    if (step == STEP_RETENTION && out->verdict != TB_VERDICT_SLOW &&
        out->verdict != TB_VERDICT_RENEW)
        go_on(out);
}
