/* rollbar_wait.c - how long to wait, by the headers of an answer.
 *
 * Of X-Rate-Limit-Remaining-Seconds, Retry-After (seconds or a date) and X-Rate-Limit-Reset
 * (seconds since 1970), in this order, the first counts that says up to an hour from now. SDKs have
 * seen headers of 2 billion seconds, and a clock of ours or theirs may be wrong: what is negative,
 * in the past or no number is not heeded, and more than an hour is an hour, after which is asked
 * again. */
#include "sink/rollbar.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    WAIT_MIN_S = 1,
    WAIT_MAX_S = 3600,
    WAIT_UNSAID_S = 60,       /* Rollbar's shortest window */
    WAIT_UNAVAILABLE_S = 300, /* a 503 speaks about the service, which is tried again soon enough */
    DIGITS_MAX = 18
};

static const char *skip_blanks(const char *text)
{
    return text + strspn(text, " \t");
}

/* A whole number, or -1. One with too many digits is still a number. */
static int64_t number(const char *text)
{
    if (!text)
        return -1;
    text = skip_blanks(text);
    size_t len = strspn(text, "0123456789");
    if (len == 0 || *skip_blanks(text + len) != '\0')
        return -1;
    return len > DIGITS_MAX ? INT64_MAX : strtoll(text, NULL, 10);
}

/* "Sun, 06 Nov 1994 08:49:37 GMT" in seconds from now, or -1. */
static int64_t date_from(const char *text, int64_t now_s)
{
    struct tm tm;
    memset(&tm, 0, sizeof(tm));
    const char *end = text ? strptime(skip_blanks(text), "%a, %d %b %Y %H:%M:%S GMT", &tm) : NULL;
    if (!end || *skip_blanks(end) != '\0')
        return -1;
    int64_t at_s = timegm(&tm);
    return at_s > now_s ? at_s - now_s : -1;
}

/* Seconds, or -1 when no header says. */
static int64_t said_s(const struct tb_sink_reply *reply)
{
    int64_t reset = number(reply->rate_reset);
    int64_t after = number(reply->retry_after);
    const int64_t says[] = {number(reply->rate_remaining_s),
                            after >= 0 ? after : date_from(reply->retry_after, reply->now_s),
                            reset > reply->now_s ? reset - reply->now_s : -1};
    int is_long = 0;
    for (size_t i = 0; i < sizeof(says) / sizeof(says[0]); i++) {
        if (says[i] >= 0 && says[i] <= WAIT_MAX_S)
            return says[i] < WAIT_MIN_S ? WAIT_MIN_S : says[i];
        is_long = is_long || says[i] > WAIT_MAX_S;
    }
    return is_long ? WAIT_MAX_S : -1;
}

int64_t tb_rollbar_wait_ms(const struct tb_sink_reply *reply, enum tb_verdict verdict)
{
    /* Nearly all are taken, and may go on. */
    if (verdict == TB_VERDICT_ACK && number(reply->rate_remaining) != 0)
        return 0;
    int64_t seconds = said_s(reply);
    if (verdict == TB_VERDICT_SLOW)
        return (seconds < 0 ? WAIT_UNSAID_S : seconds) * 1000;
    /* The window is used up: the next one would be refused. If that is a lie it costs a minute. */
    if (verdict == TB_VERDICT_ACK)
        return seconds < 0 ? 0 : (seconds < WAIT_MAX_S ? seconds : WAIT_UNSAID_S) * 1000;
    if (verdict == TB_VERDICT_RETRY && reply->status == 503 && reply->retry_after && seconds > 0)
        return (seconds < WAIT_UNAVAILABLE_S ? seconds : WAIT_UNAVAILABLE_S) * 1000;
    return 0;
}
