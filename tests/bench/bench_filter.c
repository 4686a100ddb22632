/* bench_filter.c - what a group takes in the pipeline: an expression that is parsed, one that is
 * asked of a view, and all that is done for an item of about 7 KiB: its JSON read, its facts
 * picked, the view made, the expression asked. In time of the processor. */
#include "bench.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "filter/filter.h"
#include "filter/view_item.h"

enum { ITEM_BYTES = 16 << 10, FRAMES = 30, TIMES = 2000 };

static const char EXPRESSION[] =
    "service(\"backend-flask\") {fault OR error} AND http.url CONTAINS \"/api/\" AND !partial";

static char item[ITEM_BYTES];

static void make_item(void)
{
    int len =
        snprintf(item, sizeof(item),
                 "{\"uuid\":\"d4c7acef-55bf-4c9e-a95e-4fe9428a8287\",\"level\":\"error\","
                 "\"request\":{\"url\":\"http://api.cruddur.com/api/home\",\"method\":\"GET\","
                 "\"headers\":{\"Host\":\"api.cruddur.com\",\"User-Agent\":\"curl/8\"}},"
                 "\"custom\":{\"service\":\"backend-flask\"},\"body\":{\"trace\":{"
                 "\"exception\":{\"class\":\"KeyError\",\"message\":\"user\"},\"frames\":[");
    for (int i = 0; i < FRAMES; i++)
        len += snprintf(item + len, sizeof(item) - (size_t)len,
                        "%s{\"filename\":\"app/part_%d.py\",\"lineno\":%d,\"method\":\"handle_%d\","
                        "\"code\":\"    return self.next(part, options)\",\"context\":{\"pre\":["
                        "\"def handle(self, part):\"],\"post\":[\"\"]},\"in_app\":true}",
                        i > 0 ? "," : "", i, 100 + i, i);
    (void)snprintf(item + len, sizeof(item) - (size_t)len, "]}}}");
}

static double cpu_us(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static int parse(const char *folder, struct bench_round *out)
{
    (void)folder;
    double from_us = cpu_us();
    for (int i = 0; i < TIMES; i++) {
        char why[TB_FILTER_WHY];
        struct tb_filter *filter = NULL;
        int err = tb_filter_parse(EXPRESSION, sizeof(EXPRESSION) - 1, &filter, why);
        if (err)
            return err;
        tb_filter_free(filter);
    }
    out->ours = (cpu_us() - from_us) / TIMES;
    return 0;
}

/* 0 when it matches, as it must. */
static int ask_item(const struct tb_filter *filter)
{
    const struct tb_filter_item items[] = {{.uuid = "u", .data = item, .len = strlen(item)}};
    struct tb_filter_trace *trace = NULL;
    int err = tb_filter_trace_new(items, 1, NULL, &trace);
    if (err)
        return err;
    bool is_match = tb_filter_match(filter, NULL, 0, tb_filter_trace_view(trace));
    tb_filter_trace_free(trace);
    return is_match ? 0 : -EINVAL;
}

static int item_of(const char *folder, struct bench_round *out)
{
    char why[TB_FILTER_WHY];
    struct tb_filter *filter = NULL;
    (void)folder;
    make_item();
    int err = tb_filter_parse(EXPRESSION, sizeof(EXPRESSION) - 1, &filter, why);
    if (err)
        return err;
    double from_us = cpu_us();
    for (int i = 0; i < TIMES && !err; i++)
        err = ask_item(filter);
    out->ours = (cpu_us() - from_us) / TIMES;
    tb_filter_free(filter);
    return err;
}

const struct bench bench_filter[] = {{"trace.filter.parse", "us", parse},
                                     {"trace.filter.item", "us", item_of}};
const size_t bench_filter_n = sizeof(bench_filter) / sizeof(bench_filter[0]);
