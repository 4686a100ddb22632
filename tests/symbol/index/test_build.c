/* test_build.c - an index says what the DWARF data of a file say. */
#include "../support.h"
#include "built.h"

/* Asks for every step-th address of path at which something changes. */
static void expect_same(const char *path, size_t step)
{
    struct built built;
    size_t n_asked;
    assert_int_equal(build_index(path, NULL, NULL, &built), 0);
    size_t n = count_differences(&built.index, built.module.elf, step, &n_asked);
    if (n > 0)
        print_message("%s: %zu of %zu addresses differ\n", path, n, n_asked);
    assert_int_equal(n, 0);
    assert_true(n_asked > 20);
    drop_index(&built);
}

static void index_says_what_the_data_of_this_program_say(void **state)
{
    (void)state;
    expect_same("/proc/self/exe", 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(index_says_what_the_data_of_this_program_say),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
