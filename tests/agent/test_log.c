/* One line for each event, whatever is in the message. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "agent/log.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_is_one_line_and_escaped),
        cmocka_unit_test(a_long_message_is_cut_and_still_a_line),
        cmocka_unit_test(what_is_less_important_is_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
