/* Identifiers: random, of the right version, and the same after text. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/id.h"

static void random_bytes_differ_and_fill_every_length(void **state)
{
    (void)state;
    uint8_t a[300];
    uint8_t b[300];
    tb_id_random(a, sizeof(a));
    tb_id_random(b, sizeof(b));
    assert_memory_not_equal(a, b, sizeof(a));
    for (size_t len = 0; len < 40; len++) {
        memset(a, 0x5a, sizeof(a));
        tb_id_random(a, len);
        for (size_t i = len; i < sizeof(a); i++)
            assert_int_equal(a[i], 0x5a);
    }
}

static void uuids_of_an_id_differ_by_number_and_by_id(void **state)
{
    (void)state;
    const uint8_t ids[2][16] = {"sixteen bytes ..", "sixteen bytes .!"};
    uint8_t uuids[3][TB_UUID_BYTES];
    uint8_t again[TB_UUID_BYTES];
    tb_id_uuid_of(ids[0], 1, uuids[0]);
    tb_id_uuid_of(ids[0], 2, uuids[1]);
    tb_id_uuid_of(ids[1], 1, uuids[2]);
    tb_id_uuid_of(ids[0], 1, again);
    assert_memory_equal(again, uuids[0], sizeof(again));
    for (int i = 0; i < 3; i++) {
        assert_int_equal(uuids[i][6] >> 4, 4);
        assert_int_equal(uuids[i][8] >> 6, 2);
        assert_memory_not_equal(uuids[i], uuids[(i + 1) % 3], TB_UUID_BYTES);
        assert_memory_not_equal(uuids[i], ids[0], TB_UUID_BYTES);
    }
}

static void uuids_are_of_version_four_and_survive_text(void **state)
{
    (void)state;
    for (int i = 0; i < 100; i++) {
        uint8_t uuid[TB_UUID_BYTES];
        uint8_t back[TB_UUID_BYTES];
        char text[TB_UUID_TEXT];
        tb_id_uuid(uuid);
        assert_int_equal(uuid[6] >> 4, 4);
        assert_int_equal(uuid[8] >> 6, 2);
        tb_id_uuid_text(uuid, text);
        assert_int_equal(strlen(text), 36);
        assert_int_equal(tb_id_uuid_parse(text, back), 0);
        assert_memory_equal(back, uuid, sizeof(uuid));
    }
}

static void uuid_text_has_its_dashes(void **state)
{
    (void)state;
    uint8_t uuid[TB_UUID_BYTES];
    char text[TB_UUID_TEXT];
    for (int i = 0; i < TB_UUID_BYTES; i++)
        uuid[i] = (uint8_t)(0x10 * i + i);
    tb_id_uuid_text(uuid, text);
    assert_string_equal(text, "00112233-4455-6677-8899-aabbccddeeff");
    uint8_t back[TB_UUID_BYTES];
    assert_int_equal(tb_id_uuid_parse("00112233-4455-6677-8899-AABBCCDDEEFF", back), 0);
    assert_memory_equal(back, uuid, sizeof(uuid));
}

static void what_is_no_uuid_is_refused_and_nothing_written(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "0",
        "00112233445566778899aabbccddeeff",
        "00112233-4455-6677-8899-aabbccddeef",
        "00112233-4455-6677-8899-aabbccddeeff0",
        "00112233-4455-6677-8899-aabbccddeefg",
        "00112233-4455-6677-8899_aabbccddeeff",
        " 00112233-4455-6677-8899-aabbccddeeff",
        "{0112233-4455-6677-8899-aabbccddeeff}",
    };
    uint8_t out[TB_UUID_BYTES] = {7};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        assert_int_equal(tb_id_uuid_parse(texts[i], out), -EINVAL);
        assert_int_equal(out[0], 7);
    }
}

static void hex_goes_both_ways(void **state)
{
    (void)state;
    uint8_t bytes[256];
    uint8_t back[256];
    char text[513];
    for (int i = 0; i < 256; i++)
        bytes[i] = (uint8_t)i;
    tb_hex(bytes, sizeof(bytes), text);
    assert_int_equal(strlen(text), 512);
    assert_memory_equal(text, "000102", 6);
    assert_int_equal(tb_unhex(text, back, sizeof(back)), 0);
    assert_memory_equal(back, bytes, sizeof(bytes));
    assert_int_equal(tb_unhex("0g", back, 1), -EINVAL);
    assert_int_equal(tb_unhex("g0", back, 1), -EINVAL);
    assert_int_equal(tb_unhex("0", back, 1), -EINVAL);
    assert_int_equal(tb_unhex("", back, 1), -EINVAL);
}

static void the_boot_id_does_not_change(void **state)
{
    (void)state;
    uint8_t a[16];
    uint8_t b[16];
    memset(a, 1, sizeof(a));
    memset(b, 2, sizeof(b));
    tb_id_boot(a);
    tb_id_boot(b);
    assert_memory_equal(a, b, sizeof(a));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_bytes_differ_and_fill_every_length),
        cmocka_unit_test(uuids_of_an_id_differ_by_number_and_by_id),
        cmocka_unit_test(uuids_are_of_version_four_and_survive_text),
        cmocka_unit_test(uuid_text_has_its_dashes),
        cmocka_unit_test(what_is_no_uuid_is_refused_and_nothing_written),
        cmocka_unit_test(hex_goes_both_ways),
        cmocka_unit_test(the_boot_id_does_not_change),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
