/* What found no room on the disk and waits in memory. */
#include "support.h"

#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>

#include "calls.h"
#include "spool/hold.h"

static struct tb_hold hold;
static struct tb_writer writer;

static int set_up_hold(void **state)
{
    tb_hold_forget(&hold);
    return set_up(state);
}

/* Holds record n of len bytes as append_sized would write it. */
static int put_sized(int class_, uint64_t n, size_t len, const char *context, uint64_t generation)
{
    static uint8_t data[TB_HOLD_BYTES + 8];
    uint8_t uuid[16] = {0};
    tb_put64(uuid, n);
    make_payload(n, data, len);
    struct tb_append record = {.kind = TB_KIND_ITEM,
                               .uuid = uuid,
                               .time_ns = n + 1,
                               .data = data,
                               .len = len,
                               .context = context,
                               .context_len = context ? strlen(context) : 0,
                               .generation = generation};
    return tb_hold_put(&hold, class_, &record);
}

static void records_come_out_whole_in_order_and_once(void **state)
{
    struct fixture *fixture = *state;
    struct tb_spool_record record;
    enum { N = 20 };
    for (uint64_t n = 0; n < N; n++)
        assert_int_equal(put_sized(TB_CLASS_ERROR, n, 8 + n * 377, NULL, 0), 0);
    assert_int_equal(tb_hold_count(&hold, TB_CLASS_ERROR), N);
    tb_writer_init(&writer, TB_CLASS_ERROR, fixture->dirfd);
    assert_int_equal(tb_hold_write(&hold, &writer), 0);
    assert_int_equal(tb_hold_count(&hold, TB_CLASS_ERROR), 0);
    assert_int_equal(tb_hold_write(&hold, &writer), 0);
    tb_writer_close(&writer);
    open_spool(fixture);
    for (uint64_t n = 0; n < N; n++) {
        assert_int_equal(tb_spool_next(fixture->spool, &record), 0);
        assert_int_equal(check_record(&record), n);
        assert_int_equal(record.len, 8 + n * 377);
    }
    assert_int_equal(tb_spool_next(fixture->spool, &record), -EAGAIN);
}

static void the_oldest_stay_when_there_is_no_room_for_more(void **state)
{
    struct fixture *fixture = *state;
    uint8_t seen[16] = {0};
    uint64_t n = 0;
    while (put_sized(TB_CLASS_CRASH, n, 40000, NULL, 0) == 0)
        n++;
    assert_int_equal(n, TB_HOLD_BYTES / 40056);
    assert_int_equal(put_sized(TB_CLASS_CRASH, n, 40000, NULL, 0), -ENOSPC);
    assert_int_equal(put_sized(TB_CLASS_CRASH, n, TB_HOLD_BYTES + 1, NULL, 0), -ENOSPC);
    assert_int_equal(put_sized(TB_CLASS_CRASH, n, 8, NULL, 0), 0); /* a small one still fits */
    assert_int_equal(tb_hold_count(&hold, TB_CLASS_CRASH), n + 1);
    tb_writer_init(&writer, TB_CLASS_CRASH, fixture->dirfd);
    assert_int_equal(tb_hold_write(&hold, &writer), 0);
    assert_int_equal(put_sized(TB_CLASS_CRASH, n + 1, 40000, NULL, 0), 0); /* the room is free */
    assert_int_equal(tb_hold_write(&hold, &writer), 0);
    tb_writer_close(&writer);
    open_spool(fixture);
    assert_int_equal(drain(fixture->spool, seen, 16, 1), n + 2);
}

static void classes_are_written_apart_and_the_rest_stays_whole(void **state)
{
    struct fixture *fixture = *state;
    uint8_t seen[10] = {0};
    for (uint64_t n = 0; n < 10; n++)
        assert_int_equal(put_sized(n % 2 ? TB_CLASS_ERROR : TB_CLASS_CRASH, n, 20000, NULL, 0), 0);
    tb_writer_init(&writer, TB_CLASS_CRASH, fixture->dirfd);
    assert_int_equal(tb_hold_write(&hold, &writer), 0);
    tb_writer_close(&writer);
    assert_int_equal(tb_hold_count(&hold, TB_CLASS_CRASH), 0);
    assert_int_equal(tb_hold_count(&hold, TB_CLASS_ERROR), 5);
    tb_writer_init(&writer, TB_CLASS_ERROR, fixture->dirfd);
    assert_int_equal(tb_hold_write(&hold, &writer), 0);
    tb_writer_close(&writer);
    open_spool(fixture);
    assert_int_equal(drain(fixture->spool, seen, 10, 1), 10);
    for (int n = 0; n < 10; n++)
        assert_int_equal(seen[n], 1);
}

static void a_disk_that_fills_up_again_keeps_what_is_left(void **state)
{
    struct fixture *fixture = *state;
    uint8_t seen[4] = {0};
    tb_writer_init(&writer, TB_CLASS_ERROR, fixture->dirfd);
    assert_int_equal(append(&writer, 3), 0); /* the file is there */
    for (uint64_t n = 0; n < 3; n++)
        assert_int_equal(put_sized(TB_CLASS_ERROR, n, 100, NULL, 0), 0);
    call_fails(SYS_pwritev, 1, ENOSPC);
    assert_int_equal(tb_hold_write(&hold, &writer), -ENOSPC);
    assert_int_equal(tb_hold_count(&hold, TB_CLASS_ERROR), 3);
    calls_work();
    assert_int_equal(tb_hold_write(&hold, &writer), 0);
    tb_writer_close(&writer);
    open_spool(fixture);
    assert_int_equal(drain(fixture->spool, seen, 4, 1), 4);
    assert_memory_equal(seen, "\1\1\1\1", 4);
}

static void a_record_brings_its_own_process_record_along(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        const char *context;
        uint64_t generation;
    } want[] = {{"five", 5}, {"five", 5}, {"six, of another length", 6}, {"five", 5}};
    struct tb_spool_record record;
    const uint8_t *data;
    size_t len;
    for (uint64_t n = 0; n < 4; n++)
        assert_int_equal(put_sized(TB_CLASS_ERROR, n, 50, want[n].context, want[n].generation), 0);
    /* Something before it is written and left out. */
    assert_int_equal(put_sized(TB_CLASS_CRASH, 4, 50, "five", 5), 0);
    tb_writer_init(&writer, TB_CLASS_CRASH, fixture->dirfd);
    assert_int_equal(tb_hold_write(&hold, &writer), 0);
    tb_writer_close(&writer);
    tb_writer_init(&writer, TB_CLASS_ERROR, fixture->dirfd);
    assert_int_equal(tb_hold_write(&hold, &writer), 0);
    tb_writer_close(&writer);
    open_spool(fixture);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(tb_spool_next(fixture->spool, &record), 0);
        uint64_t n = check_record(&record) % 4; /* record 4 has what record 0 has */
        assert_int_equal(tb_spool_context(fixture->spool, &record, want[n].generation, &data, &len),
                         0);
        assert_int_equal(len, strlen(want[n].context));
        assert_memory_equal(data, want[n].context, len);
    }
    /* Nothing is left, process records neither: all the room is there again. */
    assert_int_equal(put_sized(TB_CLASS_ERROR, 0, TB_HOLD_BYTES - 56, NULL, 0), 0);
}

static void a_process_record_that_does_not_fit_costs_the_record(void **state)
{
    (void)state;
    static char context[200 << 10];
    memset(context, 'c', sizeof(context) - 1);
    assert_int_equal(put_sized(TB_CLASS_ERROR, 0, 1000, context, 1), 0);
    assert_int_equal(put_sized(TB_CLASS_ERROR, 1, 1000, context, 1), 0); /* shares it */
    assert_int_equal(put_sized(TB_CLASS_ERROR, 2, 1000, context, 2), -ENOSPC);
    assert_int_equal(tb_hold_count(&hold, TB_CLASS_ERROR), 2);
}

static int nested_put;
static int nested_write;

static void enter_again(long call, long first)
{
    (void)call;
    (void)first;
    calls_work();
    nested_put = put_sized(TB_CLASS_ERROR, 1, 10, NULL, 0);
    nested_write = tb_hold_write(&hold, &writer);
}

static void a_handler_that_interrupts_it_goes_on_without(void **state)
{
    struct fixture *fixture = *state;
    uint8_t seen[2] = {0};
    tb_writer_init(&writer, TB_CLASS_ERROR, fixture->dirfd);
    assert_int_equal(put_sized(TB_CLASS_ERROR, 0, 100, NULL, 0), 0);
    call_runs(SYS_pwritev, enter_again);
    assert_int_equal(tb_hold_write(&hold, &writer), 0);
    assert_int_equal(nested_put, -EAGAIN);
    assert_int_equal(nested_write, -EAGAIN);
    tb_writer_close(&writer);
    open_spool(fixture);
    assert_int_equal(drain(fixture->spool, seen, 2, 1), 1);
}

static atomic_uint n_put;

static void *put_many(void *arg)
{
    uint64_t base = (uint64_t)(uintptr_t)arg * 1000;
    for (uint64_t i = 0; i < 1000; i++) {
        static _Thread_local uint8_t data[40];
        uint8_t uuid[16] = {0};
        tb_put64(uuid, base + i);
        make_payload(base + i, data, sizeof(data));
        struct tb_append record = {.kind = TB_KIND_ITEM,
                                   .uuid = uuid,
                                   .time_ns = base + i + 1,
                                   .data = data,
                                   .len = sizeof(data)};
        atomic_fetch_add(&n_put, tb_hold_put(&hold, TB_CLASS_ERROR, &record) == 0);
        if (i % 10 == 0)
            (void)tb_hold_write(&hold, &writer);
    }
    return NULL;
}

static void threads_lose_nothing_that_was_taken(void **state)
{
    struct fixture *fixture = *state;
    enum { N_THREADS = 4 };
    static uint8_t seen[N_THREADS * 1000];
    pthread_t threads[N_THREADS];
    atomic_store(&n_put, 0);
    memset(seen, 0, sizeof(seen));
    tb_writer_init(&writer, TB_CLASS_ERROR, fixture->dirfd);
    for (uintptr_t i = 0; i < N_THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, put_many, (void *)i), 0);
    for (int i = 0; i < N_THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(tb_hold_write(&hold, &writer), 0);
    tb_writer_close(&writer);
    assert_true(atomic_load(&n_put) > 0); /* who meets the lock held goes without */
    open_spool(fixture);
    assert_int_equal(drain(fixture->spool, seen, sizeof(seen), 1), atomic_load(&n_put));
    for (size_t i = 0; i < sizeof(seen); i++)
        assert_true(seen[i] <= 1);
}

static void only_what_may_pass_is_waited_for(void **state)
{
    (void)state;
    static const int yes[] = {-ENOSPC, -EDQUOT, -EMFILE, -ENFILE, -EIO,
                              -EROFS,  -EACCES, -ENOENT, -ESTALE};
    static const int no[] = {0, -EAGAIN, -EMSGSIZE, -EFBIG, -EPERM, -EBADF};
    for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++)
        assert_true(tb_hold_helps(yes[i]));
    for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++)
        assert_false(tb_hold_helps(no[i]));
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up_hold, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(records_come_out_whole_in_order_and_once),
        CASE(the_oldest_stay_when_there_is_no_room_for_more),
        CASE(classes_are_written_apart_and_the_rest_stays_whole),
        CASE(a_disk_that_fills_up_again_keeps_what_is_left),
        CASE(a_record_brings_its_own_process_record_along),
        CASE(a_process_record_that_does_not_fit_costs_the_record),
        CASE(a_handler_that_interrupts_it_goes_on_without),
        CASE(threads_lose_nothing_that_was_taken),
        CASE(only_what_may_pass_is_waited_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
