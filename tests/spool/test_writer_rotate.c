/* The next file of a writer: when it comes, what it gives back, and who may be stopped meanwhile.
 */
#include "support.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <time.h>

#include "calls.h"
#include "clock.h"

static struct tb_writer writer;

static struct stat stat_of(int fd)
{
    struct stat st;
    assert_int_equal(fstat(fd, &st), 0);
    return st;
}

/* The segment that is not open as fd. */
static void other_file(const struct fixture *fixture, ino_t ino, char out[256])
{
    char folder[80];
    const struct dirent *entry;
    struct stat st;
    int n = 0;
    (void)snprintf(folder, sizeof(folder), "%s/in", fixture->path);
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    while ((entry = readdir(dir))) {
        if (!strstr(entry->d_name, ".seg"))
            continue;
        (void)snprintf(out, 256, "%s/%.128s", folder, entry->d_name);
        if (stat(out, &st) == 0 && st.st_ino != ino)
            n++;
        if (n == 1)
            break;
    }
    closedir(dir);
    assert_int_equal(n, 1);
}

static void a_record_ten_minutes_later_goes_to_a_new_file(void **state)
{
    struct fixture *fixture = *state;
    uint8_t seen[4] = {0};
    tb_writer_init(&writer, TB_CLASS_ERROR, fixture->dirfd);
    assert_int_equal(append(&writer, 0), 0);
    struct stat first = stat_of(tb_writer_fd(&writer));
    pass_ms((TB_WRITER_FILE_AGE_S - 10) * 1000);
    assert_int_equal(append(&writer, 1), 0);
    assert_int_equal(stat_of(tb_writer_fd(&writer)).st_ino, first.st_ino);
    pass_ms(11 * 1000);
    assert_int_equal(append(&writer, 2), 0);
    assert_int_not_equal(stat_of(tb_writer_fd(&writer)).st_ino, first.st_ino);
    assert_int_equal(count_files(fixture, "in", ".seg"), 2);
    open_spool(fixture);
    assert_int_equal(drain(fixture->spool, seen, 4, 1), 3);
    assert_int_equal(tb_spool_collect(fixture->spool), 1); /* the old one has no owner */
    assert_int_equal(stats_of(fixture).n_lost, 0);
    tb_writer_close(&writer);
}

static void an_old_file_is_used_on_while_no_new_one_can_be_made(void **state)
{
    struct fixture *fixture = *state;
    uint8_t seen[4] = {0};
    tb_writer_init(&writer, TB_CLASS_ERROR, fixture->dirfd);
    assert_int_equal(append(&writer, 0), 0);
    assert_int_equal(tb_writer_move(&writer, -1), 0);
    pass_ms(TB_WRITER_FILE_AGE_S * 1000 + 1000);
    assert_int_equal(append(&writer, 1), 0);
    assert_int_equal(tb_writer_move(&writer, fixture->dirfd), 0);
    assert_int_equal(append(&writer, 2), 0);
    assert_int_equal(count_files(fixture, "in", ".seg"), 1); /* not tried at every record */
    pass_ms(11000);
    assert_int_equal(append(&writer, 3), 0);
    assert_int_equal(count_files(fixture, "in", ".seg"), 2);
    tb_writer_close(&writer);
    open_spool(fixture);
    assert_int_equal(drain(fixture->spool, seen, 4, 1), 4);
}

static void a_sealed_file_gives_back_what_was_preallocated(void **state)
{
    struct fixture *fixture = *state;
    enum { RECORDS = 2, ROOM = 56 + 48 };
    char path[256];
    struct stat st;
    uint8_t seen[RECORDS] = {0};
    tb_writer_init(&writer, TB_CLASS_ERROR, fixture->dirfd);
    for (uint64_t n = 0; n < RECORDS; n++)
        assert_int_equal(append_sized(&writer, n, 48), 0);
    st = stat_of(tb_writer_fd(&writer));
    assert_int_equal(st.st_size, 256 << 10);
    only_file(fixture, ".seg", path);
    tb_writer_close(&writer);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_size, TB_FILE_HEADER_BYTES + RECORDS * ROOM + 56);
    assert_true(st.st_blocks * 512 <= 8192);
    open_spool(fixture);
    assert_int_equal(drain(fixture->spool, seen, RECORDS, 1), RECORDS);
    assert_int_equal(stats_of(fixture).n_damaged, 0);
}

static void a_reader_that_saw_the_room_reads_on_when_it_is_gone(void **state)
{
    struct fixture *fixture = *state;
    uint8_t seen[3] = {0};
    tb_writer_init(&writer, TB_CLASS_ERROR, fixture->dirfd);
    assert_int_equal(append(&writer, 0), 0);
    open_spool(fixture);
    assert_int_equal(drain(fixture->spool, seen, 3, 1), 1);
    assert_int_equal(append(&writer, 1), 0);
    tb_writer_close(&writer);
    assert_int_equal(append(&writer, 2), 0);
    assert_int_equal(drain(fixture->spool, seen, 3, 1), 2);
    assert_int_equal(tb_spool_collect(fixture->spool), 1);
    assert_int_equal(stats_of(fixture).n_damaged, 0);
    assert_int_equal(stats_of(fixture).n_lost, 0);
    tb_writer_close(&writer);
}

/* As when the agent removed our file, and the host has one with its inode and descriptor numbers.
 */
static void another_open_file_of_the_same_inode_is_neither_cut_nor_closed(void **state)
{
    struct fixture *fixture = *state;
    char path[256];
    struct stat st;
    tb_writer_init(&writer, TB_CLASS_ERROR, fixture->dirfd);
    assert_int_equal(append(&writer, 0), 0);
    int fd = tb_writer_fd(&writer);
    only_file(fixture, ".seg", path);
    int other = open(path, O_RDWR);
    assert_int_equal(dup2(other, fd), fd);
    assert_int_equal(append(&writer, 1), 0); /* into a new file */
    tb_writer_close(&writer);
    assert_int_equal(fstat(fd, &st), 0);
    assert_int_equal(st.st_size, 256 << 10);
    close(fd);
    close(other);
}

static void a_file_cut_by_a_stranger_is_not_made_longer(void **state)
{
    struct fixture *fixture = *state;
    char path[256];
    struct stat st;
    tb_writer_init(&writer, TB_CLASS_ERROR, fixture->dirfd);
    assert_int_equal(append(&writer, 0), 0);
    only_file(fixture, ".seg", path);
    call_fails(SYS_pwritev, 1, ENOSPC); /* the SEAL */
    assert_int_equal(truncate(path, 130), 0);
    tb_writer_close(&writer);
    calls_work();
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_size, 130);
}

/* ---- a write that is still going on below the SEAL ---- */

static atomic_int stage;

static void *write_one(void *arg)
{
    return (void *)(intptr_t)-append_sized(&writer, (uint64_t)(uintptr_t)arg, 100);
}

/* The write of the thread whose number is held back waits until the file was sealed. */
static void hold_back(long number, long fd)
{
    (void)number;
    (void)fd;
    if (atomic_load(&stage) != 0)
        return;
    atomic_store(&stage, 1);
    while (atomic_load(&stage) == 1)
        sched_yield();
}

static void a_record_below_the_seal_is_kept_by_the_room_given_back(void **state)
{
    struct fixture *fixture = *state;
    pthread_t thread;
    char path[256];
    uint8_t seen[40] = {0};
    void *result;
    struct stat st;
    tb_writer_init(&writer, TB_CLASS_ERROR, fixture->dirfd);
    assert_int_equal(append(&writer, 0), 0);
    ino_t first = stat_of(tb_writer_fd(&writer)).st_ino;
    atomic_store(&stage, 0);
    call_runs(SYS_pwritev, hold_back);
    assert_int_equal(pthread_create(&thread, NULL, write_one, (void *)1), 0);
    while (atomic_load(&stage) == 0)
        sched_yield();
    calls_work();
    pass_ms(TB_WRITER_FILE_AGE_S * 1000 + 1000);
    assert_int_equal(append(&writer, 2), 0); /* seals the first file */
    ino_t second = stat_of(tb_writer_fd(&writer)).st_ino;
    assert_int_not_equal(first, second);
    other_file(fixture, second, path);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_size, 256 << 10); /* somebody writes to it yet */
    atomic_store(&stage, 2);
    pthread_join(thread, &result);
    assert_null(result);
    assert_int_equal(stat(path, &st), 0);
    assert_true(st.st_size < 1024);
    tb_writer_close(&writer);
    open_spool(fixture);
    assert_int_equal(drain(fixture->spool, seen, 40, 1), 3);
    assert_int_equal(stats_of(fixture).n_lost, 0);
}

/* ---- whoever opens the next file may be stopped in it ---- */

static sigjmp_buf back;

static void jump_out(long number, long fd)
{
    (void)number;
    (void)fd;
    calls_work();
    (void)raise(SIGUSR1);
}

static void on_jump(int signo)
{
    (void)signo;
    siglongjmp(back, 1);
}

static void *append_elsewhere(void *arg)
{
    return (void *)(intptr_t)-append(&writer, (uint64_t)(uintptr_t)arg);
}

static void a_handler_that_leaves_the_opening_by_siglongjmp_stops_nobody(void **state)
{
    struct fixture *fixture = *state;
    static const long places[] = {SYS_openat, SYS_fallocate, SYS_pwritev};
    struct sigaction action = {.sa_handler = on_jump};
    struct sigaction before;
    uint8_t seen[40] = {0};
    static volatile uint64_t n; /* lives over the jump */
    sigaction(SIGUSR1, &action, &before);
    n = 0;
    tb_writer_init(&writer, TB_CLASS_ERROR, fixture->dirfd);
    for (volatile size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        pthread_t thread;
        void *result;
        call_runs(places[i], jump_out);
        if (sigsetjmp(back, 1) == 0) {
            (void)append(&writer, 39);
            fail_msg("the handler did not jump");
        }
        assert_int_equal(append(&writer, n++), 0); /* of the same thread: at once */
        tb_writer_close(&writer);
        call_runs(places[i], jump_out);
        if (sigsetjmp(back, 1) == 0)
            (void)append(&writer, 39);
        pass_ms(1100);
        assert_int_equal(pthread_create(&thread, NULL, append_elsewhere, (void *)(uintptr_t)n++),
                         0);
        pthread_join(thread, &result);
        assert_null(result); /* of another thread: after a second */
        tb_writer_close(&writer);
    }
    sigaction(SIGUSR1, &before, NULL);
    tb_writer_forget(&writer);
    open_spool(fixture);
    assert_int_equal(drain(fixture->spool, seen, 40, 1), n);
    for (uint64_t i = 0; i < n; i++)
        assert_int_equal(seen[i], 1);
}

static int nested;

static void append_inside(long number, long fd)
{
    (void)number;
    (void)fd;
    calls_work();
    static uint8_t data[60]; /* not that of append, which is in use below */
    static const uint8_t uuid[16] = {1};
    make_payload(1, data, sizeof(data));
    struct tb_append record = {
        .kind = TB_KIND_ITEM, .uuid = uuid, .time_ns = 2, .data = data, .len = sizeof(data)};
    nested = tb_writer_append(&writer, &record);
}

static void a_handler_that_interrupts_the_opening_writes_a_file_of_its_own(void **state)
{
    struct fixture *fixture = *state;
    static const long places[] = {SYS_openat, SYS_fallocate, SYS_pwritev};
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        uint8_t seen[2] = {0};
        tb_writer_init(&writer, TB_CLASS_ERROR, fixture->dirfd);
        nested = -1;
        call_runs(places[i], append_inside);
        assert_int_equal(append(&writer, 0), 0);
        calls_work();
        assert_int_equal(nested, 0);
        tb_writer_close(&writer);
        open_spool(fixture);
        assert_int_equal(drain(fixture->spool, seen, 2, 1), 2);
        assert_int_equal(tb_spool_collect(fixture->spool), 2); /* one of them without a record */
        assert_int_equal(stats_of(fixture).n_lost, 0);
        close_spool(fixture);
    }
}

/* A vfork child that is killed there: nobody with that number comes back. */
static void a_dead_holder_is_not_waited_for_longer_than_a_second(void **state)
{
    struct fixture *fixture = *state;
    tb_writer_init(&writer, TB_CLASS_ERROR, fixture->dirfd);
    atomic_store(&writer.rotating, 1);
    atomic_store(&writer.rotating_since_ns, tb_clock_mono_ns());
    assert_int_equal(append(&writer, 0), -EAGAIN);
    pass_ms(1100);
    assert_int_equal(append(&writer, 0), 0);
    assert_int_equal(atomic_load(&writer.rotating), 0);
    tb_writer_close(&writer);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(a_record_ten_minutes_later_goes_to_a_new_file),
        CASE(an_old_file_is_used_on_while_no_new_one_can_be_made),
        CASE(a_sealed_file_gives_back_what_was_preallocated),
        CASE(a_reader_that_saw_the_room_reads_on_when_it_is_gone),
        CASE(another_open_file_of_the_same_inode_is_neither_cut_nor_closed),
        CASE(a_file_cut_by_a_stranger_is_not_made_longer),
        CASE(a_record_below_the_seal_is_kept_by_the_room_given_back),
        CASE(a_handler_that_leaves_the_opening_by_siglongjmp_stops_nobody),
        CASE(a_handler_that_interrupts_the_opening_writes_a_file_of_its_own),
        CASE(a_dead_holder_is_not_waited_for_longer_than_a_second),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
