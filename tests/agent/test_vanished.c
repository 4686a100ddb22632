/* The items of processes that vanished: which there are, and that they say what is known. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "agent/vanished.h"
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
    const struct tb_death death = {.how = TB_DEATH_SIGNALED,
                                   .signo = SIGKILL,
                                   .was_watched = 1,
                                   .oom_in_cgroup = 1,
                                   .oom_on_host = 1,
                                   .noticed_wall_ns =
                                       start_ns + (3 * 3600 + 125) * (uint64_t)TB_NS_PER_S};
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
        {"body.trace.exception.class", "SIGKILL"},
        {"body.trace.exception.message",
         "pid 77, up 3 h 2 min, killed by SIGKILL (the OOM killer ran in its cgroup)"},
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
    const struct tb_death death = {.how = TB_DEATH_UNKNOWN};
    struct result result;
    (void)state;
    struct tb_crash crash = crash_of(0);
    make(&crash, &death, NULL, &result);
    assert_string_equal(at(&result, "title"), "a process vanished: ended without a word");
    assert_string_equal(at(&result, "level"), "error");
    assert_string_equal(at(&result, "body.trace.exception.class"), "vanished");
    assert_non_null(strstr(at(&result, "body.trace.exception.message"), "did not see it alive"));
    assert_null(strstr(at(&result, "body.trace.exception.message"), "up "));
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
         "killed by SIGSEGV: a fault for which no handler could run",
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
        {{.how = TB_DEATH_UNKNOWN, .was_watched = 1}, NULL, "the kernel did not tell how", "error"},
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
        cmocka_unit_test(more_notes_than_fit_cost_the_newest_of_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
