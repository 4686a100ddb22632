/* One line for each event, whatever is in the message. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "agent/log.h"
#include "agent/log_rate.h"

/* What tb_log writes for the message, in out. */
static void catch (enum tb_log_level level, const char *message, char *out, size_t cap)
{
    int pipe_fds[2];
    int kept = dup(STDERR_FILENO);
    assert_int_equal(pipe(pipe_fds), 0);
    assert_true(dup2(pipe_fds[1], STDERR_FILENO) >= 0);
    errno = 1234;
    tb_log(level, "%s", message);
    assert_int_equal(errno, 1234);
    assert_true(dup2(kept, STDERR_FILENO) >= 0);
    close(kept);
    close(pipe_fds[1]);
    ssize_t len = read(pipe_fds[0], out, cap - 1);
    assert_true(len >= 0);
    out[len] = '\0';
    close(pipe_fds[0]);
}

static void a_message_is_one_line_and_escaped(void **state)
{
    char line[4096];
    (void)state;
    catch (TB_LOG_WARNING, "a \"b\" \\ c\nd\te", line, sizeof(line));
    assert_string_equal(line, "level=warning msg=\"a \\\"b\\\" \\\\ c\\nd?e\"\n");
}

/* CSI as one character, a line separator, a mark that turns the direction, and no UTF-8. */
static void no_message_reaches_into_the_terminal(void **state)
{
    char line[4096];
    (void)state;
    catch (TB_LOG_WARNING,
           "\xc2\x9b"
           "31m \xe2\x80\xa8 \xe2\x80\xae \xff \xc3\xa9 \xe2\x82\xac",
           line, sizeof(line));
    assert_string_equal(line, "level=warning msg=\"??31m ??? ??? ? \xc3\xa9 \xe2\x82\xac\"\n");
    tb_log_format(TB_LOG_JSON);
    catch (TB_LOG_WARNING,
           "\xc2\x9b"
           "31m \xe2\x80\xa8 \xff \xc3\xa9",
           line, sizeof(line));
    tb_log_format(TB_LOG_TEXT);
    assert_non_null(strstr(line, "\"msg\":\"??31m ??? ? \xc3\xa9\""));
}

static void a_long_message_is_cut_and_still_a_line(void **state)
{
    static char message[10000];
    char line[10000];
    (void)state;
    memset(message, '"', sizeof(message) - 1);
    catch (TB_LOG_ERROR, message, line, sizeof(line));
    size_t len = strlen(line);
    assert_true(len <= TB_LOG_LINE);
    assert_int_equal(line[len - 1], '\n');
    assert_int_equal(line[len - 2], '"');
    assert_int_equal(line[len - 4], '\\');
}

static void what_is_less_important_is_left_out(void **state)
{
    char line[256];
    (void)state;
    catch (TB_LOG_DEBUG, "x", line, sizeof(line));
    assert_string_equal(line, "");
    tb_log_limit(TB_LOG_DEBUG);
    catch (TB_LOG_DEBUG, "x", line, sizeof(line));
    assert_string_equal(line, "level=debug msg=\"x\"\n");
    tb_log_limit(TB_LOG_INFO);
}

static void json_is_one_object_a_line(void **state)
{
    static char message[3000];
    char line[4096];
    (void)state;
    tb_log_format(TB_LOG_JSON);
    catch (TB_LOG_WARNING, "a \"b\"\nc\xff", line, sizeof(line));
    assert_memory_equal(line, "{\"time\":\"20", 11);
    assert_non_null(strstr(line, "Z\",\"level\":\"warning\",\"msg\":\"a \\\"b\\\"\\nc"));
    assert_string_equal(line + strlen(line) - 3, "\"}\n");
    memset(message, 1, sizeof(message) - 1); /* each takes six bytes */
    catch (TB_LOG_WARNING, message, line, sizeof(line));
    assert_true(strlen(line) <= TB_LOG_LINE);
    assert_memory_equal(line, "{\"time\":", 8);
    assert_string_equal(line + strlen(line) - 3, "\"}\n");
    tb_log_format(TB_LOG_TEXT);
}

static void the_journal_gets_priorities(void **state)
{
    char line[256];
    char stream[64];
    struct stat st;
    (void)state;
    assert_int_equal(fstat(STDERR_FILENO, &st), 0);
    snprintf(stream, sizeof(stream), "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
    setenv("JOURNAL_STREAM", stream, 1);
    tb_log_format(TB_LOG_TEXT);
    catch (TB_LOG_ERROR, "x", line, sizeof(line));
    assert_string_equal(line, "<3>level=error msg=\"x\"\n");
    setenv("JOURNAL_STREAM", "1:1", 1); /* of another file */
    tb_log_format(TB_LOG_TEXT);
    catch (TB_LOG_ERROR, "x", line, sizeof(line));
    assert_string_equal(line, "level=error msg=\"x\"\n");
    unsetenv("JOURNAL_STREAM");
}

/* ---- how many ---- */

struct said {
    char text[64];
    uint64_t n;
    int times;
};

static void note(void *arg, enum tb_log_level level, const char *text, uint64_t n)
{
    struct said *said = arg;
    (void)level;
    snprintf(said->text, sizeof(said->text), "%s", text);
    said->n = n;
    said->times++;
}

static int take(const char *text, uint64_t now_ns)
{
    return tb_log_rate_take(TB_LOG_INFO, "%s", text, now_ns);
}

#define S UINT64_C(1000000000)

static void a_storm_of_one_kind_becomes_a_number(void **state)
{
    struct said said = {.times = 0};
    uint64_t now = 1000 * S;
    int n_written = 0;
    (void)state;
    for (int i = 0; i < 1000; i++)
        n_written += take("the same", now);
    assert_int_equal(n_written, TB_LOG_BURST);
    assert_true(take("another", now));
    tb_log_rate_due(now + S, 0, note, &said);
    assert_int_equal(said.times, 0);
    tb_log_rate_due(now + TB_LOG_WINDOW_S * S, 0, note, &said);
    assert_int_equal(said.times, 1);
    assert_string_equal(said.text, "the same");
    assert_int_equal(said.n, 1000 - TB_LOG_BURST);
    assert_true(take("the same", now + TB_LOG_WINDOW_S * S));
}

static void what_comes_slowly_is_always_written(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < 1000; i++)
        assert_true(take("slow", (5000 + i) * S));
}

static void more_kinds_than_places_are_written(void **state)
{
    struct said said = {.times = 0};
    char text[32];
    uint64_t now = 20000 * S;
    (void)state;
    for (int i = 0; i < 10 * TB_LOG_KINDS; i++) {
        snprintf(text, sizeof(text), "kind %d", i);
        assert_true(take(text, now));
    }
    for (int i = 0; i < TB_LOG_KINDS; i++) {
        snprintf(text, sizeof(text), "held %d", i);
        for (int n = 0; n <= TB_LOG_BURST; n++)
            (void)take(text, now);
    }
    assert_true(take("no place", now));
    tb_log_rate_due(now, 1, note, &said);
    assert_int_equal(said.times, TB_LOG_KINDS);
    assert_int_equal(said.n, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_is_one_line_and_escaped),
        cmocka_unit_test(no_message_reaches_into_the_terminal),
        cmocka_unit_test(a_long_message_is_cut_and_still_a_line),
        cmocka_unit_test(what_is_less_important_is_left_out),
        cmocka_unit_test(json_is_one_object_a_line),
        cmocka_unit_test(the_journal_gets_priorities),
        cmocka_unit_test(a_storm_of_one_kind_becomes_a_number),
        cmocka_unit_test(what_comes_slowly_is_always_written),
        cmocka_unit_test(more_kinds_than_places_are_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
