/* log_time.c - see log_time.h. */
#include "agent/files/log_time.h"

#include <stdbool.h>
#include <time.h>

enum { MS_PER_S = 1000, DATE_BYTES = 19 };

struct text {
    const char *at;
    size_t left;
};

/* n digits as a number, or -1. */
static int digits(struct text *t, unsigned n)
{
    int value = 0;
    if (t->left < n)
        return -1;
    for (unsigned i = 0; i < n; i++) {
        if (t->at[i] < '0' || t->at[i] > '9')
            return -1;
        value = value * 10 + (t->at[i] - '0');
    }
    t->at += n;
    t->left -= n;
    return value;
}

static bool is_next(struct text *t, char c)
{
    if (t->left == 0 || *t->at != c)
        return false;
    t->at++;
    t->left--;
    return true;
}

static bool read_date(struct text *t, struct tm *out)
{
    int year = digits(t, 4);
    int month = is_next(t, '-') ? digits(t, 2) : -1;
    int day = is_next(t, '-') ? digits(t, 2) : -1;
    bool has_time = is_next(t, 'T') || is_next(t, ' ');
    int hour = has_time ? digits(t, 2) : -1;
    int minute = is_next(t, ':') ? digits(t, 2) : -1;
    int second = is_next(t, ':') ? digits(t, 2) : -1;
    if (year < 1970 || month < 1 || month > 12 || day < 1 || day > 31 || hour < 0 || hour > 23 ||
        minute < 0 || minute > 59 || second < 0 || second > 60)
        return false;
    *out = (struct tm){.tm_year = year - 1900,
                       .tm_mon = month - 1,
                       .tm_mday = day,
                       .tm_hour = hour,
                       .tm_min = minute,
                       .tm_sec = second,
                       .tm_isdst = -1};
    return true;
}

/* ".123", ",123456" or nothing. */
static bool read_fraction(struct text *t, int *ms)
{
    int scale = 100;
    *ms = 0;
    if (!is_next(t, '.') && !is_next(t, ','))
        return true;
    if (t->left == 0 || *t->at < '0' || *t->at > '9')
        return false;
    while (t->left > 0 && *t->at >= '0' && *t->at <= '9') {
        *ms += (*t->at - '0') * scale;
        scale /= 10;
        t->at++;
        t->left--;
    }
    return true;
}

/* "Z", "+01:00", " -0100": 1 with the offset; 0 when none is named; -1 when it is no zone. */
static int read_zone(struct text *t, int *seconds)
{
    *seconds = 0;
    (void)is_next(t, ' ');
    if (t->left == 0)
        return 0;
    if (is_next(t, 'Z'))
        return 1;
    int sign = is_next(t, '-') ? -1 : is_next(t, '+') ? 1 : 0;
    int hours = sign != 0 ? digits(t, 2) : -1;
    (void)is_next(t, ':');
    int minutes = t->left > 0 ? digits(t, 2) : 0;
    if (hours < 0 || hours > 18 || minutes < 0 || minutes > 59)
        return -1;
    *seconds = sign * (hours * 3600 + minutes * 60);
    return 1;
}

int64_t tb_log_time(const char *text, size_t len)
{
    struct text t = {text, len};
    struct tm date;
    int ms;
    int offset_s;
    if (len < DATE_BYTES || !read_date(&t, &date) || !read_fraction(&t, &ms))
        return -1;
    int zone = read_zone(&t, &offset_s);
    if (zone < 0 || t.left != 0)
        return -1;
    time_t s = zone == 1 ? timegm(&date) - offset_s : mktime(&date);
    return s < 0 ? -1 : (int64_t)s * MS_PER_S + ms;
}
