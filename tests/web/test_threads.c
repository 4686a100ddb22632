/* test_threads.c - the other threads of a crash: on the page, in the twins, and in shapes that
 * nobody expects. */
#include "site.h"

#include "web/threads.h"

#define BODY                                                                                       \
    "\"body\":{\"trace\":{\"exception\":{\"class\":\"SIGSEGV\",\"message\":\"m\"},\"frames\":["    \
    "{\"method\":\"queue_push\",\"filename\":\"src/queue.c\",\"lineno\":214,\"in_app\":true}]}}"

static const char CRASH[] =
    "{\"environment\":\"production\",\"server\":{\"root\":\"/srv\"},\"custom\":{\"native\":{"
    "\"signal\":\"SIGSEGV\",\"thread\":{\"tid\":9,\"name\":\"worker-9\"},\"threads\":["
    "{\"tids\":[4251,4252,4253],\"names\":[\"worker-1\",\"\",\"worker-3\"],"
    "\"waits_in\":\"read (<fgets>)\",\"frames\":["
    "{\"method\":\"worker_main\",\"filename\":\"/srv/src/worker.c\",\"lineno\":90,\"in_app\":true},"
    "{\"method\":\"wait_for_work\",\"filename\":\"/srv/src/pool.c\",\"lineno\":30,\"address\":"
    "\"0x55d0\",\"module\":\"feedd\",\"in_app\":true},"
    "{\"method\":\"read\",\"filename\":\"libc.so.6\",\"module\":\"libc.so.6\",\"module_offset\":"
    "\"0x1f\",\"in_app\":false}],\"cut\":false},"
    "{\"tids\":[7],\"names\":[\"tick\"],\"frames\":[{\"method\":\"spin\",\"filename\":\"t.c\","
    "\"lineno\":3,\"in_app\":true}],\"frames_omitted\":12,\"cut\":true}],\"threads_omitted\":2,"
    "\"threads_there\":51,\"threads_captured\":6,\"threads_note\":\"6 of 51 other threads were "
    "captured: EPERM (Operation not permitted)\"}}," BODY "}";

static void the_page_folds_groups_of_threads(void **state)
{
    struct site *site = *state;
    struct tb_occurrence one = site_occurrence("u1", CRASH);
    site_add(site, &one);
    const char *page = site_page(site, "/items/1");
    site_has(page, "<details class=\"panel fold\"><summary>Other threads <span "
                   "class=\"mute\">51</span></summary>");
    site_has(page, "6 of 51 other threads were captured: EPERM (Operation not permitted)");
    site_has(page, "<details class=\"frame thread\"><summary><b class=\"mono\">wait_for_work</b> "
                   "<span class=\"mono mute\">src/pool.c:30</span> <span>waits in <span "
                   "class=\"mono\">read (&lt;fgets&gt;)</span></span> <span class=\"chip\">3 "
                   "threads</span> <span class=\"mute\">worker-1 (4251), 4252, worker-3 (4253)");
    site_has(page, "<span class=\"chip\">1 thread</span> <span class=\"mute\">tick (7)</span>");
    site_has(page, "12 frames are left out.");
    site_has(page, "only a part of it was captured");
    site_has(page, "47 threads are left out.");
    /* No thread but the one that crashed did so. */
    const char *here = strstr(page, "crashed here");
    assert_non_null(here);
    assert_null(strstr(here + 1, "crashed here"));
}

static void the_text_twin_has_their_stacks(void **state)
{
    struct site *site = *state;
    struct tb_occurrence one = site_occurrence("u1", CRASH);
    site_add(site, &one);
    const char *text = site_visit(site, "/items/1.txt");
    site_has(text, "\n51 other threads\n  6 of 51 other threads were captured: EPERM");
    site_has(text, "\n3 threads: worker-1 (4251), 4252, worker-3 (4253)\n"
                   "  waits in read (<fgets>) from wait_for_work\n"
                   "#0  read (libc.so.6 +0x1f)\n"
                   "#1  0x55d0 in wait_for_work (src/pool.c:30)\n"
                   "#2  worker_main (src/worker.c:90)\n");
    site_has(text, "\n1 thread: tick (7)\n#0  spin (t.c:3)\n... 12 frames are left out\n"
                   "... only a part of the stack was captured\n");
    site_has(text, "\n... 47 threads are left out\n");
}

static void the_markdown_twin_has_them_in_a_block(void **state)
{
    struct site *site = *state;
    struct tb_occurrence one = site_occurrence("u1", CRASH);
    site_add(site, &one);
    site_has(site_visit(site, "/items/1.md"), "\n## Other threads\n\n```text\n51 other threads\n");
    site_has(site_visit(site, "/items/1.json"), "\"tids\":[4251,4252,4253]");
}

static void a_crash_without_other_threads_has_no_panel(void **state)
{
    struct site *site = *state;
    struct tb_occurrence one =
        site_occurrence("u1", "{\"custom\":{\"native\":{\"signal\":\"SIGSEGV\"}}," BODY "}");
    site_add(site, &one);
    site_has_not(site_page(site, "/items/1"), "ther threads");
    site_has_not(site_visit(site, "/items/1.txt"), "other thread");
    site_has_not(site_visit(site, "/items/1.md"), "ther threads");
}

static void why_none_were_captured_is_said(void **state)
{
    struct site *site = *state;
    struct tb_occurrence one = site_occurrence(
        "u1", "{\"custom\":{\"native\":{\"signal\":\"SIGSEGV\",\"threads_there\":5,"
              "\"threads_captured\":0,\"threads_note\":\"0 of 5 other threads were captured: "
              "EPERM\"}}," BODY "}");
    site_add(site, &one);
    site_has(site_page(site, "/items/1"), "0 of 5 other threads were captured: EPERM");
    site_has(site_visit(site, "/items/1.txt"), "5 other threads\n  0 of 5 other threads");
}

static void a_thread_that_crashed_too_and_one_that_is_cut_say_so(void **state)
{
    struct site *site = *state;
    struct tb_occurrence one = site_occurrence(
        "u1",
        "{\"custom\":{\"native\":{\"signal\":\"SIGSEGV\",\"threads\":[{\"tids\":[7],\"names\":"
        "[\"w\"],\"crashed\":true,\"cut\":true,\"cut_note\":\"the stack goes on: <why>\","
        "\"frames\":[{\"method\":\"pop\",\"filename\":\"w.c\",\"lineno\":3}]}]}}," BODY "}");
    site_add(site, &one);
    const char *page = site_page(site, "/items/1");
    site_has(page, "crashed too</span>");
    site_has(page, "the stack goes on: &lt;why&gt;");
    const char *text = site_visit(site, "/items/1.txt");
    site_has(text, "1 thread: w (7)\n  crashed too\n#0  pop");
    site_has(text, "... the stack goes on: <why>\n");
}

static void odd_shapes_are_passed_over(void **state)
{
    static const char *const SHAPES[] = {
        "7",
        "null",
        "\"x\"",
        "{}",
        "[]",
        "[7,null,[],\"x\"]",
        "[{}]",
        "[{\"frames\":{}}]",
        "[{\"frames\":[]}]",
        "[{\"tids\":{},\"names\":7,\"frames\":[7,{},null]}]",
        ("[{\"tids\":[null,\"x\",{\"a\":1},1e99],\"names\":[[]],\"frames\":[{}],\"cut\":1,"
         "\"frames_omitted\":-5}]")};
    struct site *site = *state;
    char data[1024];
    char uuid[8];
    char address[32];
    for (size_t i = 0; i < sizeof(SHAPES) / sizeof(SHAPES[0]); i++) {
        (void)snprintf(data, sizeof(data),
                       "{\"custom\":{\"native\":{\"signal\":\"S\",\"threads\":%s,"
                       "\"threads_there\":%s}}," BODY "}",
                       SHAPES[i], SHAPES[i]);
        (void)snprintf(uuid, sizeof(uuid), "u%zu", i);
        struct tb_occurrence one = site_occurrence(uuid, data);
        site_add(site, &one);
        (void)snprintf(address, sizeof(address), "/items/%zu", i + 1);
        site_has(site_page(site, address), "queue_push");
        (void)snprintf(address, sizeof(address), "/items/%zu.txt", i + 1);
        site_has(site_visit(site, address), "queue_push");
    }
}

static void of_many_groups_and_threads_the_rest_is_counted(void **state)
{
    enum { N_GROUPS = TB_THREADS_GROUPS + 10, N_TIDS = TB_THREADS_NAMED + 5 };
    struct site *site = *state;
    struct tb_buf data;
    tb_buf_init(&data, 1 << 20);
    tb_buf_adds(&data, "{\"custom\":{\"native\":{\"signal\":\"S\",\"threads\":[");
    for (int g = 0; g < N_GROUPS; g++) {
        tb_buf_addf(&data, "%s{\"tids\":[1", g > 0 ? "," : "");
        for (int t = 1; t < (g == 0 ? N_TIDS : 1); t++)
            tb_buf_addf(&data, ",%d", t + 1);
        tb_buf_addf(&data, "],\"names\":[],\"frames\":[{\"method\":\"f%d\"}]}", g);
    }
    tb_buf_addf(&data, "],\"threads_there\":%d}}," BODY "}", N_TIDS + N_GROUPS - 1);
    struct tb_occurrence one = site_occurrence("u1", tb_buf_str(&data));
    site_add(site, &one);
    const char *page = site_page(site, "/items/1");
    site_has(page, ">f255</b>");
    site_has_not(page, ">f256</b>");
    site_has(page, "99, 100, 5 more</p>");
    site_has(page, "10 threads are left out.");
    tb_buf_done(&data);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, site_make, site_drop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_page_folds_groups_of_threads),
        TEST(the_text_twin_has_their_stacks),
        TEST(the_markdown_twin_has_them_in_a_block),
        TEST(a_crash_without_other_threads_has_no_panel),
        TEST(why_none_were_captured_is_said),
        TEST(a_thread_that_crashed_too_and_one_that_is_cut_say_so),
        TEST(odd_shapes_are_passed_over),
        TEST(of_many_groups_and_threads_the_rest_is_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
