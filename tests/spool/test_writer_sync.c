/* A record that is on the disk before its append returns: who syncs, who waits, who is told what.
 */
#include "support.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <linux/futex.h>
#include <sys/mount.h>
#include <sys/time.h>
#include <sys/vfs.h>
#include <sys/wait.h>

#include "calls.h"
#include "clock.h"
#include "spool/fs.h"

enum { N_THREADS = 8 };

static struct tb_writer writer;

/* Appends record n; what became of its sync, or the error of the append. */
static int append_synced_to(struct tb_writer *to, uint64_t n)
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
    int err = tb_writer_append(to, &record);
    return err < 0 ? err : synced;
}

static int append_synced(uint64_t n)
{
    return append_synced_to(&writer, n);
}

static unsigned long count(long call)
{
    return atomic_load(&n_calls[call]);
}

static void the_folder_is_synced_once_for_each_file(void **state)
{
    struct fixture *fixture = *state;
    uint8_t seen[8] = {0};
    tb_writer_init(&writer, TB_CLASS_ERROR, fixture->dirfd);
    for (int file = 0; file < 2; file++) {
        unsigned long data = count(SYS_fdatasync);
        unsigned long all = count(SYS_fsync);
        for (uint64_t n = 0; n < 3; n++)
            assert_int_equal(append_synced((uint64_t)file * 3 + n), 0);
        assert_int_equal(count(SYS_fdatasync) - data, 2);
        assert_int_equal(count(SYS_fsync) - all, 2); /* of the file, and of the folder */
        tb_writer_close(&writer);
    }
    assert_int_equal(count(SYS_syncfs), 0);
    open_spool(fixture);
    assert_int_equal(drain(fixture->spool, seen, 8, 1), 6);
}

static void no_sync_is_made_unless_asked_for(void **state)
{
    struct fixture *fixture = *state;
    tb_writer_init(&writer, TB_CLASS_ERROR, fixture->dirfd);
    unsigned long before = count(SYS_fdatasync) + count(SYS_fsync) + count(SYS_syncfs);
    assert_int_equal(append(&writer, 0), 0);
    tb_writer_close(&writer);
    assert_int_equal(count(SYS_fdatasync) + count(SYS_fsync) + count(SYS_syncfs), before);
}

/* ---- group commit ---- */

static atomic_int stage;

/* The first sync waits until the test has seen the others come. */
static void hold_first(long call, long fd)
{
    (void)call;
    (void)fd;
    int none = 0;
    if (!atomic_compare_exchange_strong(&stage, &none, 1))
        return;
    while (atomic_load(&stage) == 1)
        sched_yield();
}

static void *sync_one(void *arg)
{
    return (void *)(intptr_t)-append_synced((uint64_t)(uintptr_t)arg);
}

static void threads_that_wait_together_share_one_sync(void **state)
{
    struct fixture *fixture = *state;
    pthread_t threads[N_THREADS];
    uint8_t seen[N_THREADS + 1] = {0};
    tb_writer_init(&writer, TB_CLASS_ERROR, fixture->dirfd);
    assert_int_equal(append_synced(N_THREADS), 0);
    unsigned long before = count(SYS_fdatasync);
    atomic_store(&stage, 0);
    unsigned n_before = atomic_load(&n_waited);
    call_runs(SYS_fdatasync, hold_first);
    for (uintptr_t i = 0; i < N_THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, sync_one, (void *)i), 0);
    while (atomic_load(&stage) == 0 || atomic_load(&n_waited) < n_before + N_THREADS - 1)
        sched_yield();
    atomic_store(&stage, 2);
    for (int i = 0; i < N_THREADS; i++) {
        void *result;
        pthread_join(threads[i], &result);
        assert_null(result);
    }
    calls_work();
    /* The first one's, which may be for all, and one for the rest. */
    assert_in_range(count(SYS_fdatasync) - before, 1, 2);
    tb_writer_close(&writer);
    open_spool(fixture);
    assert_int_equal(drain(fixture->spool, seen, N_THREADS + 1, 1), N_THREADS + 1);
}

static int nested;

static void sync_inside(long call, long fd)
{
    (void)call;
    (void)fd;
    calls_work();
    nested = append_synced(7);
}

static void a_handler_that_interrupted_the_leader_does_not_wait_for_it(void **state)
{
    struct fixture *fixture = *state;
    uint8_t seen[8] = {0};
    tb_writer_init(&writer, TB_CLASS_ERROR, fixture->dirfd);
    assert_int_equal(append_synced(0), 0);
    nested = 1;
    call_runs(SYS_fdatasync, sync_inside);
    assert_int_equal(append_synced(1), 0);
    assert_int_equal(nested, 0);
    assert_int_equal(append_synced(2), 0);
    tb_writer_close(&writer);
    open_spool(fixture);
    assert_int_equal(drain(fixture->spool, seen, 8, 1), 4);
}

/* ---- all at once ---- */

enum { N_EACH = 200, HANDLER_BASE = N_THREADS * N_EACH, HANDLER_MAX = 4000 };
static atomic_uchar kept[HANDLER_BASE + HANDLER_MAX];
static atomic_uint n_handled;

static void on_alarm(int signo)
{
    (void)signo;
    int before = errno;
    unsigned n = atomic_fetch_add(&n_handled, 1);
    if (n < HANDLER_MAX && append_synced(HANDLER_BASE + n) == 0)
        atomic_store(&kept[HANDLER_BASE + n], 1);
    errno = before;
}

static void *sync_many(void *arg)
{
    uint64_t base = (uint64_t)(uintptr_t)arg * N_EACH;
    for (uint64_t i = base; i < base + N_EACH; i++) {
        if (append_synced(i) == 0)
            atomic_store(&kept[i], 1);
    }
    return NULL;
}

static void set_alarm(suseconds_t every_us)
{
    struct sigaction action = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
    struct itimerval timer = {{0, every_us}, {0, every_us}};
    sigemptyset(&action.sa_mask);
    assert_int_equal(sigaction(SIGALRM, &action, NULL), 0);
    assert_int_equal(setitimer(ITIMER_REAL, &timer, NULL), 0);
}

static void threads_and_a_signal_handler_sync_without_waiting_for_ever(void **state)
{
    struct fixture *fixture = *state;
    static uint8_t seen[sizeof(kept)];
    pthread_t threads[N_THREADS];
    size_t n = 0;
    tb_writer_init(&writer, TB_CLASS_ERROR, fixture->dirfd);
    set_alarm(2000);
    for (uintptr_t i = 0; i < N_THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, sync_many, (void *)i), 0);
    for (int i = 0; i < N_THREADS; i++)
        pthread_join(threads[i], NULL);
    set_alarm(0);
    tb_writer_close(&writer);
    open_spool(fixture);
    (void)drain(fixture->spool, seen, sizeof(seen), 1);
    for (size_t i = 0; i < sizeof(kept); i++) {
        assert_true(seen[i] >= kept[i] && seen[i] <= 1);
        n += kept[i];
    }
    assert_true(n >= HANDLER_BASE - N_EACH);
    assert_int_equal(stats_of(fixture).n_lost, 0);
}

/* ---- failures ---- */

static void a_failed_sync_is_told_and_its_file_is_written_to_no_more(void **state)
{
    struct fixture *fixture = *state;
    static const long calls[] = {SYS_fsync, SYS_fdatasync};
    for (size_t i = 0; i < 2; i++) {
        char path[256];
        struct stat before;
        struct stat after;
        uint8_t seen[4] = {0};
        tb_writer_init(&writer, TB_CLASS_ERROR, fixture->dirfd);
        if (calls[i] == SYS_fdatasync)
            assert_int_equal(append_synced(0), 0);
        call_fails(calls[i], 1, EIO);
        assert_int_equal(append_synced(1), -EIO);
        calls_work();
        only_file(fixture, ".seg", path);
        assert_int_equal(stat(path, &before), 0);
        assert_int_equal(append_synced(2), 0); /* into the next file */
        assert_int_equal(count_files(fixture, "in", ".seg"), 2);
        tb_writer_close(&writer);
        assert_int_equal(stat(path, &after), 0);
        assert_int_equal(after.st_size, before.st_size);
        assert_int_equal(after.st_mtim.tv_nsec, before.st_mtim.tv_nsec);
        open_spool(fixture);
        assert_int_equal(drain(fixture->spool, seen, 4, 1), i + 2); /* the spool still has it */
        assert_int_equal(tb_spool_collect(fixture->spool), 2);
        close_spool(fixture);
    }
}

static void fail_inside(long call, long fd)
{
    (void)call;
    (void)fd;
    calls_work();
    call_fails(SYS_fdatasync, 1, EIO);
    nested = append_synced(7);
}

/* The kernel tells an error once: to the handler here, though it was of the leader's pages too. */
static void an_error_that_a_handler_heard_is_told_to_the_leader_below_it(void **state)
{
    struct fixture *fixture = *state;
    tb_writer_init(&writer, TB_CLASS_ERROR, fixture->dirfd);
    assert_int_equal(append_synced(0), 0);
    nested = 1;
    call_runs(SYS_fdatasync, fail_inside);
    assert_int_equal(append_synced(1), -EIO);
    assert_int_equal(nested, -EIO);
    calls_work();
    assert_int_equal(append_synced(2), 0);
    tb_writer_close(&writer);
}

static void a_leader_that_does_not_come_back_costs_its_file_and_no_more(void **state)
{
    struct fixture *fixture = *state;
    tb_writer_init(&writer, TB_CLASS_ERROR, fixture->dirfd);
    assert_int_equal(append_synced(0), 0);
    struct tb_writer_file *file = atomic_load(&writer.current[0]);
    atomic_store(&file->sync.leader, 1); /* it left by siglongjmp, in another thread */
    pthread_t thread;
    void *result;
    unsigned long waiting = count(SYS_futex);
    assert_int_equal(pthread_create(&thread, NULL, sync_one, (void *)1), 0);
    while (count(SYS_futex) == waiting)
        sched_yield();
    pass_ms(11000);
    atomic_fetch_add(&file->sync.turn, 1); /* as if woken for nothing */
    (void)syscall(SYS_futex, &file->sync.turn, FUTEX_WAKE, 1, NULL, NULL, 0);
    pthread_join(thread, &result);
    assert_int_equal((intptr_t)result, ETIMEDOUT);
    assert_int_equal(append_synced(2), 0);
    tb_writer_close(&writer);
}

static void a_descriptor_closed_by_the_host_is_not_synced(void **state)
{
    struct fixture *fixture = *state;
    tb_writer_init(&writer, TB_CLASS_ERROR, fixture->dirfd);
    assert_int_equal(append_synced(0), 0);
    int other = open("/tmp", O_RDONLY | O_DIRECTORY);
    assert_int_equal(dup2(other, tb_writer_fd(&writer)), tb_writer_fd(&writer));
    close(other);
    assert_int_equal(append_synced(1), 0); /* by a new file */
    tb_writer_close(&writer);
}

/* ---- a drop box that this user may not read ---- */

static int in_the_box(struct fixture *fixture)
{
    char why[TB_SPOOL_WHY];
    if (setresgid(65534, 65534, 65534) || setresuid(65534, 65534, 65534))
        return 99;
    int dirfd = tb_spool_dir_open(fixture->path, 0, why);
    int bad = openat(dirfd, ".", O_RDONLY | O_DIRECTORY) >= 0;
    unsigned long files = count(SYS_fsync);
    unsigned long data = count(SYS_fdatasync);
    unsigned long all = count(SYS_syncfs);
    struct statfs fs;
    tb_writer_init(&writer, TB_CLASS_ERROR, dirfd);
    bad += append_synced(0) != 0;
    bad += append_synced(1) != 0;
    bad += count(SYS_fsync) - files != 1 || count(SYS_fdatasync) - data != 1;
    /* The name went with the file, or all was synced. */
    bad += fstatfs(dirfd, &fs) != 0;
    bad += count(SYS_syncfs) - all != !tb_fs_syncs_names((long)fs.f_type);
    tb_writer_close(&writer);
    return bad;
}

static void a_drop_box_that_may_not_be_read_is_synced_all_the_same(void **state)
{
    struct fixture *fixture = *state;
    char in[80];
    uint8_t seen[2] = {0};
    int status;
    if (geteuid() != 0) {
        print_message("needs root, to become another user: skipped\n");
        skip();
    }
    (void)snprintf(in, sizeof(in), "%s/in", fixture->path);
    assert_int_equal(chmod(fixture->path, 0755), 0);
    assert_int_equal(chmod(in, 03733), 0);
    pid_t child = fork();
    if (child == 0)
        _exit(in_the_box(fixture));
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    open_spool(fixture);
    assert_int_equal(drain(fixture->spool, seen, 2, 1), 2);
}

static void the_whole_file_system_is_synced_where_a_name_may_be_lost(void **state)
{
    struct fixture *fixture = *state;
    if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount("towbar-test", fixture->path, "tmpfs", 0, "size=4m") < 0) {
        print_message("skipped: this user may not mount a file system\n");
        skip();
    }
    char in[80];
    (void)snprintf(in, sizeof(in), "%s/in", fixture->path);
    assert_int_equal(mkdir(in, 0700), 0);
    int dirfd = open(in, O_PATH | O_DIRECTORY);
    unsigned long before = count(SYS_syncfs);
    tb_writer_init(&writer, TB_CLASS_ERROR, dirfd);
    assert_int_equal(append(&writer, 0), 0);
    assert_int_equal(tb_writer_move(&writer, -1), 0); /* the folder cannot be opened any more */
    assert_int_equal(append_synced(1), 0);
    assert_int_equal(count(SYS_syncfs), before + 1);
    assert_int_equal(append_synced(2), 0);
    assert_int_equal(count(SYS_syncfs), before + 1);
    tb_writer_close(&writer);
    close(dirfd);
    assert_int_equal(umount2(fixture->path, MNT_DETACH), 0);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(the_folder_is_synced_once_for_each_file),
        CASE(no_sync_is_made_unless_asked_for),
        CASE(threads_that_wait_together_share_one_sync),
        CASE(a_handler_that_interrupted_the_leader_does_not_wait_for_it),
        CASE(threads_and_a_signal_handler_sync_without_waiting_for_ever),
        CASE(a_failed_sync_is_told_and_its_file_is_written_to_no_more),
        CASE(an_error_that_a_handler_heard_is_told_to_the_leader_below_it),
        CASE(a_leader_that_does_not_come_back_costs_its_file_and_no_more),
        CASE(a_descriptor_closed_by_the_host_is_not_synced),
        CASE(a_drop_box_that_may_not_be_read_is_synced_all_the_same),
        CASE(the_whole_file_system_is_synced_where_a_name_may_be_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
