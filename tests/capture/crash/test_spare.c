/* The spare slot: for fork children that cannot make one when they crash. */
#include "rig.h"

#include <dirent.h>
#include <pthread.h>
#include <sched.h>
#include <sys/syscall.h>

#include "capture/lib.h"
#include "spool/slot.h"

enum { N_FDS = 512 };

/* A process with the library in it, which tells the test when it is ready, and then waits. */
struct host {
    pid_t pid;
    int said, told;
};

static int host_said, host_told;

static void say_and_wait(void)
{
    char byte = '!';
    (void)!write(host_said, &byte, 1);
    (void)!read(host_told, &byte, 1);
}

static int count_fds(void)
{
    int n = 0;
    for (int fd = 0; fd < N_FDS; fd++)
        n += fcntl(fd, F_GETFD) >= 0;
    return n;
}

static int start_library(struct rig *rig)
{
    const struct rlimit no_core = {0, 0};
    setrlimit(RLIMIT_CORE, &no_core);
    signal(SIGSEGV, SIG_DFL); /* cmocka's would take it for the test's own end */
    return towbar_init(TOWBAR_OPTIONS(.spool = rig->spool)) != 0;
}

static struct host start_host(struct rig *rig, int (*body)(struct rig *rig))
{
    struct host host;
    int said[2];
    int told[2];
    char byte;
    assert_int_equal(pipe(said), 0);
    assert_int_equal(pipe(told), 0);
    fflush(NULL);
    host.pid = fork();
    assert_true(host.pid >= 0);
    if (host.pid == 0) {
        close(said[0]);
        close(told[1]);
        host_said = said[1];
        host_told = told[0];
        alarm(60);
        _exit(start_library(rig) ? 99 : body(rig));
    }
    close(said[1]);
    close(told[0]);
    host.said = said[0];
    host.told = told[1];
    assert_int_equal(read(host.said, &byte, 1), 1); /* 0: it ended before */
    return host;
}

static int finish_host(struct host *host, int signo)
{
    int status;
    if (signo != 0)
        kill(host->pid, signo);
    close(host->told);
    close(host->said);
    assert_int_equal(waitpid(host->pid, &status, 0), host->pid);
    return status;
}

/* Nothing can be written to any file but what is mapped. */
static void crash_without_room(void)
{
    const struct rlimit limit = {0, 0};
    setrlimit(RLIMIT_FSIZE, &limit);
    raise(SIGSEGV);
    _exit(1);
}

/* Returns 0 when it died of its crash. */
static int wait_for_crash(pid_t pid)
{
    int status = 0;
    waitpid(pid, &status, 0);
    return !WIFSIGNALED(status) || WTERMSIG(status) != SIGSEGV;
}

static int crash_in_child(void)
{
    pid_t pid = fork();
    if (pid == 0)
        crash_without_room();
    return wait_for_crash(pid);
}

static void exit_in_child(void)
{
    pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    (void)waitpid(pid, NULL, 0);
}

/* The slots of the spool in that state; 0 for all. */
static int count_slots(const struct rig *rig, uint32_t state)
{
    char path[400];
    int n = 0;
    snprintf(path, sizeof(path), "%s/in", rig->spool);
    DIR *dir = opendir(path);
    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        uint8_t word[4] = {0};
        const char *dot = strrchr(entry->d_name, '.');
        if (!dot || strcmp(dot, ".slot") != 0)
            continue;
        snprintf(path, sizeof(path), "%s/in/%s", rig->spool, entry->d_name);
        int fd = open(path, O_RDONLY);
        n += pread(fd, word, sizeof(word), TB_SLOT_STATE_AT) == 4 &&
             (state == 0 || tb_get32(word) == state);
        close(fd);
    }
    closedir(dir);
    return n;
}

/* The crashes in the spool, each in the process that had it. */
static size_t count_crashes(struct rig *rig)
{
    size_t n = 0;
    rig_read(rig);
    for (size_t i = 0; i < rig->n_records; i++) {
        struct tb_crash crash;
        const struct rig_record *record = &rig->records[i];
        if (record->kind != TB_KIND_CRASH)
            continue;
        assert_int_equal(tb_crash_unpack((const uint8_t *)record->data, record->len, &crash), 0);
        assert_int_equal(crash.fixed.signo, SIGSEGV);
        assert_false(crash.is_cut);
        assert_true(crash.n_frames > 0);
        assert_int_equal(record->process.pid, crash.fixed.pid);
        assert_true(record->process.n_modules > 2);
        tb_crash_done(&crash);
        n++;
    }
    return n;
}

static int never_fork(struct rig *rig)
{
    (void)rig;
    say_and_wait();
    return 0;
}

static void a_program_that_never_forks_has_no_spare(void **state)
{
    struct rig *rig = *state;
    struct host host = start_host(rig, never_fork);
    assert_int_equal(count_slots(rig, 0), 1);
    finish_host(&host, SIGKILL);
}

static int fork_often(struct rig *rig)
{
    int before = count_fds();
    for (int i = 0; i < 20; i++) {
        errno = 77;
        exit_in_child();
        if (errno != 77 || count_fds() != before + 1 || count_slots(rig, TB_SLOT_DONE) != 1)
            return 1;
    }
    say_and_wait();
    towbar_shutdown();
    return count_fds() != before - 2;
}

static void many_forks_make_one_spare(void **state)
{
    struct rig *rig = *state;
    struct host host = start_host(rig, fork_often);
    assert_int_equal(count_slots(rig, 0), 2);
    assert_int_equal(count_crashes(rig), 0);
    assert_int_equal(finish_host(&host, 0), 0);
    assert_int_equal(count_crashes(rig), 0);
    assert_int_equal(rig->stats.n_vanished, 0);
}

static void a_killed_parent_is_one_that_died_unseen_and_not_two(void **state)
{
    struct rig *rig = *state;
    struct host host = start_host(rig, fork_often);
    finish_host(&host, SIGKILL);
    rig_read(rig);
    assert_int_equal(rig->stats.n_vanished, 1);
}

static int crash_once(struct rig *rig)
{
    (void)rig;
    int bad = crash_in_child();
    say_and_wait();
    return bad;
}

static void a_child_without_room_is_reported_while_its_parent_lives(void **state)
{
    struct rig *rig = *state;
    struct host host = start_host(rig, crash_once);
    assert_int_equal(count_crashes(rig), 1);
    assert_int_not_equal(rig->records[0].process.pid, host.pid);
    assert_int_equal(finish_host(&host, 0), 0);
}

static int crash_at_once(struct rig *rig)
{
    enum { N = 2 };
    int gate[2];
    int bad = pipe(gate) != 0;
    pid_t pids[N];
    (void)rig;
    for (int i = 0; i < N; i++) {
        pids[i] = fork();
        if (pids[i] == 0) {
            char byte;
            close(gate[1]);
            (void)!read(gate[0], &byte, 1);
            crash_without_room();
        }
    }
    close(gate[1]);
    for (int i = 0; i < N; i++)
        bad += wait_for_crash(pids[i]);
    say_and_wait();
    return bad;
}

static void of_two_children_that_crash_at_once_one_is_reported(void **state)
{
    struct rig *rig = *state;
    struct host host = start_host(rig, crash_at_once);
    assert_int_equal(count_crashes(rig), 1);
    assert_int_equal(finish_host(&host, 0), 0); /* both died as they would have */
}

static int crash_one_after_the_other(struct rig *rig)
{
    (void)rig;
    exit_in_child();
    int before = count_fds();
    int bad = 0;
    for (int i = 0; i < 5; i++)
        bad += crash_in_child();
    bad += count_fds() != before;
    say_and_wait();
    return bad;
}

static void the_next_fork_makes_a_new_one_in_place_of_one_that_was_taken(void **state)
{
    struct rig *rig = *state;
    struct host host = start_host(rig, crash_one_after_the_other);
    assert_int_equal(count_crashes(rig), 5);
    for (size_t i = 0; i < rig->n_records; i++) {
        for (size_t k = 0; k < i; k++)
            assert_int_not_equal(rig->records[i].process.pid, rig->records[k].process.pid);
    }
    assert_int_equal(finish_host(&host, 0), 0);
}

static int report_after_crash(struct rig *rig)
{
    (void)rig;
    int before = count_fds();
    int bad = crash_in_child();
    bad += count_fds() != before + 1;
    bad += towbar_error("a worker has died") != 0;
    bad += count_fds() != before + 1; /* a segment more, and a spare less */
    say_and_wait();
    return bad;
}

static void a_report_lets_go_a_spare_that_was_taken(void **state)
{
    struct rig *rig = *state;
    struct host host = start_host(rig, report_after_crash);
    assert_int_equal(count_crashes(rig), 1);
    assert_int_equal(finish_host(&host, 0), 0);
}

/* As a daemon does that wants none of what it inherited, while the first parent ends. */
static int close_all_and_crash(struct rig *rig)
{
    (void)rig;
    int bad = 0;
    pid_t pid = fork();
    if (pid == 0) {
        for (int fd = 3; fd < N_FDS; fd++) {
            if (fd != host_said && fd != host_told)
                close(fd);
        }
        bad += crash_in_child();
        say_and_wait();
        _exit(bad);
    }
    int status = 1;
    (void)waitpid(pid, &status, 0);
    return status != 0;
}

static void a_daemon_that_closed_all_has_a_spare_for_its_children(void **state)
{
    struct rig *rig = *state;
    struct host host = start_host(rig, close_all_and_crash);
    assert_int_equal(count_crashes(rig), 1);
    assert_int_equal(finish_host(&host, 0), 0);
}

static int crash_in_grandchild(struct rig *rig)
{
    (void)rig;
    int bad = 0;
    pid_t pid = fork();
    if (pid == 0) {
        const struct rlimit limit = {0, 0};
        setrlimit(RLIMIT_FSIZE, &limit);
        _exit(crash_in_child());
    }
    int status = 1;
    (void)waitpid(pid, &status, 0);
    bad += status != 0;
    say_and_wait();
    return bad;
}

static void a_grandchild_has_the_one_of_its_parents_parent(void **state)
{
    struct rig *rig = *state;
    struct host host = start_host(rig, crash_in_grandchild);
    assert_int_equal(count_crashes(rig), 1);
    assert_int_equal(finish_host(&host, 0), 0);
}

static int crash_in_clones(struct rig *rig)
{
    (void)rig;
    exit_in_child();
    pid_t pid = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
    if (pid == 0)
        crash_without_room();
    int bad = wait_for_crash(pid);
    exit_in_child(); /* for the next */
    pid = vfork();
    if (pid == 0)
        crash_without_room();
    bad += wait_for_crash(pid);
    bad += crash_in_child(); /* the parent, whose memory that was, has one for others yet */
    say_and_wait();
    return bad;
}

static void children_by_clone_and_vfork_take_it_too(void **state)
{
    struct rig *rig = *state;
    struct host host = start_host(rig, crash_in_clones);
    assert_int_equal(count_crashes(rig), 3);
    assert_int_equal(finish_host(&host, 0), 0);
}

static void end_by_itself(int signo)
{
    (void)signo;
    _exit(0);
}

/* The parent lives on, so that nobody would hear of it for long. */
static int crash_into_own_handler(struct rig *rig)
{
    int status = 1;
    towbar_shutdown();
    signal(SIGSEGV, end_by_itself);
    int bad = towbar_init(TOWBAR_OPTIONS(.spool = rig->spool)) != 0;
    pid_t pid = fork();
    if (pid == 0)
        crash_without_room();
    (void)waitpid(pid, &status, 0);
    bad += status != 0;
    say_and_wait();
    return bad;
}

static void a_crash_that_was_handed_on_is_told_at_once(void **state)
{
    struct rig *rig = *state;
    struct host host = start_host(rig, crash_into_own_handler);
    assert_int_equal(count_crashes(rig), 1);
    assert_int_equal(count_slots(rig, TB_SLOT_COMPLETE), 1);
    assert_int_equal(finish_host(&host, 0), 0);
}

static int has_no_room(struct rig *rig)
{
    struct rlimit before;
    getrlimit(RLIMIT_FSIZE, &before);
    struct rlimit limit = {0, before.rlim_max};
    int n = count_fds();
    setrlimit(RLIMIT_FSIZE, &limit);
    exit_in_child();
    int bad = count_fds() != n || count_slots(rig, 0) != 1;
    setrlimit(RLIMIT_FSIZE, &before);
    say_and_wait();
    return bad;
}

static void a_fork_goes_on_where_no_spare_can_be_made(void **state)
{
    struct rig *rig = *state;
    struct host host = start_host(rig, has_no_room);
    assert_int_equal(finish_host(&host, 0), 0);
}

enum { N_THREADS = 4, N_CHILDREN = 40 };
static int fds_most;

/* Of each three one crashes, one reports, one looks whether it has more than it should. */
static void *fork_in_thread(void *arg)
{
    atomic_int *bad = arg;
    for (int i = 0; i < N_CHILDREN; i++) {
        int status = 0;
        pid_t pid = fork();
        if (pid == 0 && i % 3 == 0)
            crash_without_room();
        if (pid == 0 && i % 3 == 1) {
            int err = towbar_error("of a child");
            towbar_shutdown();
            _exit(err != 0);
        }
        if (pid == 0)
            _exit(count_fds() > fds_most);
        (void)waitpid(pid, &status, 0);
        if (i % 3 == 0 ? WTERMSIG(status) != SIGSEGV : status != 0)
            atomic_fetch_add(bad, 1);
    }
    return NULL;
}

static int fork_in_a_storm(struct rig *rig)
{
    pthread_t threads[N_THREADS];
    atomic_int bad = 0;
    (void)rig;
    int before = count_fds();
    fds_most = before + N_THREADS; /* what another thread was about to make */
    for (int i = 0; i < N_THREADS; i++)
        (void)pthread_create(&threads[i], NULL, fork_in_thread, &bad);
    for (int i = 0; i < N_THREADS; i++)
        (void)pthread_join(threads[i], NULL);
    exit_in_child(); /* the last one that was taken is replaced */
    bad += count_fds() != before + 1;
    say_and_wait();
    towbar_shutdown();
    return bad > 90 ? 90 : bad;
}

static void threads_that_fork_at_the_same_time_leak_nothing(void **state)
{
    struct rig *rig = *state;
    struct host host = start_host(rig, fork_in_a_storm);
    assert_true(count_crashes(rig) >= 2);
    assert_int_equal(finish_host(&host, 0), 0);
    rig_read(rig);
    assert_int_equal(rig->stats.n_vanished, 0);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)
    const struct CMUnitTest tests[] = {
        CASE(a_program_that_never_forks_has_no_spare),
        CASE(many_forks_make_one_spare),
        CASE(a_killed_parent_is_one_that_died_unseen_and_not_two),
        CASE(a_child_without_room_is_reported_while_its_parent_lives),
        CASE(of_two_children_that_crash_at_once_one_is_reported),
        CASE(the_next_fork_makes_a_new_one_in_place_of_one_that_was_taken),
        CASE(a_report_lets_go_a_spare_that_was_taken),
        CASE(a_daemon_that_closed_all_has_a_spare_for_its_children),
        CASE(a_grandchild_has_the_one_of_its_parents_parent),
        CASE(children_by_clone_and_vfork_take_it_too),
        CASE(a_crash_that_was_handed_on_is_told_at_once),
        CASE(a_fork_goes_on_where_no_spare_can_be_made),
        CASE(threads_that_fork_at_the_same_time_leak_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
