/* What a program leaves to those it starts: nothing of the spool, whenever it starts them. */
#include "rig.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "capture/report/site.h"

enum { N_STARTS = 40 };

/* What the process at the other end of the pipe says, to its end. */
static size_t read_all(int fd, char *out, size_t cap)
{
    size_t len = 0;
    ssize_t n;
    while (len < cap - 1 && (n = read(fd, out + len, cap - 1 - len)) > 0)
        len += (size_t)n;
    out[len] = '\0';
    return len;
}

/* ls says what is open in it, by vfork and exec. */
static pid_t start_ls(int out_fd)
{
    static const char *const argv[] = {"ls", "-l", "/proc/self/fd", NULL};
    pid_t pid = vfork();
    if (pid == 0) {
        (void)dup2(out_fd, STDOUT_FILENO);
        execvp(argv[0], (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    return pid;
}

/* How many descriptors of a program that is started now lead into the spool, or -1. */
static int count_leaks(const struct rig *rig)
{
    static char text[1 << 16];
    int ends[2];
    int status = 0;
    int n = 0;
    if (pipe2(ends, O_CLOEXEC) != 0)
        return -1;
    pid_t pid = start_ls(ends[1]);
    close(ends[1]);
    size_t len = read_all(ends[0], text, sizeof(text));
    close(ends[0]);
    if (waitpid(pid, &status, 0) != pid || status != 0 || len == 0 || !strstr(text, "pipe:"))
        return -1;
    for (const char *at = text; (at = strstr(at, rig->folder)); at++)
        n++;
    return n;
}

static int start_after_reports(struct rig *rig)
{
    int bad = towbar_init(TOWBAR_OPTIONS(.spool = rig->spool, .sync = 1)) != 0;
    bad += count_leaks(rig) != 0;
    for (int level = TOWBAR_INFO; level <= TOWBAR_CRITICAL; level++)
        bad += towbar_report((enum towbar_level)level, "a file of each class") != 0;
    return bad + (count_leaks(rig) != 0);
}

static void program_started_by_vfork_has_nothing_of_the_spool(void **state)
{
    struct rig *rig = *state;
    assert_int_equal(rig_in_child(start_after_reports, rig), 0);
    assert_int_equal(rig_read(rig), 4);
}

static atomic_int stop;
static atomic_ulong n_tried;

/* Opens a file for each report: it closes the one before as a daemon does that closes all. */
static void *report_into_new_files(void *arg)
{
    const struct towbar_site site = {"exec.c", 1, "report_into_new_files"};
    while (!atomic_load(&stop)) {
        atomic_store(&tb_site_find(&site, NULL)->empty_ns, 0); /* no limit for this one */
        (void)towbar_report_at(&site, TOWBAR_ERROR, 0, "again");
        atomic_fetch_add(&n_tried, 1);
        for (int fd = 64; fd < 80; fd++) /* where the library's are */
            (void)close(fd);
    }
    return arg;
}

static int start_beside_reports(struct rig *rig)
{
    pthread_t thread;
    int bad = towbar_init(TOWBAR_OPTIONS(.spool = rig->spool)) != 0;
    bad += pthread_create(&thread, NULL, report_into_new_files, NULL) != 0;
    for (int i = 0; i < N_STARTS || atomic_load(&n_tried) < N_STARTS; i++)
        bad += count_leaks(rig) != 0;
    atomic_store(&stop, 1);
    pthread_join(thread, NULL);
    return bad;
}

static void program_started_while_files_are_opened_has_none_of_them(void **state)
{
    assert_int_equal(rig_in_child(start_beside_reports, *state), 0);
}

/* ---- exec of the process itself ---- */

static void *report_for_ever(void *arg)
{
    atomic_ulong *n_kept = arg;
    const struct towbar_site site = {"exec.c", 2, "report_for_ever"};
    for (;;) {
        atomic_store(&tb_site_find(&site, NULL)->empty_ns, 0);
        if (towbar_report_at(&site, TOWBAR_ERROR, 0, "again") == 0)
            atomic_fetch_add(n_kept, 1);
    }
    return NULL;
}

static void replace_while_reporting(const struct rig *rig, atomic_ulong *n_kept,
                                    unsigned long moment)
{
    pthread_t thread;
    if (towbar_init(TOWBAR_OPTIONS(.spool = rig->spool)) != 0 ||
        pthread_create(&thread, NULL, report_for_ever, n_kept) != 0)
        _exit(1);
    while (atomic_load(n_kept) < moment)
        sched_yield();
    execlp("true", "true", (char *)NULL);
    _exit(127);
}

/* Counts what is in the spool, and takes it out. */
static size_t take_all(struct rig *rig, struct tb_spool_stats *stats)
{
    char why[TB_SPOOL_WHY] = "";
    struct tb_spool *spool;
    struct tb_spool_record record;
    size_t n = 0;
    assert_int_equal(tb_spool_open(rig->spool, TB_SPOOL_CREATE, &spool, why), 0);
    while (tb_spool_next(spool, &record) == 0) {
        tb_spool_ack(spool, record.file_id, record.off8, TB_ACK_STORED);
        n += !rig_is_unseen(&record);
    }
    assert_int_equal(tb_spool_flush(spool), 0);
    assert_int_equal(tb_spool_collect(spool), 2); /* the segment and the slot have no owner */
    tb_spool_stats(spool, stats);
    tb_spool_close(spool);
    return n;
}

static void exec_in_the_middle_of_a_report_loses_none_that_was_kept(void **state)
{
    struct rig *rig = *state;
    enum { N_TIMES = 10 };
    atomic_ulong *n_kept =
        mmap(NULL, sizeof(*n_kept), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(n_kept != MAP_FAILED);
    for (unsigned long i = 0; i < N_TIMES; i++) {
        struct tb_spool_stats stats;
        int status = 0;
        atomic_store(n_kept, 0);
        pid_t pid = fork();
        if (pid == 0)
            replace_while_reporting(rig, n_kept, 1 + i * 3);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
        size_t n = take_all(rig, &stats);
        assert_in_range(n, atomic_load(n_kept), atomic_load(n_kept) + 1);
        assert_int_equal(stats.n_damaged, 0);  /* the one that was being written is torn */
        assert_int_equal(stats.n_vanished, 1); /* it did not say good-bye */
    }
    munmap(n_kept, sizeof(*n_kept));
}

/* ---- the host's own files ---- */

static int close_all_between(struct rig *rig)
{
    enum { N = 100 };
    char path[96];
    struct stat st;
    int fds[N];
    int bad = towbar_init(TOWBAR_OPTIONS(.spool = rig->spool)) != 0;
    bad += towbar_error("before") != 0;
    if (syscall(SYS_close_range, 3, ~0U, 0) != 0)
        return 99;
    for (int i = 0; i < N; i++) {
        snprintf(path, sizeof(path), "%s/own-%d", rig->folder, i);
        fds[i] = open(path, O_RDWR | O_CREAT, 0600);
        bad += write(fds[i], "data", 4) != 4;
    }
    bad += towbar_error("after") != 0;
    bad += towbar_warning("after") != 0;
    bad += towbar_report(TOWBAR_CRITICAL, "after") != 0;
    towbar_shutdown();
    for (int i = 0; i < N; i++) {
        bad += fstat(fds[i], &st) != 0 || st.st_size != 4;
        bad += lseek(fds[i], 0, SEEK_CUR) != 4;
    }
    return bad;
}

static void host_that_closes_all_between_two_reports_keeps_its_files(void **state)
{
    struct rig *rig = *state;
    int bad = rig_in_child(close_all_between, rig);
    if (bad == 99) {
        print_message("no close_range in this kernel: skipped\n");
        skip();
    }
    assert_int_equal(bad, 0);
    assert_int_equal(rig_read(rig), 4);
}

static int limit_file_size(struct rig *rig)
{
    const struct rlimit none = {0, RLIM_INFINITY};
    int bad = towbar_init(TOWBAR_OPTIONS(.spool = rig->spool)) != 0;
    bad += towbar_error("before") != 0;
    bad += setrlimit(RLIMIT_FSIZE, &none) != 0; /* SIGXFSZ would end this process */
    bad += towbar_error("too large") != -EFBIG;
    bad += towbar_warning("too large") != -EFBIG;
    bad += rig_check_status("2 reports could not be kept: File too large");
    towbar_shutdown();
    return bad;
}

static void file_size_limit_ends_reports_and_not_the_host(void **state)
{
    struct rig *rig = *state;
    assert_int_equal(rig_in_child(limit_file_size, rig), 0);
    assert_int_equal(rig_read(rig), 1);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)
    const struct CMUnitTest tests[] = {
        CASE(program_started_by_vfork_has_nothing_of_the_spool),
        CASE(program_started_while_files_are_opened_has_none_of_them),
        CASE(exec_in_the_middle_of_a_report_loses_none_that_was_kept),
        CASE(host_that_closes_all_between_two_reports_keeps_its_files),
        CASE(file_size_limit_ends_reports_and_not_the_host),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
