/* otlp_judge.c - what a reply to OTLP means.
 *
 * Source: OTLP specification, "OTLP/HTTP Response". Only 429, 502, 503, 504 and no answer are
 * tried again; every other status is for ever, 500 among them. A success that says how many records
 * were not taken must not be tried again either, and does not say which ones.
 *
 * For ever is meant of the same request to the same place. Where the answer says nothing of the
 * request, but that the place, the key or the form is not the right one, what waits is kept until a
 * person has changed that. */
#include <cjson/cJSON.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/id.h"
#include "sink/otlp.h"

enum {
    WAIT_MAX_S = 3600,
    DIGITS_MAX = 18,
    SAID_BYTES = 200,
    HEARD_BYTES = 1024, /* of a message */
    LOGIN_BYTES = 512,
    SECRET_RUN = 8 /* so much of a header's value is taken for the key, cut */
};

/* ---- Retry-After ---- */

static const char *skip_blanks(const char *text)
{
    return text + strspn(text, " \t");
}

/* Seconds, or a date; 0 when it says nothing that can be heeded. */
static int64_t wait_s(const struct tb_sink_reply *reply)
{
    struct tm tm;
    const char *text = reply->retry_after ? skip_blanks(reply->retry_after) : "";
    size_t len = strspn(text, "0123456789");
    if (len > 0 && *skip_blanks(text + len) == '\0') {
        int64_t seconds = len > DIGITS_MAX ? WAIT_MAX_S : strtoll(text, NULL, 10);
        return seconds < WAIT_MAX_S ? seconds : WAIT_MAX_S;
    }
    memset(&tm, 0, sizeof(tm));
    const char *end = strptime(text, "%a, %d %b %Y %H:%M:%S GMT", &tm);
    if (!end || *skip_blanks(end) != '\0')
        return 0;
    int64_t at_s = timegm(&tm) - reply->now_s;
    return at_s <= 0 ? 0 : at_s < WAIT_MAX_S ? at_s : WAIT_MAX_S;
}

/* ---- what it says ---- */

/* "user:password" of an address, as it is meant and as the header Authorization has it. */
struct login {
    char plain[LOGIN_BYTES], basic[LOGIN_BYTES * 4 / 3 + 4];
};

static void read_login(const char *endpoint, struct login *out)
{
    const char *from = strstr(endpoint, "//");
    const char *at = from ? memrchr(from, '@', strcspn(from + 2, "/?#") + 2) : NULL;
    size_t n = 0;
    for (from = at ? from + 2 : at; from < at && n < LOGIN_BYTES - 1; from++) {
        uint8_t byte;
        char digits[] = {from[1], at - from > 2 ? from[2] : '\0', '\0'};
        bool is_code = *from == '%' && tb_unhex(digits, &byte, 1) == 0;
        out->plain[n++] = is_code ? (char)byte : *from;
        from += is_code ? 2 : 0;
    }
    out->plain[n] = '\0';
    (void)EVP_EncodeBlock((unsigned char *)out->basic, (const unsigned char *)out->plain, (int)n);
}

/* The longest piece of value that text begins with, or longest if that is longer. */
static size_t run_of(const char *text, const char *value, size_t longest)
{
    for (; *value != '\0'; value++) {
        size_t len = 0;
        while (value[len] != '\0' && value[len] == text[len])
            len++;
        longest = len > longest ? len : longest;
    }
    return longest;
}

/* How many bytes at text are a part of a header's value or of the login: a key, perhaps cut. */
static size_t secret_run(const char *text, const struct tb_sink_settings *settings,
                         const struct login *login)
{
    size_t longest = run_of(text, login->basic, run_of(text, login->plain, 0));
    for (size_t h = 0; settings && h < settings->n_headers; h++) {
        const char *value = strchr(settings->headers[h], ':');
        longest = run_of(text, value ? value + 1 : "", longest);
    }
    return longest >= SECRET_RUN ? longest : 0;
}

/* One line of ASCII, without what a server repeats of our headers. */
static void put_text(char out[SAID_BYTES], const char *text, const struct tb_sink_target *target)
{
    static const char mask[] = "(key)";
    const char *end = text + strnlen(text, HEARD_BYTES);
    size_t n = 0;
    struct login login;
    read_login(target->endpoint, &login);
    while (text < end && n + sizeof(mask) < SAID_BYTES && *text != '\n') {
        size_t run = secret_run(text, target->settings, &login);
        if (run > 0) {
            memcpy(out + n, mask, sizeof(mask) - 1);
            n += sizeof(mask) - 1;
            text += run;
            continue;
        }
        out[n++] = (char)(*text < ' ' || *text > '~' ? '?' : *text);
        text++;
    }
    out[n] = '\0';
    explicit_bzero(&login, sizeof(login));
}

/* The body's beginning as a text, from its first letter on. */
static const char *beginning(const struct tb_sink_reply *reply, char room[HEARD_BYTES + 1])
{
    size_t len = reply->body ? reply->body_len : 0;
    if (len > HEARD_BYTES)
        len = HEARD_BYTES;
    if (len > 0)
        memcpy(room, reply->body, len);
    room[len] = '\0';
    return room + strspn(room, " \t\r\n");
}

/* A Status of google.rpc has "message", Honeycomb's own answers have "error". */
static void message_of(const struct tb_sink_target *target, const struct tb_sink_reply *reply,
                       const cJSON *json, char out[SAID_BYTES])
{
    static const char *const keys[] = {"message", "error", "errorMessage", "detail"};
    char room[HEARD_BYTES + 1];
    const char *text = NULL;
    out[0] = '\0';
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]) && !text; i++)
        text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, keys[i]));
    if (!text && !json)
        text = beginning(reply, room);
    if (text && *text != '<')
        put_text(out, text, target);
}

static const char *unsaid(const struct tb_sink_reply *reply)
{
    switch (reply->status) {
    case 0:
        return reply->error && reply->error[0] != '\0' ? reply->error : "no answer";
    case 401:
    case 403:
        return "the key was refused: HONEYCOMB_API_KEY, otlp.honeycomb_key or otlp.headers";
    case 404:
    case 405:
        return "nothing takes OTLP there: is otlp.endpoint right, with its path?";
    case 407:
        return "the proxy wants a login";
    case 413:
        return "the request is too large";
    case 415:
        return "http/json, or gzip, is not taken there: otlp.endpoint, otlp.compression";
    default:
        return reply->status >= 300 && reply->status < 400
                   ? "redirected: set otlp.endpoint to the final address"
                   : "";
    }
}

static void set_reason(struct tb_sink_judgement *out, const struct tb_sink_reply *reply,
                       const char *said)
{
    if (reply->status <= 0)
        (void)snprintf(out->reason, sizeof(out->reason), "%s", said);
    else
        (void)snprintf(out->reason, sizeof(out->reason), "HTTP %d%s%s", reply->status,
                       said[0] != '\0' ? ": " : "", said);
}

/* ---- verdicts ---- */

static void judge_failure(const struct tb_sink_target *target, const struct tb_sink_reply *reply,
                          const cJSON *json, struct tb_sink_judgement *out)
{
    char said[SAID_BYTES];
    int64_t seconds = 0;
    message_of(target, reply, json, said);
    bool is_elsewhere = reply->status == 404 || reply->status == 405;
    set_reason(out, reply, said[0] != '\0' && !is_elsewhere ? said : unsaid(reply));
    switch (reply->status) {
    case 401:
    case 403:
    case 404:
    case 405:
    case 407:
    case 415:
        out->verdict = TB_VERDICT_PARK;
        break;
    case 429:
    case 502:
    case 503:
    case 504:
        seconds = wait_s(reply);
        out->verdict = seconds > 0 ? TB_VERDICT_SLOW : TB_VERDICT_RETRY;
        out->wait_ms = seconds * 1000;
        break;
    default:
        out->verdict = reply->status < 400 ? TB_VERDICT_RETRY : TB_VERDICT_DROP;
        break;
    }
}

/* A 64-bit number is a text in this JSON, and a number in that of some. */
static int64_t count_of(const cJSON *value)
{
    const char *text = cJSON_GetStringValue(value);
    if (text)
        return strspn(text, "0123456789") == strlen(text) && strlen(text) <= DIGITS_MAX
                   ? strtoll(text, NULL, 10)
                   : 0;
    double number = cJSON_IsNumber(value) ? cJSON_GetNumberValue(value) : 0;
    return number > 0 && number < 1e15 ? (int64_t)number : 0;
}

/* Not tried again, whichever they are. All of them: each is known to be refused. Some: they are
 * taken as sent, and the reason says how many were not. */
static void judge_partial(const struct tb_sink_target *target, const char *rejected,
                          const cJSON *partial, size_t n, struct tb_sink_judgement *out)
{
    char said[SAID_BYTES];
    int64_t count = count_of(cJSON_GetObjectItemCaseSensitive(partial, rejected));
    const char *text =
        cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(partial, "errorMessage"));
    put_text(said, text ? text : "", target);
    const char *colon = said[0] != '\0' ? ": " : "";
    if (count >= (int64_t)n) {
        out->verdict = TB_VERDICT_DROP;
        (void)snprintf(out->reason, sizeof(out->reason), "rejected%s%s", colon, said);
    } else if (count > 0) {
        (void)snprintf(out->reason, sizeof(out->reason),
                       "%" PRId64 " of %zu were rejected, not said which%s%.150s", count, n, colon,
                       said);
    } else if (said[0] != '\0') {
        (void)snprintf(out->reason, sizeof(out->reason), "taken with a warning: %s", said);
    }
}

static void judge_success(const struct tb_sink_target *target, const char *rejected,
                          const struct tb_sink_reply *reply, const cJSON *json, size_t n,
                          struct tb_sink_judgement *out)
{
    char room[HEARD_BYTES + 1];
    /* The page of a portal or a proxy is no answer of a collector. */
    if (*beginning(reply, room) == '<') {
        out->verdict = TB_VERDICT_RETRY;
        set_reason(out, reply, "the answer is a web page: is otlp.endpoint right?");
        return;
    }
    judge_partial(target, rejected, cJSON_GetObjectItemCaseSensitive(json, "partialSuccess"), n,
                  out);
}

void tb_otlp_judge(const struct tb_sink_target *target, const char *rejected,
                   const struct tb_sink_reply *reply, size_t n, struct tb_sink_judgement *out)
{
    struct tb_sink_judgement all;
    cJSON *json = NULL;
    memset(&all, 0, sizeof(all));
    if (reply->status > 0 && reply->body && !reply->is_cut)
        json = cJSON_ParseWithLength(reply->body, reply->body_len);
    if (reply->status >= 200 && reply->status < 300)
        judge_success(target, rejected, reply, json, n, &all);
    else
        judge_failure(target, reply, json, &all);
    for (size_t i = 0; i < n; i++)
        out[i] = all;
    cJSON_Delete(json);
}
