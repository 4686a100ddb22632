/* facts_time.c - see facts_impl.h: times as items have them. Without the C library's functions,
 * which depend on a locale. */
#include <string.h>

#include "sink/facts_impl.h"

enum { NS_DIGITS = 9, EXPONENT_MAX = 99 };
/* The year 5138: what is later is no second but a millisecond. */
static const int64_t seconds_end = 100000000000;

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Digits of a decimal number, as many as fit, and the power of ten that they are to be taken times.
 */
struct decimal {
    int64_t digits;
    int power;
};

static const char *take_digits(const char *at, bool is_fraction, struct decimal *out)
{
    for (; is_digit(*at); at++) {
        if (out->digits > (INT64_MAX - 9) / 10) {
            out->power += is_fraction ? 0 : 1;
            continue;
        }
        out->digits = out->digits * 10 + (*at - '0');
        out->power -= is_fraction ? 1 : 0;
    }
    return at;
}

static const char *take_exponent(const char *at, struct decimal *out)
{
    bool is_negative = *at == '-';
    int exponent = 0;
    if (*at == '-' || *at == '+')
        at++;
    for (; is_digit(*at); at++)
        exponent = exponent < EXPONENT_MAX ? exponent * 10 + (*at - '0') : exponent;
    out->power += is_negative ? -exponent : exponent;
    return at;
}

/* 0 for what does not fit. */
static int64_t scaled(const struct decimal *number, int power)
{
    int64_t value = number->digits;
    for (int p = number->power + power; p < 0 && value != 0; p++)
        value /= 10;
    for (int p = number->power + power; p > 0 && value != 0; p--) {
        if (__builtin_mul_overflow(value, 10, &value))
            return 0;
    }
    return value;
}

int64_t tb_facts_seconds(const char *text)
{
    struct decimal number = {.digits = 0};
    if (!is_digit(*text))
        return 0;
    text = take_digits(text, false, &number);
    if (*text == '.')
        text = take_digits(text + 1, true, &number);
    if (*text == 'e' || *text == 'E')
        text = take_exponent(text + 1, &number);
    if (*text != '\0')
        return 0;
    return scaled(&number, scaled(&number, 0) >= seconds_end ? NS_DIGITS - 3 : NS_DIGITS);
}

/* As many digits as there must be, or -1. */
static int64_t fixed(const char **at, int n, char end)
{
    int64_t value = 0;
    for (; n > 0; n--) {
        if (!is_digit(**at))
            return -1;
        value = value * 10 + (*(*at)++ - '0');
    }
    if (end != '\0' && *(*at)++ != end)
        return -1;
    return value;
}

/* Days since 1970 of a date; the calendar repeats every 400 years of 146097 days. */
static int64_t days_of(int64_t year, int64_t month, int64_t day)
{
    year -= month <= 2 ? 1 : 0;
    int64_t era = year / 400;
    int64_t of_era = year - era * 400;
    int64_t of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

/* Seconds that a zone is before UTC; what is none makes *is_well false. */
static int64_t zone(const char *at, bool *is_well)
{
    if (strcmp(at, "Z") == 0 || strcmp(at, "z") == 0)
        return 0;
    char sign = *at;
    if (sign != '+' && sign != '-') {
        *is_well = false;
        return 0;
    }
    at++;
    int64_t hours = fixed(&at, 2, ':');
    int64_t minutes = hours >= 0 ? fixed(&at, 2, '\0') : -1;
    *is_well = minutes >= 0 && *at == '\0';
    return (sign == '-' ? -1 : 1) * (hours * 3600 + minutes * 60);
}

int64_t tb_facts_date(const char *text)
{
    static const struct {
        int digits;
        char end;
        int64_t low, high;
    } parts[] = {{4, '-', 1970, 2261}, {2, '-', 1, 12}, {2, 'T', 1, 31},
                 {2, ':', 0, 23},      {2, ':', 0, 59}, {2, '\0', 0, 60}};
    int64_t value[6];
    int64_t ns = 0;
    for (size_t i = 0; i < 6; i++) {
        value[i] = fixed(&text, parts[i].digits, parts[i].end);
        if (value[i] < parts[i].low || value[i] > parts[i].high)
            return 0;
    }
    if (*text == '.') {
        struct decimal fraction = {.digits = 0};
        text = take_digits(text + 1, true, &fraction);
        ns = scaled(&fraction, NS_DIGITS);
    }
    bool is_well = true;
    int64_t before_s = zone(text, &is_well);
    int64_t seconds = days_of(value[0], value[1], value[2]) * 86400 + value[3] * 3600 +
                      value[4] * 60 + value[5] - before_s;
    return is_well && seconds > 0 ? seconds * TB_FACTS_NS + ns : 0;
}
