/* The items of processes that vanished: which there are, and that they say what is known. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "agent/deaths/vanished.h"
#include "base/clock.h"
#include "item/read.h"

static const uint8_t uuid[16] = {0xd4, 0xc7, 0xac, 0xef, 0x55, 0xbf, 0x4c, 0x9e,
                                 0xa9, 0x5e, 0x4f, 0xe9, 0x42, 0x8a, 0x82, 0x87};
static const uint64_t start_ns = 1700000000 * (uint64_t)TB_NS_PER_S;
static const struct tb_process process = {.pid = 77,
                                          .start_wall_ns = 1700000000 * (uint64_t)TB_NS_PER_S,
                                          .exe = "/srv/bin/feedd-worker",
                                          .host = "web-1",
                                          .service = "feedd",
                                          .environment = "staging",
                                          .version = "1.2.3",
                                          .root = "/srv/src"};
static struct tb_crash_note notes[] = {{1700000000123000000, 2, 5, "queue full", 10},
                                       {1700000001000000000, 77, 5, "bad\xff", 4}};

struct result {
    struct tb_buf text;
    struct tb_doc *doc;
};

static struct tb_crash crash_of(size_t n_notes)
{
    struct tb_crash crash = {.notes = notes, .n_notes = n_notes};
    crash.fixed.pid = 77;
    crash.fixed.wall_ns = start_ns + 5 * (uint64_t)TB_NS_PER_S;
    return crash;
}

static void make(const struct tb_crash *crash, const struct tb_death *death,
                 const struct tb_process *p, struct result *out)
{
    const struct tb_native_context context = {.process = p,
                                              .uuid = uuid,
                                              .time_ns = start_ns,
                                              .environment = "production",
                                              .host = "agent-host"};
    char why[TB_DOC_WHY];
    char problems[4][TB_ITEM_PROBLEM];
    tb_buf_init(&out->text, TB_NATIVE_ITEM_BYTES);
    assert_int_equal(tb_vanished_item(crash, death, &context, &out->text), 0);
    if (tb_doc_new(tb_buf_str(&out->text), out->text.len, &out->doc, why) != 0)
        fail_msg("%s: %s", why, tb_buf_str(&out->text));
    if (tb_item_problems(out->doc, 0, problems, 4) != 0)
        fail_msg("Rollbar would refuse it: %s", problems[0]);
}

static void done(struct result *result)
{
    tb_doc_free(result->doc);
    tb_buf_done(&result->text);
}

static const char *at(const struct result *result, const char *path)
{
    static char values[2][1024];
    static unsigned next;
    char *value = values[next++ % 2];
    int node = tb_doc_find(result->doc, 0, path);
    if (node < 0)
        return "-";
    if (!tb_doc_copy(result->doc, node, value, sizeof(values[0])))
        snprintf(value, sizeof(values[0]), "%.*s", (int)tb_doc_at(result->doc, node)->len,
                 tb_buf_str(&result->text) + tb_doc_at(result->doc, node)->at);
    return value;
}

static void killed_process_has_its_item(void **state)
{
    const struct tb_death death = {
        .how = TB_DEATH_SIGNALED,
        .signo = SIGKILL,
        .was_watched = 1,
        .oom_in_cgroup = 1,
        .oom_on_host = 1,
        .noticed_wall_ns = start_ns + (3 * 3600 + 125) * (uint64_t)TB_NS_PER_S,
        .found_wall_ns = start_ns + (3 * 3600 + 126) * (uint64_t)TB_NS_PER_S};
    static const char *const pairs[][2] = {
        {"uuid", "d4c7acef-55bf-4c9e-a95e-4fe9428a8287"},
        {"level", "critical"},
        {"title", "feedd vanished: killed by SIGKILL (the OOM killer ran in its cgroup)"},
        {"timestamp", "1700010925"},
        {"environment", "staging"},
        {"code_version", "1.2.3"},
        {"server.host", "web-1"},
        {"server.root", "/srv/src"},
        {"server.pid", "77"},
        {"custom.service", "feedd"},
        {"custom.occurred_at", "2023-11-15T01:15:25.000Z"},
        {"custom.native.kind", "vanished"},
        {"custom.native.signal", "SIGKILL"},
        {"custom.native.core_dumped", "false"},
        {"custom.native.oom_killer", "in its cgroup"},
        {"custom.native.watched", "true"},
        {"custom.native.executable", "feedd-worker"},
        {"custom.native.last_sign_at", "2023-11-14T22:13:25.000Z"},
        {"custom.native.found_dead_at", "2023-11-15T01:15:26.000Z"},
        {"custom.native.not_known_because", "-"},
        {"custom.native.meaning",
         "pid 77 on web-1, up 3 h 2 min, last sign at 2023-11-14T22:13:25.000Z, killed by SIGKILL "
         "(the OOM killer ran in its cgroup)"},
        {"body.trace.exception.class", "SIGKILL"},
        {"body.trace.exception.message",
         "pid 77 on web-1, up 3 h 2 min, last sign at 2023-11-14T22:13:25.000Z, killed by SIGKILL "
         "(the OOM killer ran in its cgroup)"},
        {"body.trace.frames", "[]"},
        {"body.telemetry.0.body.message", "queue full"},
        {"body.telemetry.1.body.message", "bad\xef\xbf\xbd"},
    };
    struct result result;
    (void)state;
    struct tb_crash crash = crash_of(2);
    make(&crash, &death, &process, &result);
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        if (strcmp(at(&result, pairs[i][0]), pairs[i][1]) != 0)
            fail_msg("%s is %s, not %s", pairs[i][0], at(&result, pairs[i][0]), pairs[i][1]);
    }
    done(&result);
}

static void what_is_not_known_is_not_said(void **state)
{
    const struct tb_death death = {.how = TB_DEATH_UNKNOWN,
                                   .found_wall_ns = start_ns + 3 * 3600 * (uint64_t)TB_NS_PER_S};
    struct result result;
    (void)state;
    struct tb_crash crash = crash_of(0);
    make(&crash, &death, NULL, &result);
    assert_string_equal(at(&result, "title"),
                        "a process vanished: found dead, ended without a word");
    assert_string_equal(at(&result, "level"), "warning");
    assert_string_equal(at(&result, "body.trace.exception.class"), "vanished");
    const char *message = at(&result, "body.trace.exception.message");
    assert_ptr_equal(strstr(message, "pid 77 on agent-host, last sign at 2023-11-14T22:13:25.000Z, "
                                     "found dead at 2023-11-15T01:13:20.000Z, ended without a "
                                     "word: most likely by SIGTERM without a handler, "),
                     message);
    assert_non_null(strstr(message, "which (it was away, or did not see it alive)"));
    assert_non_null(strstr(message, "towbar_shutdown"));
    assert_non_null(strstr(message, "vanished: count"));
    assert_null(strstr(message, "up "));
    assert_string_equal(at(&result, "timestamp"), "1700000005"); /* its last sign */
    assert_string_equal(at(&result, "environment"), "production");
    assert_string_equal(at(&result, "server.host"), "agent-host");
    assert_string_equal(at(&result, "custom.native.signal"), "-");
    assert_string_equal(at(&result, "custom.native.oom_killer"), "-");
    assert_string_equal(at(&result, "body.telemetry"), "-");
    done(&result);
}

static void ends_are_told_apart(void **state)
{
    static const struct {
        struct tb_death death;
        const char *counter, *meaning, *level;
    } cases[] = {
        {{.how = TB_DEATH_SIGNALED, .signo = SIGSEGV},
         NULL,
         "killed by SIGSEGV: a fault that the library's handler did not see: its signal was "
         "blocked, "
         "or the program had set another handler or none",
         "critical"},
        {{.how = TB_DEATH_SIGNALED, .signo = SIGPIPE},
         NULL,
         "killed by SIGPIPE: a write to a pipe or socket that nobody reads",
         "error"},
        {{.how = TB_DEATH_SIGNALED, .signo = SIGKILL, .oom_on_host = 1},
         NULL,
         "killed by SIGKILL (the OOM killer ran on this host)",
         "critical"},
        {{.how = TB_DEATH_SIGNALED, .signo = 40}, NULL, "killed by signal 40", "error"},
        {{.how = TB_DEATH_UNKNOWN, .was_watched = 1, .why = TB_DEATH_OLD_KERNEL},
         NULL,
         "which (the kernel does not tell another user before Linux 6.15)",
         "warning"},
        {{.how = TB_DEATH_UNKNOWN, .was_watched = 1, .why = TB_DEATH_NOT_REAPED},
         NULL,
         "which (the parent did not ask for its status in time)",
         "warning"},
        {{.how = TB_DEATH_UNKNOWN, .oom_on_host = 1},
         NULL,
         "ended without a word (the OOM killer ran on this host): ",
         "error"},
        {{.how = TB_DEATH_UNKNOWN, .oom_in_cgroup = 1},
         NULL,
         "ended without a word (the OOM killer ran in its cgroup): ",
         "critical"},
        {{.how = TB_DEATH_SIGNALED, .signo = SIGTERM}, "vanished.told_to_end", "", ""},
        {{.how = TB_DEATH_SIGNALED, .signo = SIGINT}, "vanished.told_to_end", "", ""},
        {{.how = TB_DEATH_SIGNALED, .signo = SIGHUP}, "vanished.told_to_end", "", ""},
        {{.how = TB_DEATH_EXITED}, "vanished.exited", "", ""},
        {{.how = TB_DEATH_EXEC}, "vanished.exec", "", ""},
        {{.how = TB_DEATH_OTHER_BOOT}, "vanished.other_boot", "", ""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct tb_death *death = &cases[i].death;
        struct tb_crash crash = crash_of(0);
        struct result result;
        const char *counter = tb_vanished_counter(death, 0);
        if (cases[i].counter != NULL) {
            assert_string_equal(counter, cases[i].counter);
            assert_string_equal(tb_vanished_counter(death, 1), cases[i].counter);
            continue;
        }
        assert_null(counter);
        assert_string_equal(tb_vanished_counter(death, 1), "vanished.unreported");
        make(&crash, death, &process, &result);
        if (strstr(at(&result, "custom.native.meaning"), cases[i].meaning) == NULL)
            fail_msg("no \"%s\" in %s", cases[i].meaning, at(&result, "custom.native.meaning"));
        assert_string_equal(at(&result, "level"), cases[i].level);
        done(&result);
    }
}

static void log_names_service_process_and_end(void **state)
{
    static const struct {
        enum tb_death_how how;
        const char *brief;
    } cases[] = {
        {TB_DEATH_SIGNALED, "feedd, pid 77 on web-1: killed by SIGKILL"},
        {TB_DEATH_UNKNOWN, "feedd, pid 77 on web-1: ended without a word"},
        {TB_DEATH_EXITED, "feedd, pid 77 on web-1: exited without a word"},
        {TB_DEATH_EXEC, "feedd, pid 77 on web-1: became another program"},
        {TB_DEATH_OTHER_BOOT, "feedd, pid 77 on web-1: went with the machine"},
    };
    const struct tb_native_context context = {.process = &process, .host = "agent-host"};
    char brief[TB_VANISHED_TEXT];
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct tb_death death = {.how = cases[i].how, .signo = SIGKILL};
        struct tb_crash crash = crash_of(0);
        tb_vanished_brief(&crash, &death, &context, brief);
        assert_string_equal(brief, cases[i].brief);
    }
}

static void more_notes_than_fit_cost_the_newest_of_them(void **state)
{
    static struct tb_crash_note many[TB_CRASH_NOTES_MAX];
    static char text[4096];
    const struct tb_death death = {.how = TB_DEATH_UNKNOWN};
    struct result result;
    (void)state;
    memset(text, 1, sizeof(text));
    for (size_t i = 0; i < TB_CRASH_NOTES_MAX; i++)
        many[i] = (struct tb_crash_note){.text = text, .len = sizeof(text)};
    struct tb_crash crash = crash_of(0);
    crash.notes = many;
    crash.n_notes = TB_CRASH_NOTES_MAX;
    make(&crash, &death, &process, &result);
    assert_string_equal(at(&result, "body.trace.exception.class"), "vanished");
    done(&result);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(killed_process_has_its_item),
        cmocka_unit_test(what_is_not_known_is_not_said),
        cmocka_unit_test(ends_are_told_apart),
        cmocka_unit_test(log_names_service_process_and_end),
        cmocka_unit_test(more_notes_than_fit_cost_the_newest_of_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
