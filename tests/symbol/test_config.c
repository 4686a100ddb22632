/* test_config.c - the configuration of the symbolizer as text. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "symbol/worker.h"

static int read_text(const char *text, struct tb_symbol_config *out)
{
    return tb_symbol_config_read(text, strlen(text), out);
}

static void nothing_gives_the_defaults(void **state)
{
    struct tb_symbol_config config;
    (void)state;
    assert_int_equal(tb_symbol_config_read(NULL, 0, &config), 0);
    assert_int_equal(config.n_source_roots, 0);
    assert_int_equal(config.n_debug_dirs, 1);
    assert_string_equal(config.debug_dirs[0], "/usr/lib/debug");
    assert_int_equal(config.context_lines, 3);
    tb_symbol_config_done(&config);
    tb_symbol_config_done(&config);
    tb_symbol_config_done(NULL);
}

static void settings_are_read_in_order(void **state)
{
    struct tb_symbol_config config;
    (void)state;
    assert_int_equal(read_text("source_root=/a b\nsource_root=/c\n\ndebug_dir=/d\ncontext_lines=0\n"
                               "index_dir=/i\nindex_dir=/j\n"
                               "in_app=*/own/*\nlibrary=a=b\nlibrary=c",
                               &config),
                     0);
    assert_int_equal(config.n_source_roots, 2);
    assert_string_equal(config.source_roots[0], "/a b");
    assert_string_equal(config.source_roots[1], "/c");
    assert_int_equal(config.n_debug_dirs, 1);
    assert_string_equal(config.debug_dirs[0], "/d");
    assert_int_equal(config.context_lines, 0);
    assert_int_equal(config.rules.n_in_app, 1);
    assert_string_equal(config.rules.in_app[0], "*/own/*");
    assert_int_equal(config.rules.n_library, 2);
    assert_string_equal(config.rules.library[0], "a=b");
    assert_string_equal(config.index_dir, "/j");
    tb_symbol_config_done(&config);
}

static void nonsense_is_refused(void **state)
{
    static const char *const bad[] = {
        "source_root=relative",
        "source_root=",
        "colour=red",
        "source_root",
        "context_lines=",
        "context_lines=-1",
        "context_lines=21",
        "context_lines=3x",
        "context_lines=99999999999999999999",
        "in_app=",
        "library",
        "index_dir=x",
    };
    struct tb_symbol_config config;
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(read_text(bad[i], &config), -EINVAL);
    assert_int_equal(tb_symbol_config_read("debug_dir=/a\0b", 14, &config), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_gives_the_defaults),
        cmocka_unit_test(settings_are_read_in_order),
        cmocka_unit_test(nonsense_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
