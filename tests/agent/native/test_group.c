/* One bug, one fingerprint: what must not change it, and what must. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "agent/native/group.h"

enum { ITEM_BYTES = 8192 };

/* A native item of that class and frames (JSON, oldest first). */
static const char *item(const char *class_, const char *frames, const char *format)
{
    static char text[ITEM_BYTES];
    snprintf(text, sizeof(text),
             "{\"body\":{\"trace\":{\"frames\":[%s],\"exception\":{\"class\":\"%s\"}}},"
             "\"custom\":{\"service\":\"feedd\",\"native\":{\"format\":\"%s\"}}}",
             frames, class_, format);
    return text;
}

static void group(const char *text, int is_native, struct tb_group *out)
{
    struct tb_doc *doc = NULL;
    char why[TB_DOC_WHY];
    if (tb_doc_new(text, strlen(text), &doc, why) != 0)
        fail_msg("%s: %s", why, text);
    assert_int_equal(tb_group_item(doc, is_native, out), 0);
    tb_doc_free(doc);
}

static const char *fingerprint(const char *text, int is_native)
{
    static char prints[2][TB_FINGERPRINT_TEXT];
    static unsigned next;
    struct tb_group out;
    char *print = prints[next++ % 2];
    group(text, is_native, &out);
    memcpy(print, out.fingerprint, TB_FINGERPRINT_TEXT);
    tb_group_done(&out);
    return print;
}

#define F(method, more) "{\"filename\":\"src/q.c\",\"method\":\"" method "\"" more "}"
#define APP(method) F(method, ",\"in_app\":true,\"module\":\"feedd\"")
#define LIB(method) F(method, ",\"in_app\":false,\"module\":\"libc.so.6\"")
#define BASE APP("main") "," APP("serve") "," APP("handle") "," APP("push")

static const struct {
    const char *what, *frames;
} same[] = {
    {"line numbers and addresses",
     APP("main") "," F("serve", ",\"in_app\":true,\"lineno\":7,\"address\":\"0x1\"") "," APP(
         "handle") "," F("push", ",\"in_app\":true,\"lineno\":99,\"address\":\"0xdead\"")},
    {"what the compiler appends",
     APP("main") "," APP("serve.isra.0") "," APP("handle.part.2") "," APP("push.constprop.0.cold")},
    {"functions of the C library above and below",
     LIB("_start") "," LIB("__libc_start_main") "," BASE "," LIB("raise") "," LIB("abort")},
    {"recursion", APP("main") "," APP("serve") "," APP("handle") "," APP("handle") "," APP(
                      "push") "," APP("push") "," APP("push")},
    {"older callers", APP("other_main") "," APP("serve") "," APP("handle") "," APP("push")},
    {"inlined calls", BASE "," F("inner", ",\"in_app\":true,\"inlined\":true")},
    {"abort machinery linked into the program", BASE "," APP("abort") "," APP("__assert_fail")},
    {"frames of ours", BASE "," APP("towbar_report_at")},
};

static void what_differs_between_builds_and_runs_does_not_count(void **state)
{
    char base[TB_FINGERPRINT_TEXT];
    (void)state;
    memcpy(base, fingerprint(item("SIGSEGV", BASE, ""), 1), sizeof(base));
    assert_int_equal(strlen(base), 40);
    for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++)
        if (strcmp(fingerprint(item("SIGSEGV", same[i].frames, ""), 1), base) != 0)
            fail_msg("another fingerprint because of %s", same[i].what);
}

static void what_makes_another_bug_counts(void **state)
{
    char base[TB_FINGERPRINT_TEXT];
    (void)state;
    memcpy(base, fingerprint(item("SIGSEGV", BASE, ""), 1), sizeof(base));
    assert_string_not_equal(fingerprint(item("SIGFPE", BASE, ""), 1), base);
    assert_string_not_equal(fingerprint(item("SIGSEGV", BASE, "cannot open %s"), 1), base);
    assert_string_not_equal(fingerprint(item("SIGSEGV", BASE "," APP("pop"), ""), 1), base);
    assert_string_not_equal(
        fingerprint(item("SIGSEGV", APP("main") "," APP("serve") "," APP("push"), ""), 1), base);
}

static void a_frame_without_a_name_counts_by_its_module(void **state)
{
    char one[TB_FINGERPRINT_TEXT];
    (void)state;
    memcpy(one,
           fingerprint(item("SIGSEGV",
                            F("<unknown>", ",\"in_app\":true,\"module\":\"/a/libx.so\","
                                           "\"address\":\"0x1\""),
                            ""),
                       1),
           sizeof(one));
    assert_string_equal(one, fingerprint(item("SIGSEGV",
                                              F("<unknown>", ",\"in_app\":true,\"module\":"
                                                             "\"/b/libx.so\",\"address\":\"0x2\""),
                                              ""),
                                         1));
    assert_string_not_equal(
        one, fingerprint(item("SIGSEGV", F("<unknown>", ",\"module\":\"liby.so\""), ""), 1));
}

static void without_frames_of_the_program_others_count(void **state)
{
    (void)state;
    const char *plugin = F("decode", ",\"in_app\":false,\"module\":\"libpng.so\"");
    const char *other = F("encode", ",\"in_app\":false,\"module\":\"libpng.so\"");
    char one[TB_FINGERPRINT_TEXT];
    memcpy(one, fingerprint(item("SIGSEGV", plugin, ""), 1), sizeof(one));
    assert_string_not_equal(one, fingerprint(item("SIGSEGV", other, ""), 1));
    assert_int_equal(strlen(fingerprint(item("SIGSEGV", "", ""), 1)), 40);
}

static void two_assertions_in_one_function_are_two_bugs(void **state)
{
    static const char *const texts[] = {"x in g", "y in g"};
    char prints[2][TB_FINGERPRINT_TEXT];
    (void)state;
    for (int i = 0; i < 2; i++) {
        char json[1024];
        snprintf(json, sizeof(json),
                 "{\"body\":{\"trace\":{\"frames\":[" BASE "],\"exception\":{\"class\":"
                 "\"assert\"}}},\"custom\":{\"native\":{\"assertion\":\"%s\"}}}",
                 texts[i]);
        memcpy(prints[i], fingerprint(json, 1), TB_FINGERPRINT_TEXT);
    }
    assert_string_not_equal(prints[0], prints[1]);
}

static void two_programs_with_a_function_of_one_name_are_two_bugs(void **state)
{
    char one[TB_FINGERPRINT_TEXT];
    char other[ITEM_BYTES];
    (void)state;
    const char *text = item("SIGSEGV", BASE, "");
    memcpy(one, fingerprint(text, 1), sizeof(one));
    const char *at = strstr(text, "feedd\",\"native");
    snprintf(other, sizeof(other), "%.*sapid%s", (int)(at - text), text, at + strlen("feedd"));
    assert_string_not_equal(one, fingerprint(other, 1));
}

static void the_inputs_say_why(void **state)
{
    struct tb_group out;
    (void)state;
    group(item("SIGSEGV", BASE, "n is %d"), 1, &out);
    assert_string_equal(
        tb_buf_str(&out.inputs),
        "{\"by\":\"functions\",\"service\":\"feedd\",\"class\":\"SIGSEGV\",\"functions\":"
        "[\"push\",\"handle\",\"serve\"],\"text\":\"n is %d\"}");
    tb_group_done(&out);
}

static void the_culprit_is_the_first_function_that_counts(void **state)
{
    struct tb_doc *doc = NULL;
    char why[TB_DOC_WHY];
    char name[64];
    (void)state;
    const char *text = item("SIGABRT", BASE "," LIB("raise") "," LIB("abort"), "");
    assert_int_equal(tb_doc_new(text, strlen(text), &doc, why), 0);
    tb_group_culprit(doc, name, sizeof(name));
    assert_string_equal(name, "push");
    tb_doc_free(doc);
}

static void forwarded_items_keep_their_fingerprint(void **state)
{
    (void)state;
    assert_string_equal(fingerprint("{\"fingerprint\":\"mine\",\"body\":{}}", 0), "mine");
    /* A longer one is hashed, as Rollbar does: this is the SHA-1 of 41 times "a". */
    assert_string_equal(
        fingerprint("{\"fingerprint\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"}", 0),
        "52cedd6b110e4330b5186478736afa5203c4f9ea");
}

#define TRACE(frames, class_)                                                                      \
    "{\"body\":{\"trace\":{\"frames\":[" frames "],\"exception\":{\"class\":\"" class_             \
    "\",\"message\":\"m 1\"}}}}"

static void forwarded_traces_group_as_rollbar_documents_it(void **state)
{
    (void)state;
    /* SHA-1 of "app.pyindexdb.pyrunOperationalError". */
    assert_string_equal(
        fingerprint(TRACE("{\"filename\":\"app.py\",\"method\":\"index\",\"lineno\":3},"
                          "{\"filename\":\"db.py\",\"method\":\"run\"}",
                          "OperationalError"),
                    0),
        "417c124af9fe721d0d7e700cab16326163c55c4e");
}

static void messages_group_without_their_numbers(void **state)
{
    char one[TB_FINGERPRINT_TEXT];
    (void)state;
    memcpy(one, fingerprint("{\"body\":{\"message\":{\"body\":\"user 4711 gone\"}}}", 0),
           sizeof(one));
    assert_string_equal(one,
                        fingerprint("{\"body\":{\"message\":{\"body\":\"user 12 gone\"}}}", 0));
    assert_string_not_equal(one,
                            fingerprint("{\"body\":{\"message\":{\"body\":\"user 12 is\"}}}", 0));
}

static void items_of_any_shape_get_a_group(void **state)
{
    static const char *const odd[] = {"{}",
                                      "{\"body\":null}",
                                      "{\"body\":{\"trace\":[]}}",
                                      "{\"body\":{\"trace\":{\"frames\":{},\"exception\":7}}}",
                                      "{\"body\":{\"trace\":{\"frames\":[null,1,[]]}}}",
                                      "{\"body\":{\"trace_chain\":[1,{}]}}",
                                      "{\"fingerprint\":17}"};
    (void)state;
    for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++)
        for (int is_native = 0; is_native < 2; is_native++)
            assert_int_equal(strlen(fingerprint(odd[i], is_native)), 40);
}

static void names_are_cleaned(void **state)
{
    static const char *const cases[][2] = {{"push", "push"},
                                           {"push.part.0", "push"},
                                           {"push.isra.0.cold", "push"},
                                           {"push.constprop.1", "push"},
                                           {"f.llvm.1234", "f"},
                                           {"f.lto_priv.0", "f"},
                                           {".cold", ".cold"},
                                           {"operator()", "operator()"},
                                           {"a.b", "a.b"}};
    char out[64];
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        tb_group_clean(cases[i][0], out, sizeof(out));
        assert_string_equal(out, cases[i][1]);
    }
}

/* Of processes that vanished: service, end and executable. */
static const char *vanished(const char *service, const char *class_, const char *executable,
                            int pid)
{
    static char text[ITEM_BYTES];
    snprintf(text, sizeof(text),
             "{\"body\":{\"trace\":{\"frames\":[],\"exception\":{\"class\":\"%s\",\"message\":"
             "\"pid %d\"}}},\"custom\":{\"service\":\"%s\",\"native\":{\"kind\":\"vanished\","
             "\"pid\":%d,\"executable\":\"%s\"}}}",
             class_, pid, service, pid, executable);
    return text;
}

static void vanished_processes_of_one_program_and_end_are_one(void **state)
{
    struct tb_group out;
    char first[TB_FINGERPRINT_TEXT];
    (void)state;
    group(vanished("feedd", "SIGKILL", "feedd", 7), 1, &out);
    memcpy(first, out.fingerprint, sizeof(first));
    assert_string_equal(tb_buf_str(&out.inputs), "{\"by\":\"end\",\"service\":\"feedd\","
                                                 "\"class\":\"SIGKILL\",\"executable\":\"feedd\"}");
    tb_group_done(&out);
    assert_string_equal(fingerprint(vanished("feedd", "SIGKILL", "feedd", 8), 1), first);
    assert_string_not_equal(fingerprint(vanished("other", "SIGKILL", "feedd", 7), 1), first);
    assert_string_not_equal(fingerprint(vanished("feedd", "SIGPIPE", "feedd", 7), 1), first);
    assert_string_not_equal(fingerprint(vanished("feedd", "SIGKILL", "helper", 7), 1), first);
    /* A service that is out of memory is not one that somebody kills. */
    const char *oom = vanished("feedd", "SIGKILL", "feedd\",\"oom_killer\":\"in its cgroup", 7);
    assert_string_not_equal(fingerprint(oom, 1), first);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_differs_between_builds_and_runs_does_not_count),
        cmocka_unit_test(what_makes_another_bug_counts),
        cmocka_unit_test(a_frame_without_a_name_counts_by_its_module),
        cmocka_unit_test(without_frames_of_the_program_others_count),
        cmocka_unit_test(two_assertions_in_one_function_are_two_bugs),
        cmocka_unit_test(two_programs_with_a_function_of_one_name_are_two_bugs),
        cmocka_unit_test(the_inputs_say_why),
        cmocka_unit_test(the_culprit_is_the_first_function_that_counts),
        cmocka_unit_test(forwarded_items_keep_their_fingerprint),
        cmocka_unit_test(forwarded_traces_group_as_rollbar_documents_it),
        cmocka_unit_test(messages_group_without_their_numbers),
        cmocka_unit_test(items_of_any_shape_get_a_group),
        cmocka_unit_test(names_are_cleaned),
        cmocka_unit_test(vanished_processes_of_one_program_and_end_are_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
