/* What the library does to the descriptors of its host: nothing that the host could tell. */
#include "rig.h"

#include <dirent.h>
#include <dlfcn.h>

enum { N_FDS = 256, N_REPORTS = 100 };

static int count_fds(void)
{
    int n = 0;
    for (int fd = 0; fd < N_FDS; fd++)
        n += fcntl(fd, F_GETFD) >= 0;
    return n;
}

/* Each from a site of its own, so that none is suppressed. The result of the last. */
static int report_often(void)
{
    int err = 0;
    for (int i = 0; i < N_REPORTS; i++) {
        struct towbar_site site = {__FILE__, 10000 + i, __func__};
        err = towbar_report_at(&site, TOWBAR_ERROR, 0, "number %d", i);
    }
    return err;
}

/* As a daemon does that wants none of what it inherited; the test's own folder stays usable. */
static void close_all_from(int first)
{
    for (int fd = first; fd < N_FDS; fd++)
        (void)close(fd);
}

static int write_own_files(struct rig *rig)
{
    enum { N = 100 };
    char path[96];
    int fds[N];
    int bad = towbar_init(TOWBAR_OPTIONS(.spool = rig->spool)) != 0;
    bad += towbar_error("before") != 0;
    close_all_from(3);
    for (int i = 0; i < N; i++) {
        snprintf(path, sizeof(path), "%s/own-%d", rig->folder, i);
        fds[i] = open(path, O_WRONLY | O_CREAT, 0600);
    }
    towbar_shutdown();
    for (int i = 0; i < N; i++)
        bad += write(fds[i], "data", 4) != 4;
    return bad;
}

static void shutdown_closes_no_descriptor_of_the_host(void **state)
{
    assert_int_equal(rig_in_child(write_own_files, *state), 0);
}

static int close_and_report(struct rig *rig)
{
    char in[96];
    char old[96];
    int bad = towbar_init(TOWBAR_OPTIONS(.spool = rig->spool)) != 0;
    close_all_from(3);
    snprintf(in, sizeof(in), "%s/in", rig->spool);
    snprintf(old, sizeof(old), "%s/old", rig->spool);
    bad += rename(in, old) != 0;
    bad += towbar_error("there is no folder now") == 0;
    int before = count_fds();
    bad += report_often() == 0;
    bad += count_fds() != before;
    bad += mkdir(in, 0700) != 0;
    bad += report_often() != 0;
    bad += count_fds() != before + 2; /* the folder, and a segment */
    bad += towbar_warning("of another class") != 0;
    bad += count_fds() != before + 3;
    towbar_shutdown();
    return bad + (count_fds() != before);
}

static void a_folder_that_was_replaced_is_taken_and_nothing_leaks(void **state)
{
    struct rig *rig = *state;
    assert_int_equal(rig_in_child(close_and_report, rig), 0);
    assert_true(rig_read(rig) > 2);
}

/* 0 when the numbers 0 to 2 are closed; else how many are not. */
static int count_standard(void)
{
    int n = 0;
    for (int fd = 0; fd <= STDERR_FILENO; fd++)
        n += fcntl(fd, F_GETFD) >= 0;
    return n;
}

static int start_without_streams(struct rig *rig)
{
    close_all_from(0);
    int bad = towbar_init(TOWBAR_OPTIONS(.spool = rig->spool)) != 0;
    bad += towbar_error("from nowhere") != 0;
    bad += count_standard() != 0;
    for (int fd = 0; fd <= STDERR_FILENO; fd++)
        bad += open("/dev/null", O_RDWR) != fd;
    return bad + (towbar_error("and once more") != 0);
}

static void closed_streams_are_left_to_the_host_at_init(void **state)
{
    struct rig *rig = *state;
    assert_int_equal(rig_in_child(start_without_streams, rig), 0);
    assert_int_equal(rig_read(rig), 2);
}

static int lose_streams(struct rig *rig)
{
    int bad = towbar_init(TOWBAR_OPTIONS(.spool = rig->spool)) != 0;
    close_all_from(0);
    bad += towbar_error("the folder and the segment are opened now") != 0;
    bad += count_standard() != 0;
    pid_t pid = fork();
    if (pid == 0)
        _exit((towbar_error("of the child") != 0) + count_standard());
    int status = 0;
    bad += waitpid(pid, &status, 0) != pid || status != 0;
    return bad + count_standard();
}

static void closed_streams_are_left_to_the_host_later(void **state)
{
    struct rig *rig = *state;
    assert_int_equal(rig_in_child(lose_streams, rig), 0);
    assert_int_equal(rig_read(rig), 2);
}

static int start_with_few_descriptors(struct rig *rig)
{
    const struct rlimit few = {24, 24};
    close_all_from(0);
    int bad = setrlimit(RLIMIT_NOFILE, &few) != 0;
    bad += towbar_init(TOWBAR_OPTIONS(.spool = rig->spool)) != 0;
    bad += towbar_error("with numbers below the limit") != 0;
    return bad + count_standard();
}

static void a_low_limit_of_descriptors_still_spares_the_streams(void **state)
{
    struct rig *rig = *state;
    assert_int_equal(rig_in_child(start_with_few_descriptors, rig), 0);
    assert_int_equal(rig_read(rig), 1);
}

static int move_after_start(struct rig *rig)
{
    int bad = chdir(rig->folder) != 0;
    bad += towbar_init(TOWBAR_OPTIONS(.spool = "spool")) != 0;
    bad += rig_check_status(rig->spool);
    bad += chdir("/") != 0;
    close_all_from(3);
    return bad + (towbar_error("from another folder") != 0);
}

static void a_relative_spool_is_found_from_another_folder(void **state)
{
    struct rig *rig = *state;
    assert_int_equal(rig_in_child(move_after_start, rig), 0);
    assert_int_equal(rig_read(rig), 1);
}

static int cut_slot(struct rig *rig)
{
    int bad = towbar_init(TOWBAR_OPTIONS(.spool = rig->spool)) != 0;
    char folder[160];
    char path[256] = "";
    snprintf(folder, sizeof(folder), "%s/in", rig->spool);
    DIR *dir = opendir(folder);
    const struct dirent *entry;
    while (dir && (entry = readdir(dir))) {
        if (strstr(entry->d_name, ".slot"))
            snprintf(path, sizeof(path), "%s/%.64s", folder, entry->d_name);
    }
    bad += truncate(path, 0) != 0;
    snprintf(path, sizeof(path), "%s/tests/programs/plugin.so", TEST_BIN);
    bad += dlopen(path, RTLD_NOW) == NULL; /* the table of modules changes with it */
    bad += towbar_error("goes on") != 0;
    towbar_shutdown();
    return bad + (dir ? closedir(dir) : 1);
}

static void a_crash_slot_that_was_cut_does_not_kill_the_host(void **state)
{
    struct rig *rig = *state;
    assert_int_equal(rig_in_child(cut_slot, rig), 0);
    assert_int_equal(rig_read(rig), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(shutdown_closes_no_descriptor_of_the_host, rig_setup,
                                        rig_teardown),
        cmocka_unit_test_setup_teardown(a_folder_that_was_replaced_is_taken_and_nothing_leaks,
                                        rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(closed_streams_are_left_to_the_host_at_init, rig_setup,
                                        rig_teardown),
        cmocka_unit_test_setup_teardown(closed_streams_are_left_to_the_host_later, rig_setup,
                                        rig_teardown),
        cmocka_unit_test_setup_teardown(a_low_limit_of_descriptors_still_spares_the_streams,
                                        rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(a_relative_spool_is_found_from_another_folder, rig_setup,
                                        rig_teardown),
        cmocka_unit_test_setup_teardown(a_crash_slot_that_was_cut_does_not_kill_the_host, rig_setup,
                                        rig_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
