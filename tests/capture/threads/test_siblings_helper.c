/* What looking at the other threads leaves unchanged, and how its helper ends. */
#include "crowd.h"

#include <elf.h>
#include <sys/prctl.h>

/* Of the threads in the core of the last run; 0 when there is none here. */
static int count_core_threads(const struct found *found)
{
    static uint8_t bytes[1 << 20];
    char path[128];
    int n = 0;
    snprintf(path, sizeof(path), "%s/core", found->rig.folder);
    int fd = open(path, O_RDONLY);
    if (fd < 0)
        return 0;
    ssize_t len = read(fd, bytes, sizeof(bytes));
    close(fd);
    Elf64_Ehdr head;
    Elf64_Phdr notes;
    assert_true(len > (ssize_t)(sizeof(head) + sizeof(notes)));
    memcpy(&head, bytes, sizeof(head));
    memcpy(&notes, bytes + head.e_phoff, sizeof(notes)); /* the kernel writes them first */
    assert_int_equal(notes.p_type, PT_NOTE);
    assert_true(notes.p_offset + notes.p_filesz <= (uint64_t)len);
    Elf64_Nhdr note;
    for (uint64_t at = 0; at < notes.p_filesz;
         at += sizeof(note) + ((note.n_namesz + 3) & ~3u) + ((note.n_descsz + 3) & ~3u)) {
        memcpy(&note, bytes + notes.p_offset + at, sizeof(note));
        n += note.n_type == NT_PRSTATUS;
    }
    return n;
}

static void a_core_has_the_threads_of_the_process_alone(void **state)
{
    struct found *found = *state;
    crash_as(found, "sleepers");
    assert_all(found, N_THREADS);
    if (!WCOREDUMP(found->rig.status) || count_core_threads(found) == 0)
        skip(); /* cores go elsewhere here */
    assert_int_equal(count_core_threads(found), N_THREADS + 1);
}

static void what_may_have_no_core_still_has_none(void **state)
{
    struct found *found = *state;
    crash_as(found, "nobody-dumpable");
    if (!WCOREDUMP(found->rig.status))
        skip(); /* cores go elsewhere here */
    crash_as(found, "nobody-not-dumpable");
    assert_false(WCOREDUMP(found->rig.status));
    crash_as(found, "not-dumpable");
    assert_false(WCOREDUMP(found->rig.status));
    assert_all(found, N_THREADS);
}

static void a_thread_that_waits_for_children_sees_none(void **state)
{
    struct found *found = *state;
    crash_as(found, "waiter");
    assert_all(found, N_THREADS + 1);
    assert_null(strstr(found->rig.out, "waited"));
}

static void assert_no_child(void)
{
    int status;
    pid_t pid = waitpid(-1, &status, __WALL | WNOHANG);
    assert_int_equal(pid, -1);
    assert_int_equal(errno, ECHILD);
}

static void nothing_of_it_outlives_the_process(void **state)
{
    struct found *found = *state;
    assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
    crash_as(found, "sleepers");
    assert_all(found, N_THREADS);
    assert_no_child();
    assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 0), 0);
}

static void a_helper_that_hangs_is_ended_in_time(void **state)
{
    struct found *found = *state;
    crash_as(found, "held-ptrace");
    assert_none(found, -ETIMEDOUT);
    assert_true(found->crash.handler_ns > 400 * 1000 * 1000u);
    assert_true(found->crash.n_frames > 0 && found->crash.stack_len > 0);
}

static void a_helper_that_faults_ends_alone(void **state)
{
    struct found *found = *state;
    crash_as(found, "faulting-ptrace");
    rig_assert_has(found->rig.out, "a fault\n");
    assert_none(found, -EFAULT);
    assert_true(found->crash.n_frames > 0 && found->crash.stack_len > 0);
}

/* The record then goes on to a file that is not there: a fault in the handler. */
static void a_slot_that_is_cut_meanwhile_changes_nothing_for_the_host(void **state)
{
    struct found *found = *state;
    die_as(found, "cut-slot");
    rig_assert_has(found->rig.out, "the slot was cut\n");
    assert_signal(found);
}

static void where_yama_asks_for_it_the_tracer_is_named_and_taken_back(void **state)
{
    struct found *found = *state;
    crash_as(found, "yama");
    assert_all(found, N_THREADS);
    const char *named = strstr(found->rig.out, "a tracer was named\n");
    assert_non_null(named);
    rig_assert_has(named, "no tracer is named\n");
    assert_null(strstr(named + 1, "a tracer was named\n"));
}

static void where_a_handler_decides_nobody_is_stopped(void **state)
{
    struct found *found = *state;
    die_as(found, "has-handler");
    assert_true(WIFEXITED(found->rig.status));
    assert_int_equal(WEXITSTATUS(found->rig.status), 9);
    read_all(found);
    assert_int_equal(found->crash.about_threads.n_there, N_THREADS);
    assert_int_equal(found->crash.about_threads.n_captured, 0);
    assert_int_equal(found->crash.about_threads.err, -ECANCELED); /* and the record says so */
    assert_int_equal(found->crash.n_threads, 0);
    assert_false(found->has_file);
}

static void a_filter_or_a_limit_leaves_the_rest_whole(void **state)
{
    static const struct {
        const char *way;
        int err;
    } rows[] = {{"no-ptrace", -EPERM},
                {"trapped-ptrace", -ENOSYS},
                {"no-clone", -EAGAIN},
                {"trapped-clone", -ENOSYS},
                {"killed-ptrace", -EFAULT}};
    struct found *found = *state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        crash_as(found, rows[i].way);
        assert_none(found, rows[i].err);
        assert_true(found->crash.n_frames > 0 && found->crash.stack_len > 0);
    }
    crash_as(found, "no-processes");
    if (geteuid() != 0)
        return; /* others of this user have processes too; it cannot become another */
    assert_none(found, -EAGAIN);
    crash_as(found, "effective-user");
    assert_none(found, -EPERM);
    assert_false(WCOREDUMP(found->rig.status));
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(a_core_has_the_threads_of_the_process_alone),
        CASE(what_may_have_no_core_still_has_none),
        CASE(a_thread_that_waits_for_children_sees_none),
        CASE(nothing_of_it_outlives_the_process),
        CASE(a_helper_that_hangs_is_ended_in_time),
        CASE(a_helper_that_faults_ends_alone),
        CASE(a_slot_that_is_cut_meanwhile_changes_nothing_for_the_host),
        CASE(where_yama_asks_for_it_the_tracer_is_named_and_taken_back),
        CASE(where_a_handler_decides_nobody_is_stopped),
        CASE(a_filter_or_a_limit_leaves_the_rest_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
