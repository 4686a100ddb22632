/* bench_encode.c - what a sink takes to make a request of an item of a C program, of about 9 KiB:
 * per item, in a batch as large as delivery gives it, the signature with it. In time of the
 * processor, as nothing is waited for; of a round's batches the quickest counts. The limit is the
 * budget that the project gave itself. */
#include "bench.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "sink/sink.h"

enum { ITEM_BYTES = 16 << 10, FRAMES = 20, BATCHES = 8, NOW_S = 1795339661 };
static const double BUDGET_US = 60;

static char item[ITEM_BYTES];
static size_t item_len;

__attribute__((format(printf, 1, 2))) static void add(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int len = vsnprintf(item + item_len, sizeof(item) - item_len, format, args);
    va_end(args);
    item_len += (size_t)len;
}

static void add_frame(int i)
{
    add("%s{\"filename\":\"src/feed/part_%d.c\",\"lineno\":%d,\"method\":\"feed_handle_part_%d\","
        "\"code\":\"    return feed_next(part, out, options);\",\"context\":{\"pre\":["
        "\"static int handle(struct part *part)\",\"{\"],\"post\":[\"}\"]},"
        "\"address\":\"0x000055d0c0de%04x\",\"module\":\"cruddur-feedd\",\"module_offset\":"
        "\"0x%04x\",\"build_id\":\"c89b11207f6479603b0d49bf291c092c2b719293\",\"trust\":\"cfi\","
        "\"in_app\":true}",
        i > 0 ? "," : "", i, 100 + i, i, i * 64, i * 64);
}

static void make_item(void)
{
    item_len = 0;
    add("{\"uuid\":\"d4c7acef-55bf-4c9e-a95e-4fe9428a8287\",\"timestamp\":%d.25,\"level\":"
        "\"critical\",\"environment\":\"production\",\"platform\":\"linux\",\"language\":\"c\","
        "\"code_version\":\"1.4.2\",\"server\":{\"host\":\"feed-1\",\"pid\":4242},\"attributes\":["
        "{\"key\":\"trace_id\",\"value\":\"6b02b58de0617ecba70ed68ac9552d48\"},"
        "{\"key\":\"span_id\",\"value\":\"53995c3f42cd8ad8\"}],\"body\":{\"trace\":{"
        "\"exception\":{\"class\":\"SIGSEGV\",\"message\":\"invalid address 0x10\"},\"frames\":[",
        NOW_S);
    for (int i = 0; i < FRAMES; i++)
        add_frame(i);
    add("]},\"telemetry\":[");
    for (int i = 0; i < 8; i++)
        add("%s{\"level\":\"info\",\"type\":\"manual\",\"timestamp_ms\":%d,\"body\":{\"message\":"
            "\"took message %d from the queue\"}}",
            i > 0 ? "," : "", i, i);
    add("]},\"custom\":{\"service\":\"cruddur-feedd\",\"trace\":{\"flags\":\"01\"},\"native\":{"
        "\"kind\":\"crash\",\"signal\":\"SIGSEGV\",\"code\":\"SEGV_MAPERR\",\"address\":\"0x10\","
        "\"thread\":{\"tid\":4250,\"name\":\"feed-worker\"},\"registers\":{");
    for (int i = 0; i < 17; i++)
        add("%s\"r%d\":\"0x%016x\"", i > 0 ? "," : "", i, i);
    add("}}}}");
}

static double cpu_us(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static int run(const struct tb_sink_type *sink, const char *endpoint, bool is_plain,
               struct bench_round *out)
{
    static const struct tb_sink_credentials credentials = {
        "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", ""};
    const struct tb_sink_settings settings = {.is_plain = is_plain,
                                              .host = "feed-1",
                                              .region = "ca-central-1",
                                              .log_group = "cruddur",
                                              .name = "",
                                              .name_pattern = "",
                                              .origin = ""};
    const struct tb_sink_target target = {.endpoint = endpoint,
                                          .token = "feed-1/cruddur-feedd",
                                          .settings = &settings,
                                          .credentials = &credentials,
                                          .now_ms = (int64_t)NOW_S * 1000};
    make_item();
    out->ours = 0;
    for (int i = 0; i < BATCHES; i++) {
        struct tb_sink_item items[TB_SINK_BATCH];
        struct tb_sink_request request;
        memset(items, 0, sizeof(items));
        for (size_t k = 0; k < sink->batch; k++)
            items[k] = (struct tb_sink_item){
                .uuid = "d4c7acef-55bf-4c9e-a95e-4fe9428a8287", .data = item, .len = item_len};
        double from_us = cpu_us();
        int n = sink->encode(&target, items, sink->batch, &request);
        tb_sink_request_done(&request);
        if (n != (int)sink->batch)
            return n < 0 ? n : -EINVAL;
        double took_us = (cpu_us() - from_us) / (double)sink->batch;
        out->ours = i == 0 || took_us < out->ours ? took_us : out->ours;
    }
    out->limit = BUDGET_US;
    return 0;
}

static int cloudwatch(const char *folder, struct bench_round *out)
{
    (void)folder;
    return run(&tb_sink_cloudwatch, "", false, out);
}

/* One datagram: a batch is one item. */
static int xray(const char *folder, struct bench_round *out)
{
    (void)folder;
    return run(&tb_sink_xray, "udp://127.0.0.1:2000", false, out);
}

static int xray_api(const char *folder, struct bench_round *out)
{
    (void)folder;
    return run(&tb_sink_xray_api, "", false, out);
}

static int otlp(const char *folder, struct bench_round *out)
{
    (void)folder;
    return run(&tb_sink_otlp, "http://127.0.0.1:4318/v1/logs", false, out);
}

static int otlp_plain(const char *folder, struct bench_round *out)
{
    (void)folder;
    return run(&tb_sink_otlp, "http://127.0.0.1:4318/v1/logs", true, out);
}

static int otlp_spans(const char *folder, struct bench_round *out)
{
    (void)folder;
    return run(&tb_sink_otlp_spans, "http://127.0.0.1:4318/v1/traces", false, out);
}

const struct bench bench_encode[] = {
    {"trace.encode.cloudwatch", "us", cloudwatch}, {"trace.encode.xray", "us", xray},
    {"trace.encode.xray-api", "us", xray_api},     {"trace.encode.otlp", "us", otlp},
    {"trace.encode.otlp.plain", "us", otlp_plain}, {"trace.encode.otlp.spans", "us", otlp_spans}};
const size_t bench_encode_n = sizeof(bench_encode) / sizeof(bench_encode[0]);
