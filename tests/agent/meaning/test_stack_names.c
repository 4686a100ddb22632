/* The functions of a stack by name, and which of them calls itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "death.h"

static void frames_are_read_from_the_innermost_on(void **state)
{
    static const char item[] =
        "{\"body\":{\"trace\":{\"frames\":[{\"method\":\"main\"},{\"method\":\"<unknown>\"},"
        "{\"filename\":\"x\"},{\"method\":\"ring_write\"}]}}}";
    char why[TB_DOC_WHY];
    struct tb_doc *doc = NULL;
    struct tb_stack_names names;
    (void)state;
    assert_int_equal(tb_doc_new(item, strlen(item), &doc, why), 0);
    tb_stack_names_read(doc, &names);
    assert_int_equal(names.n, 4);
    assert_string_equal(names.names[0], "ring_write");
    assert_string_equal(names.names[1], "");
    assert_string_equal(names.names[2], "");
    assert_string_equal(names.names[3], "main");
    tb_doc_free(doc);
}

static void of_many_frames_the_innermost_are_kept(void **state)
{
    char item[8192] = "{\"body\":{\"trace\":{\"frames\":[";
    char why[TB_DOC_WHY];
    struct tb_doc *doc = NULL;
    struct tb_stack_names names;
    size_t len = strlen(item);
    (void)state;
    for (int i = 0; i < 200; i++)
        len += (size_t)snprintf(item + len, sizeof(item) - len, "%s{\"method\":\"f%d\"}",
                                i > 0 ? "," : "", i);
    snprintf(item + len, sizeof(item) - len, "]}}}");
    assert_int_equal(tb_doc_new(item, strlen(item), &doc, why), 0);
    tb_stack_names_read(doc, &names);
    assert_int_equal(names.n, TB_STACK_NAMES_MAX);
    assert_string_equal(names.names[0], "f199");
    assert_string_equal(names.names[TB_STACK_NAMES_MAX - 1], "f136");
    tb_doc_free(doc);
}

static void names_are_found_with_and_without_debug_data(void **state)
{
    struct tb_stack_names names;
    (void)state;
    take_names("__GI_raise __pthread_kill abort", &names);
    assert_true(tb_stack_names_has(&names, 10, "raise"));
    assert_true(tb_stack_names_has(&names, 10, "pthread_kill"));
    assert_true(tb_stack_names_has(&names, 10, "abort"));
    assert_false(tb_stack_names_has(&names, 2, "abort"));
    assert_false(tb_stack_names_has(&names, 10, "kill"));
    assert_false(tb_stack_names_has(NULL, 10, "abort"));
}

static void recursion_is_found(void **state)
{
    static const struct {
        const char *functions, *name, *other;
    } cases[] = {
        {"walk walk walk walk walk walk walk walk", "walk", NULL},
        {"leaf alloc walk walk walk walk walk walk walk walk", "walk", NULL},
        {"b a b a b a b a", "a", "b"},
        {"c b a c b a c b a", "a", "b"},
        {"a b c d e f g h i", NULL, NULL},
        {"walk walk walk", NULL, NULL},
        {"!sort !sort by !qsort f !sort !sort by !qsort f !sort !sort by !qsort f", "by", "f"},
        {"!sort !sort !sort !sort !sort !sort !sort by f", "sort", NULL},
        {"b c d e f a x y a", NULL, NULL},
        {"", NULL, NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct tb_stack_names names;
        const char *other = "";
        take_names(cases[i].functions, &names);
        const char *name = tb_stack_names_recursive(&names, &other);
        assert_int_equal(name != NULL, cases[i].name != NULL);
        assert_int_equal(other != NULL, cases[i].other != NULL);
        if (name != NULL)
            assert_string_equal(name, cases[i].name);
        if (other != NULL)
            assert_string_equal(other, cases[i].other);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_are_read_from_the_innermost_on),
        cmocka_unit_test(of_many_frames_the_innermost_are_kept),
        cmocka_unit_test(names_are_found_with_and_without_debug_data),
        cmocka_unit_test(recursion_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
