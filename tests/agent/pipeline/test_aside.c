/* Records that wait keep their order, their data and their bound. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "agent/pipeline/aside.h"
#include "base/clock.h"

static const uint64_t wait_ns = (uint64_t)TB_ASIDE_MS * TB_NS_PER_MS;

static struct tb_spool_record record_of(uint64_t file_id, const char *text)
{
    return (struct tb_spool_record){
        .file_id = file_id, .data = (const uint8_t *)text, .len = strlen(text)};
}

static void record_comes_back_when_it_is_due(void **state)
{
    struct tb_aside aside = {0};
    struct tb_spool_record out;
    char text[] = "first";
    (void)state;
    struct tb_spool_record first = record_of(1, text);
    struct tb_spool_record second = record_of(2, "second");
    assert_int_equal(tb_aside_put(&aside, &first, 1000), 0);
    assert_int_equal(tb_aside_put(&aside, &second, 2000), 0);
    memset(text, 'x', sizeof(text) - 1); /* of the spool, good until its next */
    assert_int_equal(tb_aside_take(&aside, 999 + wait_ns, &out), -EAGAIN);
    assert_int_equal(tb_aside_take(&aside, 1000 + wait_ns, &out), 0);
    assert_int_equal(out.file_id, 1);
    assert_memory_equal(out.data, "first", out.len);
    assert_int_equal(tb_aside_take(&aside, 1000 + wait_ns, &out), -EAGAIN);
    assert_int_equal(tb_aside_put(&aside, &out, 1000 + wait_ns), 0); /* the one just taken */
    assert_int_equal(tb_aside_take(&aside, 9000 + 2 * wait_ns, &out), 0);
    assert_int_equal(out.file_id, 2);
    assert_int_equal(tb_aside_take(&aside, 9000 + 2 * wait_ns, &out), 0);
    assert_memory_equal(out.data, "first", out.len);
    tb_aside_clear(&aside);
}

static void no_more_than_its_bound_wait(void **state)
{
    struct tb_aside aside = {0};
    struct tb_spool_record out;
    (void)state;
    struct tb_spool_record record = record_of(1, "");
    for (int i = 0; i < TB_ASIDE_MAX; i++)
        assert_int_equal(tb_aside_put(&aside, &record, 0), 0);
    assert_int_equal(tb_aside_put(&aside, &record, 0), -ENOSPC);
    tb_aside_clear(&aside);
    assert_int_equal(tb_aside_take(&aside, UINT64_MAX, &out), -EAGAIN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(record_comes_back_when_it_is_due),
        cmocka_unit_test(no_more_than_its_bound_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
