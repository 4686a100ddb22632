/* test_xray_any.c - whatever an item is, its document is one. Items are made at random of the names
 * that the sink looks for, with values of the right and of any other type. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "xray_check.h"

enum { N_ITEMS = 800, DEPTH = 6, ITEM_MAX = 1 << 20 };

static uint64_t seed;

static unsigned dice(unsigned n)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (unsigned)(seed >> 11) % n;
}

static const char *const KEYS[] = {
    "uuid",          "timestamp",     "level",          "title",       "environment",
    "context",       "code_version",  "server",         "host",        "root",
    "pid",           "body",          "trace",          "trace_chain", "message",
    "crash_report",  "raw",           "exception",      "class",       "frames",
    "filename",      "lineno",        "method",         "module",      "module_offset",
    "custom",        "service",       "native",         "kind",        "signal",
    "thread",        "name",          "frames_omitted", "occurred_at", "xray_parent_id",
    "xray_is_local", "xray_cause_id", "xray_trace_id",  "trace_id",    "span_id",
    "started_at",    "http_status",   "request",        "url",         "headers",
    "User-Agent",    "Host",          "person",         "id",          "attributes",
    "key",           "value",         "executable",     "in_app",      "address",
    "code"};

static const char *const TEXTS[] = {"",
                                    "x",
                                    "critical",
                                    "error",
                                    "warning",
                                    "crash",
                                    "report",
                                    "SIGSEGV",
                                    "backend-flask",
                                    "53995c3f42cd8ad8",
                                    "0000000000000000",
                                    "6b02b58de0617ecba70ed68ac9552d48",
                                    "1-6b02b58d-e0617ecba70ed68ac9552d48",
                                    "2026-11-22T09:27:41.123456789Z",
                                    "\\u0000\\ud800",
                                    "\\\"\\\\",
                                    "http://u:p@h/a?b=c#d",
                                    "://",
                                    "\xf0\x9f\x90\x8d<>\\n",
                                    "*",
                                    "trace_id",
                                    "true"};

static const char *const NUMBERS[] = {"0",   "-1",  "1795339661", "1795339661.123456", "1e400",
                                      "1E9", "429", "500",        "9007199254740993",  "0.1",
                                      "-0"};

static void add_text(struct tb_buf *out)
{
    unsigned times = dice(40) == 0 ? dice(3000) : 1;
    const char *text = TEXTS[dice(sizeof(TEXTS) / sizeof(TEXTS[0]))];
    tb_buf_adds(out, "\"");
    for (unsigned i = 0; i < times; i++)
        tb_buf_adds(out, text);
    tb_buf_adds(out, "\"");
}

static void add_value(struct tb_buf *out, unsigned depth)
{
    unsigned kind = dice(depth > 0 ? 12 : 6);
    if (kind < 3) {
        add_text(out);
    } else if (kind < 5) {
        tb_buf_adds(out, NUMBERS[dice(sizeof(NUMBERS) / sizeof(NUMBERS[0]))]);
    } else if (kind == 5) {
        static const char *const words[] = {"true", "false", "null"};
        tb_buf_adds(out, words[dice(3)]);
    } else {
        bool is_object = kind < 10;
        unsigned n = dice(is_object ? 12 : 70);
        tb_buf_adds(out, is_object ? "{" : "[");
        for (unsigned i = 0; i < n && out->len < ITEM_MAX / 4; i++) {
            tb_buf_adds(out, i > 0 ? "," : "");
            if (is_object)
                tb_buf_addf(out, "\"%s\":", KEYS[dice(sizeof(KEYS) / sizeof(KEYS[0]))]);
            add_value(out, depth - 1);
        }
        tb_buf_adds(out, is_object ? "}" : "]");
    }
}

/* The frame of an item, so that what is at random stands where it is looked for. */
static void add_item(struct tb_buf *out)
{
    static const char *const PARTS[] = {"{\"custom\":{\"trace\":",
                                        ",\"native\":",
                                        ",\"service\":",
                                        ",\"occurred_at\":",
                                        "},\"request\":{\"headers\":",
                                        ",\"url\":",
                                        "},\"level\":",
                                        ",\"timestamp\":",
                                        ",\"person\":{\"id\":",
                                        "},\"body\":{\"trace\":{\"frames\":[",
                                        ",",
                                        "],\"exception\":"};
    for (size_t i = 0; i < sizeof(PARTS) / sizeof(PARTS[0]); i++) {
        tb_buf_adds(out, PARTS[i]);
        add_value(out, DEPTH - 3);
    }
    tb_buf_adds(out, "}}}");
}

static void every_item_becomes_a_document(void **state)
{
    static char mem[TB_XRAY_DOCUMENT_BYTES + 1];
    struct tb_buf data;
    (void)state;
    tb_buf_init(&data, ITEM_MAX);
    for (unsigned i = 0; i < N_ITEMS; i++) {
        seed = 0x9e3779b97f4a7c15 * (i + 1);
        struct tb_sink_settings settings = {
            .host = "h", .name_pattern = i & 1 ? "*" : "", .omit = {.request = (i & 2) != 0}};
        const struct tb_sink_target target = {.settings = &settings, .now_ms = 1795339661000};
        size_t len = 0;
        tb_buf_reset(&data);
        if (i & 4) {
            add_item(&data);
        } else {
            tb_buf_adds(&data, "{\"body\":");
            add_value(&data, DEPTH);
            tb_buf_adds(&data, "}");
        }
        assert_int_equal(data.err, 0);
        const struct tb_sink_item item = {.uuid =
                                              i & 8 ? "d4c7acef-55bf-4c9e-a95e-4fe9428a8287" : "",
                                          .data = data.data,
                                          .len = data.len};
        assert_int_equal(tb_xray_document(&target, &item, mem, sizeof(mem), &len), 0);
        const char *fault = xray_fault(mem, len);
        if (fault)
            fail_msg("item %u: %s: %s", i, fault, mem);
    }
    tb_buf_done(&data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_item_becomes_a_document),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
