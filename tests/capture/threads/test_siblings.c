/* What a crash tells of the other threads. */
#include "crowd.h"

static void all_threads_are_there_with_registers_and_stacks(void **state)
{
    static const char *const ways[] = {"sleepers", "blocked", "child-handler"};
    struct found *found = *state;
    for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
        crash_as(found, ways[i]);
        assert_all(found, N_THREADS);
        assert_true(found->has_file);
        assert_int_equal(found->n_frames, N_THREADS);
        assert_int_equal(found->file_st.st_mode & 07777, 0640);
        assert_int_equal(found->file_st.st_uid, found->slot_st.st_uid);
        assert_null(strstr(found->rig.out, "a child"));
    }
}

/* Each has to get a processor before it can stop: few, as the machine may be busy. */
static void threads_that_run_are_stopped_where_they_are(void **state)
{
    struct found *found = *state;
    found->rig.env[0] = "CROWD_THREADS=3";
    crash_as(found, "spinners");
    assert_int_equal(found->crash.about_threads.err, 0);
    assert_int_equal(found->crash.about_threads.n_captured, 3);
    assert_waiting(found, 3);
}

static void a_process_of_one_thread_has_nothing_of_it(void **state)
{
    struct found *found = *state;
    crash_as(found, "alone");
    assert_int_equal(found->crash.about_threads.n_there, 0);
    assert_int_equal(found->crash.n_threads, 0);
    assert_false(found->has_file);
}

static void more_threads_than_fit_get_smaller_stacks(void **state)
{
    struct found *found = *state;
    found->rig.env[0] = "CROWD_THREADS=400";
    crash_as(found, "sleepers");
    assert_int_equal(found->crash.about_threads.n_captured, 400);
    assert_int_equal(found->crash.about_threads.err, 0);
    assert_waiting(found, 400);
    for (size_t i = 0; i < found->crash.n_threads; i++)
        assert_true(found->crash.threads[i].flags & TB_CRASH_STACK_CUT);
}

static void another_user_has_the_same(void **state)
{
    static const char *const ways[] = {"nobody", "nobody-not-dumpable", "nobody-dumpable"};
    struct found *found = *state;
    for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
        crash_as(found, ways[i]);
        assert_all(found, N_THREADS);
        assert_true(found->has_file);
    }
}

/* A file of nobody beside a slot of root. */
static void one_that_was_root_has_the_same(void **state)
{
    struct found *found = *state;
    crash_as(found, "dropped");
    assert_all(found, N_THREADS);
    assert_true(found->has_file);
    if (geteuid() == 0)
        assert_int_not_equal(found->file_st.st_uid, found->slot_st.st_uid);
}

static void without_room_for_a_file_the_slot_has_them(void **state)
{
    struct found *found = *state;
    crash_as(found, "no-file-size");
    assert_all(found, N_THREADS);
    assert_false(found->has_file);
    crash_as(found, "small-file-size");
    assert_all(found, N_THREADS);
    assert_true(found->has_file);
}

/* Some are left out rather than all cut to nothing. */
static void many_threads_in_the_slot_keep_some_stack(void **state)
{
    struct found *found = *state;
    const struct tb_crash *crash = &found->crash;
    found->rig.env[0] = "CROWD_THREADS=400";
    crash_as(found, "no-file-size");
    assert_false(found->has_file);
    assert_int_equal(crash->about_threads.n_there, 400);
    assert_int_equal(crash->about_threads.err, -ENOSPC);
    assert_int_equal(crash->about_threads.n_captured, crash->n_threads);
    assert_true(crash->n_threads >= 100 && crash->n_threads < 400);
    for (size_t i = 0; i + 1 < crash->n_threads; i++) /* the last one takes what is left */
        assert_int_equal(crash->threads[i].stack_len, 256);
}

static void closed_descriptors_and_no_memory_do_not_matter(void **state)
{
    static const char *const ways[] = {"no-descriptors", "no-memory"};
    struct found *found = *state;
    for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
        crash_as(found, ways[i]);
        assert_all(found, N_THREADS);
        assert_true(found->has_file);
    }
}

static void without_a_descriptor_left_the_limit_is_raised(void **state)
{
    struct found *found = *state;
    crash_as(found, "no-descriptor-left");
    assert_all(found, N_THREADS);
    assert_true(found->has_file);
}

/* None has a name. */
static void assert_all_wait_here(const struct found *found)
{
    uint64_t start = rig_said(&found->rig, "wait_here", 16);
    for (size_t i = 0; i < found->crash.n_threads; i++) {
        const struct tb_crash_thread *thread = &found->crash.threads[i];
        assert_string_equal(thread->name, "");
        assert_true(thread->regs[REG_OF_IP] - start < FUNCTION_BYTES);
        assert_true(thread->stack_len > 0);
    }
}

/* Of them the library knows as they were created after init; the error says that it may not be
 * all. */
static void without_proc_those_that_are_known_are_there(void **state)
{
    static const struct {
        const char *way;
        int err, needs_root, has_file;
    } rows[] = {{"no-descriptor-to-be-had", -EMFILE, 0, 0}, {"no-proc", -ENOENT, 1, 1}};
    struct found *found = *state;
    if (TEST_SANITIZE[0])
        skip(); /* threads have no block of ours */
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (rows[i].needs_root && geteuid() != 0)
            continue;
        crash_as(found, rows[i].way);
        assert_int_equal(found->crash.about_threads.n_there, N_THREADS);
        assert_int_equal(found->crash.about_threads.n_captured, N_THREADS);
        assert_int_equal(found->crash.about_threads.err, rows[i].err);
        assert_int_equal(found->has_file, rows[i].has_file);
        assert_all_wait_here(found);
    }
}

static void a_thread_that_cannot_stop_is_left(void **state)
{
    struct found *found = *state;
    crash_as(found, "vforker");
    assert_int_equal(found->crash.about_threads.n_there, N_THREADS + 1);
    assert_int_equal(found->crash.about_threads.n_captured, N_THREADS);
    assert_int_equal(found->crash.about_threads.err, -EBUSY);
    assert_waiting(found, N_THREADS);
}

static void a_thread_with_another_tracer_is_left(void **state)
{
    struct found *found = *state;
    crash_as(found, "traced");
    assert_int_equal(found->crash.about_threads.n_there, N_THREADS);
    assert_int_equal(found->crash.about_threads.n_captured, N_THREADS - 1);
    assert_int_equal(found->crash.about_threads.err, -EPERM);
    assert_waiting(found, N_THREADS - 1);
}

static void a_first_thread_that_has_ended_is_none(void **state)
{
    struct found *found = *state;
    crash_as(found, "main-ended");
    assert_all(found, N_THREADS);
}

static void threads_that_come_and_go_do_no_harm(void **state)
{
    struct found *found = *state;
    crash_as(found, "storm");
    assert_waiting(found, N_THREADS);
    assert_true(found->crash.about_threads.n_captured >= N_THREADS + 2);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(all_threads_are_there_with_registers_and_stacks),
        CASE(threads_that_run_are_stopped_where_they_are),
        CASE(a_process_of_one_thread_has_nothing_of_it),
        CASE(more_threads_than_fit_get_smaller_stacks),
        CASE(another_user_has_the_same),
        CASE(one_that_was_root_has_the_same),
        CASE(without_room_for_a_file_the_slot_has_them),
        CASE(many_threads_in_the_slot_keep_some_stack),
        CASE(closed_descriptors_and_no_memory_do_not_matter),
        CASE(without_a_descriptor_left_the_limit_is_raised),
        CASE(without_proc_those_that_are_known_are_there),
        CASE(a_thread_that_cannot_stop_is_left),
        CASE(a_thread_with_another_tracer_is_left),
        CASE(a_first_thread_that_has_ended_is_none),
        CASE(threads_that_come_and_go_do_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
