/* test_fold.c - which frames people see as one: runs of libraries, recursion of one and of several.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "item/fold.h"

#define N(table) (sizeof(table) / sizeof((table)[0]))

enum { FRAMES = 400 };

/* One letter for each frame, innermost first: capitals are of the library "L", "c" of the C
 * library. The texts live as long as the next call. */
static struct tb_fold_frame frames[FRAMES];
static char names[FRAMES][2];

static size_t make(const char *letters)
{
    size_t n = strlen(letters);
    assert_true(n <= FRAMES);
    for (size_t i = 0; i < n; i++) {
        bool is_libc = letters[i] == 'c';
        bool is_library = is_libc || (letters[i] >= 'A' && letters[i] <= 'Z');
        snprintf(names[i], sizeof(names[i]), "%c", letters[i]);
        frames[i] = (struct tb_fold_frame){.method = names[i],
                                           .file = "",
                                           .module = is_libc      ? "libc.so.6"
                                                     : is_library ? "libL.so"
                                                                  : "app",
                                           .line = 7,
                                           .is_library = is_library};
    }
    return n;
}

/* "a 3xbd 4L m": what is shown. */
static void shown(const char *letters, char out[128])
{
    size_t n = make(letters);
    size_t blamed = tb_fold_blamed(frames, n);
    size_t len = 0;
    out[0] = '\0';
    for (size_t i = 0; i < n;) {
        struct tb_fold fold = tb_fold_at(frames, n, i, blamed);
        const char *space = len > 0 ? " " : "";
        if (fold.kind == TB_FOLD_NONE)
            len += (size_t)snprintf(out + len, 128 - len, "%s%c", space, letters[i]);
        else if (fold.kind == TB_FOLD_LIBRARY)
            len += (size_t)snprintf(out + len, 128 - len, "%s%zuL", space, fold.n);
        else
            len += (size_t)snprintf(out + len, 128 - len, "%s%zux%.*s", space, fold.times,
                                    (int)fold.cycle, letters + i);
        assert_true(fold.n > 0 && fold.n <= n - i);
        i += fold.n;
    }
}

static void what_recurs_is_shown_once(void **state)
{
    static const struct {
        const char *letters, *shown;
    } cases[] = {
        {"", ""},
        {"abm", "a b m"},
        {"LLm", "2L m"},
        {"LMLa", "3L a"},
        {"aLbLL", "a 1L b 2L"},
        {"aaaa", "a a a a"},
        {"aaaaa", "5xa"},
        {"xaaaaaam", "x 6xa m"},
        {"ababm", "a b a b m"},
        {"abababm", "3xab m"},
        {"babababm", "3xba b m"},
        {"xabdabdabdabm", "x 3xabd a b m"},
        {"aLaLaLaLm", "4xaL m"},
        {"LaLaLaLam", "4xLa m"},
        {"LLLLLLLam", "7L a m"},
        {"LLLLLLL", "7xL"},
        {"ccccccccLm", "9L m"},
        {"aabaabaabm", "3xaab m"},
        {"abdefghijkabdefghijkabdefghijkm", "3xabdefghijk m"},
    };
    (void)state;
    for (size_t i = 0; i < N(cases); i++) {
        char out[128];
        shown(cases[i].letters, out);
        assert_string_equal(out, cases[i].shown);
    }
}

static void frames_that_differ_in_line_or_file_are_no_recursion(void **state)
{
    (void)state;
    size_t n = make("aaaaaaaaaa");
    assert_int_equal(tb_fold_at(frames, n, 0, 0).times, 10);
    frames[4].line = 8;
    assert_int_equal(tb_fold_at(frames, n, 0, 0).kind, TB_FOLD_NONE);
    assert_int_equal(tb_fold_at(frames, n, 5, 0).times, 5);
    frames[4].line = 7;
    frames[5].file = "b.c";
    assert_int_equal(tb_fold_at(frames, n, 0, 0).times, 5);
}

static void a_cycle_that_is_too_long_is_shown_whole(void **state)
{
    char letters[3 * 17 + 1] = "";
    (void)state;
    for (size_t i = 0; i < 3 * 17; i++)
        letters[i] = (char)('d' + i % 17);
    size_t n = make(letters);
    assert_int_equal(tb_fold_cycle(frames, n, 0).kind, TB_FOLD_NONE);
    for (size_t i = 0; i < 3 * 16; i++)
        letters[i] = (char)('d' + i % 16);
    letters[3 * 16] = '\0';
    n = make(letters);
    assert_int_equal(tb_fold_cycle(frames, n, 0).times, 3);
}

static void
the_innermost_own_frame_is_blamed_then_one_that_is_not_the_run_time_system_s(void **state)
{
    static const struct {
        const char *letters;
        size_t blamed;
    } cases[] = {{"", 0}, {"ab", 0}, {"ccLab", 3}, {"ccLL", 2}, {"ccc", 0}, {"c", 0}};
    (void)state;
    for (size_t i = 0; i < N(cases); i++) {
        size_t n = make(cases[i].letters);
        assert_int_equal(tb_fold_blamed(frames, n), cases[i].blamed);
    }
    /* An address in no module says less than a library does. */
    size_t n = make("LL");
    frames[0].module = "";
    frames[0].method = "<unknown>";
    assert_int_equal(tb_fold_blamed(frames, n), 1);
}

static void a_handler_of_terminate_that_aborts_is_not_blamed(void **state)
{
    size_t n = make("ccaLCbm");
    (void)state;
    assert_int_equal(tb_fold_blamed(frames, n), 2);
    frames[1].method = "__GI_abort";
    frames[4].method = "std::terminate";
    assert_int_equal(tb_fold_blamed(frames, n), 5);
    frames[1].method = "strlen"; /* the fault is its own */
    assert_int_equal(tb_fold_blamed(frames, n), 2);
    n = make("caC");
    frames[0].method = "abort";
    frames[2].method = "std::terminate"; /* nothing is known of who called it */
    assert_int_equal(tb_fold_blamed(frames, n), 1);
}

static void each_library_of_a_run_is_named_once(void **state)
{
    static const char *const modules[] = {"libc.so.6",   "libevent-2.1.so.7", "libc.so.6", "",
                                          "libssl.so.3", "libz.so.1",         "libpq.so.5"};
    char out[TB_FOLD_NAMES_TEXT];
    (void)state;
    size_t n = make("LLLLLLL");
    for (size_t i = 0; i < n; i++)
        frames[i].module = modules[i];
    assert_string_equal(tb_fold_names(frames, 3, out), "libc, libevent-2.1");
    assert_string_equal(tb_fold_names(frames, 5, out), "libc, libevent-2.1, libssl");
    assert_string_equal(tb_fold_names(frames, n, out), "libc, libevent-2.1, libssl, \xe2\x80\xa6");
    assert_string_equal(tb_fold_names(frames + 3, 1, out), "");
    assert_string_equal(tb_fold_names(frames, 0, out), "");
}

static void long_names_are_cut_not_run_over(void **state)
{
    char longest[3][200];
    char out[TB_FOLD_NAMES_TEXT];
    (void)state;
    size_t n = make("LLLL");
    for (size_t i = 0; i < 3; i++) {
        memset(longest[i], 'x' + (int)i, sizeof(longest[i]) - 1);
        longest[i][sizeof(longest[i]) - 1] = '\0';
        frames[i].module = longest[i];
    }
    tb_fold_names(frames, n, out);
    assert_true(strlen(out) < sizeof(out));
    assert_non_null(strstr(out, "\xe2\x80\xa6"));
}

static void packages_below_the_root_count_by_what_follows_it(void **state)
{
    (void)state;
    assert_true(tb_fold_is_package("/usr/lib/python3/dist-packages/app/x.py", ""));
    assert_false(tb_fold_is_package("/usr/lib/python3/dist-packages/app/x.py",
                                    "/usr/lib/python3/dist-packages/app/"));
    assert_true(tb_fold_is_package("/srv/app/node_modules/x/y.js", "/srv/app"));
    assert_true(tb_fold_is_package("/srv/app2/node_modules/x/y.js", "/srv/app"));
    assert_false(tb_fold_is_package("/srv/app/x.js", "/srv/app"));
    assert_true(tb_fold_is_package("/srv/node_modules/x/y.js", "/"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_recurs_is_shown_once),
        cmocka_unit_test(frames_that_differ_in_line_or_file_are_no_recursion),
        cmocka_unit_test(a_cycle_that_is_too_long_is_shown_whole),
        cmocka_unit_test(
            the_innermost_own_frame_is_blamed_then_one_that_is_not_the_run_time_system_s),
        cmocka_unit_test(a_handler_of_terminate_that_aborts_is_not_blamed),
        cmocka_unit_test(each_library_of_a_run_is_named_once),
        cmocka_unit_test(long_names_are_cut_not_run_over),
        cmocka_unit_test(packages_below_the_root_count_by_what_follows_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
