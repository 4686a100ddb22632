/* Items that are too large become small enough, the least valuable first, and stay the same item:
 * what names it, groups it and ties it to its trace is never cut. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "item/read.h"
#include "item/truncate.h"

enum { MAX = 512 << 10 };

#define HEAD                                                                                       \
    "{\"access_token\":\"tok\",\"data\":{\"uuid\":\"u-1\",\"fingerprint\":\"print\",\"level\":"    \
    "\"error\",\"environment\":\"e\",\"title\":\"t\",\"attributes\":[{\"key\":\"trace_id\","       \
    "\"value\":\"T\"}],\"custom\":{\"trace_id\":\"T\",\"span_id\":\"S\",\"xray_trace_id\":\"X\"}," \
    "\"request\":{\"url\":\"/x\",\"headers\":{\"Traceparent\":\"TP\",\"X-Amzn-Trace-Id\":\"XR\","  \
    "\"b3\":\"B\",\"X-B3-TraceId\":\"BT\",\"x-datadog-trace-id\":\"7\","                           \
    "\"Other\":\"o\"}}"

static struct tb_buf in, out;
static struct tb_doc *doc;
static char why[TB_DOC_WHY];

static int begin(void **state)
{
    (void)state;
    tb_buf_init(&in, TB_DOC_BYTES);
    tb_buf_init(&out, TB_DOC_BYTES);
    doc = NULL;
    return 0;
}

static int end(void **state)
{
    (void)state;
    tb_doc_free(doc);
    doc = NULL;
    tb_buf_done(&in);
    tb_buf_done(&out);
    return 0;
}

static void fill(char c, size_t n)
{
    char piece[1024];
    memset(piece, c, sizeof(piece));
    for (; n > 0; n -= n < sizeof(piece) ? n : sizeof(piece))
        tb_buf_add(&in, piece, n < sizeof(piece) ? n : sizeof(piece));
}

/* Frames with names from f0 on; each about size bytes. */
static void add_frames(int n, size_t size)
{
    tb_buf_adds(&in, "\"frames\":[");
    for (int i = 0; i < n; i++) {
        tb_buf_addf(&in, "%s{\"filename\":\"f%d\",\"lineno\":%d,\"locals\":{\"a\":\"",
                    i > 0 ? "," : "", i, i);
        fill('l', size);
        tb_buf_adds(&in, "\"}}");
    }
    tb_buf_adds(&in, "]");
}

static void truncate_to(size_t max)
{
    assert_int_equal(in.err, 0);
    int err = tb_item_truncate(in.data, in.len, max, &out, why);
    if (err)
        fail_msg("%d: %s", err, why);
    assert_true(out.len <= max);
    assert_int_equal(tb_doc_new(out.data, out.len, &doc, why), 0);
}

static const char *text_at(const char *path)
{
    static char text[4096];
    (void)tb_doc_copy(doc, tb_doc_find(doc, 0, path), text, sizeof(text));
    return text;
}

static int members_at(const char *path)
{
    const struct tb_doc_node *node = tb_doc_at(doc, tb_doc_find(doc, 0, path));
    return node ? node->n_members : -1;
}

static void is_the_same_item(void)
{
    static const char *const kept[][2] = {
        {"access_token", "tok"},
        {"data.uuid", "u-1"},
        {"data.fingerprint", "print"},
        {"data.level", "error"},
        {"data.environment", "e"},
        {"data.title", "t"},
        {"data.custom.trace_id", "T"},
        {"data.custom.span_id", "S"},
        {"data.custom.xray_trace_id", "X"},
        {"data.attributes.0.value", "T"},
        {"data.request.headers.Traceparent", "TP"},
        {"data.request.headers.X-Amzn-Trace-Id", "XR"},
        {"data.request.headers.b3", "B"},
        {"data.request.headers.X-B3-TraceId", "BT"},
        {"data.request.headers.x-datadog-trace-id", "7"},
    };
    for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
        assert_string_equal(text_at(kept[i][0]), kept[i][1]);
}

static void has_steps(const char *expected)
{
    int node = tb_doc_find(doc, 0, "data.notifier.diagnostic.truncation.steps");
    assert_true(node >= 0);
    const struct tb_doc_node *n = tb_doc_at(doc, node);
    char text[512];
    (void)snprintf(text, sizeof(text), "%.*s", (int)n->len, out.data + n->at);
    assert_string_equal(text, expected);
    assert_int_equal(tb_doc_int(doc,
                                tb_doc_find(doc, 0,
                                            "data.notifier.diagnostic.truncation."
                                            "bytes"),
                                0),
                     (int64_t)in.len);
}

static void what_fits_stays_byte_for_byte(void **state)
{
    (void)state;
    tb_buf_adds(&in, " {\"data\" : {\"n\":9007199254740993,\"body\":{\"message\":{\"body\":1}}}}");
    truncate_to(in.len);
    assert_string_equal(out.data, in.data);
}

static void frames_go_first_and_their_ends_stay(void **state)
{
    (void)state;
    tb_buf_adds(&in,
                HEAD ",\"body\":{\"trace\":{\"exception\":{\"class\":\"C\",\"message\":\"m\"},");
    add_frames(1000, 2000);
    tb_buf_adds(&in, "}}}}");
    truncate_to(MAX);
    is_the_same_item();
    has_steps("[\"frames\"]");
    assert_int_equal(members_at("data.body.trace.frames"), 60);
    assert_string_equal(text_at("data.body.trace.frames.0.filename"), "f0");
    assert_string_equal(text_at("data.body.trace.frames.29.filename"), "f29");
    assert_string_equal(text_at("data.body.trace.frames.30.filename"), "f970");
    assert_string_equal(text_at("data.body.trace.frames.59.filename"), "f999");
    assert_int_equal(members_at("data.request.headers"), 6);
}

static void begin_again(void)
{
    tb_doc_free(doc);
    doc = NULL;
    tb_buf_reset(&in);
    tb_buf_reset(&out);
}

/* A crash with so many groups of other threads, each of 30 frames of about size bytes. */
static void add_crash(int n_groups, size_t size, size_t own_size)
{
    tb_buf_adds(&in, HEAD ",\"body\":{\"trace\":{\"exception\":{\"class\":\"SIGSEGV\"},");
    add_frames(100, own_size);
    tb_buf_adds(&in, "}}}}");
    static const char last[] = "\"xray_trace_id\":\"X\"";
    const char *at = strstr(tb_buf_str(&in), last);
    assert_non_null(at);
    size_t before = (size_t)(at - tb_buf_str(&in)) + strlen(last);
    char *rest = strdup(tb_buf_str(&in) + before);
    assert_non_null(rest);
    in.len = before;
    tb_buf_adds(&in, ",\"native\":{\"signal\":\"SIGSEGV\",\"threads\":[");
    for (int g = 0; g < n_groups; g++) {
        tb_buf_addf(&in, "%s{\"tids\":[%d,7],\"names\":[\"w\",\"\"],", g > 0 ? "," : "", g);
        add_frames(30, size);
        tb_buf_adds(&in, ",\"cut\":false}");
    }
    tb_buf_adds(&in, "],\"threads_omitted\":3}");
    tb_buf_adds(&in, rest);
    free(rest);
}

static void frames_of_other_threads_go_before_those_of_the_crash(void **state)
{
    static const struct {
        int n_groups, n_kept, n_omitted;
        size_t size, own_size;
    } cases[] = {{60, 10, 3, 400, 400}, {200, 1, 3, 1000, 1000}, {200, -1, 403, 100, 5150}};
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        begin_again();
        add_crash(cases[i].n_groups, cases[i].size, cases[i].own_size);
        truncate_to(MAX);
        is_the_same_item();
        has_steps("[\"threads\"]");
        int frames = tb_doc_find(doc, 0, "data.body.trace.frames");
        assert_int_equal(tb_doc_at(doc, frames)->n_members, 100);
        frames = tb_doc_find(doc, 0, "data.custom.native.threads.0.frames");
        assert_int_equal(frames < 0 ? -1 : tb_doc_at(doc, frames)->n_members, cases[i].n_kept);
        int omitted = tb_doc_find(doc, 0, "data.custom.native.threads_omitted");
        assert_int_equal(tb_doc_int(doc, omitted, -1), cases[i].n_omitted);
        omitted = tb_doc_find(doc, 0, "data.custom.native.threads.0.frames_omitted");
        assert_int_equal(tb_doc_int(doc, omitted, -1), frames < 0 ? -1 : 30 - cases[i].n_kept);
        if (frames >= 0) {
            char path[64];
            (void)snprintf(path, sizeof(path), "data.custom.native.threads.0.frames.%d.filename",
                           cases[i].n_kept - 1);
            assert_string_equal(text_at(path), "f29"); /* the innermost */
        }
    }
}

static void threads_of_another_shape_are_left_to_the_other_steps(void **state)
{
    static const char *const shapes[] = {
        "7",
        "{}",
        "[]",
        "[1,[],{}]",
        "[{\"frames\":7,\"tids\":{}}]",
        "[{\"frames\":[1,2,3,4,5,6,7,8,9,10,11,12],\"frames_omitted\":\"x\"}]"};
    (void)state;
    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
        begin_again();
        tb_buf_addf(&in,
                    "{\"data\":{\"environment\":\"e\",\"custom\":{\"native\":{\"threads\":%s}},"
                    "\"body\":{\"trace\":{\"exception\":{\"class\":\"E\"},",
                    shapes[i]);
        add_frames(500, 2000);
        tb_buf_adds(&in, "}}}}");
        truncate_to(MAX);
        assert_true(out.len <= MAX);
        assert_int_equal(tb_doc_at(doc, tb_doc_find(doc, 0, "data.body.trace.frames"))->n_members,
                         60);
    }
}

static void chains_threads_and_telemetry_are_cut_too(void **state)
{
    (void)state;
    tb_buf_adds(&in, HEAD ",\"body\":{\"telemetry\":[");
    for (int i = 0; i < 50; i++) {
        tb_buf_addf(&in, "%s{\"level\":\"info\",\"n\":%d,\"x\":\"", i > 0 ? "," : "", i);
        fill('t', 20000);
        tb_buf_adds(&in, "\"}");
    }
    tb_buf_adds(&in,
                "],\"threads\":[{\"group\":{\"trace_chain\":[{\"exception\":{\"class\":\"T\"},");
    add_frames(100, 1000);
    tb_buf_adds(&in, "}]}}],\"trace_chain\":[");
    for (int i = 0; i < 30; i++) {
        tb_buf_addf(&in, "%s{\"exception\":{\"class\":\"C%d\",\"message\":\"m\"},",
                    i > 0 ? "," : "", i);
        add_frames(70, 20);
        tb_buf_adds(&in, "}");
    }
    tb_buf_adds(&in, "]}}}");
    truncate_to(MAX);
    is_the_same_item();
    has_steps("[\"chain\",\"frames\",\"telemetry\",\"strings1024\"]");
    assert_int_equal(members_at("data.body.telemetry"), 20);
    assert_int_equal(tb_doc_int(doc, tb_doc_find(doc, 0, "data.body.telemetry.0.n"), 0), 30);
    assert_int_equal(members_at("data.body.trace_chain"), 20);
    assert_string_equal(text_at("data.body.trace_chain.19.exception.class"), "C29");
    assert_int_equal(members_at("data.body.trace_chain.0.frames"), 60);
    assert_int_equal(members_at("data.body.threads.0.group.trace_chain.0.frames"), 60);
}

static void texts_are_cut_between_characters(void **state)
{
    static const struct {
        const char *unit; /* as it stands in the JSON */
        size_t bytes;
    } cases[] = {{"\xc3\xa4", 2}, {"\xf0\x9f\x98\x80", 4}, {"\\u00e4", 6},
                 {"\\n", 2},      {"\\ud83d\\ude00", 12},  {"\\ud83d", 6}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        for (size_t shift = 0; shift < 12; shift++) {
            tb_buf_reset(&in);
            tb_buf_reset(&out);
            tb_buf_adds(&in, HEAD ",\"body\":{\"message\":{\"body\":\"");
            fill('x', shift);
            for (int n = 0; n < 200000; n++)
                tb_buf_adds(&in, cases[i].unit);
            tb_buf_adds(&in, "\"}}}}");
            tb_doc_free(doc);
            doc = NULL;
            truncate_to(100000);
            is_the_same_item();
            has_steps("[\"strings1024\"]");
            const struct tb_doc_node *node =
                tb_doc_at(doc, tb_doc_find(doc, 0, "data.body.message.body"));
            assert_true(node->len - 2 <= 1024);
            assert_true(node->len - 2 > 1024 - 12);
            assert_memory_equal(out.data + node->at + node->len - 4, "...", 3);
            assert_int_equal((node->len - 2 - 3 - shift) % cases[i].bytes, 0);
        }
    }
    (void)state;
}

static void of_a_hundred_large_values_the_largest_go(void **state)
{
    (void)state;
    tb_buf_adds(&in,
                "{\"data\":{\"uuid\":\"u\",\"custom\":{\"trace_id\":\"T\",\"small\":1,\"big\":[");
    for (int i = 0; i < 10000; i++)
        tb_buf_addf(&in, "%s%d", i > 0 ? "," : "", 1000000 + i);
    tb_buf_adds(&in, "]},\"body\":{\"message\":{\"body\":\"m\"}}}}");
    truncate_to(2000);
    has_steps("[\"largest\"]");
    assert_string_equal(text_at("data.custom.trace_id"), "T");
    assert_int_equal(tb_doc_int(doc, tb_doc_find(doc, 0, "data.custom.small"), 0), 1);
    assert_int_equal(members_at("data.custom"), 2);
}

static void more_values_than_the_pipeline_takes_are_cut_like_bytes(void **state)
{
    (void)state;
    tb_buf_adds(&in, HEAD ",\"zeros\":[0");
    for (int i = 0; i < 60000; i++)
        tb_buf_adds(&in, ",0");
    tb_buf_adds(&in, "],\"body\":{\"message\":{\"body\":\"m\"}}}}");
    truncate_to(MAX);
    is_the_same_item();
    assert_true(tb_doc_find(doc, 0, "data.zeros") < 0);
}

/* Whatever is made large, the item fits or the answer is that it cannot. */
static void hostile_items_are_cut_to_what_makes_them_items(void **state)
{
    static const char *const holders[] = {"\"person\":{\"id\":\"1\",%s}",
                                          "\"server\":{\"host\":\"h\",%s}",
                                          "\"notifier\":{%s}",
                                          "\"notifier\":{\"diagnostic\":{%s}}",
                                          "\"notifier\":{\"diagnostic\":[{%s}]}",
                                          "%s"};
    (void)state;
    for (size_t i = 0; i < sizeof(holders) / sizeof(holders[0]); i++) {
        struct tb_buf filler;
        tb_buf_reset(&in);
        tb_buf_reset(&out);
        tb_buf_init(&filler, TB_DOC_BYTES);
        for (int k = 0; k < 30000; k++)
            tb_buf_addf(&filler, "%s\"key%d\":\"a value of some bytes\"", k > 0 ? "," : "", k);
        tb_buf_adds(&in,
                    HEAD ",\"body\":{\"trace\":{\"exception\":{\"class\":\"C\"},\"frames\":[]}},");
        const char *hole = strstr(holders[i], "%s");
        tb_buf_add(&in, holders[i], (size_t)(hole - holders[i]));
        tb_buf_add(&in, filler.data, filler.len);
        tb_buf_adds(&in, hole + 2);
        tb_buf_adds(&in, "}}");
        tb_buf_done(&filler);
        tb_doc_free(doc);
        doc = NULL;
        truncate_to(MAX);
        is_the_same_item();
        assert_string_equal(text_at("data.body.trace.exception.class"), "C");
    }
}

static void a_key_of_megabytes_and_a_repeated_key_are_cut(void **state)
{
    (void)state;
    tb_buf_adds(&in, HEAD ",\"");
    fill('k', 1 << 20);
    tb_buf_adds(&in, "\":1,\"body\":{\"message\":{\"body\":\"m\"}},\"custom\":{\"z\":[1");
    for (int i = 0; i < 10000; i++)
        tb_buf_adds(&in, ",1000000000000000000000000000000000000000000000000");
    tb_buf_adds(&in, "],\"trace_id\":\"second\"}}}");
    truncate_to(MAX);
    assert_string_equal(text_at("data.custom.trace_id"), "second");
}

static void what_cannot_be_left_out_is_said(void **state)
{
    (void)state;
    tb_buf_adds(&in, "{\"data\":{\"body\":{\"message\":{\"body\":\"m\"}},\"fingerprint\":\"");
    fill('f', MAX);
    tb_buf_adds(&in, "\"}}");
    assert_int_equal(tb_item_truncate(in.data, in.len, MAX, &out, why), -EMSGSIZE);
    assert_non_null(strstr(why, "larger than 524288 bytes"));
    assert_int_equal(out.len, 0);
    tb_buf_reset(&in);
    tb_buf_adds(&in, "[1");
    fill(' ', MAX);
    tb_buf_adds(&in, "]");
    assert_int_equal(tb_item_truncate(in.data, in.len, MAX, &out, why), -EBADMSG);
}

static void a_million_values_are_too_many_and_that_is_said(void **state)
{
    (void)state;
    tb_buf_adds(&in, "{\"data\":{\"body\":{\"message\":{\"body\":[0");
    for (int i = 0; i < TB_DOC_NODES_LARGE; i++)
        tb_buf_adds(&in, ",0");
    tb_buf_adds(&in, "]}}}}");
    assert_int_equal(tb_item_truncate(in.data, in.len, MAX, &out, why), -EMSGSIZE);
    assert_non_null(strstr(why, "more than 1000000 values"));
}

static void a_second_truncation_keeps_what_the_first_noted(void **state)
{
    (void)state;
    tb_buf_adds(&in, HEAD ",\"notifier\":{\"name\":\"n\",\"diagnostic\":{\"own\":1}},\"body\":{"
                          "\"trace\":{\"exception\":{\"class\":\"C\"},");
    add_frames(200, 6000);
    tb_buf_adds(&in, "}}}}");
    truncate_to(MAX);
    has_steps("[\"frames\"]");
    struct tb_buf again;
    tb_buf_init(&again, TB_DOC_BYTES);
    assert_int_equal(tb_item_truncate(out.data, out.len, 100000, &again, why), 0);
    tb_buf_done(&out);
    out = again;
    tb_doc_free(doc);
    assert_int_equal(tb_doc_new(out.data, out.len, &doc, why), 0);
    has_steps("[\"frames\",\"strings1024\"]");
    assert_int_equal(tb_doc_int(doc, tb_doc_find(doc, 0, "data.notifier.diagnostic.own"), 0), 1);
    is_the_same_item();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_fits_stays_byte_for_byte),
        TEST(frames_go_first_and_their_ends_stay),
        TEST(frames_of_other_threads_go_before_those_of_the_crash),
        TEST(threads_of_another_shape_are_left_to_the_other_steps),
        TEST(chains_threads_and_telemetry_are_cut_too),
        TEST(texts_are_cut_between_characters),
        TEST(of_a_hundred_large_values_the_largest_go),
        TEST(more_values_than_the_pipeline_takes_are_cut_like_bytes),
        TEST(hostile_items_are_cut_to_what_makes_them_items),
        TEST(a_key_of_megabytes_and_a_repeated_key_are_cut),
        TEST(what_cannot_be_left_out_is_said),
        TEST(a_million_values_are_too_many_and_that_is_said),
        TEST(a_second_truncation_keeps_what_the_first_noted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
