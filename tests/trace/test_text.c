/* The readers that all formats share, beside plain ones. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/id.h"
#include "trace/text.h"

enum { ID_BYTES = 16, ID_DIGITS = 32 };

/* Every byte at every place of an ID. */
static void hex_is_what_a_plain_reader_says(void **state)
{
    (void)state;
    char text[ID_DIGITS + 1];
    uint8_t got[ID_BYTES];
    uint8_t want[ID_BYTES];
    for (int at = 0; at < ID_DIGITS; at++) {
        for (int c = 0; c < 256; c++) {
            memcpy(text, "0123456789abcdef0f1e2d3c4b5a6978", sizeof(text));
            text[at] = (char)c;
            int err = tb_unhex(text, want, ID_BYTES);
            bool is_upper = c >= 'A' && c <= 'F';
            assert_int_equal(tb_unhex_any(text, got, ID_BYTES), err);
            if (err == 0)
                assert_memory_equal(got, want, ID_BYTES);
            assert_int_equal(tb_unhex_lower(text, got, ID_BYTES), is_upper ? -EINVAL : err);
        }
    }
}

static void one_to_nine_bytes_are_read_too(void **state)
{
    (void)state;
    static const uint8_t want[9] = {0x0a, 0x1b, 0x2c, 0x3d, 0x4e, 0x5f, 0x60, 0x71, 0x82};
    for (size_t len = 1; len <= sizeof(want); len++) {
        uint8_t got[10] = {0};
        char *exact = malloc(2 * len);
        assert_non_null(exact);
        memcpy(exact, "0a1B2c3d4e5f607182", 2 * len);
        got[len] = 0x55;
        assert_int_equal(tb_unhex_any(exact, got, len), 0);
        assert_memory_equal(got, want, len);
        assert_int_equal(tb_unhex_lower(exact, got, len), len == 1 ? 0 : -EINVAL);
        assert_int_equal(got[len], 0x55);
        free(exact);
    }
}

static void hex_is_written_as_base_does(void **state)
{
    (void)state;
    char got[ID_DIGITS];
    char want[ID_DIGITS + 1];
    for (int c = 0; c < 256; c++) {
        uint8_t bytes[ID_BYTES];
        for (int i = 0; i < ID_BYTES; i++)
            bytes[i] = (uint8_t)(c + 17 * i);
        tb_hex_text(bytes, ID_BYTES, got);
        tb_hex(bytes, ID_BYTES, want);
        assert_memory_equal(got, want, ID_DIGITS);
    }
}

static void decimals_are_of_64_bits(void **state)
{
    (void)state;
    static const uint64_t numbers[] = {1,
                                       9,
                                       10,
                                       99999999,
                                       100000000,
                                       9999999999999999,
                                       10000000000000000,
                                       UINT64_MAX / 2,
                                       UINT64_MAX - 1,
                                       UINT64_MAX};
    static const char *const bad[] = {
        "",   "0",  "00000000000000000000", "18446744073709551616", "-1",
        "+1", "1 ", "000000000000000000001"};
    char text[32];
    uint64_t got = 7;
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        (void)snprintf(text, sizeof(text), "%llu", (unsigned long long)numbers[i]);
        assert_int_equal(tb_decimal_parse((struct tb_slice){text, strlen(text)}, &got), 0);
        assert_true(got == numbers[i]);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(tb_decimal_parse((struct tb_slice){bad[i], strlen(bad[i])}, &got),
                         -EINVAL);
    assert_true(got == UINT64_MAX);
    for (int c = 0; c < 256; c++) {
        memcpy(text, "12345678901234567890", 20);
        text[c % 20] = (char)c;
        assert_int_equal(tb_decimal_parse((struct tb_slice){text, 20}, &got) == 0,
                         c >= '0' && c <= '9' && !(c % 20 == 0 && c > '1'));
    }
}

static void base64_is_padded_or_not(void **state)
{
    (void)state;
    static const struct {
        const char *in, *out;
        long len;
    } cases[] = {{"", "", 0},           {"Zg==", "f", 1},          {"Zg", "f", 1},
                 {"Zm8=", "fo", 2},     {"Zm8", "fo", 2},          {"Zm9v", "foo", 3},
                 {"Z", "", -EINVAL},    {"Zg=", "", -EINVAL},      {"Z===", "", -EINVAL},
                 {"====", "", -EINVAL}, {"Zm9v====", "", -EINVAL}, {"-_-_", "\xfb\xff\xbf", 3},
                 {"Zm 9", "", -EINVAL}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint8_t got[4];
        long len =
            tb_base64_parse((struct tb_slice){cases[i].in, strlen(cases[i].in)}, got, sizeof(got));
        assert_int_equal(len, cases[i].len);
        if (len > 0)
            assert_memory_equal(got, cases[i].out, (size_t)len);
    }
}

/* Short and long ones are read in two ways. */
static void base64_characters_are_known_at_every_place(void **state)
{
    (void)state;
    static const char good[] = "Az09+/aZm9v-_bQ5Az09+/aZm9v-_bQ5Az09+/aZm9v";
    static const size_t lens[] = {11, 15, 16, 17, 32, 43};
    char text[sizeof(good)];
    for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
        for (size_t at = 0; at < lens[i]; at++) {
            for (int c = 0; c < 256; c++) {
                memcpy(text, good, sizeof(text));
                text[at] = (char)c;
                bool is_one = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                              (c >= '0' && c <= '9') || (c != 0 && strchr("+/-_", c) != NULL);
                if (tb_is_base64((struct tb_slice){text, lens[i]}) != is_one)
                    fail_msg("character %d at %zu of %zu", c, at, lens[i]);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hex_is_what_a_plain_reader_says),
        cmocka_unit_test(one_to_nine_bytes_are_read_too),
        cmocka_unit_test(hex_is_written_as_base_does),
        cmocka_unit_test(decimals_are_of_64_bits),
        cmocka_unit_test(base64_is_padded_or_not),
        cmocka_unit_test(base64_characters_are_known_at_every_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
