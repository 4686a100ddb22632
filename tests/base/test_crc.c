/* The published check values, and all ways of computing CRC-32C agree. The source is included
 * since the table is walked on old processors only. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/crc.c" /* NOLINT(bugprone-suspicious-include): see above */

static void published_values_come_out(void **state)
{
    (void)state;
    uint8_t bytes[32];
    assert_int_equal(tb_crc32c(0, "123456789", 9), 0xe3069283);
    assert_int_equal(tb_crc32c(0, "", 0), 0);
    /* RFC 3720 appendix B.4: 32 bytes of zeros, of ones, ascending, descending. */
    memset(bytes, 0, sizeof(bytes));
    assert_int_equal(tb_crc32c(0, bytes, 32), 0x8a9136aa);
    memset(bytes, 0xff, sizeof(bytes));
    assert_int_equal(tb_crc32c(0, bytes, 32), 0x62a8ab43);
    for (int i = 0; i < 32; i++)
        bytes[i] = (uint8_t)i;
    assert_int_equal(tb_crc32c(0, bytes, 32), 0x46dd794e);
    for (int i = 0; i < 32; i++)
        bytes[i] = (uint8_t)(31 - i);
    assert_int_equal(tb_crc32c(0, bytes, 32), 0x113fdb5c);
}

static void the_table_agrees_with_the_instruction(void **state)
{
    (void)state;
    uint8_t bytes[80];
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(i * 37 + 11);
    if (!has_instruction())
        skip();
    for (size_t from = 0; from < 9; from++) {
        for (size_t len = 0; from + len <= sizeof(bytes); len++)
            assert_int_equal(by_table(99, bytes + from, len),
                             by_instruction(99, bytes + from, len));
    }
}

/* Whole rounds of the lanes, what is left behind them, and odd places in memory. */
static void the_table_agrees_with_the_lanes(void **state)
{
    (void)state;
    enum { LEN = 7000 };
    static uint8_t bytes[LEN + 8];
    uint32_t random = 1;
    for (size_t i = 0; i < sizeof(bytes); i++) {
        random = random * 1103515245 + 12345;
        bytes[i] = (uint8_t)(random >> 16);
    }
    if (!has_multiplication())
        skip();
    for (size_t from = 0; from < 8; from++) {
        for (size_t len = from; len <= LEN; len += 97)
            assert_int_equal(by_table(99, bytes + from, len), by_lanes(99, bytes + from, len));
    }
}

static void a_sum_continues_from_the_one_before(void **state)
{
    (void)state;
    static const char digits[] = "123456789";
    for (size_t cut = 0; cut <= 9; cut++) {
        uint32_t first = tb_crc32c(0, digits, cut);
        assert_int_equal(tb_crc32c(first, &digits[cut], 9 - cut), 0xe3069283);
    }
}

/* The values are those that zlib.crc32 of Python gives. */
static void crc32_is_zlib_s(void **state)
{
    (void)state;
    static const char digits[] = "123456789";
    assert_int_equal(tb_crc32(0, digits, 9), 0xcbf43926);
    assert_int_equal(tb_crc32(0, "", 0), 0);
    assert_int_equal(tb_crc32(0x11223344, "", 0), 0x11223344);
    assert_int_equal(tb_crc32(0x11223344, digits, 9), 0xd360c638);
    for (size_t cut = 0; cut <= 9; cut++)
        assert_int_equal(tb_crc32(tb_crc32(0, digits, cut), &digits[cut], 9 - cut), 0xcbf43926);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published_values_come_out),
        cmocka_unit_test(the_table_agrees_with_the_instruction),
        cmocka_unit_test(the_table_agrees_with_the_lanes),
        cmocka_unit_test(a_sum_continues_from_the_one_before),
        cmocka_unit_test(crc32_is_zlib_s),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
