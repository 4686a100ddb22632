/* A process that ends beside very many that live: its slot is looked at before theirs. */
#include "support.h"

#include <sys/resource.h>

#include "base/id.h"
#include "clock.h"
#include "spool/source.h"

enum { N = 300, EVENTS_EVERY = 64 };

int __real_tb_source_enter(struct tb_source *source, int in_fd, struct tb_visit *visit);
int __wrap_tb_source_enter(struct tb_source *source, int in_fd, struct tb_visit *visit);

static struct tb_slot slots[N];
static int n_entered;
static int ends_at; /* the youngest process ends when so many files were looked at; 0 never */

int __wrap_tb_source_enter(struct tb_source *source, int in_fd, struct tb_visit *visit)
{
    if (++n_entered == ends_at)
        tb_slot_close(&slots[N - 1], 0);
    return __real_tb_source_enter(source, in_fd, visit);
}

static void live(struct fixture *fixture)
{
    struct tb_spool_record record;
    uint8_t boot[16];
    tb_id_boot(boot);
    ends_at = 0;
    open_spool(fixture);
    for (int i = 0; i < N; i++)
        assert_int_equal(tb_slot_open(&slots[i], fixture->dirfd, boot, 42), 0);
    assert_int_equal(tb_spool_next(fixture->spool, &record), -EAGAIN);
    pass_ms(61000); /* time to look at all of them again, however long the first look took */
    stop_time();
    n_entered = 0;
}

static void end_lives(void)
{
    run_time();
    for (int i = 0; i < N - 1; i++)
        tb_slot_close(&slots[i], 1);
}

static void an_end_that_was_told_of_comes_first(void **state)
{
    struct fixture *fixture = *state;
    struct tb_spool_record record;
    live(fixture);
    tb_slot_close(&slots[N - 1], 0);
    assert_int_equal(tb_spool_next(fixture->spool, &record), 0);
    assert_int_equal(n_entered, 1);
    assert_int_equal(tb_spool_next(fixture->spool, &record), -EAGAIN);
    assert_true(n_entered >= N); /* the others have not been forgotten */
    end_lives();
}

static void an_end_in_the_middle_of_a_look_overtakes_what_is_left_of_it(void **state)
{
    struct fixture *fixture = *state;
    struct tb_spool_record record;
    live(fixture);
    ends_at = 100;
    assert_int_equal(tb_spool_next(fixture->spool, &record), 0);
    assert_true(n_entered > ends_at);
    assert_true(n_entered <= ends_at + EVENTS_EVERY + 1);
    end_lives();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    struct rlimit files;
    (void)getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &files);
    const struct CMUnitTest tests[] = {
        TEST(an_end_that_was_told_of_comes_first),
        TEST(an_end_in_the_middle_of_a_look_overtakes_what_is_left_of_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
