/* test_hostile_data.c - debug data that no compiler has written: what can be read of them is in the
 * index, the rest is left out and said to be missing. */
#include <dwarf.h>
#include <errno.h>

#include "../support.h"
#include "../made_elf.h"
#include "symbol/index/build.h"

enum { BYTES_MAX = 64 << 10, INDEX_BYTES = 1 << 20, AT = MADE_CODE + 0x10, LEN = 0x20 };

/* Codes of the entries below. */
enum { UNIT = 1, FUNCTION, BLOCK, INSTANCE, ODD, INLINED, LEADING };

struct made {
    uint8_t bytes[BYTES_MAX];
    size_t len;
    size_t section, unit; /* where they begin */
};

static const uint8_t abbrevs[] = {
    UNIT,
    DW_TAG_compile_unit,
    1,
    0,
    0,
    FUNCTION,
    DW_TAG_subprogram,
    1,
    DW_AT_name,
    DW_FORM_string,
    DW_AT_low_pc,
    DW_FORM_addr,
    DW_AT_high_pc,
    DW_FORM_data4,
    0,
    0,
    BLOCK,
    DW_TAG_lexical_block,
    1,
    0,
    0,
    INSTANCE,
    DW_TAG_subprogram,
    0,
    DW_AT_abstract_origin,
    DW_FORM_ref4,
    DW_AT_low_pc,
    DW_FORM_addr,
    DW_AT_high_pc,
    DW_FORM_data4,
    0,
    0,
    ODD,
    DW_TAG_subprogram,
    0,
    DW_AT_name,
    0x7f,
    0,
    0,
    INLINED,
    DW_TAG_inlined_subroutine,
    1,
    DW_AT_name,
    DW_FORM_string,
    DW_AT_low_pc,
    DW_FORM_addr,
    DW_AT_high_pc,
    DW_FORM_data4,
    0,
    0,
    LEADING,
    DW_TAG_lexical_block,
    1,
    DW_AT_sibling,
    DW_FORM_ref4,
    0,
    0,
    0,
};

static uint8_t index_bytes[INDEX_BYTES] __attribute__((aligned(8)));
static struct tb_symbol_index found;

static void put(struct made *m, const void *bytes, size_t len)
{
    assert_true(m->len + len <= sizeof(m->bytes));
    memcpy(m->bytes + m->len, bytes, len);
    m->len += len;
}

static void put_number(struct made *m, uint64_t number, size_t len)
{
    uint8_t bytes[8];
    tb_put64(bytes, number);
    put(m, bytes, len);
}

static void begin_section(struct made *m, enum made_section section)
{
    m->section = m->len;
    put_number(m, (uint64_t)section, 4);
}

static void end_section(struct made *m)
{
    uint32_t number = m->bytes[m->section];
    tb_put32(m->bytes + m->section, (uint32_t)(m->len - m->section - 4) << 8 | number);
}

static void begin_unit(struct made *m)
{
    m->unit = m->len;
    put_number(m, 0, 4);
    put_number(m, 4, 2); /* version */
    put_number(m, 0, 4);
    put_number(m, 8, 1);
    put_number(m, UNIT, 1);
}

static void end_unit(struct made *m)
{
    tb_put32(m->bytes + m->unit, (uint32_t)(m->len - m->unit - 4));
}

static void put_function(struct made *m, unsigned code, const char *name, uint64_t address)
{
    put_number(m, code, 1);
    put(m, name, strlen(name) + 1);
    put_number(m, address, 8);
    put_number(m, LEN, 4);
}

static void begin(struct made *m)
{
    memset(m, 0, sizeof(*m));
    begin_section(m, MADE_ABBREV);
    put(m, abbrevs, sizeof(abbrevs));
    end_section(m);
    begin_section(m, MADE_INFO);
}

/* A block whose next entry is said to be at offset. */
static void put_leading(struct made *m, uint64_t offset)
{
    put_number(m, LEADING, 1);
    put_number(m, offset, 4);
}

/* Ends the section too. */
static int build(struct made *m)
{
    static struct made_elf image;
    size_t len;
    end_section(m);
    make_elf(m->bytes, m->len, 0, &image);
    (void)elf_version(EV_CURRENT);
    const struct tb_symbol_index_input input = {.module = elf_memory(image.bytes, image.len)};
    assert_non_null(input.module);
    int err = tb_symbol_index_build(&input, index_bytes, sizeof(index_bytes), &len);
    if (err == 0)
        assert_int_equal(tb_symbol_index_open(index_bytes, len, &found), 0);
    elf_end(input.module);
    return err;
}

static const char *function_at(uint64_t address, size_t n_wanted)
{
    static struct tb_symbol_place places[TB_SYMBOL_PLACES_MAX];
    assert_int_equal(tb_symbol_index_find(&found, address, places), n_wanted);
    return n_wanted > 0 ? places[0].function : NULL;
}

static void made_data_are_read(void **state)
{
    static struct made m;
    (void)state;
    begin(&m);
    begin_unit(&m);
    put_function(&m, FUNCTION, "good", AT);
    put_number(&m, 0, 2);
    end_unit(&m);
    assert_int_equal(build(&m), 0);
    assert_false(found.flags & TB_SYMBOL_INDEX_PARTIAL);
    assert_string_equal(function_at(AT, 1), "good");
    assert_string_equal(function_at(AT + LEN - 1, 1), "good");
    assert_null(function_at(AT + LEN, 0));
    assert_null(function_at(AT - 1, 0));
}

static void tree_that_is_too_deep_is_cut(void **state)
{
    static struct made m;
    (void)state;
    begin(&m);
    begin_unit(&m);
    put_function(&m, FUNCTION, "good", AT);
    for (int i = 0; i < 5000; i++)
        put_number(&m, BLOCK, 1);
    end_unit(&m);
    begin_unit(&m);
    put_function(&m, FUNCTION, "next", AT + 0x100);
    end_unit(&m);
    assert_int_equal(build(&m), 0);
    assert_true(found.flags & TB_SYMBOL_INDEX_PARTIAL);
    assert_string_equal(function_at(AT, 1), "good");
    assert_string_equal(function_at(AT + 0x100, 1), "next");
}

/* More inlined calls in each other than are shown, all at one place. */
static void deep_inlining_keeps_the_innermost(void **state)
{
    static struct made m;
    (void)state;
    begin(&m);
    begin_unit(&m);
    put_function(&m, FUNCTION, "outer", AT);
    for (int i = 0; i < 100; i++)
        put_function(&m, INLINED, i < 99 ? "between" : "innermost", AT);
    end_unit(&m);
    assert_int_equal(build(&m), 0);
    assert_string_equal(function_at(AT, TB_SYMBOL_PLACES_MAX), "innermost");
}

static void origins_in_a_circle_have_no_name(void **state)
{
    static struct made m;
    (void)state;
    begin(&m);
    begin_unit(&m);
    uint64_t first = m.len - m.unit;
    const uint64_t entry_bytes = 1 + 4 + 8 + 4;
    for (uint64_t i = 0; i < 2; i++) {
        put_number(&m, INSTANCE, 1);
        put_number(&m, first + (1 - i) * entry_bytes, 4);
        put_number(&m, AT + i * 0x100, 8);
        put_number(&m, LEN, 4);
    }
    end_unit(&m);
    assert_int_equal(build(&m), 0);
    assert_null(function_at(AT, 1));
    assert_null(function_at(AT + 0x100, 1));
}

static void origin_that_is_nowhere_gives_no_name(void **state)
{
    static const uint64_t origins[] = {0, 1, 9999, UINT32_MAX};
    static struct made m;
    (void)state;
    for (size_t i = 0; i < sizeof(origins) / sizeof(origins[0]); i++) {
        begin(&m);
        begin_unit(&m);
        put_number(&m, INSTANCE, 1);
        put_number(&m, origins[i], 4);
        put_number(&m, AT, 8);
        put_number(&m, LEN, 4);
        end_unit(&m);
        assert_int_equal(build(&m), 0);
        assert_null(function_at(AT, 1));
    }
}

static void form_that_nobody_knows_ends_its_unit_alone(void **state)
{
    static struct made m;
    (void)state;
    begin(&m);
    begin_unit(&m);
    put_function(&m, FUNCTION, "good", AT);
    put_number(&m, ODD, 1);
    put_function(&m, FUNCTION, "lost", AT + 0x100);
    end_unit(&m);
    begin_unit(&m);
    put_function(&m, FUNCTION, "next", AT + 0x200);
    end_unit(&m);
    assert_int_equal(build(&m), 0);
    assert_true(found.flags & TB_SYMBOL_INDEX_PARTIAL);
    assert_string_equal(function_at(AT, 1), "good");
    assert_null(function_at(AT + 0x100, 0));
    assert_string_equal(function_at(AT + 0x200, 1), "next");
}

static void siblings_that_lead_nowhere_end_their_unit_alone(void **state)
{
    static struct made m;
    (void)state;
    for (size_t i = 0; i < 5; i++) {
        begin(&m);
        begin_unit(&m);
        put_function(&m, FUNCTION, "good", AT);
        put_number(&m, 0, 1);
        uint64_t here = m.len - m.unit;
        const uint64_t offsets[] = {0, here - 2, here, UINT32_MAX, here + 999};
        put_leading(&m, offsets[i]);
        put_number(&m, 0, 1);
        put_function(&m, FUNCTION, "lost", AT + 0x100);
        end_unit(&m);
        begin_unit(&m);
        put_function(&m, FUNCTION, "next", AT + 0x200);
        end_unit(&m);
        assert_int_equal(build(&m), 0);
        assert_true(found.flags & TB_SYMBOL_INDEX_PARTIAL);
        assert_string_equal(function_at(AT, 1), "good");
        assert_null(function_at(AT + 0x100, 0));
        assert_string_equal(function_at(AT + 0x200, 1), "next");
    }
}

/* Each block's sibling is its own child: followed, there are 2^60 ways. */
static void no_entry_is_visited_twice(void **state)
{
    static struct made m;
    const uint64_t leading_bytes = 1 + 4;
    (void)state;
    begin(&m);
    begin_unit(&m);
    for (int i = 0; i < 60; i++)
        put_leading(&m, m.len - m.unit + leading_bytes);
    put_function(&m, FUNCTION, "good", AT);
    end_unit(&m);
    assert_int_equal(build(&m), 0);
    assert_true(found.flags & TB_SYMBOL_INDEX_PARTIAL);
    assert_string_equal(function_at(AT, 1), "good");
    assert_int_equal(found.n_nodes, 2);
}

static void unit_that_is_cut_off_is_said_to_be_missing(void **state)
{
    static struct made m;
    (void)state;
    begin(&m);
    begin_unit(&m);
    put_function(&m, FUNCTION, "good", AT);
    end_unit(&m);
    begin_unit(&m);
    put_function(&m, FUNCTION, "lost", AT + 0x100);
    end_unit(&m);
    m.len -= 3;
    assert_int_equal(build(&m), 0);
    assert_true(found.flags & TB_SYMBOL_INDEX_PARTIAL);
    assert_string_equal(function_at(AT, 1), "good");
    assert_null(function_at(AT + 0x100, 0));
}

static void code_outside_of_the_module_is_left_out(void **state)
{
    static const uint64_t addresses[] = {0, 8, 0xfff, 0x2000000, UINT64_MAX, UINT64_MAX - LEN};
    static struct made m;
    (void)state;
    begin(&m);
    begin_unit(&m);
    for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
        put_function(&m, FUNCTION, "outside", addresses[i]);
        put_number(&m, 0, 1);
    }
    end_unit(&m);
    assert_int_equal(build(&m), -ENOENT);
}

/* One cannot be inside the other: the one that begins later counts where both are. */
static void functions_that_overlap_are_both_found(void **state)
{
    static struct made m;
    (void)state;
    begin(&m);
    begin_unit(&m);
    put_function(&m, FUNCTION, "first", AT);
    put_number(&m, 0, 1);
    put_function(&m, FUNCTION, "second", AT + LEN / 2);
    end_unit(&m);
    assert_int_equal(build(&m), 0);
    assert_string_equal(function_at(AT, 1), "first");
    assert_string_equal(function_at(AT + LEN / 2, 1), "second");
    assert_string_equal(function_at(AT + LEN, 1), "second");
    assert_null(function_at(AT + LEN + LEN / 2, 0));
}

static void functions_that_are_one_have_the_name_of_the_first(void **state)
{
    static struct made m;
    (void)state;
    begin(&m);
    begin_unit(&m);
    put_function(&m, FUNCTION, "first", AT);
    put_function(&m, INLINED, "in_first", AT + 4);
    put_number(&m, 0, 2);
    put_function(&m, FUNCTION, "double", AT);
    put_function(&m, INLINED, "in_double", AT + 8);
    end_unit(&m);
    assert_int_equal(build(&m), 0);
    assert_string_equal(function_at(AT, 1), "first");
    assert_string_equal(function_at(AT + 10, 2), "in_first");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(made_data_are_read),
        cmocka_unit_test(tree_that_is_too_deep_is_cut),
        cmocka_unit_test(deep_inlining_keeps_the_innermost),
        cmocka_unit_test(origins_in_a_circle_have_no_name),
        cmocka_unit_test(origin_that_is_nowhere_gives_no_name),
        cmocka_unit_test(form_that_nobody_knows_ends_its_unit_alone),
        cmocka_unit_test(siblings_that_lead_nowhere_end_their_unit_alone),
        cmocka_unit_test(no_entry_is_visited_twice),
        cmocka_unit_test(unit_that_is_cut_off_is_said_to_be_missing),
        cmocka_unit_test(code_outside_of_the_module_is_left_out),
        cmocka_unit_test(functions_that_overlap_are_both_found),
        cmocka_unit_test(functions_that_are_one_have_the_name_of_the_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
