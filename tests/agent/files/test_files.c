/* The thread that reads files: begun, ended, and begun again with other settings. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <poll.h>

#include "../support/folder.h"
#include "agent/files/files.h"
#include "spool/reader.h"

enum { WAIT_STEPS = 2000, STEP_MS = 10 };

static struct tb_spool *spool;
static struct tb_config config;
static char test_environment[] = "test";
static char *paths[1];

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
        TEST(a_state_folder_that_is_not_there_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, end_all);
}
