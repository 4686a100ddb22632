/* test_debug_owner.c - a debug file says something of other users' modules only where they could
 * have put it there themselves. */
#include "../support.h"

#include "kept.h"

enum { SAME_BYTES = 200000 };

struct linked {
    struct subject s; /* root's, with its debug data beside it */
    char debug[512];
    char forged[512]; /* other debug data of the same build ID and length */
};

static void build_linked(struct linked *l)
{
    struct subject other;
    struct stat st;
    char path[512];
    char forger[512];
    char link[600];
    build_forged(&l->s, &other);
    in_folder(path, "real");
    RUN("objcopy", "--only-keep-debug", path, in_folder(l->debug, "real.debug"));
    assert_int_equal(truncate(l->debug, SAME_BYTES), 0);
    RUN("objcopy", "--strip-all", path);
    (void)snprintf(link, sizeof(link), "--add-gnu-debuglink=%s", l->debug);
    RUN("objcopy", link, path);
    RUN("objcopy", "--only-keep-debug", in_folder(forger, "forged"),
        in_folder(l->forged, "forged.debug"));
    assert_int_equal(truncate(l->forged, SAME_BYTES), 0);
    assert_int_equal(stat(l->debug, &st), 0);
    const struct timespec times[2] = {st.st_atim, st.st_mtim};
    assert_int_equal(utimensat(AT_FDCWD, l->forged, times, 0), 0);
    assert_int_equal(chown(l->forged, SOMEBODY, SOMEBODY), 0);
}

static void debug_file_of_another_names_nothing_for_others(void **state)
{
    struct linked l;
    (void)state;
    if (geteuid() != 0)
        skip();
    build_linked(&l);
    assert_int_equal(unlink(l.debug), 0);
    assert_int_equal(rename(l.forged, l.debug), 0);
    for (int round = 0; round < 2; round++) {
        expect_named(&l.s, SOMEBODY, "forged_name");
        int n = shared->n_builds;
        expect_named(&l.s, SOMEBODY, "forged_name");
        assert_int_equal(shared->n_builds, n); /* he has it for himself */
        (void)keep_news();
        if (round == 0)
            restart();
    }
    /* Also when nothing is there that could say better. */
    assert_int_equal(unlink(l.debug), 0);
    expect_named(&l.s, ANOTHER, "<unknown>");
    (void)keep_news();
    assert_int_equal(unlink(l.s.path), 0);
    expect_named(&l.s, ANOTHER, "<unknown>");
    expect_named(&l.s, 0, "<unknown>");
}

static void debug_file_that_others_may_write_is_not_kept(void **state)
{
    struct linked l;
    char path[1024];
    (void)state;
    if (geteuid() != 0)
        skip();
    build_linked(&l);
    index_path(&l.s, 0, path);
    assert_int_equal(chmod(l.debug, 0666), 0);
    expect_named(&l.s, ANOTHER, "innermost");
    (void)keep_news();
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(chmod(l.debug, 0644), 0);
    expect_named(&l.s, ANOTHER, "innermost");
    (void)keep_news();
    assert_int_equal(access(path, F_OK), 0);
}

/* A link to the module, with debug data beside the link. */
static void debug_file_beside_a_link_to_the_module_is_not_looked_at(void **state)
{
    struct linked l;
    char dir[512];
    char path[512];
    (void)state;
    if (geteuid() != 0)
        skip();
    build_linked(&l);
    struct subject through = l.s;
    RUN("mkdir", in_folder(dir, "theirs"));
    assert_int_equal(symlink(l.s.path, in_folder(path, "theirs/real")), 0);
    RUN("cp", "-a", l.forged, in_folder(dir, "theirs/real.debug"));
    through.process.modules = through.modules;
    for (size_t i = 0; i < through.process.n_modules; i++) {
        if (strcmp(through.modules[i].path, l.s.path) == 0)
            through.modules[i].path = path;
    }
    expect_named(&through, SOMEBODY, "innermost");
    assert_int_equal(unlink(l.debug), 0);
    expect_named(&through, SOMEBODY, "<unknown>");
    expect_named(&l.s, ANOTHER, "<unknown>");
}

static void debug_files_of_the_same_size_and_time_are_told_apart(void **state)
{
    struct linked l;
    (void)state;
    if (geteuid() != 0)
        skip();
    build_linked(&l);
    expect_named(&l.s, ANOTHER, "innermost");
    (void)keep_news();
    assert_int_equal(chown(l.forged, 0, 0), 0);
    assert_int_equal(rename(l.forged, l.debug), 0);
    expect_named(&l.s, ANOTHER, "forged_name");
    restart();
    expect_named(&l.s, ANOTHER, "forged_name");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        INDEX_TEST(debug_file_of_another_names_nothing_for_others),
        INDEX_TEST(debug_file_that_others_may_write_is_not_kept),
        INDEX_TEST(debug_file_beside_a_link_to_the_module_is_not_looked_at),
        INDEX_TEST(debug_files_of_the_same_size_and_time_are_told_apart),
    };
    return cmocka_run_group_tests(tests, share_counts, NULL);
}
