/* The second file of a writer: opened where threads meet, and by nothing else. */
#include "support.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "calls.h"
#include "clock.h"

enum { FIRST, SECOND, N_SEEN = 64 };

static struct tb_writer writer;

static int n_segments(const struct fixture *fixture)
{
    return count_files(fixture, "in", ".seg");
}

/* Where the next record of the lane's file goes; 0 when it has none. */
static uint64_t end_of(int lane)
{
    struct tb_writer_file *file = atomic_load(&writer.current[lane]);
    return file ? atomic_load(&file->cursor) : 0;
}

static void assert_drained(struct fixture *fixture, size_t n)
{
    uint8_t seen[N_SEEN] = {0};
    open_spool(fixture);
    assert_int_equal(drain(fixture->spool, seen, N_SEEN, 1), n);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(seen[i], 1);
    assert_int_equal(stats_of(fixture).n_lost, 0);
    assert_int_equal(stats_of(fixture).n_damaged, 0);
    assert_int_equal(tb_spool_collect(fixture->spool), n_segments(fixture));
    close_spool(fixture);
}

/* ---- a thread that stands still in its write ---- */

static atomic_int stage; /* 0: nobody is there yet, 1: it stands there, 2: it may go on */
static pthread_t other;

static void stand_still(long call, long fd)
{
    (void)call;
    (void)fd;
    int none = 0;
    if (!atomic_compare_exchange_strong(&stage, &none, 1))
        return;
    while (atomic_load(&stage) == 1)
        sched_yield();
}

static void *write_one(void *arg)
{
    return (void *)(intptr_t)-append(&writer, (uint64_t)(uintptr_t)arg);
}

/* A thread that writes record n and is in the middle of it when this returns. */
static void begin_elsewhere(uint64_t n)
{
    atomic_store(&stage, 0);
    call_runs(SYS_pwritev, stand_still);
    assert_int_equal(pthread_create(&other, NULL, write_one, (void *)(uintptr_t)n), 0);
    while (atomic_load(&stage) == 0)
        sched_yield();
    calls_work();
}

static void end_elsewhere(void)
{
    void *result;
    atomic_store(&stage, 2);
    pthread_join(other, &result);
    assert_null(result);
}

/* A thread that writes record n and is gone when this returns. */
static void write_elsewhere(uint64_t n)
{
    void *result;
    assert_int_equal(pthread_create(&other, NULL, write_one, (void *)(uintptr_t)n), 0);
    pthread_join(other, &result);
    assert_null(result);
}

/* Record 0 is there, record 1 is being written to the first file by a thread. */
static void meet(const struct fixture *fixture)
{
    tb_writer_init(&writer, TB_CLASS_ERROR, fixture->dirfd);
    assert_int_equal(append(&writer, 0), 0);
    begin_elsewhere(1);
}

static void threads_that_never_meet_share_one_file(void **state)
{
    struct fixture *fixture = *state;
    tb_writer_init(&writer, TB_CLASS_ERROR, fixture->dirfd);
    for (uint64_t n = 0; n < 8; n++)
        write_elsewhere(n);
    assert_int_equal(n_segments(fixture), 1);
    assert_null(atomic_load(&writer.current[SECOND]));
    tb_writer_close(&writer);
    assert_drained(fixture, 8);
}

static void who_finds_another_inside_opens_a_second_file(void **state)
{
    struct fixture *fixture = *state;
    meet(fixture);
    uint64_t before = end_of(FIRST);
    assert_int_equal(n_segments(fixture), 1);
    assert_int_equal(append(&writer, 2), 0);
    assert_int_equal(n_segments(fixture), 2);
    assert_int_equal(end_of(FIRST), before);
    end_elsewhere();
    tb_writer_close(&writer);
    assert_drained(fixture, 3);
}

static void both_files_are_drained_while_their_writer_lives(void **state)
{
    struct fixture *fixture = *state;
    uint8_t seen[N_SEEN] = {0};
    meet(fixture);
    assert_int_equal(append(&writer, 2), 0);
    end_elsewhere();
    open_spool(fixture);
    assert_int_equal(drain(fixture->spool, seen, N_SEEN, 1), 3);
    assert_int_equal(append(&writer, 3), 0);
    assert_int_equal(drain(fixture->spool, seen, N_SEEN, 1), 1);
    assert_int_equal(tb_spool_collect(fixture->spool), 0);
    tb_writer_close(&writer);
    assert_int_equal(drain(fixture->spool, seen, N_SEEN, 1), 0);
    assert_int_equal(tb_spool_collect(fixture->spool), 2);
}

static void threads_that_met_keep_apart_from_then_on(void **state)
{
    struct fixture *fixture = *state;
    meet(fixture);
    assert_int_equal(append(&writer, 2), 0);
    end_elsewhere();
    uint64_t first = end_of(FIRST);
    uint64_t second = end_of(SECOND);
    assert_int_equal(append(&writer, 3), 0); /* nobody is in the first now */
    assert_int_equal(end_of(FIRST), first);
    assert_true(end_of(SECOND) > second);
    second = end_of(SECOND);
    write_elsewhere(4);
    assert_true(end_of(FIRST) > first);
    assert_int_equal(end_of(SECOND), second);
    assert_int_equal(n_segments(fixture), 2);
    tb_writer_close(&writer);
    assert_drained(fixture, 5);
}

static void the_second_ends_after_ten_minutes_and_the_first_goes_on(void **state)
{
    struct fixture *fixture = *state;
    const uint64_t half_ms = TB_WRITER_FILE_AGE_S * 1000 / 2 + 1000;
    meet(fixture);
    end_elsewhere();
    pass_ms(half_ms);
    begin_elsewhere(2);
    assert_int_equal(append(&writer, 3), 0); /* opens the second */
    end_elsewhere();
    pass_ms(half_ms);
    write_elsewhere(4); /* renews the first */
    assert_int_equal(append(&writer, 5), 0);
    assert_int_equal(n_segments(fixture), 3);
    assert_non_null(atomic_load(&writer.current[SECOND]));
    pass_ms(half_ms);
    uint64_t first = end_of(FIRST);
    assert_int_equal(append(&writer, 6), 0);
    assert_null(atomic_load(&writer.current[SECOND]));
    assert_true(end_of(FIRST) > first);
    begin_elsewhere(7);
    assert_int_equal(append(&writer, 8), 0); /* they meet again */
    assert_non_null(atomic_load(&writer.current[SECOND]));
    end_elsewhere();
    tb_writer_close(&writer);
    assert_drained(fixture, 9);
}

/* ---- where there is none to be had ---- */

static unsigned long n_opens(void)
{
    return atomic_load(&n_calls[SYS_openat]);
}

static void where_no_second_can_be_opened_the_first_takes_all(void **state)
{
    struct fixture *fixture = *state;
    static const int errors[] = {EMFILE, ENOSPC, EACCES};
    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
        meet(fixture);
        unsigned long before = n_opens();
        call_fails(SYS_openat, FOR_EVER, errors[i]);
        assert_int_equal(append(&writer, 2), 0);
        assert_int_equal(append(&writer, 3), 0);
        assert_int_equal(n_opens() - before, 1); /* not tried at each record */
        calls_work();
        assert_int_equal(append(&writer, 4), 0);
        assert_int_equal(n_segments(fixture), 1);
        pass_ms(11 * 1000);
        assert_int_equal(append(&writer, 5), 0);
        assert_int_equal(n_segments(fixture), 2);
        end_elsewhere();
        tb_writer_close(&writer);
        assert_drained(fixture, 6);
    }
}

static void nobody_waits_for_one_who_opens_the_second(void **state)
{
    struct fixture *fixture = *state;
    meet(fixture);
    atomic_store(&writer.rotating, 1);
    atomic_store(&writer.rotating_since_ns, tb_clock_mono_ns());
    unsigned long before = atomic_load(&n_calls[SYS_sched_yield]);
    assert_int_equal(append(&writer, 2), 0);
    assert_int_equal(atomic_load(&n_calls[SYS_sched_yield]), before);
    assert_int_equal(n_segments(fixture), 1);
    atomic_store(&writer.rotating, 0);
    end_elsewhere();
    tb_writer_close(&writer);
    assert_drained(fixture, 3);
}

static void on_a_full_disk_the_room_of_both_is_used_up(void **state)
{
    struct fixture *fixture = *state;
    meet(fixture);
    assert_int_equal(append(&writer, 2), 0);
    end_elsewhere();
    call_fails(SYS_pwritev, 1, ENOSPC);
    assert_int_equal(append(&writer, 3), 0); /* the second is full: into the first */
    assert_null(atomic_load(&writer.current[SECOND]));
    pass_ms(11 * 1000);
    begin_elsewhere(4);
    assert_int_equal(append(&writer, 5), 0); /* another second */
    end_elsewhere();
    uint64_t second = end_of(SECOND);
    call_fails(SYS_pwritev, 1, ENOSPC);
    write_elsewhere(6); /* the first is full: into the second */
    assert_true(end_of(SECOND) > second);
    call_fails(SYS_pwritev, FOR_EVER, ENOSPC);
    assert_int_equal(append(&writer, 7), -ENOSPC);
    calls_work();
    assert_int_equal(append(&writer, 7), 0);
    tb_writer_close(&writer);
    assert_drained(fixture, 8);
}

static void a_second_whose_descriptor_is_the_hosts_by_now_is_let_alone(void **state)
{
    struct fixture *fixture = *state;
    struct stat st;
    meet(fixture);
    assert_int_equal(append(&writer, 2), 0);
    end_elsewhere();
    int fd = atomic_load(&writer.current[SECOND])->fd;
    FILE *own = tmpfile();
    assert_int_equal(dup2(fileno(own), fd), fd);
    assert_int_equal(append(&writer, 3), 0);
    assert_null(atomic_load(&writer.current[SECOND]));
    tb_writer_close(&writer);
    assert_int_equal(fstat(fd, &st), 0); /* open, and nothing in it */
    assert_int_equal(st.st_size, 0);
    close(fd);
    (void)fclose(own);
    assert_drained(fixture, 4);
}

/* ---- handlers, children, those who sync ---- */

static int nested;

static void append_inside(long call, long fd)
{
    static uint8_t data[60]; /* not that of append, which is in use below */
    static const uint8_t uuid[16] = {2};
    (void)call;
    (void)fd;
    calls_work();
    make_payload(2, data, sizeof(data));
    struct tb_append record = {
        .kind = TB_KIND_ITEM, .uuid = uuid, .time_ns = 3, .data = data, .len = sizeof(data)};
    nested = tb_writer_append(&writer, &record);
}

static void a_handler_that_interrupts_a_write_uses_the_second(void **state)
{
    struct fixture *fixture = *state;
    tb_writer_init(&writer, TB_CLASS_ERROR, fixture->dirfd);
    assert_int_equal(append(&writer, 0), 0);
    nested = -1;
    call_runs(SYS_pwritev, append_inside);
    assert_int_equal(append(&writer, 1), 0);
    assert_int_equal(nested, 0);
    assert_int_equal(n_segments(fixture), 2);
    tb_writer_close(&writer);
    assert_drained(fixture, 3);
}

static int is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

static void a_fork_child_closes_both_and_writes_its_own(void **state)
{
    struct fixture *fixture = *state;
    int status = 0;
    meet(fixture);
    assert_int_equal(append(&writer, 2), 0);
    end_elsewhere();
    int first_fd = atomic_load(&writer.current[FIRST])->fd;
    int second_fd = atomic_load(&writer.current[SECOND])->fd;
    pid_t pid = fork();
    if (pid == 0) {
        tb_writer_forget(&writer);
        int bad = is_open(first_fd) + is_open(second_fd);
        bad += append(&writer, 3) != 0;
        bad += atomic_load(&writer.current[SECOND]) != NULL;
        tb_writer_close(&writer);
        _exit(bad);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_int_equal(append(&writer, 4), 0);
    assert_int_equal(n_segments(fixture), 3);
    tb_writer_close(&writer);
    assert_int_equal(is_open(first_fd) + is_open(second_fd), 0);
    assert_drained(fixture, 5);
}

static int append_synced(uint64_t n)
{
    uint8_t data[64];
    uint8_t uuid[16] = {0};
    int synced = 1;
    tb_put64(uuid, n);
    make_payload(n, data, sizeof(data));
    struct tb_append record = {.kind = TB_KIND_ITEM,
                               .uuid = uuid,
                               .time_ns = n + 1,
                               .data = data,
                               .len = sizeof(data),
                               .synced = &synced};
    int err = tb_writer_append(&writer, &record);
    return err < 0 ? err : synced;
}

static void those_who_sync_stay_in_the_first(void **state)
{
    struct fixture *fixture = *state;
    meet(fixture);
    assert_int_equal(append_synced(2), 0);
    assert_int_equal(n_segments(fixture), 1);
    end_elsewhere();
    tb_writer_close(&writer);
    assert_drained(fixture, 3);
}

/* ---- all at once ---- */

enum { N_THREADS = 4, N_EACH = 4000 };
static uint8_t acked[N_THREADS * N_EACH]; /* each byte has one writer */

static void *write_many(void *arg)
{
    uint64_t base = (uint64_t)(uintptr_t)arg * N_EACH;
    for (uint64_t n = base; n < base + N_EACH; n++)
        acked[n] = append_sized(&writer, n, 8 + n % 3000) == 0;
    return NULL;
}

static void many_threads_lose_nothing_over_many_files(void **state)
{
    struct fixture *fixture = *state;
    static uint8_t seen[sizeof(acked)];
    pthread_t threads[N_THREADS];
    tb_writer_init(&writer, TB_CLASS_ERROR, fixture->dirfd);
    for (uintptr_t i = 0; i < N_THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, write_many, (void *)i), 0);
    for (int i = 0; i < N_THREADS; i++)
        pthread_join(threads[i], NULL);
    tb_writer_close(&writer);
    open_spool(fixture);
    size_t n = drain(fixture->spool, seen, sizeof(seen), 1);
    assert_memory_equal(seen, acked, sizeof(seen));
    assert_true(n > sizeof(seen) * 9 / 10); /* the rest heard -EAGAIN */
    assert_int_equal(stats_of(fixture).n_lost, 0);
    assert_int_equal(stats_of(fixture).n_damaged, 0);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(threads_that_never_meet_share_one_file),
        CASE(who_finds_another_inside_opens_a_second_file),
        CASE(both_files_are_drained_while_their_writer_lives),
        CASE(threads_that_met_keep_apart_from_then_on),
        CASE(the_second_ends_after_ten_minutes_and_the_first_goes_on),
        CASE(where_no_second_can_be_opened_the_first_takes_all),
        CASE(nobody_waits_for_one_who_opens_the_second),
        CASE(on_a_full_disk_the_room_of_both_is_used_up),
        CASE(a_second_whose_descriptor_is_the_hosts_by_now_is_let_alone),
        CASE(a_handler_that_interrupts_a_write_uses_the_second),
        CASE(a_fork_child_closes_both_and_writes_its_own),
        CASE(those_who_sync_stay_in_the_first),
        CASE(many_threads_lose_nothing_over_many_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
