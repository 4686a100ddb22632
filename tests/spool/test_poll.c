/* test_poll.c - how often files are opened of which nothing tells that they changed. */
#include "clock.h"
#include "support.h"

#include "spool/source.h"

enum { FILES = 20, OPEN_MS = 10 };

int __real_tb_source_enter(struct tb_source *source, int in_fd, struct tb_visit *visit);
int __wrap_tb_source_enter(struct tb_source *source, int in_fd, struct tb_visit *visit);

static int n_opened;
static int is_slow;

/* As on a machine that needs so long for it, or with so many more files. */
int __wrap_tb_source_enter(struct tb_source *source, int in_fd, struct tb_visit *visit)
{
    n_opened++;
    pass_ms(is_slow ? OPEN_MS : 0);
    return __real_tb_source_enter(source, in_fd, visit);
}

static void read_all(struct fixture *fixture)
{
    struct tb_spool_record record;
    while (tb_spool_next(fixture->spool, &record) == 0)
        continue;
}

/* With files whose owners live, of which all is read. */
static void hold(struct fixture *fixture, struct tb_writer *writers)
{
    for (int i = 0; i < FILES; i++) {
        tb_writer_init(&writers[i], TB_CLASS_ERROR, fixture->dirfd);
        assert_int_equal(append(&writers[i], (uint64_t)i), 0);
    }
    stop_time();
    open_spool(fixture);
    read_all(fixture);
    pass_ms(3000); /* they are quiet */
    read_all(fixture);
}

static int n_opened_in(struct fixture *fixture, int n_s)
{
    uint64_t end_ns = tb_clock_mono_ns() + (uint64_t)n_s * TB_NS_PER_S;
    n_opened = 0;
    while (tb_clock_mono_ns() < end_ns) {
        pass_ms(1000);
        read_all(fixture);
    }
    return n_opened;
}

static void drop(struct tb_writer *writers)
{
    for (int i = 0; i < FILES; i++)
        tb_writer_close(&writers[i]);
    is_slow = 0;
    run_time();
}

static void a_few_files_are_asked_each_second(void **state)
{
    static struct tb_writer writers[FILES];
    hold(*state, writers);
    assert_in_range(n_opened_in(*state, 100), 50 * FILES, 101 * FILES);
    drop(writers);
}

/* 20 files of 10 ms: 200 ms, so each 4 seconds. */
static void what_takes_long_is_done_in_a_twentieth_of_the_time(void **state)
{
    static struct tb_writer writers[FILES];
    is_slow = 1;
    hold(*state, writers);
    assert_in_range(n_opened_in(*state, 100), 15 * FILES, 27 * FILES);
    drop(writers);
}

static void what_an_event_tells_is_read_at_once_all_the_same(void **state)
{
    struct fixture *fixture = *state;
    static struct tb_writer writers[FILES];
    struct tb_spool_record record;
    is_slow = 1;
    hold(fixture, writers);
    n_opened = 0;
    assert_int_equal(append(&writers[7], 1000), 0);
    assert_int_equal(tb_spool_next(fixture->spool, &record), 0);
    assert_int_equal(check_record(&record), 1000);
    struct tb_writer late;
    tb_writer_init(&late, TB_CLASS_CRASH, fixture->dirfd);
    assert_int_equal(append(&late, 2000), 0);
    assert_int_equal(tb_spool_next(fixture->spool, &record), 0);
    assert_int_equal(check_record(&record), 2000);
    assert_in_range(n_opened, 2, 6);
    tb_writer_close(&late);
    drop(writers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_few_files_are_asked_each_second, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_takes_long_is_done_in_a_twentieth_of_the_time, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(what_an_event_tells_is_read_at_once_all_the_same, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
