/* What the program, the C library and the C++ runtime say before they abort. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "death.h"

#define ABORT .signo = SIGABRT, .code = SI_TKILL, .sender = TEST_PID

struct said {
    const char *class_;
    struct death death;
};

static const struct said aborts[] = {
    {"assert",
     {"assertion failed: n <= cap in ring_write",
      "assertion failed: n <= cap in ring_write (queue.c:41)", ABORT,
      .text = "feedd: queue.c:41: ring_write: Assertion `n <= cap' failed.\n"}},
    {"assert",
     {"assertion failed: s != \"' failed\" in ns::f",
      "assertion failed: s != \"' failed\" in ns::f (a.cc:7)", ABORT,
      .text = "p: src/a.cc:7: void ns::f(int): Assertion `s != \"' failed\"' failed."}},
    {"assert",
     {"assertion failed: i < N in ns::ring::at", "assertion failed: i < N in ns::ring::at (r.h:9)",
      ABORT,
      .text = "p: r.h:9: T& ns::ring<T, N>::at(int) [with T = int; int N = 8]: Assertion `i < N' "
              "failed."}},
    {"assert",
     {"assertion failed: x", "assertion failed: x (f.c:1)", ABORT,
      .text = "p: f.c:1: Assertion `x' failed."}},
    {"assert",
     {"unexpected error: No such file or directory in load",
      "unexpected error: No such file or directory in load (f.c:1)", ABORT,
      .text = "p: f.c:1: load: Unexpected error: No such file or directory.\n"}},
    {"SIGABRT",
     {"free(): double free detected in tcache 2 in queue_push",
      "free(): double free detected in tcache 2: a block was freed twice", ABORT,
      .text = "free(): double free detected in tcache 2\n"}},
    {"SIGABRT",
     {"double free or corruption (!prev) in queue_push",
      "double free or corruption (!prev): looks like a block that was freed twice, or a write "
      "beyond "
      "the end of one",
      ABORT, .text = "double free or corruption (!prev)\n"}},
    {"SIGABRT",
     {"free(): invalid pointer in queue_push",
      "free(): invalid pointer: no block of malloc's, or the bytes before it were overwritten",
      ABORT, .text = "free(): invalid pointer\n"}},
    {"SIGABRT",
     {"malloc(): corrupted top size in queue_push",
      "malloc(): corrupted top size: looks like a write beyond the end of a block, earlier and "
      "elsewhere",
      ABORT, .text = "malloc(): corrupted top size\n"}},
    {"SIGABRT",
     {"Error in `feedd': free(): invalid pointer in queue_push",
      "Error in `feedd': free(): invalid pointer: no block of malloc's, or the bytes before it "
      "were "
      "overwritten",
      ABORT, .text = "*** Error in `feedd': free(): invalid pointer: 0x00007f12345678 ***\n"}},
    {"SIGABRT",
     {"stack smashing detected in queue_push",
      "stack smashing detected: looks like a write beyond the end of a variable on the stack of "
      "queue_push",
      ABORT, .text = "*** stack smashing detected ***: terminated\n"}},
    {"SIGABRT",
     {"buffer overflow detected in queue_push",
      "buffer overflow detected: strcpy would go beyond the end of its destination", ABORT,
      .text = "*** buffer overflow detected ***: terminated\n",
      .functions = "raise abort __libc_message __GI___fortify_fail __GI___chk_fail __strcpy_chk "
                   "queue_push"}},
    {"SIGABRT",
     {"buffer overflow detected in queue_push", "buffer overflow detected", ABORT,
      .text = "*** buffer overflow detected ***: terminated\n",
      .functions = "raise abort __chk_fail my_chk"}},
    {"SIGABRT",
     {"two lines in queue_push", "two lines", ABORT, .text = "two lines\nand the second one"}},
    {"SIGABRT",
     {"SIGABRT in queue_push", "abort() was called", ABORT, .text = "***\n",
      .functions = "raise abort"}},
    /* ---- exceptions ---- */
    {"std::runtime_error",
     {"uncaught std::runtime_error in queue_push",
      "uncaught std::runtime_error: \"cannot load 'a\"\nb'\"", ABORT, .type = "St13runtime_error",
      .demangled = "std::runtime_error", .what = "cannot load 'a\"\nb'"}},
    {"int", {"uncaught int in queue_push", "uncaught int", ABORT, .type = "i", .demangled = "int"}},
    {"4Mine", {"uncaught 4Mine in queue_push", "uncaught 4Mine", ABORT, .type = "4Mine"}},
    {"std::bad_alloc",
     {"uncaught std::bad_alloc in queue_push",
      "uncaught std::bad_alloc: \"std::bad_alloc\", which met a function that lets none out "
      "(noexcept, a destructor)",
      ABORT, .type = "St9bad_alloc", .demangled = "std::bad_alloc", .what = "std::bad_alloc",
      .functions = "raise abort __gxx_personality_v0 _Unwind_RaiseException __cxa_throw f"}},
    /* what the type says is known of aborts only */
    {"SIGSEGV",
     {"SIGSEGV in queue_push",
      "near-NULL access at 0x8: looks like a field at offset 0x8 of a "
      "NULL pointer",
      .signo = SIGSEGV, .code = SEGV_MAPERR, .address = 8, .type = "i", .demangled = "int"}},
    {"stack overflow",
     {"stack overflow in queue_push", NULL, .signo = SIGSEGV, .code = SEGV_MAPERR,
      .address = 0x7ffc00000ff8, .trap = PAGE, .err = WRITE, .regs = {[TB_RSP] = 0x7ffc00001000}}},
};

static void every_text_has_its_class_sentence_and_title(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(aborts) / sizeof(aborts[0]); i++) {
        struct scene scene;
        char class_[TB_CLASS_BYTES];
        char meaning[TB_MEANING_BYTES];
        char title[TB_TITLE_BYTES];
        make_scene(&aborts[i].death, &scene);
        tb_why_meaning(&scene.why, meaning);
        tb_why_title(&scene.why, title);
        for (char *c = meaning; *c != '\0'; c++)
            assert_true(*c != '\n');
        assert_string_equal(tb_why_class(&scene.why, class_), aborts[i].class_);
        assert_string_equal(title, aborts[i].death.title);
        if (aborts[i].death.says != NULL && strchr(aborts[i].death.says, '\n') == NULL)
            assert_string_equal(meaning, aborts[i].death.says);
    }
}

static void what_groups_assertions_is_the_text_without_the_place(void **state)
{
    char text[TB_TITLE_BYTES];
    struct scene scene;
    (void)state;
    make_scene(&aborts[0].death, &scene);
    assert_true(tb_why_assertion(&scene.why, text));
    assert_string_equal(text, "assertion failed: n <= cap in ring_write");
    make_scene(&aborts[5].death, &scene);
    assert_false(tb_why_assertion(&scene.why, text));
}

static void texts_of_any_length_fit(void **state)
{
    static const char *const heads[] = {"", "p: f.c:1: g: Assertion `", "*** ", ": Assertion `"};
    static char text[1300];
    (void)state;
    for (size_t h = 0; h < 4; h++) {
        for (size_t len = 0; len < 1200; len += 7) {
            struct death death = {ABORT, .text = text};
            struct scene scene;
            char meaning[TB_MEANING_BYTES];
            char title[TB_TITLE_BYTES];
            int n = snprintf(text, sizeof(text), "%s", heads[h]);
            memset(text + n, 'x', len);
            snprintf(text + n + len, sizeof(text) - (size_t)n - len, "' failed.");
            make_scene(&death, &scene);
            tb_why_meaning(&scene.why, meaning);
            tb_why_title(&scene.why, title);
            assert_true(strlen(meaning) < TB_MEANING_BYTES && meaning[0] != '\0');
            assert_true(strlen(title) < TB_TITLE_BYTES && title[0] != '\0');
        }
    }
}

static void a_text_without_an_end_is_read_to_its_length(void **state)
{
    char bytes[] = {'f', 'r', 'e', 'e', '(', ')'};
    struct death death = {ABORT, .text = "x"};
    struct scene scene;
    char meaning[TB_MEANING_BYTES];
    (void)state;
    make_scene(&death, &scene);
    scene.crash.abort_text = bytes;
    scene.crash.abort_len = sizeof(bytes);
    tb_why_meaning(&scene.why, meaning);
    assert_string_equal(meaning, "free()");
}

/* An assertion failed, the program went on by a jump out of its handler; what it dies of is else.
 */
static void a_text_counts_only_where_who_says_it_is_on_the_stack(void **state)
{
    static const struct {
        const char *functions;
        int code;
        uint32_t sender;
        int counts;
    } cases[] = {
        {"raise abort __assert_fail push main", SI_TKILL, TEST_PID, 1},
        {"__GI_raise __GI_abort __assert_fail_base push", SI_TKILL, TEST_PID, 1},
        {"raise abort malloc_printerr _int_free free push", SI_TKILL, TEST_PID, 1},
        {"raise abort __libc_message_impl __fortify_fail __stack_chk_fail push", SI_TKILL, TEST_PID,
         1},
        {"raise handler raise abort __assert_fail push", SI_TKILL, TEST_PID, 1}, /* sent on */
        {"raise abort - free push", SI_TKILL, TEST_PID, 1},
        {"- raise abort - push", SI_TKILL, TEST_PID, 1}, /* a C library without debug data */
        {"- raise abort push main", SI_TKILL, TEST_PID, 0},
        {"- - - -", SI_TKILL, TEST_PID, 1},
        {"", SI_TKILL, TEST_PID, 1},
        {"raise abort __assert_fail push", SI_USER, 0, 1}, /* no room for who sent it */
        {"raise abort push main", SI_TKILL, TEST_PID, 0},
        {"raise abort !std::terminate push main", SI_TKILL, TEST_PID, 0},
        {"raise push main", SI_TKILL, TEST_PID, 0},
        {"push main", SI_TKILL, TEST_PID, 0},
        {"pause push main", SI_USER, 99, 0},
        {"__assert_fail push main", SI_TKILL, 99, 0},
        {"__assert_fail push main", SI_USER, TEST_PID, 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct death death = {.signo = SIGABRT,
                              .code = cases[i].code,
                              .sender = cases[i].sender,
                              .text = "p: f.c:1: g: Assertion `x' failed.",
                              .functions = cases[i].functions};
        char text[TB_TITLE_BYTES];
        char class_[TB_CLASS_BYTES];
        struct scene scene;
        make_scene(&death, &scene);
        if (tb_why_assertion(&scene.why, text) != cases[i].counts ||
            tb_why_is_text_of(&scene.why) != cases[i].counts)
            fail_msg("the text of %s (%d)", cases[i].functions, cases[i].code);
        tb_why_class(&scene.why, class_);
        assert_string_equal(class_, cases[i].counts ? "assert" : "SIGABRT");
    }
}

static void a_panic_of_rust_is_called_one(void **state)
{
    static const char *const stacks[] = {
        "raise abort !std::process::abort !__rustc::rust_panic !core::panicking::panic_fmt rs::get",
        "raise abort !core::result::unwrap_failed rs::get", "raise abort rust_panic rs::get"};
    (void)state;
    for (size_t i = 0; i < sizeof(stacks) / sizeof(stacks[0]); i++) {
        struct death death = {ABORT, .functions = stacks[i], .culprit = "rs::get"};
        struct scene scene;
        char text[TB_MEANING_BYTES];
        make_scene(&death, &scene);
        tb_why_title(&scene.why, text);
        assert_string_equal(text, "Rust panic in rs::get");
        tb_why_meaning(&scene.why, text);
        assert_string_equal(text,
                            "a Rust panic ended the process; its text went to standard error");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_text_has_its_class_sentence_and_title),
        cmocka_unit_test(what_groups_assertions_is_the_text_without_the_place),
        cmocka_unit_test(texts_of_any_length_fit),
        cmocka_unit_test(a_text_counts_only_where_who_says_it_is_on_the_stack),
        cmocka_unit_test(a_panic_of_rust_is_called_one),
        cmocka_unit_test(a_text_without_an_end_is_read_to_its_length),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
