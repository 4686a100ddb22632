/* The items of crashes and reports: complete, valid, and honest about what is missing. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "agent/meaning/signals.h"
#include "agent/native/native.h"
#include "item/read.h"
#include "item/write.h"

static struct tb_module modules[] = {
    {.lo = 0x400000,
     .hi = 0x500000,
     .bias = 0x400000,
     .flags = TB_MODULE_MAIN,
     .build_id_len = 4,
     .build_id = {1, 2, 3, 0xff},
     .path = "/srv/bin/feedd"},
    {.lo = 0x700000, .hi = 0x800000, .bias = 0x700000, .path = "/usr/lib/libc.so.6"}};
static const struct tb_process process = {.generation = 1,
                                          .pid = 77,
                                          .exe = "/srv/bin/feedd",
                                          .host = "web-1",
                                          .service = "feedd",
                                          .environment = "staging",
                                          .version = "1.2.3",
                                          .root = "/srv/src",
                                          .modules = modules,
                                          .n_modules = 2,
                                          .text = NULL};
static const uint8_t uuid[16] = {0xd4, 0xc7, 0xac, 0xef, 0x55, 0xbf, 0x4c, 0x9e,
                                 0xa9, 0x5e, 0x4f, 0xe9, 0x42, 0x8a, 0x82, 0x87};
static const char answer[] =
    "{\"frames\":[{\"filename\":\"main.c\",\"lineno\":9,\"method\":\"main\",\"in_app\":true},"
    "{\"filename\":\"queue.c\",\"lineno\":41,\"method\":\"queue_push\",\"code\":\"q->n++;\","
    "\"in_app\":true}],\"unwound_by\":\"agent\",\"cut\":false,"
    "\"modules\":[{\"name\":\"feedd\",\"build_id\":\"010203ff\",\"symbols\":\"debug\"}]}";

static struct tb_native_context context_of(const char *symbols)
{
    return (struct tb_native_context){.process = &process,
                                      .uuid = uuid,
                                      .time_ns = 5000000000,
                                      .environment = "production",
                                      .host = "agent-host",
                                      .symbols = symbols,
                                      .symbols_len = symbols != NULL ? strlen(symbols) : 0,
                                      .symbols_note = "the symbolizer was away"};
}

static struct tb_crash_frame crash_frames[] = {
    {0x401234, 0x7ffe0000, 0}, {0x402000, 0x7ffe0100, 1}, {0x700010, 0x7ffe0200, 3}};
static struct tb_crash_note notes[] = {{1700000000123000000, 2, 5, "queue full", 10},
                                       {1700000001000000000, 77, 5, "bad\xff", 4}};

static struct tb_crash crash_of(void)
{
    struct tb_crash crash = {.frames = crash_frames,
                             .n_frames = 3,
                             .notes = notes,
                             .n_notes = 2,
                             .scope = "user\0alice\0job\0"
                                      "7",
                             .scope_len = 17,
                             .handler_ns = 123456,
                             .has_trace = 1};
    crash.fixed = (struct tb_crash_fixed){.signo = SIGSEGV,
                                          .code = SEGV_MAPERR,
                                          .tid = 78,
                                          .pid = 77,
                                          .fault_address = 0x18,
                                          .wall_ns = 1700000002987000000,
                                          .trap = 14,
                                          .trap_err = 4,
                                          .thread_name = "worker"};
    crash.fixed.regs[TB_RIP] = 0x401234;
    crash.fixed.regs[TB_RAX] = 0xfffffffffffffff0;
    memset(crash.context.trace.trace_id, 0xab, 16);
    memset(crash.context.trace.span_id, 0xcd, 8);
    return crash;
}

/* The item read back. */
struct result {
    struct tb_buf text;
    struct tb_doc *doc;
};

static void read_back(struct result *result)
{
    char why[TB_DOC_WHY];
    char problems[4][TB_ITEM_PROBLEM];
    if (tb_doc_new(tb_buf_str(&result->text), result->text.len, &result->doc, why) != 0)
        fail_msg("%s: %s", why, tb_buf_str(&result->text));
    if (tb_item_problems(result->doc, 0, problems, 4) != 0)
        fail_msg("Rollbar would refuse it: %s", problems[0]);
    for (int i = 0; i < tb_doc_n_nodes(result->doc); i++)
        if (tb_doc_at(result->doc, i)->type == TB_DOC_NULL)
            fail_msg("there is a null in %s", tb_buf_str(&result->text));
}

static void done(struct result *result)
{
    tb_doc_free(result->doc);
    tb_buf_done(&result->text);
    memset(result, 0, sizeof(*result));
}

/* path=value lines; a value of "-" means: not there. */
static void expect(const struct result *result, const char *const (*pairs)[2], size_t n)
{
    for (size_t i = 0; i < n; i++) {
        char value[1024] = "-";
        int node = tb_doc_find(result->doc, 0, pairs[i][0]);
        if (node >= 0 && !tb_doc_copy(result->doc, node, value, sizeof(value)))
            snprintf(value, sizeof(value), "%.*s", (int)tb_doc_at(result->doc, node)->len,
                     tb_buf_str(&result->text) + tb_doc_at(result->doc, node)->at);
        if (strcmp(value, pairs[i][1]) != 0)
            fail_msg("%s is %s, not %s", pairs[i][0], value, pairs[i][1]);
    }
}
#define EXPECT(result, pairs) expect(result, pairs, sizeof(pairs) / sizeof((pairs)[0]))

static void make_crash(const struct tb_crash *crash, const struct tb_native_context *context,
                       struct result *out)
{
    char why[TB_DOC_WHY] = "";
    memset(out, 0, sizeof(*out));
    tb_buf_init(&out->text, 4 << 20);
    assert_int_equal(tb_native_crash(crash, context, &out->text, why), 0);
    read_back(out);
}

static void a_crash_becomes_a_complete_item(void **state)
{
    static const char *const pairs[][2] = {
        {"uuid", "d4c7acef-55bf-4c9e-a95e-4fe9428a8287"},
        {"timestamp", "1700000002"},
        {"environment", "staging"},
        {"level", "critical"},
        {"platform", "linux"},
        {"language", "c"},
        {"framework", "-"},
        {"context", "-"},
        {"code_version", "1.2.3"},
        {"title", "SIGSEGV in queue_push"},
        {"server.host", "web-1"},
        {"server.root", "/srv/src"},
        {"server.pid", "77"},
        {"server.argv", "-"},
        {"notifier.name", "towbar"},
        {"body.trace.exception.class", "SIGSEGV"},
        {"body.trace.exception.message",
         "near-NULL read at 0x18: looks like a field at offset 0x18 of a NULL pointer"},
        {"body.trace.frames.1.method", "queue_push"},
        {"body.trace.frames.1.lineno", "41"},
        {"body.telemetry.0.level", "warning"},
        {"body.telemetry.0.type", "log"},
        {"body.telemetry.0.source", "server"},
        {"body.telemetry.0.timestamp_ms", "1700000000123"},
        {"body.telemetry.0.body.message", "queue full"},
        {"body.telemetry.1.body.message", "bad\xef\xbf\xbd"},
        {"custom.trace_id", "abababababababababababababababab"},
        {"custom.span_id", "cdcdcdcdcdcdcdcd"},
        {"custom.xray_trace_id", "-"},
        {"custom.occurred_at", "2023-11-14T22:13:22.987Z"},
        {"custom.service", "feedd"},
        {"custom.scope.user", "alice"},
        {"custom.scope.job", "7"},
        {"custom.native.kind", "crash"},
        {"custom.native.signal", "SIGSEGV"},
        {"custom.native.code", "SEGV_MAPERR"},
        {"custom.native.address", "0x18"},
        {"custom.native.access", "read"},
        {"custom.native.registers.rip", "0x401234"},
        {"custom.native.registers.rax", "0xfffffffffffffff0"},
        {"custom.native.thread.name", "worker"},
        {"custom.native.thread.tid", "78"},
        {"custom.native.modules.0.symbols", "debug"},
        {"custom.native.unwound_by", "agent"},
        {"custom.native.handler_ns", "123456"},
        {"custom.native.truncated", "-"},
        {"custom.native.symbols", "-"},
        {"custom.native.sender", "-"},
    };
    struct result result;
    struct tb_crash crash = crash_of();
    struct tb_native_context context = context_of(answer);
    (void)state;
    make_crash(&crash, &context, &result);
    EXPECT(&result, pairs);
    done(&result);
}

static void without_symbols_the_frames_say_module_and_offset(void **state)
{
    static const char *const pairs[][2] = {
        {"body.trace.frames.0.method", "<unknown>"},
        {"body.trace.frames.0.filename", "libc.so.6"},
        {"body.trace.frames.0.trust", "scan"},
        {"body.trace.frames.0.in_app", "false"},
        {"body.trace.frames.2.filename", "feedd"},
        {"body.trace.frames.2.module", "feedd"},
        {"body.trace.frames.2.module_offset", "0x1234"},
        {"body.trace.frames.2.build_id", "010203ff"},
        {"body.trace.frames.2.address", "0x401234"},
        {"body.trace.frames.2.trust", "context"},
        {"body.trace.frames.2.in_app", "true"},
        {"body.trace.frames.3", "-"},
        {"custom.native.unwound_by", "process"},
        {"custom.native.modules.0.name", "libc.so.6"},
        {"title", "SIGSEGV in feedd"},
    };
    static const char *const bad[] = {NULL, "", "[]", "{\"frames\":7}", "{\"frames\":["};
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct result result;
        struct tb_crash crash = crash_of();
        struct tb_native_context context = context_of(bad[i]);
        make_crash(&crash, &context, &result);
        EXPECT(&result, pairs);
        int note = tb_doc_find(result.doc, 0, "custom.native.symbols");
        assert_true(note >= 0);
        done(&result);
    }
}

static void without_symbols_a_plug_in_is_told_from_a_library(void **state)
{
    char pattern[] = "*/libown.so*";
    char *in_app[] = {pattern};
    const struct tb_inapp_rules rules = {.in_app = in_app, .n_in_app = 1};
    struct tb_module some[] = {{.path = "/usr/lib/x86_64-linux-gnu/libevent.so.7"},
                               {.path = "/usr/lib/feedd/filter.so"},
                               {.path = "/usr/lib/x86_64-linux-gnu/libown.so.1"}};
    static const char *const is_own[] = {"false", "true", "true"};
    (void)state;
    for (size_t i = 0; i < sizeof(some) / sizeof(some[0]); i++) {
        struct result result;
        struct tb_crash crash = crash_of();
        struct tb_native_context context = context_of(NULL);
        struct tb_process p = process;
        some[i].lo = 0x400000;
        some[i].hi = 0x500000;
        p.exe = "/usr/sbin/feedd";
        p.modules = &some[i];
        p.n_modules = 1;
        context.process = &p;
        context.rules = &rules;
        make_crash(&crash, &context, &result);
        const char *const pairs[][2] = {{"body.trace.frames.2.in_app", is_own[i]}};
        EXPECT(&result, pairs);
        done(&result);
    }
}

static void without_process_and_frames_there_is_still_an_item(void **state)
{
    static const char *const pairs[][2] = {{"environment", "production"},
                                           {"server.host", "agent-host"},
                                           {"code_version", "-"},
                                           {"custom.service", "-"},
                                           {"custom.scope", "-"},
                                           {"body.telemetry", "-"},
                                           {"custom.trace_id", "-"},
                                           {"timestamp", "5"},
                                           {"custom.native.truncated", "true"},
                                           {"body.trace.frames.0.address", "0x401234"},
                                           {"body.trace.frames.0.filename", "<unknown>"}};
    struct result result;
    struct tb_crash crash = {.is_cut = 1};
    crash.fixed.signo = SIGSEGV;
    crash.fixed.regs[TB_RIP] = 0x401234;
    struct tb_native_context context = context_of(NULL);
    context.process = NULL;
    (void)state;
    make_crash(&crash, &context, &result);
    EXPECT(&result, pairs);
    done(&result);
}

static void an_exception_has_the_name_that_the_symbolizer_gives_it(void **state)
{
    static const char symbols[] =
        "{\"frames\":[{\"filename\":\"a.cc\",\"method\":\"load\",\"in_app\":true}],"
        "\"exception_type\":\"ns::Mine\"}";
    static const char *const pairs[][2] = {
        {"title", "uncaught ns::Mine in load"},
        {"body.trace.exception.class", "ns::Mine"},
        {"body.trace.exception.message", "uncaught ns::Mine"},
        {"custom.native.meaning", "uncaught ns::Mine"},
        {"custom.native.exception.type", "ns::Mine"},
        {"custom.native.exception.mangled", "N2ns4MineE"},
    };
    struct result result;
    struct tb_crash crash = crash_of();
    struct tb_native_context context = context_of(symbols);
    (void)state;
    crash.fixed.signo = SIGABRT;
    crash.fixed.code = SI_TKILL;
    crash.exception_type = "N2ns4MineE";
    make_crash(&crash, &context, &result);
    EXPECT(&result, pairs);
    done(&result);
}

static void an_abort_is_told_by_its_text(void **state)
{
    static const char said[] =
        "{\"frames\":[{\"filename\":\"queue.c\",\"method\":\"queue_push\",\"in_app\":true},"
        "{\"filename\":\"libc.so.6\",\"method\":\"<unknown>\",\"module\":\"/lib/libc.so.6\"},"
        "{\"filename\":\"libc.so.6\",\"method\":\"abort\",\"module\":\"/lib/libc.so.6\"}]}";
    static const struct {
        const char *text, *class_, *title, *cause;
    } cases[] = {{"feedd: queue.c:41: ring_write: Assertion `n <= cap' failed.", "assert",
                  "assertion failed: n <= cap in ring_write", "-"},
                 {"free(): double free detected in tcache 2", "SIGABRT",
                  "free(): double free detected in tcache 2 in queue_push", "double free"},
                 {NULL, "SIGABRT", "SIGABRT in queue_push", "-"}};
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct result result;
        struct tb_crash crash = crash_of();
        crash.fixed.signo = SIGABRT;
        crash.fixed.code = SI_TKILL;
        crash.fixed.sender_pid = 77;
        crash.abort_text = cases[i].text;
        crash.abort_len = cases[i].text != NULL ? strlen(cases[i].text) : 0;
        struct tb_native_context context = context_of(said);
        make_crash(&crash, &context, &result);
        const char *const pairs[][2] = {
            {"body.trace.exception.class", cases[i].class_},
            {"custom.native.cause", cases[i].cause},
            {"title", cases[i].title},
            {"custom.native.assertion", i == 0 ? cases[i].title : "-"},
            {"custom.native.abort_message", cases[i].text != NULL ? cases[i].text : "-"},
            {"custom.native.address", "-"},
            {"custom.native.sender.pid", "77"}};
        EXPECT(&result, pairs);
        done(&result);
    }
}

static void a_text_of_an_earlier_abort_is_not_told(void **state)
{
    static const char *const pairs[][2] = {{"title", "SIGABRT in queue_push"},
                                           {"body.trace.exception.class", "SIGABRT"},
                                           {"custom.native.assertion", "-"},
                                           {"custom.native.abort_message", "-"}};
    struct result result;
    struct tb_crash crash = crash_of();
    (void)state;
    crash.fixed.signo = SIGABRT;
    crash.fixed.code = SI_TKILL;
    crash.fixed.sender_pid = 77;
    crash.abort_text = "feedd: queue.c:41: ring_write: Assertion `n <= cap' failed.";
    crash.abort_len = strlen(crash.abort_text);
    struct tb_native_context context = context_of(answer);
    make_crash(&crash, &context, &result);
    EXPECT(&result, pairs);
    done(&result);
}

static void cpp_is_known_by_library_and_source(void **state)
{
    static const char cpp[] = "{\"frames\":[{\"filename\":\"a.c\",\"method\":\"f\",\"in_app\":true}"
                              ",{\"filename\":\"src/b.cpp\",\"method\":\"g\",\"in_app\":true}]}";
    struct tb_process with_library = process;
    struct tb_module more[] = {modules[0],
                               {.lo = 0x900000, .hi = 0x910000, .path = "/lib/libstdc++.so.6"}};
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct result result;
        struct tb_crash crash = crash_of();
        struct tb_native_context context = context_of(cpp);
        with_library.modules = more;
        context.process = i == 1 ? &with_library : &process;
        make_crash(&crash, &context, &result);
        const char *const pairs[][2] = {{"language", i == 1 ? "cpp" : "c"}};
        EXPECT(&result, pairs);
        done(&result);
    }
}

static void very_deep_stacks_keep_their_ends(void **state)
{
    enum { DEEP = 500, LONG = 3000 };
    struct result result;
    struct tb_crash crash = crash_of();
    struct tb_buf symbols;
    char line[LONG + 1];
    (void)state;
    memset(line, 'x', LONG);
    line[LONG] = '\0';
    for (int with_long_lines = 0; with_long_lines < 2; with_long_lines++) {
        tb_buf_init(&symbols, 4 << 20);
        tb_buf_adds(&symbols, "{\"frames\":[");
        for (int i = 0; i < DEEP; i++)
            tb_buf_addf(&symbols, "%s{\"filename\":\"f.c\",\"method\":\"f%d\",\"code\":\"%s\"}",
                        i > 0 ? "," : "", i, with_long_lines ? line : "");
        tb_buf_adds(&symbols, "],\"cut\":true}");
        struct tb_native_context context = context_of(tb_buf_str(&symbols));
        make_crash(&crash, &context, &result);
        int frames = tb_doc_find(result.doc, 0, "body.trace.frames");
        int n = tb_doc_at(result.doc, frames)->n_members;
        char last[32];
        char path[64];
        snprintf(path, sizeof(path), "body.trace.frames.%d.method", n - 1);
        (void)tb_doc_copy(result.doc, tb_doc_find(result.doc, 0, path), last, sizeof(last));
        assert_string_equal(last, "f499");
        assert_true(n <= TB_NATIVE_OLDEST_FRAMES + TB_NATIVE_NEWEST_FRAMES);
        assert_int_equal(
            tb_doc_int(result.doc, tb_doc_find(result.doc, 0, "custom.native.frames_omitted"), 0),
            DEEP - n);
        assert_true(result.text.len < 512 << 10);
        const char *const pairs[][2] = {{"body.trace.frames.0.method", "f0"},
                                        {"custom.native.frames_cut", "true"}};
        EXPECT(&result, pairs);
        done(&result);
        tb_buf_done(&symbols);
    }
}

/* The symbolizer left out 1000 in front of the 20 oldest of 300. */
static void frames_go_where_the_symbolizer_left_some_out(void **state)
{
    struct result result;
    struct tb_crash crash = crash_of();
    struct tb_buf symbols;
    (void)state;
    tb_buf_init(&symbols, 1 << 20);
    tb_buf_adds(&symbols, "{\"frames\":[");
    for (int i = 0; i < 300; i++)
        tb_buf_addf(&symbols, "%s{\"filename\":\"f.c\",\"method\":\"f%d\"}", i > 0 ? "," : "", i);
    tb_buf_adds(&symbols, "],\"frames_omitted\":1000,\"frames_oldest\":20,\"cut\":true}");
    struct tb_native_context context = context_of(tb_buf_str(&symbols));
    make_crash(&crash, &context, &result);
    const char *const pairs[][2] = {
        {"body.trace.frames.0.method", "f0"},     {"body.trace.frames.19.method", "f19"},
        {"body.trace.frames.20.method", "f204"},  {"body.trace.frames.115.method", "f299"},
        {"custom.native.frames_omitted", "1184"}, {"custom.native.frames_oldest", "20"}};
    EXPECT(&result, pairs);
    done(&result);
    tb_buf_done(&symbols);
}

static void outer_end_of_a_deep_stack_is_there_without_the_symbolizer(void **state)
{
    static struct tb_crash_frame frames[TB_CRASH_FRAMES_MAX];
    struct result result;
    struct tb_crash crash = crash_of();
    struct tb_native_context context = context_of(NULL);
    (void)state;
    for (size_t i = 0; i < TB_CRASH_FRAMES_MAX; i++)
        frames[i] = (struct tb_crash_frame){0x401000 + i, 0, 1};
    crash.frames = frames;
    crash.n_frames = TB_CRASH_FRAMES_MAX;
    crash.n_outer = TB_CRASH_OUTER_MAX;
    crash.depth = 100000;
    for (size_t i = 0; i < TB_CRASH_OUTER_MAX; i++)
        crash.outer[i] = (struct tb_crash_frame){0x402000 + i, 0, 1};
    make_crash(&crash, &context, &result);
    const char *const pairs[][2] = {
        {"body.trace.frames.0.address", "0x402000"},  {"body.trace.frames.31.address", "0x40201f"},
        {"body.trace.frames.32.address", "0x40105f"}, {"body.trace.frames.127.address", "0x401000"},
        {"custom.native.frames_omitted", "99872"},    {"custom.native.frames_oldest", "32"}};
    EXPECT(&result, pairs);
    done(&result);
}

/* ---- reports ---- */

static const char *report_text(char *mem, size_t cap, size_t *len)
{
    static const uint64_t addresses[] = {0x401010, 0x402020};
    const struct tb_item_facts facts = {.uuid = uuid,
                                        .wall_ns = 1700000002987000000,
                                        .level = 3,
                                        .class_ = "ENOENT",
                                        .message = "cannot open feed",
                                        .format = "cannot open %s",
                                        .file = "feed.c",
                                        .function = "feed_open",
                                        .line = 12,
                                        .addresses = addresses,
                                        .n_addresses = 2,
                                        .generation = 1,
                                        .pid = 77,
                                        .tid = 78,
                                        .thread = "worker"};
    assert_int_equal(tb_item_write(&facts, mem, cap, len), 0);
    return mem;
}

static void a_report_is_completed(void **state)
{
    static const char *const pairs[][2] = {
        {"uuid", "d4c7acef-55bf-4c9e-a95e-4fe9428a8287"},
        {"environment", "staging"},
        {"level", "error"},
        {"language", "c"},
        {"code_version", "1.2.3"},
        {"title", "-"},
        {"server.host", "web-1"},
        {"server.pid", "77"},
        {"body.trace.exception.class", "ENOENT"},
        {"body.trace.frames.1.method", "queue_push"},
        {"custom.service", "feedd"},
        {"custom.native.format", "cannot open %s"},
        {"custom.native.unwound_by", "agent"},
        {"custom.native.modules.0.name", "feedd"},
    };
    char mem[8192];
    char why[TB_DOC_WHY] = "";
    size_t len;
    struct result result;
    struct tb_native_context context = context_of(answer);
    (void)state;
    memset(&result, 0, sizeof(result));
    tb_buf_init(&result.text, 1 << 20);
    report_text(mem, sizeof(mem), &len);
    assert_int_equal(tb_native_report(mem, len, &context, &result.text, why), 0);
    read_back(&result);
    EXPECT(&result, pairs);
    done(&result);
}

static void a_report_without_symbols_says_module_and_offset(void **state)
{
    static const char *const pairs[][2] = {
        {"body.trace.frames.0.module_offset", "0x2020"},
        {"body.trace.frames.1.module_offset", "0x1010"},
        {"body.trace.frames.1.module", "feedd"},
        {"custom.native.symbols", "the symbolizer was away"},
    };
    char mem[8192];
    char why[TB_DOC_WHY] = "";
    size_t len;
    struct result result;
    struct tb_native_context context = context_of(NULL);
    (void)state;
    memset(&result, 0, sizeof(result));
    tb_buf_init(&result.text, 1 << 20);
    report_text(mem, sizeof(mem), &len);
    assert_int_equal(tb_native_report(mem, len, &context, &result.text, why), 0);
    read_back(&result);
    EXPECT(&result, pairs);
    done(&result);
}

static void the_addresses_of_a_report_are_innermost_first(void **state)
{
    char mem[8192];
    char why[TB_DOC_WHY];
    size_t len;
    uint64_t addresses[4];
    struct tb_doc *doc = NULL;
    struct tb_doc *data = NULL;
    (void)state;
    report_text(mem, sizeof(mem), &len);
    assert_int_equal(tb_doc_new(mem, len, &doc, why), 0);
    const struct tb_doc_node *node = tb_doc_at(doc, tb_item_data(doc));
    assert_int_equal(tb_doc_new(mem + node->at, node->len, &data, why), 0);
    assert_int_equal(tb_native_addresses(data, addresses, 4), 2);
    assert_int_equal(addresses[0], 0x401010);
    assert_int_equal(addresses[1], 0x402020);
    assert_int_equal(tb_native_addresses(data, addresses, 1), 1);
    assert_int_equal(addresses[0], 0x401010);
    tb_doc_free(data);
    tb_doc_free(doc);
}

static void what_is_no_report_is_refused_with_the_reason(void **state)
{
    static const char *const bad[] = {
        "",
        "null",
        "{}",
        "{\"data\":7}",
        "{\"data\":{}}",
        "{\"data\":{\"level\":\"error\",\"custom\":{\"native\":{}},\"body\":{\"trace\":{"
        "\"frames\":{},\"exception\":{\"class\":\"x\"}}}}}",
        "{\"data\":{\"level\":\"error\",\"custom\":{\"native\":{}},\"body\":{\"trace\":{"
        "\"frames\":[],\"exception\":{\"class\":null}}}}}"};
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct tb_buf out;
        char why[TB_DOC_WHY] = "";
        struct tb_native_context context = context_of(answer);
        tb_buf_init(&out, 1 << 20);
        assert_int_equal(tb_native_report(bad[i], strlen(bad[i]), &context, &out, why), -EBADMSG);
        assert_true(strlen(why) > 5);
        tb_buf_done(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_crash_becomes_a_complete_item),
        cmocka_unit_test(without_symbols_the_frames_say_module_and_offset),
        cmocka_unit_test(without_symbols_a_plug_in_is_told_from_a_library),
        cmocka_unit_test(without_process_and_frames_there_is_still_an_item),
        cmocka_unit_test(an_exception_has_the_name_that_the_symbolizer_gives_it),
        cmocka_unit_test(an_abort_is_told_by_its_text),
        cmocka_unit_test(a_text_of_an_earlier_abort_is_not_told),
        cmocka_unit_test(cpp_is_known_by_library_and_source),
        cmocka_unit_test(very_deep_stacks_keep_their_ends),
        cmocka_unit_test(frames_go_where_the_symbolizer_left_some_out),
        cmocka_unit_test(outer_end_of_a_deep_stack_is_there_without_the_symbolizer),
        cmocka_unit_test(a_report_is_completed),
        cmocka_unit_test(a_report_without_symbols_says_module_and_offset),
        cmocka_unit_test(the_addresses_of_a_report_are_innermost_first),
        cmocka_unit_test(what_is_no_report_is_refused_with_the_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
