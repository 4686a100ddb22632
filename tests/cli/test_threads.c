/* test_threads.c - the other threads of a crash in the terminal: a line each, or their stacks. */
#include "run.h"

static const char data_head[] =
    "{\"body\":{\"trace\":{\"exception\":{\"class\":\"SIGSEGV\",\"message\":\"m\"},\"frames\":["
    "{\"method\":\"queue_push\",\"filename\":\"q.c\",\"lineno\":1,\"in_app\":true}]}},"
    "\"server\":{\"root\":\"/srv\"},\"custom\":{\"native\":{\"signal\":\"SIGSEGV\"";

#define GROUPS                                                                                     \
    ",\"threads\":[{\"tids\":[4251,4252,4253,4254,4255],\"names\":[\"worker-1\",\"\",\"w3\","      \
    "\"w4\",\"w5\"],\"frames\":[{\"method\":\"worker_main\",\"filename\":\"/srv/src/worker.c\","   \
    "\"lineno\":90,\"in_app\":true},{\"method\":\"wait_for_work\",\"filename\":"                   \
    "\"/srv/src/pool.c\",\"lineno\":30,\"in_app\":true},{\"method\":\"read\",\"filename\":"        \
    "\"libc.so.6\",\"module_offset\":\"0x1f\",\"in_app\":false}],\"cut\":false},"                  \
    "{\"tids\":[7],\"names\":[\"\\u001b]0;owned\\u0007\"],\"frames\":[{\"method\":"                \
    "\"\\u001b[31mspin\",\"filename\":\"t\\u009b.c\",\"lineno\":3,\"in_app\":true}],"              \
    "\"frames_omitted\":12,\"cut\":true}],\"threads_there\":51,"                                   \
    "\"threads_note\":\"6 of 51 other threads were captured: EPERM\""

static void fill_as(struct run *run, const char *uuid, const char *threads)
{
    char why[TB_STORE_WHY] = "";
    char data[4096];
    struct tb_store *store = NULL;
    int len = snprintf(data, sizeof(data), "%s%s}}}", data_head, threads);
    assert_true(len > 0 && (size_t)len < sizeof(data));
    const struct tb_occurrence crash = {.uuid = uuid,
                                        .fingerprint = "f1f1",
                                        .environment = "demo",
                                        .service = "feedd",
                                        .title = "SIGSEGV in queue_push",
                                        .level = "critical",
                                        .framework = "",
                                        .trace_id = "",
                                        .xray_trace_id = "",
                                        .span_id = "",
                                        .group_inputs = "{}",
                                        .occurred_ns = 1790000001000000000,
                                        .received_ns = 1790000002000000000,
                                        .data = data,
                                        .data_len = (size_t)len};
    assert_int_equal(tb_store_open(run->state, TB_STORE_WRITE, &store, why), 0);
    assert_int_equal(tb_store_add(store, &crash, NULL, 0), 0);
    tb_store_close(store);
}

static void fill(struct run *run, const char *threads)
{
    fill_as(run, CRASH_UUID, threads);
}

static void an_item_lists_other_threads_briefly(void **state)
{
    struct run *run = *state;
    fill(run, GROUPS);
    assert_int_equal(run_here(run, "item", "1"), 0);
    run_has(run->out, "\nOther threads (51)\n  6 of 51 other threads were captured: EPERM\n");
    run_has(run->out, "  wait_for_work     src/pool.c:30             5 threads: worker-1 (4251), "
                      "4252, w3 (4253), 2 more\n");
    run_has(run->out, "  45 more\n");
    run_has(run->out, "With the stacks of all threads: towbar item 1 --all --config");
    run_has_not(run->out, "worker_main");
}

static void all_shows_their_stacks(void **state)
{
    struct run *run = *state;
    fill(run, GROUPS);
    assert_int_equal(run_here(run, "item", "1", "--all"), 0);
    run_has(run->out, "\n  worker-1 (4251), 4252, w3 (4253), w4 (4254), w5 (4255)\n"
                      "  #0  read              libc.so.6 +0x1f\n"
                      "  #1  wait_for_work     src/pool.c:30\n"
                      "  #2  worker_main       src/worker.c:90\n");
    run_has(run->out, "  12 frames are left out\n  only a part of the stack was captured\n");
    run_has_not(run->out, "With the stacks of all threads");
    /* The main stack alone has a place that is here. */
    const char *here = strstr(run->out, "(here)");
    assert_non_null(here);
    assert_null(strstr(here + 1, "(here)"));
}

#define CFRAME(method) "{\"method\":\"" method "\",\"module\":\"libc.so.6\",\"in_app\":false}"

#define WAITING                                                                                    \
    ",\"threads\":[{\"tids\":[7],\"names\":[\"w\"],\"waits_in\":\"futex "                          \
    "(\\u001bx)\",\"cut\":false,"                                                                  \
    "\"frames\":[{\"method\":\"pop\",\"filename\":\"w.c\",\"lineno\":3,\"in_app\":true}]}],"       \
    "\"threads_there\":1"

static void a_thread_that_waits_says_in_what(void **state)
{
    struct run *run = *state;
    fill(run, WAITING);
    assert_int_equal(run_here(run, "item", "1"), 0);
    run_has(run->out, "  pop               w.c:3                     waits in futex (?x)  w (7)\n");
    assert_int_equal(run_here(run, "item", "1", "--all"), 0);
    run_has(run->out, "\n  w (7)  waits in futex (?x)\n  #0  pop ");
}

static void a_thread_that_crashed_too_and_one_that_is_cut_say_so(void **state)
{
    struct run *run = *state;
    fill(run, ",\"threads\":[{\"tids\":[7],\"names\":[\"w\"],\"crashed\":true,\"cut\":true,"
              "\"cut_note\":\"the stack goes on: why\",\"frames\":[{\"method\":\"pop\","
              "\"filename\":\"w.c\",\"lineno\":3,\"in_app\":true}]}],\"threads_there\":1");
    assert_int_equal(run_here(run, "item", "1"), 0);
    run_has(run->out, "crashed too  w (7)\n");
    assert_int_equal(run_here(run, "item", "1", "--all"), 0);
    run_has(run->out, "\n  w (7)  crashed too\n  #0  pop ");
    run_has(run->out, "\n  the stack goes on: why\n");
}

static void their_stacks_are_folded_until_all_frames_are_asked_for(void **state)
{
    struct run *run = *state;
    fill(run, ",\"threads\":[{\"tids\":[7],\"names\":[\"w\"],\"cut\":false,\"frames\":["
              "{\"method\":\"worker\",\"filename\":\"w.c\",\"lineno\":3,\"in_app\":true}," CFRAME(
                  "pthread_cond_wait") "," CFRAME("futex_wait") "]}],\"threads_there\":1");
    assert_int_equal(run_here(run, "item", "1", "--all"), 0);
    run_has(run->out, "  w (7)\n  >  2 frames of libc\n  #2  worker            w.c:3\n");
    run_has(run->out, "With the frames that are folded: towbar item 1 --all-frames --config");
    assert_int_equal(run_here(run, "item", "1", "--all-frames"), 0);
    run_has(run->out, "  #1  pthread_cond_wait");
    run_has_not(run->out, "With the frames that are folded");
    run_has_not(run->out, "With the stacks of all threads");
    assert_int_equal(run_here(run, "item", "1"), 0);
    run_has_not(run->out, "With the frames that are folded");
}

static void hostile_names_cannot_steer_the_terminal(void **state)
{
    struct run *run = *state;
    fill(run, GROUPS);
    assert_int_equal(run_here(run, "item", "1"), 0);
    for (int i = 0; i < 2; i++) {
        run_has(run->out, "?]0;owned? (7)");
        run_has(run->out, "?[31mspin");
        run_has_not(run->out, "\x1b");
        run_has_not(run->out, "\x07");
        run_has_not(run->out, "\xc2\x9b");
        assert_int_equal(run_here(run, "item", "1", "--all"), 0);
    }
}

static void a_crash_without_other_threads_says_nothing_of_them(void **state)
{
    struct run *run = *state;
    fill(run, "");
    assert_int_equal(run_here(run, "item", "1"), 0);
    run_has_not(run->out, "hreads");
}

static void odd_shapes_are_passed_over(void **state)
{
    static const char *const shapes[] = {
        "7",
        "\"x\"",
        "{\"a\":{\"frames\":[1]}}",
        "[7,null,\"x\",[]]",
        "[{\"frames\":{}}]",
        "[{\"tids\":{\"a\":1},\"names\":7,\"frames\":[7,{},null]}]",
        "[{\"tids\":[null,\"x\",1e99,-4],\"names\":[[]],\"frames\":[],\"frames_omitted\":-5}]"};
    char threads[512];
    char uuid[37] = CRASH_UUID;
    struct run *run = *state;
    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
        snprintf(threads, sizeof(threads), ",\"threads\":%s,\"threads_there\":%s", shapes[i],
                 shapes[i]);
        uuid[0] = (char)('a' + i); /* the last one is shown */
        fill_as(run, uuid, threads);
        assert_int_equal(run_here(run, "item", "1"), 0);
        run_has(run->out, uuid);
        assert_int_equal(run_here(run, "item", "1", "--all"), 0);
        run_has(run->out, "queue_push");
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, run_setup, run_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_item_lists_other_threads_briefly),
        TEST(all_shows_their_stacks),
        TEST(a_thread_that_waits_says_in_what),
        TEST(a_thread_that_crashed_too_and_one_that_is_cut_say_so),
        TEST(their_stacks_are_folded_until_all_frames_are_asked_for),
        TEST(hostile_names_cannot_steer_the_terminal),
        TEST(a_crash_without_other_threads_says_nothing_of_them),
        TEST(odd_shapes_are_passed_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
