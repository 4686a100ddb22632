/* test_deploy_form.c - what CI sends as a deploy, in its three forms. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/serve/deploy_form.h"

static struct tb_deploy_form form;
static char message[TB_DEPLOY_MESSAGE];

static int read_text(const char *body, const char *type)
{
    return tb_deploy_form_read(body, strlen(body), type, &form);
}

static void json_a_form_and_parts_say_the_same(void **state)
{
    static const char *const bodies[][2] = {
        {"{\"environment\":\"prod\",\"revision\":\"1 & 2\",\"comment\":\"h\\u00e9\"}", NULL},
        {"environment=prod&revision=1+%26+2&comment=h%c3%a9&other=x", NULL},
        {"--b\r\nContent-Disposition: form-data; name=\"environment\"\r\n\r\nprod\r\n"
         "--b\r\nContent-Disposition: form-data; filename=\"comment\"; name=revision\r\n\r\n1 & 2"
         "\r\n--b\r\ncontent-disposition: form-data; "
         "name=\"comment\"\r\n\r\nh\xc3\xa9\r\n--b--\r\n",
         "multipart/form-data; boundary=b"}};
    (void)state;
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        assert_int_equal(read_text(bodies[i][0], bodies[i][1]), 0);
        assert_string_equal(form.environment, "prod");
        assert_string_equal(form.revision, "1 & 2");
        assert_string_equal(form.comment, "h\xc3\xa9");
        assert_int_equal(tb_deploy_form_check(&form, 0, message), 0);
        assert_string_equal(form.status, "succeeded");
    }
}

static void head_long_is_a_revision_and_a_number_is_text(void **state)
{
    (void)state;
    assert_int_equal(
        read_text("{\"environment\":\"e\",\"head_long\":\"abc\",\"revision\":\"\"}", NULL), 0);
    assert_string_equal(form.revision, "abc");
    assert_int_equal(read_text("{\"environment\":\"e\",\"revision\":1234567}", NULL), 0);
    assert_string_equal(form.revision, "1234567");
}

static void what_is_neither_is_refused(void **state)
{
    static const char *const bodies[] = {
        "", "hello", "{", "{\"environment\":", "a=b&c=d", "&&&", "environment"};
    (void)state;
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++)
        assert_int_equal(read_text(bodies[i], NULL), -EBADMSG);
    assert_int_equal(read_text("--b\r\n", "multipart/form-data; boundary=b"), -EBADMSG);
    assert_int_equal(read_text("--b\r\n", "multipart/form-data"), -EBADMSG);
}

static void too_long_is_said_with_the_name(void **state)
{
    static char body[TB_DEPLOY_COMMENT + 100];
    (void)state;
    int n = snprintf(body, sizeof(body), "environment=e&comment=c&revision=");
    memset(body + n, 'r', TB_DEPLOY_TEXT - 1);
    assert_int_equal(read_text(body, NULL), 0);
    assert_int_equal(tb_deploy_form_check(&form, 0, message), 0);
    assert_int_equal(strlen(form.revision), TB_DEPLOY_TEXT - 1);
    body[n + TB_DEPLOY_TEXT - 1] = 'r';
    assert_int_equal(read_text(body, NULL), 0);
    assert_int_equal(tb_deploy_form_check(&form, 0, message), -EINVAL);
    assert_string_equal(message, "'revision' is too long: it may have 255 bytes.");
    n = snprintf(body, sizeof(body), "environment=e&revision=r&comment=");
    memset(body + n, 'c', TB_DEPLOY_COMMENT);
    assert_int_equal(read_text(body, NULL), 0);
    assert_int_equal(tb_deploy_form_check(&form, 0, message), -EINVAL);
    assert_non_null(strstr(message, "'comment'"));
}

static void an_update_needs_a_status_that_there_is(void **state)
{
    (void)state;
    assert_int_equal(read_text("{}", NULL), 0);
    assert_int_equal(tb_deploy_form_check(&form, 1, message), -EINVAL);
    assert_int_equal(read_text("status=timed_out", NULL), 0);
    assert_int_equal(tb_deploy_form_check(&form, 1, message), 0);
    assert_int_equal(read_text("status=done", NULL), 0);
    assert_int_equal(tb_deploy_form_check(&form, 1, message), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_a_form_and_parts_say_the_same),
        cmocka_unit_test(head_long_is_a_revision_and_a_number_is_text),
        cmocka_unit_test(what_is_neither_is_refused),
        cmocka_unit_test(too_long_is_said_with_the_name),
        cmocka_unit_test(an_update_needs_a_status_that_there_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
