/* test_words.c - command lines as words. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "agent/aws/words.h"

static struct tb_words words;

static void lines_are_cut_as_a_shell_does(void **state)
{
    static const struct {
        const char *line, *words[5];
    } cases[] = {{"a b  c\t", {"a", "b", "c"}},
                 {"  /opt/tool --x=1", {"/opt/tool", "--x=1"}},
                 {"\"/opt/my tool\" 'it''s' a\\ b", {"/opt/my tool", "its", "a b"}},
                 {"a \"b\\\"c\\\\d\\n\" 'e\\f'", {"a", "b\"c\\d\\n", "e\\f"}},
                 {"a '' \"\"", {"a", "", ""}},
                 {"a $(rm) `b` $HOME ;|&", {"a", "$(rm)", "`b`", "$HOME", ";|&"}},
                 {"a\"b c\"d", {"ab cd"}}};
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(tb_words_split(cases[i].line, &words), 0);
        size_t n = 0;
        while (n < 5 && cases[i].words[n] != NULL) {
            assert_string_equal(words.argv[n], cases[i].words[n]);
            n++;
        }
        assert_int_equal(words.n, n);
        assert_null(words.argv[n]);
    }
}

static void what_is_no_command_is_refused(void **state)
{
    static const char *const lines[] = {"", "  \t", "'a", "\"a", "a \"b\\\"", "a \\", "'' a"};
    static char line[TB_WORDS_BYTES + 1];
    (void)state;
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
        assert_int_equal(tb_words_split(lines[i], &words), -EINVAL);
    memset(line, 'a', sizeof(line) - 1);
    assert_int_equal(tb_words_split(line, &words), -E2BIG);
    line[sizeof(line) - 2] = '\0';
    assert_int_equal(tb_words_split(line, &words), 0);
    for (size_t i = 0; i < sizeof(line) - 2; i += 2)
        line[i] = ' ';
    assert_int_equal(tb_words_split(line, &words), -E2BIG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_are_cut_as_a_shell_does),
        cmocka_unit_test(what_is_no_command_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
