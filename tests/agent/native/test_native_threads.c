/* The other threads of a crash in its item: beside the crash, and never part of what it is. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "agent/native/group.h"
#include "agent/meaning/signals.h"
#include "agent/native/native.h"
#include "agent/pipeline/scrub.h"
#include "item/read.h"
#include "item/truncate.h"

enum { N_MANY = 1000, ITEM_BYTES = 4 << 20, ROLLBAR_BYTES = 512 << 10 };

static struct tb_module modules[] = {{.lo = 0x400000,
                                      .hi = 0x500000,
                                      .bias = 0x400000,
                                      .flags = TB_MODULE_MAIN,
                                      .path = "/srv/bin/feedd"}};
static const struct tb_process process = {.generation = 1,
                                          .exe = "",
                                          .host = "web-1",
                                          .service = "feedd",
                                          .environment = "staging",
                                          .version = "",
                                          .root = "",
                                          .modules = modules,
                                          .n_modules = 1};
static const uint8_t uuid[16] = {1};

#define CRASH_FRAMES                                                                               \
    "\"frames\":[{\"filename\":\"main.c\",\"method\":\"main\",\"in_app\":true},"                   \
    "{\"filename\":\"queue.c\",\"lineno\":41,\"method\":\"queue_push\",\"in_app\":true}]"
static const char alone[] = "{" CRASH_FRAMES "}";
static const char with_threads[] =
    "{" CRASH_FRAMES ",\"threads\":[{\"tids\":[5,6],\"names\":[\"idle-0\",\"password=x\"],"
    "\"frames\":[{\"filename\":\"pool.c\",\"lineno\":7,\"method\":\"wait_for_work\","
    "\"in_app\":true}],\"cut\":false}],\"threads_omitted\":1}";

static struct tb_crash_thread threads[N_MANY];

static struct tb_crash crash_of(size_t n_threads)
{
    struct tb_crash crash = {.threads = threads, .n_threads = n_threads};
    crash.fixed = (struct tb_crash_fixed){
        .signo = SIGSEGV, .code = SEGV_MAPERR, .pid = 77, .wall_ns = 1700000002987000000};
    crash.fixed.regs[TB_RIP] = 0x401234;
    for (size_t i = 0; i < n_threads; i++) {
        threads[i] = (struct tb_crash_thread){.tid = (uint32_t)(5 + i)};
        snprintf(threads[i].name, sizeof(threads[i].name), "idle-%u", (unsigned)i % N_MANY);
        threads[i].regs[TB_RIP] = 0x402000 + (i % 2) * 0x100;
    }
    return crash;
}

/* An item, and its index. */
struct made {
    struct tb_buf text;
    struct tb_doc *doc;
};

static struct made make(const struct tb_crash *crash, const char *symbols)
{
    struct made made = {0};
    char why[TB_DOC_WHY] = "";
    char problems[4][TB_ITEM_PROBLEM];
    const struct tb_native_context context = {.process = &process,
                                              .uuid = uuid,
                                              .time_ns = 5000000000,
                                              .environment = "",
                                              .host = "",
                                              .symbols = symbols,
                                              .symbols_len = symbols ? strlen(symbols) : 0,
                                              .symbols_note = "away"};
    tb_buf_init(&made.text, ITEM_BYTES);
    assert_int_equal(tb_native_crash(crash, &context, &made.text, why), 0);
    assert_int_equal(tb_doc_new(tb_buf_str(&made.text), made.text.len, &made.doc, why), 0);
    assert_int_equal(tb_item_problems(made.doc, 0, problems, 4), 0);
    return made;
}

static void done(struct made *made)
{
    tb_doc_free(made->doc);
    tb_buf_done(&made->text);
}

static const char *text_at(const struct made *made, const char *path)
{
    static char value[1024];
    int node = tb_doc_find(made->doc, 0, path);
    if (node < 0)
        return "-";
    if (!tb_doc_copy(made->doc, node, value, sizeof(value)))
        snprintf(value, sizeof(value), "%.*s", (int)tb_doc_at(made->doc, node)->len,
                 tb_buf_str(&made->text) + tb_doc_at(made->doc, node)->at);
    return value;
}

static int count_at(const struct made *made, const char *path)
{
    int node = tb_doc_find(made->doc, 0, path);
    return node < 0 ? -1 : tb_doc_at(made->doc, node)->n_members;
}

static void groups_of_the_symbolizer_stand_in_the_item(void **state)
{
    (void)state;
    struct tb_crash crash = crash_of(3);
    crash.about_threads = (struct tb_crash_threads){3, 3, 0, 1500000};
    struct made made = make(&crash, with_threads);
    assert_string_equal(text_at(&made, "custom.native.threads.0.tids"), "[5,6]");
    assert_string_equal(text_at(&made, "custom.native.threads.0.names.1"), "password=x");
    assert_string_equal(text_at(&made, "custom.native.threads.0.frames.0.method"), "wait_for_work");
    assert_string_equal(text_at(&made, "custom.native.threads_omitted"), "1");
    assert_string_equal(text_at(&made, "custom.native.threads_there"), "3");
    assert_string_equal(text_at(&made, "custom.native.threads_captured"), "3");
    assert_string_equal(text_at(&made, "custom.native.threads_note"), "-");
    assert_string_equal(text_at(&made, "custom.native.threads_stopped_ns"), "1500000");
    assert_string_equal(text_at(&made, "custom.native.symbols"), "-");
    done(&made);
}

static void an_item_without_other_threads_says_nothing_of_them(void **state)
{
    (void)state;
    struct tb_crash crash = crash_of(0);
    struct made made = make(&crash, alone);
    assert_null(strstr(tb_buf_str(&made.text), "threads"));
    done(&made);
}

static void a_sentence_says_why_not_all_are_there(void **state)
{
    static const struct {
        struct tb_crash_threads about;
        size_t n_threads;
        const char *note, *there, *captured;
    } cases[] = {
        {{51, 3, -EPERM, 1},
         3,
         "3 of 51 other threads were captured: EPERM (Operation not permitted)",
         "51",
         "3"},
        {{51, 51, 0, 1}, 4, "4 of 51 other threads were captured", "51", "4"},
        {{9, 0, -ETIMEDOUT, 0},
         0,
         "0 of 9 other threads were captured: ETIMEDOUT (Connection timed out)",
         "9",
         "0"},
        {{0, 0, -EPERM, 0},
         0,
         "0 of 0 other threads were captured: EPERM (Operation not permitted)",
         "0",
         "0"},
        {{1500, 4, -E2BIG, 1},
         4,
         "4 of 1500 other threads were captured: the cap of 1024 threads",
         "1500",
         "4"},
        {{7, 0, -ECANCELED, 0},
         0,
         "not looked at: a handler of the program decided whether it dies",
         "7",
         "0"},
        {{0, 0, -ECANCELED, 0},
         0,
         "not looked at: a handler of the program decided whether it dies",
         "0",
         "0"},
        {{UINT32_MAX, 7, INT32_MIN, 0},
         1,
         "1 of 4294967295 other threads were captured: error -2147483648",
         "4294967295",
         "1"},
        {{0, 0, 0, 0}, 2, "-", "2", "2"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct tb_crash crash = crash_of(cases[i].n_threads);
        crash.about_threads = cases[i].about;
        struct made made = make(&crash, with_threads);
        assert_string_equal(text_at(&made, "custom.native.threads_note"), cases[i].note);
        assert_string_equal(text_at(&made, "custom.native.threads_there"), cases[i].there);
        assert_string_equal(text_at(&made, "custom.native.threads_captured"), cases[i].captured);
        done(&made);
    }
}

static void without_the_symbolizer_threads_are_grouped_by_place(void **state)
{
    static const char *const answers[] = {NULL, "nonsense", alone};
    (void)state;
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        struct tb_crash crash = crash_of(5);
        struct made made = make(&crash, answers[i]);
        assert_int_equal(count_at(&made, "custom.native.threads"), 2);
        assert_string_equal(text_at(&made, "custom.native.threads.0.tids"), "[5,7,9]");
        assert_string_equal(text_at(&made, "custom.native.threads.1.names"),
                            "[\"idle-1\",\"idle-3\"]");
        assert_string_equal(text_at(&made, "custom.native.threads.1.frames.0.module"), "feedd");
        assert_string_equal(text_at(&made, "custom.native.threads.1.frames.0.module_offset"),
                            "0x2100");
        assert_string_equal(text_at(&made, "custom.native.threads.1.cut"), "true");
        done(&made);
    }
}

static void a_thousand_threads_in_different_places_fit(void **state)
{
    (void)state;
    struct tb_crash crash = crash_of(N_MANY);
    for (size_t i = 0; i < N_MANY; i++) {
        memset(threads[i].name, 1, sizeof(threads[i].name) - 1); /* six bytes each in JSON */
        threads[i].regs[TB_RIP] = 0x400000 + i;
    }
    struct made made = make(&crash, NULL);
    int omitted =
        (int)tb_doc_int(made.doc, tb_doc_find(made.doc, 0, "custom.native.threads_omitted"), 0);
    assert_true(omitted > 0);
    assert_int_equal(count_at(&made, "custom.native.threads") + omitted, N_MANY);
    assert_true(made.text.len < ROLLBAR_BYTES);
    done(&made);
}

static void the_group_of_a_crash_does_not_see_threads(void **state)
{
    (void)state;
    struct tb_group groups[2];
    char titles[2][256];
    for (size_t i = 0; i < 2; i++) {
        struct tb_crash crash = crash_of(i == 0 ? 0 : 3);
        struct made made = make(&crash, i == 0 ? alone : with_threads);
        assert_int_equal(tb_group_item(made.doc, 1, &groups[i]), 0);
        snprintf(titles[i], sizeof(titles[i]), "%s", text_at(&made, "title"));
        assert_string_equal(text_at(&made, "language"), "c");
        done(&made);
    }
    assert_string_equal(groups[0].fingerprint, groups[1].fingerprint);
    assert_string_equal(tb_buf_str(&groups[0].inputs), tb_buf_str(&groups[1].inputs));
    assert_string_equal(titles[0], "SIGSEGV in queue_push");
    assert_string_equal(titles[0], titles[1]);
    tb_group_done(&groups[0]);
    tb_group_done(&groups[1]);
}

static void scrubbing_leaves_tids_and_frames_of_threads_alone(void **state)
{
    (void)state;
    struct tb_crash crash = crash_of(2);
    struct made made = make(&crash, with_threads);
    struct tb_scrub scrub;
    const struct tb_scrub_rules rules = {.keys = NULL};
    char why[TB_SCRUB_WHY]; /* room for tb_doc's too */
    struct tb_buf text;
    struct tb_doc *after = NULL;
    char method[64];
    size_t n_scrubbed = 0;
    tb_buf_init(&text, ITEM_BYTES);
    assert_int_equal(tb_scrub_init(&scrub, &rules, why), 0);
    assert_int_equal(tb_scrub_item(&scrub, made.doc, &n_scrubbed), 0);
    assert_int_equal(tb_doc_render(made.doc, &text), 0);
    assert_int_equal(tb_doc_new(tb_buf_str(&text), text.len, &after, why), 0);
    int node = tb_doc_find(after, 0, "custom.native.threads.0.tids");
    assert_true(node >= 0);
    assert_int_equal(strncmp(tb_buf_str(&text) + tb_doc_at(after, node)->at, "[5,6]", 5), 0);
    node = tb_doc_find(after, 0, "custom.native.threads.0.frames.0.method");
    assert_true(tb_doc_copy(after, node, method, sizeof(method)));
    assert_string_equal(method, "wait_for_work");
    tb_doc_free(after);
    tb_buf_done(&text);
    tb_scrub_done(&scrub);
    done(&made);
}

static void a_death_that_nobody_saw_becomes_an_item(void **state)
{
    (void)state;
    struct tb_crash crash = {.fixed = {.pid = 77}};
    for (int i = 0; i < 2; i++) {
        struct made made = make(&crash, i == 0 ? NULL : "{\"frames\":[],\"cut\":false}");
        assert_string_equal(text_at(&made, "custom.native.threads"), "-");
        assert_string_equal(text_at(&made, "server.pid"), "77");
        done(&made);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(groups_of_the_symbolizer_stand_in_the_item),
        cmocka_unit_test(an_item_without_other_threads_says_nothing_of_them),
        cmocka_unit_test(a_sentence_says_why_not_all_are_there),
        cmocka_unit_test(without_the_symbolizer_threads_are_grouped_by_place),
        cmocka_unit_test(a_thousand_threads_in_different_places_fit),
        cmocka_unit_test(the_group_of_a_crash_does_not_see_threads),
        cmocka_unit_test(scrubbing_leaves_tids_and_frames_of_threads_alone),
        cmocka_unit_test(a_death_that_nobody_saw_becomes_an_item),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
