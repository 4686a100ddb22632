/* What /proc says, true and garbled. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "agent/deaths/proc.h"
#include "base/clock.h"

#define MIDDLE " 1 2 3 4 -1 "
#define UP_TO_START " 6 7 8 9 10 11 12 13 14 15 16 17 "
#define UP_TO_EXIT                                                                                 \
    " 23 24 25 26 27 28 29 30 31 32 33 34 35 36 37 38 39 40 41 42 43 44 45 46 47 48 49 50 51 "

static void stat_is_read_past_any_name(void **state)
{
    struct tb_proc proc;
    (void)state;
    assert_int_equal(tb_proc_parse("77 (a) b (c) Z" MIDDLE "4228100" UP_TO_START "98765" UP_TO_EXIT
                                   "139\n",
                                   &proc),
                     0);
    assert_int_equal(proc.state, 'Z');
    assert_true(proc.is_ending);
    assert_int_equal(proc.start_ticks, 98765);
    assert_int_equal(proc.exit_code, 139);
    assert_int_equal(tb_proc_parse("77 (x) S" MIDDLE "4194304" UP_TO_START "5 6", &proc), 0);
    assert_false(proc.is_ending);
    assert_int_equal(proc.start_ticks, 5);
    assert_int_equal(proc.exit_code, 0);
    assert_int_equal(tb_proc_parse("77 (x) D" MIDDLE "4" UP_TO_START "5 6", &proc), 0);
    assert_true(proc.is_ending);
}

static void stat_that_is_none_is_refused(void **state)
{
    static const char *const texts[] = {"", "77", "77 (x)", "77 (x) S", "77 (x) S 1 2 3", ")"};
    struct tb_proc proc;
    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        assert_true(tb_proc_parse(texts[i], &proc) < 0);
}

static void own_process_is_there(void **state)
{
    struct tb_proc proc;
    (void)state;
    assert_int_equal(tb_proc_read(getpid(), &proc), 0);
    assert_true(proc.start_ticks > 0);
    assert_false(proc.is_ending);
    assert_true(tb_proc_has_uid(getpid(), geteuid()));
    assert_false(tb_proc_has_uid(getpid(), 4242424));
    assert_true(tb_proc_read(0x3fffffff, &proc) < 0);
}

static void who_was_there_before_is_told_by_the_clock(void **state)
{
    struct tb_proc proc;
    (void)state;
    assert_int_equal(tb_proc_read(getpid(), &proc), 0);
    uint64_t now_ns = tb_clock_mono_ns();
    assert_true(tb_proc_began_before(proc.start_ticks, now_ns));
    assert_false(tb_proc_began_before(proc.start_ticks, 1));
    assert_false(tb_proc_began_before(proc.start_ticks + 3600 * 1000, now_ns));
    assert_false(tb_proc_began_before(proc.start_ticks, now_ns + (uint64_t)3600 * TB_NS_PER_S));
}

static void any_of_the_four_users_counts(void **state)
{
    static const char text[] = "Name:\tUid: 9\nUmask:\t0022\nUid:\t1\t20\t3\t4\nGid:\t5\t5\t5\t5\n";
    (void)state;
    assert_true(tb_proc_parse_uid(text, 1));
    assert_true(tb_proc_parse_uid(text, 20));
    assert_true(tb_proc_parse_uid(text, 4));
    assert_false(tb_proc_parse_uid(text, 2));
    assert_false(tb_proc_parse_uid(text, 5));
    assert_false(tb_proc_parse_uid(text, 9));
    assert_false(tb_proc_parse_uid("", 0));
    assert_false(tb_proc_parse_uid("x\nUid:\t", 0));
}

static void memory_cgroup_is_found_in_both_versions(void **state)
{
    static const struct {
        const char *text, *path;
    } cases[] = {
        {"0::/system.slice/feedd.service\n",
         "/sys/fs/cgroup/system.slice/feedd.service/memory.events"},
        {"4:memory:/a\n3:cpu,cpuacct:/b\n0::/c\n", "/sys/fs/cgroup/memory/a/memory.oom_control"},
        {"0::/c\n4:hugetlb,memory:/a:b", "/sys/fs/cgroup/memory/a:b/memory.oom_control"},
        {"3:cpu:/b\n1:name=systemd:/x\n", ""},
        {"0::/../../etc\n", ""},
        {"4:memory:/..\n", ""},
        {"4:memoryless:/a\n", ""},
        {"0::elsewhere\n", ""},
        {"0::", ""},
        {"nonsense", ""},
        {"", ""},
    };
    char path[TB_PROC_PATH];
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        tb_proc_parse_cgroup(cases[i].text, path);
        assert_string_equal(path, cases[i].path);
    }
}

static void place_that_is_too_long_is_none(void **state)
{
    char text[2 * TB_PROC_PATH] = "0::/";
    char path[TB_PROC_PATH];
    (void)state;
    memset(text + 4, 'x', sizeof(text) - 5);
    tb_proc_parse_cgroup(text, path);
    assert_string_equal(path, "");
}

static void victims_are_counted(void **state)
{
    (void)state;
    assert_int_equal(tb_proc_parse_oom("low 0\noom 3\noom_kill 2\noom_group_kill 9\n"), 2);
    assert_int_equal(tb_proc_parse_oom("oom_kill_disable 0\nunder_oom 0\noom_kill 17\n"), 17);
    assert_int_equal(tb_proc_parse_oom("oom_kill x\n"), -1);
    assert_int_equal(tb_proc_parse_oom("oom 3"), -1);
    assert_int_equal(tb_proc_parse_oom(""), -1);
    assert_true(tb_proc_oom(TB_PROC_OOM_HOST) >= 0);
    assert_int_equal(tb_proc_oom(""), -1);
    assert_int_equal(tb_proc_oom("/nonexistent"), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stat_is_read_past_any_name),
        cmocka_unit_test(stat_that_is_none_is_refused),
        cmocka_unit_test(own_process_is_there),
        cmocka_unit_test(who_was_there_before_is_told_by_the_clock),
        cmocka_unit_test(any_of_the_four_users_counts),
        cmocka_unit_test(memory_cgroup_is_found_in_both_versions),
        cmocka_unit_test(place_that_is_too_long_is_none),
        cmocka_unit_test(victims_are_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
