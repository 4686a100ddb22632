/* The thread that reads files: begun, ended, and begun again with other settings. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <dirent.h>
#include <poll.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../support/folder.h"
#include "agent/files/files.h"
#include "spool/reader.h"

enum { WAIT_STEPS = 2000, STEP_MS = 10 };

static struct tb_spool *spool;
static atomic_int
    n_held; /* the next look at a file waits, as on a dead NFS server, until it is 0 */
static atomic_bool holds_next;
static struct tb_config config;
static char test_environment[] = "test";
static char *paths[1];

/* In place of the C library's. */
int statx(int dirfd, const char *path, int flags, unsigned mask, struct statx *out)
{
    if (atomic_exchange(&holds_next, false)) {
        atomic_store(&n_held, 1);
        while (atomic_load(&n_held) != 0)
            (void)poll(NULL, 0, STEP_MS);
    }
    return (int)syscall(SYS_statx, dirfd, path, flags, mask, out);
}

static int begin(void **state)
{
    char why[TB_SPOOL_WHY];
    if (make_test_folder(state) != 0 || mkdir(in_folder("state"), 0700) != 0 ||
        mkdir(in_folder("a"), 0700) != 0 || mkdir(in_folder("b"), 0700) != 0 ||
        tb_spool_open(in_folder("spool"), TB_SPOOL_CREATE, &spool, why) != 0)
        return -1;
    memset(&config, 0, sizeof(config));
    config.spool = strdup(in_folder("spool"));
    config.state_dir = strdup(in_folder("state"));
    config.environment = test_environment;
    config.max_bytes = 512 << 20;
    config.max_percent = 100;
    return 0;
}

static int end(void **state)
{
    tb_spool_close(spool);
    free(config.spool);
    free(config.state_dir);
    return remove_test_folder(state);
}

static void put_item(const char *name)
{
    put_file(name, "{\"data\":{\"environment\":\"e\",\"body\":{\"message\":{\"body\":\"x\"}}}}\n");
}

static void watch(const char *name)
{
    free(paths[0]);
    paths[0] = strdup(in_folder(name));
    config.rollbar_files = paths;
    config.n_rollbar_files = 1;
}

static void wait_for_lines(struct tb_files *files, int64_t n)
{
    struct tb_files_counts counts;
    for (int i = 0; i < WAIT_STEPS; i++) {
        tb_files_counts(files, &counts);
        if (counts.lines >= n)
            break;
        (void)poll(NULL, 0, STEP_MS); /* there is nothing to wait on but the counts */
    }
    assert_int_equal(counts.lines, n);
    assert_int_equal(counts.rejected, 0);
}

static void without_files_there_is_no_thread(void **state)
{
    struct tb_files *files = (struct tb_files *)&config;
    struct tb_files_counts counts;
    char why[TB_SPOOL_WHY];
    (void)state;
    assert_int_equal(tb_files_start(&config, &files, why), 0);
    assert_null(files);
    tb_files_counts(NULL, &counts);
    assert_int_equal(counts.lines, 0);
    assert_int_equal(tb_files_step(NULL), 0);
    tb_files_stop(NULL);
}

static void it_goes_on_where_it_was_with_other_settings(void **state)
{
    struct tb_files *files = NULL;
    struct tb_spool_record record;
    char why[TB_SPOOL_WHY];
    int n = 0;
    (void)state;
    put_item("a/x.rollbar");
    put_item("b/y.rollbar");
    watch("a");
    assert_int_equal(tb_files_start(&config, &files, why), 0);
    wait_for_lines(files, 1);
    put_item("a/z.rollbar");
    wait_for_lines(files, 2);
    tb_files_stop(files);
    watch("b");
    assert_int_equal(tb_files_start(&config, &files, why), 0);
    wait_for_lines(files, 1);
    tb_files_stop(files);
    watch("a");
    assert_int_equal(tb_files_start(&config, &files, why), 0);
    put_item("a/w.rollbar");
    wait_for_lines(files, 1);
    tb_files_stop(files);
    while (tb_spool_next(spool, &record) == 0)
        n++;
    assert_int_equal(n, 4);
}

static int count_threads(void)
{
    DIR *dir = opendir("/proc/self/task");
    int n = 0;
    assert_non_null(dir);
    while (readdir(dir) != NULL)
        n++;
    closedir(dir);
    return n - 2;
}

static void wait_until(bool (*holds)(void))
{
    for (int i = 0; i < WAIT_STEPS && !holds(); i++)
        (void)poll(NULL, 0, STEP_MS); /* there is nothing to wait on */
    assert_true(holds());
}

static bool is_held(void)
{
    return atomic_load(&n_held) == 1;
}

static int n_threads_before; /* a sanitizer may have one of its own */

static bool is_alone(void)
{
    return count_threads() == n_threads_before;
}

static void spoil(char *text)
{
    memset(text, '#', strlen(text));
}

static void one_that_a_dead_disk_holds_is_left_and_does_no_harm_when_it_is_back(void **state)
{
    struct tb_files *held = NULL;
    struct tb_files *files = NULL;
    struct tb_spool_record record;
    struct tb_config former;
    char environment[] = "former";
    char *former_paths[1];
    char why[TB_SPOOL_WHY];
    int n = 0;
    (void)state;
    n_threads_before = count_threads();
    watch("a");
    former = config;
    former.spool = strdup(config.spool);
    former.state_dir = strdup(config.state_dir);
    former.environment = environment;
    former_paths[0] = strdup(paths[0]);
    former.rollbar_files = former_paths;
    assert_int_equal(tb_files_start(&former, &held, why), 0);
    atomic_store(&holds_next, true);
    put_item("a/x.rollbar");
    wait_until(is_held);
    tb_files_stop(held);
    spoil(former.spool); /* as a reload frees them */
    spoil(former.state_dir);
    spoil(former.environment);
    spoil(former_paths[0]);
    assert_int_equal(tb_files_start(&config, &files, why), 0);
    wait_for_lines(files, 1);
    put_item("a/y.rollbar");
    wait_for_lines(files, 2);
    tb_files_stop(files);
    atomic_store(&n_held, 0);
    wait_until(is_alone);
    assert_int_equal(tb_files_start(&config, &files, why), 0);
    put_item("a/z.rollbar");
    wait_for_lines(files, 1); /* from the places of the second */
    tb_files_stop(files);
    while (tb_spool_next(spool, &record) == 0)
        n++;
    assert_int_equal(n, 3);
    free(former.spool);
    free(former.state_dir);
    free(former_paths[0]);
}

static void a_state_folder_that_is_not_there_is_named(void **state)
{
    struct tb_files *files = NULL;
    char why[TB_SPOOL_WHY];
    (void)state;
    watch("a");
    free(config.state_dir);
    config.state_dir = strdup(in_folder("none"));
    assert_true(tb_files_start(&config, &files, why) < 0);
    assert_null(files);
    assert_non_null(strstr(why, config.state_dir));
}

static int end_all(void **state)
{
    (void)state;
    free(paths[0]);
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(without_files_there_is_no_thread),
        TEST(it_goes_on_where_it_was_with_other_settings),
        TEST(one_that_a_dead_disk_holds_is_left_and_does_no_harm_when_it_is_back),
        TEST(a_state_folder_that_is_not_there_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, end_all);
}
