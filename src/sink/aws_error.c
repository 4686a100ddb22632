/* aws_error.c - see aws_error.h.
 *
 * The name of an error stands in one of: the header x-amzn-errortype; "__type" or "code" of JSON
 * 1.1 and REST JSON, perhaps as "namespace#Name:http://..."; "Error"."Code"; <Error><Code> of the
 * query protocol. Names and their meaning: AWS "Common errors", and what botocore and the SDKs
 * retry. The message of a refused signature quotes the session token, so that one is ours. */
#include "sink/aws_error.h"

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

enum {
    SKEW_MS = 4 * 60 * 1000, /* the services allow 5 minutes */
    SLOW_MS = 1000,          /* at least; delivery adds a back-off of its own */
    SLOW_MAX_S = 3600,
    SECRET_RUN = 8 /* characters of a secret that are worth hiding */
};

/* 2020 to 2100. A clock of the year 10000 has no date that could be signed, so no later reply could
 * put it right. */
#define DATE_FIRST_S INT64_C(1577836800)
#define DATE_LAST_S INT64_C(4102444800)

/* What a name means. May be a clock: where the reply's date is far from the request's, it is. */
static const struct {
    const char *name;
    enum tb_aws_class class;
    bool may_be_clock;
} NAMES[] = {
    {"AccessDenied", TB_AWS_DENIED, false},
    {"AccessDeniedException", TB_AWS_DENIED, false},
    {"AuthFailure", TB_AWS_CONFIG, true},
    {"BandwidthLimitExceeded", TB_AWS_THROTTLED, false},
    {"DataAlreadyAcceptedException", TB_AWS_THERE, false},
    {"EC2ThrottledException", TB_AWS_THROTTLED, false},
    {"EntityAlreadyExists", TB_AWS_THERE, false},
    {"ExpiredToken", TB_AWS_RENEW, false},
    {"ExpiredTokenException", TB_AWS_RENEW, false},
    {"IDPCommunicationError", TB_AWS_RETRY, false},
    {"IncompleteSignature", TB_AWS_CONFIG, false},
    {"IncompleteSignatureException", TB_AWS_CONFIG, false},
    {"InternalFailure", TB_AWS_RETRY, false},
    {"InternalServerError", TB_AWS_RETRY, false},
    {"InvalidAccessKeyId", TB_AWS_RENEW, false},
    {"InvalidClientTokenId", TB_AWS_RENEW, false},
    {"InvalidParameterException", TB_AWS_NEVER, false},
    {"InvalidRequestException", TB_AWS_NEVER, false},
    {"InvalidSequenceTokenException", TB_AWS_RETRY, false},
    {"InvalidSignatureException", TB_AWS_CONFIG, true},
    {"LimitExceededException", TB_AWS_THROTTLED, false},
    {"MissingAuthenticationToken", TB_AWS_CONFIG, false},
    {"MissingAuthenticationTokenException", TB_AWS_CONFIG, false},
    {"NotAuthorized", TB_AWS_DENIED, false},
    {"OperationAborted", TB_AWS_RETRY, false},
    {"OperationAbortedException", TB_AWS_RETRY, false},
    {"OptInRequired", TB_AWS_CONFIG, false},
    {"PriorRequestNotComplete", TB_AWS_THROTTLED, false},
    {"ProvisionedThroughputExceededException", TB_AWS_THROTTLED, false},
    {"RequestExpired", TB_AWS_RENEW, true},
    {"RequestInTheFuture", TB_AWS_CONFIG, true},
    {"RequestLimitExceeded", TB_AWS_THROTTLED, false},
    {"RequestThrottled", TB_AWS_THROTTLED, false},
    {"RequestThrottledException", TB_AWS_THROTTLED, false},
    {"RequestTimeTooSkewed", TB_AWS_CONFIG, true},
    {"RequestTimeout", TB_AWS_RETRY, false},
    {"RequestTimeoutException", TB_AWS_RETRY, false},
    {"ResourceAlreadyExistsException", TB_AWS_THERE, false},
    {"ResourceNotFoundException", TB_AWS_CREATE, false},
    {"SerializationException", TB_AWS_NEVER, false},
    {"ServiceUnavailable", TB_AWS_RETRY, false},
    {"ServiceUnavailableException", TB_AWS_RETRY, false},
    {"SignatureDoesNotMatch", TB_AWS_CONFIG, true},
    {"SlowDown", TB_AWS_THROTTLED, false},
    {"ThrottledException", TB_AWS_THROTTLED, false},
    {"Throttling", TB_AWS_THROTTLED, false},
    {"ThrottlingException", TB_AWS_THROTTLED, false},
    {"TooManyRequestsException", TB_AWS_THROTTLED, false},
    {"TransactionInProgressException", TB_AWS_RETRY, false},
    {"UnauthorizedOperation", TB_AWS_DENIED, false},
    {"UnknownOperationException", TB_AWS_CONFIG, false},
    {"UnrecognizedClientException", TB_AWS_RENEW, true},
    {"ValidationError", TB_AWS_NEVER, false},
    {"ValidationException", TB_AWS_NEVER, false},
};

struct words {
    char name[512], said[2048]; /* whole enough to be cleaned before they are cut */
};

/* "com.amazonaws.logs#Name:http://..." is Name. */
static void set_name(const char *text, char out[TB_AWS_NAME])
{
    size_t len = strcspn(text, ":");
    const char *hash = memrchr(text, '#', len);
    const char *from = hash ? hash + 1 : text;
    size_t n = 0;
    len -= (size_t)(from - text);
    for (size_t i = 0; i < len && n < TB_AWS_NAME - 1; i++) {
        char c = from[i];
        if ((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
            c == '.' || c == '_' || c == '-')
            out[n++] = c;
    }
    out[n] = '\0';
}

static void copy(char *out, size_t cap, const char *text)
{
    size_t len = strnlen(text, cap - 1);
    memcpy(out, text, len);
    out[len] = '\0';
}

/* The first of those members that is a text. */
static void take_text(const cJSON *object, const char *const *names, size_t n, char *out,
                      size_t cap)
{
    for (size_t i = 0; i < n && out[0] == '\0'; i++) {
        const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, names[i]));
        if (text != NULL)
            copy(out, cap, text);
    }
}

static void read_json(const struct tb_sink_reply *reply, struct words *out)
{
    static const char *const names[] = {"__type", "code", "Code"};
    static const char *const messages[] = {"message", "Message", "errorMessage"};
    cJSON *json = cJSON_ParseWithLength(reply->body, reply->body_len);
    const cJSON *inner = cJSON_GetObjectItemCaseSensitive(json, "Error");
    take_text(json, names, 3, out->name, sizeof(out->name));
    take_text(inner, names, 3, out->name, sizeof(out->name));
    take_text(json, messages, 3, out->said, sizeof(out->said));
    take_text(inner, messages, 3, out->said, sizeof(out->said));
    cJSON_Delete(json);
}

/* The text of the first element of that name behind <Error>. Entities stay as they are. */
static void read_element(const char *body, size_t len, const char *open, char *out, size_t cap)
{
    const char *error = memmem(body, len, "<Error>", 7);
    size_t left = error ? len - (size_t)(error - body) : 0;
    const char *from = left > 0 ? memmem(error, left, open, strlen(open)) : NULL;
    if (from == NULL)
        return;
    from += strlen(open);
    left = len - (size_t)(from - body);
    const char *end = memchr(from, '<', left);
    if (end == NULL)
        return;
    size_t n = (size_t)(end - from) < cap - 1 ? (size_t)(end - from) : cap - 1;
    memcpy(out, from, n);
    out[n] = '\0';
}

static void read_words(const struct tb_sink_reply *reply, struct words *out)
{
    memset(out, 0, sizeof(*out));
    if (reply->error_type != NULL)
        copy(out->name, sizeof(out->name), reply->error_type);
    if (reply->body == NULL || reply->body_len == 0)
        return;
    if (reply->body[0] == '<') {
        if (out->name[0] == '\0')
            read_element(reply->body, reply->body_len, "<Code>", out->name, sizeof(out->name));
        read_element(reply->body, reply->body_len, "<Message>", out->said, sizeof(out->said));
    } else {
        read_json(reply, out);
    }
}

/* How much of that secret stands at the beginning of text: all of it, or a long run of it. */
static size_t run_of(const char *text, const char *secret)
{
    size_t longest = 0;
    for (const char *from = secret; *from != '\0'; from++) {
        size_t len = 0;
        while (from[len] != '\0' && text[len] == from[len])
            len++;
        longest = len > longest ? len : longest;
    }
    return longest >= SECRET_RUN ? longest : 0;
}

static size_t secret_run(const char *text, const struct tb_sink_credentials *credentials)
{
    size_t run = credentials ? run_of(text, credentials->secret) : 0;
    return run > 0 || !credentials ? run : run_of(text, credentials->session);
}

static bool has_secret(const char *text, const struct tb_sink_credentials *credentials)
{
    for (const char *c = text; *c != '\0'; c++)
        if (secret_run(c, credentials) > 0)
            return true;
    return false;
}

void tb_aws_error_said(const char *text, const struct tb_sink_credentials *credentials,
                       char out[TB_AWS_SAID])
{
    static const char MASK[] = "(secret)";
    size_t n = 0;
    while (*text != '\0' && n < TB_AWS_SAID - sizeof(MASK)) {
        size_t run = secret_run(text, credentials);
        if (run > 0) {
            memcpy(out + n, MASK, sizeof(MASK) - 1);
            n += sizeof(MASK) - 1;
            text += run;
            continue;
        }
        unsigned char c = (unsigned char)*text++;
        out[n++] = (char)(c < ' ' ? ' ' : (c > '~' ? '?' : c));
    }
    out[n] = '\0';
}

/* "Sun, 22 Nov 2026 09:27:41 GMT" in seconds since 1970; 0 for anything else. */
static int64_t date_s(const char *text)
{
    struct tm tm;
    memset(&tm, 0, sizeof(tm));
    const char *end = text ? strptime(text, "%a, %d %b %Y %H:%M:%S GMT", &tm) : NULL;
    return end != NULL && *end == '\0' ? (int64_t)timegm(&tm) : 0;
}

/* Was the request's time far from the service's? Then by how much ours is. */
static bool is_clock(const struct tb_sink_target *target, const struct tb_sink_reply *reply,
                     const char *said, int64_t *clock_ms)
{
    int64_t at_s = date_s(reply->date);
    int64_t off_ms = at_s * 1000 - target->now_ms;
    if (at_s < DATE_FIRST_S || at_s > DATE_LAST_S)
        return false;
    bool is_said = strstr(said, "Signature expired") != NULL ||
                   strstr(said, "Signature not yet current") != NULL;
    if (llabs(off_ms) < SKEW_MS && !(is_said && llabs(off_ms) > SKEW_MS / 4))
        return false;
    *clock_ms = (at_s - reply->now_s) * 1000;
    if (*clock_ms == 0)
        *clock_ms = 1; /* it was set wrong before; 0 would mean the credentials */
    return true;
}

static enum tb_aws_class class_of_status(int status, bool is_aws)
{
    switch (status) {
    case 429:
        return TB_AWS_THROTTLED;
    case 401:
    case 403:
        return TB_AWS_CONFIG;
    case 413:
        return TB_AWS_NEVER;
    case 408:
        return TB_AWS_RETRY;
    default:
        /* A proxy or a wrong address says nothing about the items. */
        return is_aws && status >= 400 && status < 500 ? TB_AWS_NEVER : TB_AWS_RETRY;
    }
}

void tb_aws_error_read(const struct tb_sink_target *target, const struct tb_sink_reply *reply,
                       struct tb_aws_error *out)
{
    struct words words;
    memset(out, 0, sizeof(*out));
    if (reply->status == 0) {
        out->class = TB_AWS_RETRY;
        tb_aws_error_said(reply->error && reply->error[0] ? reply->error : "no answer",
                          target->credentials, out->said);
        return;
    }
    read_words(reply, &words);
    set_name(words.name, out->name);
    if (has_secret(out->name, target->credentials))
        out->name[0] = '\0';
    out->class = class_of_status(reply->status, out->name[0] != '\0');
    bool may_be_clock = false;
    for (size_t i = 0; i < sizeof(NAMES) / sizeof(NAMES[0]); i++) {
        if (strcmp(NAMES[i].name, out->name) == 0) {
            out->class = NAMES[i].class;
            may_be_clock = NAMES[i].may_be_clock;
        }
    }
    if (reply->status >= 500 && out->class != TB_AWS_THROTTLED)
        out->class = TB_AWS_RETRY;
    if (may_be_clock && is_clock(target, reply, words.said, &out->clock_ms))
        out->class = TB_AWS_CLOCK;
    /* It goes on with what we sent, the session token among it. */
    char *quote = strstr(words.said, "The Canonical String");
    if (quote != NULL)
        *quote = '\0';
    tb_aws_error_said(words.said, target->credentials, out->said);
}

/* ---- as a verdict ---- */

static int64_t slow_ms(const struct tb_sink_reply *reply)
{
    const char *text = reply->retry_after ? reply->retry_after : "";
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > 9 || text[digits] != '\0')
        return SLOW_MS;
    int64_t seconds = strtoll(text, NULL, 10);
    return seconds < 1 ? SLOW_MS : (seconds < SLOW_MAX_S ? seconds : SLOW_MAX_S) * 1000;
}

/* What to do about it, for a person. */
static const char *advice(const struct tb_sink_reply *reply, const struct tb_aws_error *error)
{
    if (error->class == TB_AWS_CLOCK)
        return "the clock of this host is wrong; the service's is used";
    if (error->class == TB_AWS_RENEW)
        return "new credentials are asked for";
    if (error->class == TB_AWS_DENIED)
        return ""; /* the action is named */
    if (strncmp(error->name, "InvalidSignature", 16) == 0 ||
        strcmp(error->name, "SignatureDoesNotMatch") == 0)
        return "does AWS_SECRET_ACCESS_KEY belong to AWS_ACCESS_KEY_ID, and is the region right?";
    if (strncmp(error->name, "InvalidSequenceToken", 20) == 0)
        return "this service wants sequence tokens, which AWS has not wanted since 2023";
    if (error->name[0] != '\0' || reply->status == 0 || reply->status >= 500)
        return "";
    if (reply->status >= 300 && reply->status < 400)
        return "redirected: set the endpoint to the final address";
    if (reply->status == 407)
        return "the proxy wants a login";
    return "the answer is not AWS's: is the endpoint right?";
}

static void set_reason(const struct tb_sink_reply *reply, const struct tb_aws_error *error,
                       const char *action, struct tb_sink_judgement *out)
{
    const char *more = advice(reply, error);
    bool is_denied = error->class == TB_AWS_DENIED;
    char status[24] = "";
    if (reply->status > 0)
        (void)snprintf(status, sizeof(status), "HTTP %d ", reply->status);
    const char *const parts[] = {status,
                                 error->name,
                                 is_denied ? ": the policy must allow " : "",
                                 is_denied ? action : "",
                                 more[0] ? ": " : "",
                                 more,
                                 error->said[0] ? ": " : "",
                                 error->said};
    size_t len = 0;
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        const char *part = len == strlen(status) && parts[i][0] == ':' ? parts[i] + 2 : parts[i];
        for (; *part != '\0' && len < sizeof(out->reason) - 1; part++)
            out->reason[len++] = *part;
    }
    while (len > 0 && out->reason[len - 1] == ' ')
        len--;
    out->reason[len] = '\0';
}

void tb_aws_error_judge(const struct tb_sink_target *target, const struct tb_sink_reply *reply,
                        const char *action, struct tb_sink_judgement *out)
{
    static const enum tb_verdict verdicts[] = {
        [TB_AWS_RETRY] = TB_VERDICT_RETRY,   [TB_AWS_THROTTLED] = TB_VERDICT_SLOW,
        [TB_AWS_RENEW] = TB_VERDICT_RENEW,   [TB_AWS_CLOCK] = TB_VERDICT_RENEW,
        [TB_AWS_CREATE] = TB_VERDICT_CREATE, [TB_AWS_THERE] = TB_VERDICT_ACK,
        [TB_AWS_NEVER] = TB_VERDICT_DROP,    [TB_AWS_DENIED] = TB_VERDICT_PARK,
        [TB_AWS_CONFIG] = TB_VERDICT_PARK};
    struct tb_aws_error error;
    memset(out, 0, sizeof(*out));
    tb_aws_error_read(target, reply, &error);
    out->verdict = verdicts[error.class];
    out->clock_ms = error.clock_ms;
    if (out->verdict == TB_VERDICT_SLOW)
        out->wait_ms = slow_ms(reply);
    if (out->verdict != TB_VERDICT_ACK)
        set_reason(reply, &error, action, out);
}
