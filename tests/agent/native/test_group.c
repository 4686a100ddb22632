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
    {"whether a caller was inlined or left by a tail call",
     APP("main") "," APP("serve") "," F("handle", ",\"in_app\":true,\"inlined\":true") "," F(
         "push", ",\"in_app\":true,\"trust\":\"tail\"")},
    {"libraries in between",
     APP("main") "," APP("serve") "," APP("handle") "," LIB("qsort") "," APP("push")},
    {"parts of the C++ library in the program",
     APP("handle") "," APP("std::vector<int>::at") "," APP("push") "," APP("std::sort<int*>")},
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

#define OF_LAMBDA(module)                                                                          \
    F("std::sort<int*, serve()::$_0>", ",\"in_app\":false,\"module\":\"" module "\"")

static void a_lambda_that_was_inlined_into_the_cxx_library_counts(void **state)
{
    (void)state;
    const char *whole =
        APP("main") "," APP("serve") "," OF_LAMBDA("feedd") "," APP("serve()::$_0::operator()");
    const char *inlined = APP("main") "," APP("serve") "," OF_LAMBDA("feedd");
    const char *of_others = APP("main") "," APP("serve") "," OF_LAMBDA("libx.so");
    const char *none = APP("main") "," APP("serve");
    assert_string_equal(fingerprint(item("SIGSEGV", whole, ""), 1),
                        fingerprint(item("SIGSEGV", inlined, ""), 1));
    assert_string_not_equal(fingerprint(item("SIGSEGV", none, ""), 1),
                            fingerprint(item("SIGSEGV", inlined, ""), 1));
    assert_string_equal(fingerprint(item("SIGSEGV", none, ""), 1),
                        fingerprint(item("SIGSEGV", of_others, ""), 1));
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
        fingerprint(item("SIGSEGV", BASE "," F("inner", ",\"in_app\":true,\"inlined\":true"), ""),
                    1),
        base);
    assert_string_not_equal(
        fingerprint(item("SIGSEGV", APP("main") "," APP("serve") "," APP("push"), ""), 1), base);
}

/* An item whose custom.native has these members. */
static const char *dead(const char *frames, const char *native)
{
    static char text[ITEM_BYTES];
    snprintf(text, sizeof(text),
             "{\"body\":{\"trace\":{\"frames\":[%s],\"exception\":{\"class\":\"SIGABRT\"}}},"
             "\"custom\":{\"service\":\"feedd\",\"native\":{\"signal\":\"%s}}}",
             frames, native);
    return text;
}

static void another_cause_is_another_bug(void **state)
{
    char base[TB_FINGERPRINT_TEXT];
    char freed[TB_FINGERPRINT_TEXT];
    struct tb_group out;
    (void)state;
    memcpy(base, fingerprint(dead(BASE, "SIGABRT\""), 1), sizeof(base));
    memcpy(freed, fingerprint(dead(BASE, "SIGABRT\",\"cause\":\"double free\""), 1), sizeof(freed));
    assert_string_not_equal(freed, base);
    assert_string_not_equal(fingerprint(dead(BASE, "SIGABRT\",\"cause\":\"sent\""), 1), base);
    assert_string_not_equal(fingerprint(dead(BASE, "SIGABRT\",\"cause\":\"sent\""), 1), freed);
    group(dead(BASE, "SIGABRT\",\"cause\":\"double free\""), 1, &out);
    assert_non_null(strstr(tb_buf_str(&out.inputs), "\"cause\":\"double free\""));
    assert_non_null(strstr(tb_buf_str(&out.inputs), "; double free"));
    tb_group_done(&out);
}

static void a_terminate_handler_takes_no_blame(void **state)
{
    static const char frames[] = APP("main") "," APP("load") "," LIB("__cxa_throw") "," LIB(
        "std::terminate") "," LIB("<unknown>") "," APP("my_handler") "," LIB("abort");
    char base[TB_FINGERPRINT_TEXT];
    struct tb_group out;
    (void)state;
    memcpy(base, fingerprint(dead(APP("main") "," APP("load"), "SIGABRT\""), 1), sizeof(base));
    assert_string_equal(fingerprint(dead(frames, "SIGABRT\""), 1), base);
    group(dead(frames, "SIGSEGV\""), 1, &out); /* that is the handler's own */
    assert_non_null(strstr(tb_buf_str(&out.inputs), "in my_handler"));
    tb_group_done(&out);
}

static void a_function_with_a_line_counts_whatever_it_is_called(void **state)
{
    struct tb_group out;
    (void)state;
    group(item("SIGSEGV", APP("main") "," F("kill", ",\"in_app\":true,\"lineno\":7"), ""), 1, &out);
    assert_non_null(strstr(tb_buf_str(&out.inputs), "in kill, called by main"));
    tb_group_done(&out);
    group(item("SIGSEGV", APP("main") "," APP("kill"), ""), 1, &out);
    assert_null(strstr(tb_buf_str(&out.inputs), "kill"));
    tb_group_done(&out);
}

#define TEMPLATE(method) F(method, ",\"in_app\":false,\"module\":\"feedd\"")

static void a_lambda_is_named_by_its_function(void **state)
{
    struct tb_group out;
    (void)state;
    group(item("SIGSEGV",
               APP("main") "," TEMPLATE("call<load(int)::<lambda()> >") "," APP("operator()"), ""),
          1, &out);
    assert_non_null(strstr(tb_buf_str(&out.inputs), "in load::{lambda}, called by main"));
    tb_group_done(&out);
    /* Behind a function of the program's own it is that one's business. */
    group(item("SIGSEGV",
               APP("main") "," TEMPLATE("call<load(int)::<lambda()> >") "," APP("run") "," APP(
                   "operator()"),
               ""),
          1, &out);
    assert_non_null(strstr(tb_buf_str(&out.inputs), "in {lambda}, called by run"));
    tb_group_done(&out);
}

/* A frame without a name at that offset of a module in that folder. */
#define BARE(folder, module, offset)                                                               \
    F("<unknown>", ",\"in_app\":true,\"module\":\"" folder module "\",\"address\":\"0x7f" offset   \
                   "\",\"module_offset\":\"0x" offset "\"")

static void a_frame_without_a_name_counts_by_its_module_and_where_it_is(void **state)
{
    char one[TB_FINGERPRINT_TEXT];
    struct tb_group out;
    (void)state;
    const char *first = BARE("/a/", "x.so", "10") "," BARE("/a/", "x.so", "20");
    memcpy(one, fingerprint(item("SIGSEGV", first, ""), 1), sizeof(one));
    /* Elsewhere on the disk and in memory. */
    assert_string_equal(
        one, fingerprint(
                 item("SIGSEGV", BARE("/b/", "x.so", "10") "," BARE("/b/", "x.so", "20"), ""), 1));
    assert_string_not_equal(
        one, fingerprint(
                 item("SIGSEGV", BARE("/a/", "x.so", "14") "," BARE("/a/", "x.so", "20"), ""), 1));
    assert_string_not_equal(
        one, fingerprint(
                 item("SIGSEGV", BARE("/a/", "x.so", "10") "," BARE("/a/", "x.so", "24"), ""), 1));
    assert_string_not_equal(
        one, fingerprint(
                 item("SIGSEGV", BARE("/a/", "x.so", "10") "," BARE("/a/", "y.so", "20"), ""), 1));
    group(item("SIGSEGV", first, ""), 1, &out);
    assert_non_null(strstr(tb_buf_str(&out.inputs), "without a name"));
    tb_group_done(&out);
}

#define TWICE(a) a "," a
#define OVERFLOW_OF(frames)                                                                        \
    "{\"body\":{\"trace\":{\"frames\":[" frames "],\"exception\":{\"class\":\"SIGSEGV\"}}},"       \
    "\"custom\":{\"service\":\"feedd\",\"native\":{\"access\":\"write\",\"address\":"              \
    "\"0x7ffc0ff8\","                                                                              \
    "\"registers\":{\"rsp\":\"0x7ffc1000\"}}}}"
#define ROUND APP("expand") "," APP("look_up")

/* The place in the data depends on the build, the caller does not. */
static void data_that_was_called_is_no_function(void **state)
{
    static const char DATA[] = BASE "," BARE("", "feedd", "4010");
    char base[TB_FINGERPRINT_TEXT];
    char called[ITEM_BYTES];
    (void)state;
    memcpy(base, fingerprint(item("SIGSEGV", BASE, ""), 1), sizeof(base));
    assert_string_not_equal(fingerprint(item("SIGSEGV", DATA, ""), 1), base);
    snprintf(called, sizeof(called),
             "{\"body\":{\"trace\":{\"frames\":[%s],\"exception\":{\"class\":\"SIGSEGV\"}}},"
             "\"custom\":{\"service\":\"feedd\",\"native\":{\"access\":\"exec\"}}}",
             DATA);
    assert_string_equal(fingerprint(called, 1), base);
}

static void a_recursion_that_used_up_the_stack_is_one_wherever_it_ended(void **state)
{
    static const char *const ends[] = {
        OVERFLOW_OF(APP("main") "," APP("serve") "," TWICE(TWICE(ROUND))),
        OVERFLOW_OF(APP("main") "," APP("serve") "," TWICE(TWICE(ROUND)) "," APP("expand")),
        OVERFLOW_OF(APP("main") "," APP("serve") "," APP("look_up") "," TWICE(TWICE(ROUND))),
        OVERFLOW_OF(APP("main") "," APP("serve") "," TWICE(TWICE(ROUND)) "," APP("helper") "," LIB(
            "memset")),
        OVERFLOW_OF(APP("other") "," APP("serve") "," TWICE(TWICE(TWICE(ROUND))))};
    char one[TB_FINGERPRINT_TEXT];
    struct tb_group out;
    (void)state;
    memcpy(one, fingerprint(ends[0], 1), sizeof(one));
    for (size_t i = 1; i < sizeof(ends) / sizeof(ends[0]); i++)
        if (strcmp(fingerprint(ends[i], 1), one) != 0)
            fail_msg("%s", ends[i]);
    assert_string_not_equal(one, fingerprint(OVERFLOW_OF(APP("load") "," TWICE(TWICE(ROUND))), 1));
    assert_string_not_equal(
        one, fingerprint(OVERFLOW_OF(APP("serve") "," TWICE(TWICE(APP("expand")))), 1));
    group(ends[3], 1, &out);
    assert_non_null(strstr(tb_buf_str(&out.inputs),
                           "a recursion without end of expand, look_up, which count as one, "
                           "wherever it ended; begun by serve"));
    assert_non_null(strstr(tb_buf_str(&out.inputs), "\"recursion\":[\"expand\",\"look_up\"]"));
    tb_group_done(&out);
}

static void an_overflow_without_recursion_counts_like_any_fault(void **state)
{
    struct tb_group out;
    (void)state;
    group(OVERFLOW_OF(APP("main") "," APP("read_large") "," APP("read_block")), 1, &out);
    assert_non_null(
        strstr(tb_buf_str(&out.inputs), "\"functions\":[\"read_block\",\"read_large\"]"));
    tb_group_done(&out);
}

static void of_a_smashed_stack_only_the_innermost_function_is_believed(void **state)
{
    static const char smashed[] =
        "{\"body\":{\"trace\":{\"frames\":[%s],\"exception\":{\"class\":\"SIGABRT\"}}},\"custom\":"
        "{\"native\":{\"abort_message\":\"*** stack smashing detected ***: terminated\"}}}";
    char text[2][ITEM_BYTES];
    char one[TB_FINGERPRINT_TEXT];
    (void)state;
    snprintf(text[0], ITEM_BYTES, smashed, BASE "," LIB("abort"));
    snprintf(text[1], ITEM_BYTES, smashed, APP("garbage") "," APP("push") "," LIB("abort"));
    memcpy(one, fingerprint(text[0], 1), sizeof(one));
    assert_string_equal(one, fingerprint(text[1], 1));
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

static const char *assertion(const char *text)
{
    static char prints[2][TB_FINGERPRINT_TEXT];
    static unsigned next;
    char json[1024];
    char *print = prints[next++ % 2];
    snprintf(json, sizeof(json),
             "{\"body\":{\"trace\":{\"frames\":[" BASE "],\"exception\":{\"class\":"
             "\"assert\"}}},\"custom\":{\"native\":{\"assertion\":\"%s\"}}}",
             text);
    memcpy(print, fingerprint(json, 1), TB_FINGERPRINT_TEXT);
    return print;
}

static void an_assertion_counts_by_expression_and_function(void **state)
{
    (void)state;
    assert_string_not_equal(assertion("x in g"), assertion("y in g"));
    assert_string_not_equal(assertion("x in g"), assertion("x in h"));
    /* As gcc and clang say it. */
    assert_string_equal(assertion("x in g"), assertion("x in const char *g(int, void *)"));
}

static void a_forbidden_system_call_counts_by_name(void **state)
{
    static const char sys[] =
        "{\"body\":{\"trace\":{\"frames\":[" BASE "],\"exception\":{\"class\":"
        "\"SIGSYS\"}}},\"custom\":{\"native\":{\"syscall\":{%s}}}}";
    char text[2][ITEM_BYTES];
    (void)state;
    snprintf(text[0], ITEM_BYTES, sys, "\"number\":41,\"name\":\"socket\"");
    snprintf(text[1], ITEM_BYTES, sys, "\"number\":42,\"name\":\"connect\"");
    assert_string_not_equal(fingerprint(text[0], 1), fingerprint(text[1], 1));
    snprintf(text[0], ITEM_BYTES, sys, "\"number\":600");
    snprintf(text[1], ITEM_BYTES, sys, "\"number\":601");
    assert_string_not_equal(fingerprint(text[0], 1), fingerprint(text[1], 1));
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
    group(item("SIGSEGV", BASE "," LIB("strlen"), "n is %d"), 1, &out);
    assert_string_equal(
        tb_buf_str(&out.inputs),
        "{\"by\":\"functions\",\"why\":\"the same service feedd, class SIGSEGV; in push, called by "
        "handle; it happened in strlen, on behalf of push; format: n is %d\",\"service\":"
        "\"feedd\",\"class\":\"SIGSEGV\",\"functions\":[\"push\",\"handle\"],\"inside\":\"strlen\","
        "\"text\":\"n is %d\"}");
    tb_group_done(&out);
}

static void the_inputs_of_other_kinds_say_why_too(void **state)
{
    static const struct {
        const char *item;
        int is_native;
        const char *why;
    } cases[] = {
        {"{\"fingerprint\":\"mine\"}", 0, "which the client has sent"},
        {"{\"body\":{\"trace\":{}}}", 0, "methods of the whole stack"},
        {"{\"body\":{\"trace_chain\":[]}}", 0, "of all exceptions in the chain"},
        {"{\"body\":{\"message\":{\"body\":\"x\"}}}", 0, "without times, numbers"},
        {"{\"body\":{\"trace\":{\"frames\":[]}}}", 1, "no function of the program"},
        {"{\"custom\":{\"native\":{\"assertion\":\"assertion failed: n in f\"}}}", 1,
         "; assertion failed: n in f\""},
        {"{\"custom\":{\"native\":{\"syscall\":{\"number\":9}}}}", 1, "; system call: 9\""},
        {"{\"custom\":{\"native\":{\"kind\":\"vanished\",\"executable\":\"job\"}}}", 1,
         "executable job"}};
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct tb_group out;
        group(cases[i].item, cases[i].is_native, &out);
        if (strstr(tb_buf_str(&out.inputs), cases[i].why) == NULL)
            fail_msg("%s: %s", cases[i].item, tb_buf_str(&out.inputs));
        tb_group_done(&out);
    }
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
    /* Titles are the same in the next build. */
    text = item("SIGSEGV", BARE("/a/", "x.so", "10"), "");
    assert_int_equal(tb_doc_new(text, strlen(text), &doc, why), 0);
    tb_group_culprit(doc, name, sizeof(name));
    assert_string_equal(name, "x.so");
    tb_doc_free(doc);
}

static void forwarded_items_group_by_the_fingerprint_they_came_with(void **state)
{
    (void)state;
    /* SHA-1 of "forwarded\nfingerprint\nmine". */
    assert_string_equal(fingerprint("{\"fingerprint\":\"mine\",\"body\":{}}", 0),
                        "cf82651484b3307adddcfa559fac2bf248c701f1");
    assert_string_equal(
        fingerprint("{\"fingerprint\":\"mine\",\"custom\":{\"service\":\"other\"}}", 0),
        "cf82651484b3307adddcfa559fac2bf248c701f1");
}

/* By its fingerprint, and by a message that is what its fingerprint was made from. */
static void no_forwarded_item_joins_a_native_one(void **state)
{
    static const char native[] = "{\"custom\":{\"service\":\"shop\"},\"body\":{\"trace\":{"
                                 "\"exception\":{\"class\":\"SIGSEGV\"}}}}";
    static const char message[] =
        "{\"body\":{\"message\":{\"body\":\"towbar 2\\nshop\\nSIGSEGV\\n\"}}}";
    char one[TB_FINGERPRINT_TEXT];
    char text[256];
    (void)state;
    memcpy(one, fingerprint(native, 1), sizeof(one));
    /* SHA-1 of "towbar 2\nshop\nSIGSEGV\n": else this proved nothing of the message. */
    assert_string_equal(one, "56e628cf7c08e181b639eebef8758d510bf674d9");
    snprintf(text, sizeof(text), "{\"fingerprint\":\"%s\"}", one);
    assert_string_not_equal(fingerprint(text, 0), one);
    assert_string_not_equal(fingerprint(message, 0), one);
}

#define TRACE(frames, class_)                                                                      \
    "{\"body\":{\"trace\":{\"frames\":[" frames "],\"exception\":{\"class\":\"" class_             \
    "\",\"message\":\"m 1\"}}}}"

static void forwarded_traces_group_as_rollbar_documents_it(void **state)
{
    (void)state;
    /* SHA-1 of "forwarded\napp.pyindexdb.pyrunOperationalError". */
    assert_string_equal(
        fingerprint(TRACE("{\"filename\":\"app.py\",\"method\":\"index\",\"lineno\":3},"
                          "{\"filename\":\"db.py\",\"method\":\"run\"}",
                          "OperationalError"),
                    0),
        "6cc5d5c9ee01b9e47209607fbf1b38aedd807d73");
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
    assert_string_equal(tb_buf_str(&out.inputs),
                        "{\"by\":\"end\",\"why\":\"the same service feedd, class SIGKILL and "
                        "executable feedd\",\"service\":\"feedd\",\"class\":\"SIGKILL\","
                        "\"executable\":\"feedd\"}");
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
        cmocka_unit_test(a_lambda_that_was_inlined_into_the_cxx_library_counts),
        cmocka_unit_test(what_makes_another_bug_counts),
        cmocka_unit_test(a_lambda_is_named_by_its_function),
        cmocka_unit_test(another_cause_is_another_bug),
        cmocka_unit_test(a_terminate_handler_takes_no_blame),
        cmocka_unit_test(a_function_with_a_line_counts_whatever_it_is_called),
        cmocka_unit_test(a_frame_without_a_name_counts_by_its_module_and_where_it_is),
        cmocka_unit_test(data_that_was_called_is_no_function),
        cmocka_unit_test(a_recursion_that_used_up_the_stack_is_one_wherever_it_ended),
        cmocka_unit_test(an_overflow_without_recursion_counts_like_any_fault),
        cmocka_unit_test(of_a_smashed_stack_only_the_innermost_function_is_believed),
        cmocka_unit_test(without_frames_of_the_program_others_count),
        cmocka_unit_test(an_assertion_counts_by_expression_and_function),
        cmocka_unit_test(a_forbidden_system_call_counts_by_name),
        cmocka_unit_test(two_programs_with_a_function_of_one_name_are_two_bugs),
        cmocka_unit_test(the_inputs_say_why),
        cmocka_unit_test(the_inputs_of_other_kinds_say_why_too),
        cmocka_unit_test(the_culprit_is_the_first_function_that_counts),
        cmocka_unit_test(forwarded_items_group_by_the_fingerprint_they_came_with),
        cmocka_unit_test(no_forwarded_item_joins_a_native_one),
        cmocka_unit_test(forwarded_traces_group_as_rollbar_documents_it),
        cmocka_unit_test(messages_group_without_their_numbers),
        cmocka_unit_test(items_of_any_shape_get_a_group),
        cmocka_unit_test(vanished_processes_of_one_program_and_end_are_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
