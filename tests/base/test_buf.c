/* The buffer: grows, stops at its cap, and says so once and for all. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"

static void content_is_kept_and_terminated(void **state)
{
    (void)state;
    struct tb_buf buf;
    tb_buf_init(&buf, 100000);
    assert_string_equal(tb_buf_str(&buf), "");
    for (int i = 0; i < 5000; i++) {
        tb_buf_addf(&buf, "%04d", i);
        assert_int_equal(buf.len, 4 * (size_t)(i + 1));
        assert_int_equal(buf.data[buf.len], 0);
    }
    assert_memory_equal(buf.data + 17284, "4321", 4);
    tb_buf_add(&buf, "a\0b", 3);
    assert_memory_equal(buf.data + 20000, "a\0b", 4);
    assert_int_equal(buf.err, 0);
    tb_buf_done(&buf);
    assert_null(buf.data);
    tb_buf_done(&buf);
    tb_buf_adds(&buf, "again"); /* done keeps max */
    assert_string_equal(tb_buf_str(&buf), "again");
    tb_buf_done(&buf);
}

static void the_cap_is_met_exactly_and_sticks(void **state)
{
    (void)state;
    struct tb_buf buf;
    tb_buf_init(&buf, 10);
    tb_buf_adds(&buf, "12345");
    tb_buf_adds(&buf, "67890");
    assert_int_equal(buf.err, 0);
    tb_buf_adds(&buf, "");
    assert_int_equal(buf.err, 0);
    tb_buf_adds(&buf, "x");
    assert_int_equal(buf.err, -EMSGSIZE);
    assert_string_equal(tb_buf_str(&buf), "1234567890");
    tb_buf_reset(&buf);
    assert_string_equal(tb_buf_str(&buf), "");
    tb_buf_addf(&buf, "%s", "12345678901");
    assert_int_equal(buf.err, -EMSGSIZE);
    tb_buf_adds(&buf, "1"); /* would fit, but the error sticks */
    assert_int_equal(buf.len, 0);
    tb_buf_done(&buf);
    assert_int_equal(buf.err, 0);
}

static void a_length_near_the_end_of_numbers_does_not_wrap(void **state)
{
    (void)state;
    struct tb_buf buf;
    tb_buf_init(&buf, 10);
    tb_buf_adds(&buf, "abc");
    tb_buf_add(&buf, "x", SIZE_MAX);
    assert_int_equal(buf.err, -EMSGSIZE);
    assert_int_equal(buf.len, 3);
    tb_buf_done(&buf);
    tb_buf_done(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(content_is_kept_and_terminated),
        cmocka_unit_test(the_cap_is_met_exactly_and_sticks),
        cmocka_unit_test(a_length_near_the_end_of_numbers_does_not_wrap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
