/* test_places.c - addresses that were asked for, packed and read. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/pack.h"
#include "symbol/places.h"

static void what_was_asked_comes_back(void **state)
{
    const struct tb_symbol_asked asked[] = {
        {.address = 0x1122334455667788, .flags = TB_SYMBOL_ASKED_EXACT, .name = "", .name_len = 0},
        {.address = 1, .name = "abort", .name_len = 5}};
    uint8_t body[256];
    size_t len = 0;
    size_t at = 0;
    struct tb_symbol_asked got;
    (void)state;
    for (size_t i = 0; i < 2; i++)
        len += tb_symbol_asked_pack(&asked[i], body + len, sizeof(body) - len);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(tb_symbol_asked_next(body, len, &at, &got), 0);
        assert_int_equal(got.address, asked[i].address);
        assert_int_equal(got.flags, asked[i].flags);
        assert_int_equal(got.name_len, asked[i].name_len);
        assert_memory_equal(got.name, asked[i].name, got.name_len);
    }
    assert_int_equal(tb_symbol_asked_next(body, len, &at, &got), -ENODATA);
}

static void a_body_that_was_cut_makes_no_sense(void **state)
{
    const struct tb_symbol_asked asked = {.name = "abort", .name_len = 5};
    uint8_t body[64];
    struct tb_symbol_asked got;
    (void)state;
    size_t len = tb_symbol_asked_pack(&asked, body, sizeof(body));
    assert_int_equal(len, TB_SYMBOL_ASKED_BYTES + 5);
    assert_int_equal(tb_symbol_asked_pack(&asked, body, len - 1), 0);
    for (size_t cut = 1; cut < len; cut++) {
        uint8_t *copy = malloc(cut); /* so that a sanitizer sees its end */
        size_t at = 0;
        memcpy(copy, body, cut);
        assert_int_equal(tb_symbol_asked_next(copy, cut, &at, &got), -EBADMSG);
        assert_int_equal(at, 0);
        free(copy);
    }
    size_t at = 0;
    tb_put32(body + 12, UINT32_MAX);
    assert_int_equal(tb_symbol_asked_next(body, len, &at, &got), -EBADMSG);
    tb_put32(body + 12, TB_SYMBOL_ASKED_NAME_MAX + 1);
    assert_int_equal(tb_symbol_asked_next(body, len, &at, &got), -EBADMSG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_asked_comes_back),
        cmocka_unit_test(a_body_that_was_cut_makes_no_sense),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
