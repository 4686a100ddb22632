/* Start, stop, status; and every call out of season. */
#include "rig.h"

/* Formats that no compiler can check are what some of these tests are about. */
#pragma GCC diagnostic ignored "-Wformat-nonliteral"

#include <dirent.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "capture/lib.h"
#include "towbar/towbar.h"

static const char *get_nothing(void *arg, const char *name)
{
    (void)arg;
    (void)name;
    errno = 12;
    return NULL;
}

/* Each with an errno that must come through. Returns how many changed it. */
static int call_everything(void)
{
    int n_changed = 0;
    const char *volatile none = NULL;
    towbar_trace_state before;
#define CALL(what)                                                                                 \
    do {                                                                                           \
        errno = 4711;                                                                              \
        what;                                                                                      \
        if (errno != 4711) {                                                                       \
            print_error("errno changed by %s\n", #what);                                           \
            n_changed++;                                                                           \
        }                                                                                          \
    } while (0)
    CALL((void)towbar_error("text %d", 1));
    CALL((void)towbar_warning("text %d", 1));
    CALL((void)towbar_perror("text %d", 1));
    CALL((void)towbar_report_at(NULL, TOWBAR_INFO, 0, none, 1));
    CALL((void)towbar_perror_at(NULL, none, 1));
    CALL(towbar_note(TOWBAR_INFO, "text %d", 1));
    CALL(towbar_note(TOWBAR_INFO, none, 1));
    CALL((void)towbar_status());
    CALL((void)towbar_thread_enter("name-%d", 1));
    CALL((void)towbar_thread_enter(none, 1));
    CALL((void)towbar_scope_push("key", "text %d", 1));
    CALL((void)towbar_scope_push(NULL, none, 1));
    CALL(towbar_scope_pop(0));
    CALL(towbar_scope_pop(-5));
    CALL(before = towbar_trace_push("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"));
    CALL(towbar_trace_pop(&before));
    CALL((void)towbar_trace_push(NULL));
    CALL((void)towbar_trace_push("nonsense"));
    CALL(towbar_trace_pop(NULL));
    CALL((void)towbar_trace_extract(NULL, NULL));
    CALL((void)towbar_trace_extract(get_nothing, NULL));
    CALL((void)towbar_trace_start());
    CALL(before = towbar_trace_capture());
    CALL((void)towbar_trace_adopt(&before));
    CALL((void)towbar_trace_inject(NULL, NULL));
    CALL((void)towbar_trace_env(NULL, 0, NULL, 0));
    CALL((void)towbar_trace_ids(NULL, NULL));
    CALL((void)towbar_trace_log(NULL, 0));
    CALL((void)towbar_trace_adopt(NULL));
    return n_changed;
}

static int all_seasons(struct rig *rig)
{
    int n_changed = call_everything();
    CALL(towbar_shutdown());
    if (towbar_error("before") != -ENOTCONN)
        n_changed++;
    CALL((void)towbar_init(TOWBAR_OPTIONS(.spool = "/proc/no/such")));
    CALL((void)towbar_init(TOWBAR_OPTIONS(.spool = rig->spool)));
    n_changed += call_everything();
    CALL((void)towbar_init(NULL));
    pid_t pid = fork();
    if (pid == 0) {
        int n = call_everything();
        CALL(towbar_shutdown());
        _exit(n + call_everything());
    }
    int status = 0;
    waitpid(pid, &status, 0);
    n_changed += status;
    CALL(towbar_shutdown());
    n_changed += call_everything();
    CALL(towbar_shutdown());
    return n_changed;
}

static void every_call_is_valid_in_every_season_and_keeps_errno(void **state)
{
    assert_int_equal(rig_in_child(all_seasons, *state), 0);
}

static int status_over_a_life(struct rig *rig)
{
    int bad = rig_check_status("not reporting: towbar_init was not called");
    bad += towbar_init(TOWBAR_OPTIONS(.spool = rig->spool)) != 0;
    bad += rig_check_status("reporting to ");
    bad += rig_check_status(rig->spool);
    bad += rig_check_status("(crash handler on, libunwind)");
    bad += towbar_init(NULL) != -EALREADY;
    signal(SIGSEGV, SIG_DFL);
    bad += rig_check_status("replaced the handler of SIGSEGV");
    towbar_shutdown();
    bad += towbar_error("refused") != -ENOTCONN;
    bad += rig_check_status("not reporting: towbar_shutdown was called");
    bad += towbar_init(TOWBAR_OPTIONS(.spool = rig->spool, .no_crash_handler = 1)) != 0;
    bad += rig_check_status("crash handler off");
    bad += towbar_error("still works") != 0;
    return bad;
}

static void status_says_what_is_so(void **state)
{
    assert_int_equal(rig_in_child(status_over_a_life, *state), 0);
    assert_int_equal(rig_read(*state), 1);
}

/* A user who never leaves, as one does that writes to a disk that hangs. */
static int stuck_user(struct rig *rig)
{
    int bad = towbar_init(TOWBAR_OPTIONS(.spool = rig->spool)) != 0;
    bad += tb_lib_enter() != 0;
    towbar_shutdown();
    bad += towbar_error("refused") != -ENOTCONN;
    bad += rig_check_status("not reporting: towbar_shutdown was called");
    bad += towbar_init(NULL) != -EALREADY;
    return bad;
}

static void shutdown_beside_a_stuck_call_is_told_as_such(void **state)
{
    assert_int_equal(rig_in_child(stuck_user, *state), 0);
    assert_int_equal(rig_read(*state), 0);
}

static void report_too_late(void)
{
    if (towbar_error("refused") != -ENOTCONN ||
        rig_check_status("not reporting: towbar_shutdown was called"))
        _exit(7);
}

static int exits_after_shutdown(struct rig *rig)
{
    if (atexit(report_too_late) || towbar_init(TOWBAR_OPTIONS(.spool = rig->spool)))
        return 1;
    towbar_shutdown();
    exit(0);
}

static void reports_of_exit_handlers_after_shutdown_are_refused_aloud(void **state)
{
    assert_int_equal(rig_in_child(exits_after_shutdown, *state), 0);
    assert_int_equal(rig_read(*state), 0);
}

static int bad_spools(struct rig *rig)
{
    char file[96];
    int bad = 0;
    snprintf(file, sizeof(file), "%s/file", rig->folder);
    close(open(file, O_WRONLY | O_CREAT, 0600));
    bad += towbar_init(TOWBAR_OPTIONS(.spool = "/proc/no/such")) >= 0;
    bad += rig_check_status("not reporting: ");
    bad += rig_check_status("/proc/no/such");
    bad += towbar_error("goes nowhere") != -ENOTCONN;
    bad += towbar_init(TOWBAR_OPTIONS(.spool = file)) >= 0;
    bad += rig_check_status(file);
    towbar_options empty = {.spool = rig->spool};
    bad += towbar_init(&empty) != -EINVAL;
    bad += rig_check_status("TOWBAR_OPTIONS");
    /* Mended: the next init works. */
    bad += towbar_init(TOWBAR_OPTIONS(.spool = rig->spool)) != 0;
    return bad;
}

static void unusable_spool_is_named_and_can_be_mended(void **state)
{
    assert_int_equal(rig_in_child(bad_spools, *state), 0);
}

static int options_of_the_past(struct rig *rig)
{
    /* The struct as it was when it ended before no_crash_handler. */
    towbar_options options = {.size = offsetof(towbar_options, root),
                              .service = "old",
                              .spool = rig->spool,
                              .root = "/not/there/then",
                              .no_crash_handler = 1};
    int bad = towbar_init(&options) != 0;
    bad += rig_check_status("crash handler on");
    return bad + (towbar_error("text") != 0);
}

static void shorter_options_are_taken_as_far_as_they_go(void **state)
{
    struct rig *rig = *state;
    assert_int_equal(rig_in_child(options_of_the_past, rig), 0);
    assert_int_equal(rig_read(rig), 1);
    assert_string_equal(rig->records[0].process.service, "old");
    assert_string_equal(rig->records[0].process.root, "");
}

static int handlers_come_and_go(struct rig *rig)
{
    static const int signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS};
    struct sigaction now;
    int bad = towbar_init(TOWBAR_OPTIONS(.spool = rig->spool, .no_crash_handler = 1)) != 0;
    for (size_t i = 0; i < 7; i++)
        bad += sigaction(signals[i], NULL, &now) != 0 || now.sa_handler != SIG_DFL;
    towbar_shutdown();
    bad += towbar_init(TOWBAR_OPTIONS(.spool = rig->spool)) != 0;
    for (size_t i = 0; i < 7; i++)
        bad += sigaction(signals[i], NULL, &now) != 0 || now.sa_handler == SIG_DFL;
    towbar_shutdown();
    for (size_t i = 0; i < 7; i++)
        bad += sigaction(signals[i], NULL, &now) != 0 || now.sa_handler != SIG_DFL;
    return bad;
}

static int with_default_signals(struct rig *rig)
{
    static const int signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS};
    for (size_t i = 0; i < 7; i++)
        signal(signals[i], SIG_DFL);
    return handlers_come_and_go(rig);
}

static void handlers_are_set_and_given_back(void **state)
{
    assert_int_equal(rig_in_child(with_default_signals, *state), 0);
}

static size_t count_entries(const char *folder)
{
    size_t n = 0;
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    while (readdir(dir))
        n++;
    closedir(dir);
    return n;
}

static int is_socket(int fd)
{
    struct stat st;
    return fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode);
}

static int no_thread_no_socket(struct rig *rig)
{
    size_t n_threads = count_entries("/proc/self/task");
    int n_sockets = 0;
    for (int fd = 0; fd < 1024; fd++)
        n_sockets -= is_socket(fd);
    int bad = towbar_init(TOWBAR_OPTIONS(.spool = rig->spool)) != 0;
    bad += towbar_error("text") != 0;
    bad += count_entries("/proc/self/task") != n_threads;
    for (int fd = 0; fd < 1024; fd++)
        n_sockets += is_socket(fd);
    return bad + n_sockets;
}

static void library_makes_no_thread_and_no_socket(void **state)
{
    assert_int_equal(rig_in_child(no_thread_no_socket, *state), 0);
}

/* A clean exit says so in the slot; the agent counts no death. */
static int exits(struct rig *rig)
{
    if (towbar_init(TOWBAR_OPTIONS(.spool = rig->spool)) != 0)
        return 1;
    exit(0);
}

static int exits_at_once(struct rig *rig)
{
    if (towbar_init(TOWBAR_OPTIONS(.spool = rig->spool)) != 0)
        return 1;
    (void)syscall(SYS_exit_group, 0); /* libc's are seen to: test_goodbye.c */
    return 1;
}

static void clean_exit_leaves_no_death_to_count(void **state)
{
    struct rig *rig = *state;
    assert_int_equal(rig_in_child(exits, rig), 0);
    assert_int_equal(rig_read(rig), 0);
    assert_int_equal(rig->stats.n_vanished, 0);
    assert_int_equal(rig_in_child(exits_at_once, rig), 0);
    assert_int_equal(rig_read(rig), 0);
    assert_int_equal(rig->stats.n_vanished, 1);
}

/* No /proc, no libraries: as early in a boot, or in a jail. */
static int in_a_jail(struct rig *rig)
{
    if (chroot(rig->folder) != 0 || chdir("/") != 0)
        return 99;
    int bad = towbar_init(TOWBAR_OPTIONS(.spool = "/spool")) != 0;
    bad += rig_check_status("no libunwind");
    bad += towbar_error("from the jail") != 0;
    return bad;
}

static void jail_without_proc_and_libunwind_still_reports(void **state)
{
    struct rig *rig = *state;
    int bad = rig_in_child(in_a_jail, rig);
    if (bad == 99) {
        print_message("chroot is not allowed: skipped\n");
        skip();
    }
    assert_int_equal(bad, 0);
    const struct rig_record *record = rig_only(rig, TB_KIND_NATIVE);
    rig_assert_has(record->data, "\"from the jail\"");
    rig_assert_has(record->data, "\"address\":\"0x");
    rig_assert_has(record->process.exe, "test_init");
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)
    const struct CMUnitTest tests[] = {
        CASE(every_call_is_valid_in_every_season_and_keeps_errno),
        CASE(status_says_what_is_so),
        CASE(shutdown_beside_a_stuck_call_is_told_as_such),
        CASE(reports_of_exit_handlers_after_shutdown_are_refused_aloud),
        CASE(unusable_spool_is_named_and_can_be_mended),
        CASE(shorter_options_are_taken_as_far_as_they_go),
        CASE(handlers_are_set_and_given_back),
        CASE(library_makes_no_thread_and_no_socket),
        CASE(clean_exit_leaves_no_death_to_count),
        CASE(jail_without_proc_and_libunwind_still_reports),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
