/* test_index.c - what is in an index comes out of it, and bytes that are none do no harm. */
#include <errno.h>
#include <link.h>

#include "../support.h"
#include "base/crc.h"
#include "base/pack.h"
#include "built.h"
#include "symbol/index/layout.h"

static struct built self;

/* Not static: it has a symbol; with a call that comes back here. */
int index_landmark(int n);

__attribute__((noinline)) int index_landmark(int n)
{
    return (int)strlen(getenv("PATH") ? "x" : "") + n;
}

static int set_bias(struct dl_phdr_info *info, size_t size, void *arg)
{
    (void)size;
    *(uint64_t *)arg = info->dlpi_addr;
    return 1; /* the program itself comes first */
}

static uint64_t landmark(void)
{
    uint64_t bias = 0;
    dl_iterate_phdr(set_bias, &bias);
    return (uint64_t)(uintptr_t)index_landmark - bias;
}

static int build_self(void **state)
{
    (void)state;
    return build_index("/proc/self/exe", NULL, NULL, &self);
}

static int drop_self(void **state)
{
    (void)state;
    drop_index(&self);
    return 0;
}

static void function_of_this_program_has_name_file_and_line(void **state)
{
    struct tb_symbol_place places[TB_SYMBOL_PLACES_MAX];
    (void)state;
    assert_true(self.index.flags & TB_SYMBOL_INDEX_LINES);
    assert_true(self.index.flags & TB_SYMBOL_INDEX_SYMTAB);
    assert_int_equal(tb_symbol_index_find(&self.index, landmark(), places), 1);
    assert_string_equal(places[0].function, "index_landmark");
    assert_non_null(strstr(places[0].file, "test_index.c"));
    assert_in_range(places[0].line, 10, 40);
    assert_false(places[0].inlined);
    assert_string_equal(tb_symbol_index_symbol(&self.index, landmark()), "index_landmark");
}

static void header_says_whose_index_it_is(void **state)
{
    struct tb_symbol_index index;
    uint8_t id[TB_BUILD_ID_BYTES] = {1, 2, 3};
    size_t len;
    (void)state;
    struct tb_symbol_index_input input = {
        .module = self.module.elf,
        .build_id = id,
        .build_id_len = 3,
        .flags = TB_SYMBOL_INDEX_PUBLIC,
        .origin = {.debug_bytes = 77, .debug_mark = 1 - UINT64_C(6)}};
    uint8_t *bytes = malloc(BUILT_BYTES);
    assert_non_null(bytes);
    assert_int_equal(tb_symbol_index_build(&input, bytes, BUILT_BYTES, &len), 0);
    assert_int_equal(tb_symbol_index_open(bytes, len, &index), 0);
    assert_int_equal(index.build_id_len, 3);
    assert_memory_equal(index.build_id, id, sizeof(id));
    assert_int_equal(index.origin.debug_bytes, 77);
    assert_int_equal(index.origin.debug_mark, 1 - UINT64_C(6));
    assert_true(index.flags & TB_SYMBOL_INDEX_PUBLIC);
    free(bytes);
}

static void room_that_is_too_small_is_said(void **state)
{
    size_t len;
    (void)state;
    struct tb_symbol_index_input input = {.module = self.module.elf};
    uint8_t *bytes = malloc(self.index.len);
    assert_non_null(bytes);
    assert_int_equal(tb_symbol_index_build(&input, bytes, self.index.len - 1, &len), -ENOSPC);
    assert_int_equal(tb_symbol_index_build(&input, bytes, self.index.len, &len), 0);
    assert_int_equal(len, self.index.len);
    free(bytes);
}

static void addresses_outside_have_no_name(void **state)
{
    static const uint64_t addresses[] = {0, 1, UINT32_MAX, UINT64_MAX, UINT64_C(1) << 40};
    struct tb_symbol_place places[TB_SYMBOL_PLACES_MAX];
    (void)state;
    for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
        assert_int_equal(tb_symbol_index_find(&self.index, addresses[i], places), 0);
        assert_null(tb_symbol_index_symbol(&self.index, addresses[i]));
        assert_null(tb_symbol_index_called(&self.index, addresses[i]));
    }
    const struct tb_symbol_index closed = {0};
    assert_int_equal(tb_symbol_index_find(&closed, 0, places), 0);
}

static void damage_anywhere_is_noticed(void **state)
{
    struct tb_symbol_index index;
    (void)state;
    uint8_t *bytes = malloc(self.index.len);
    assert_non_null(bytes);
    memcpy(bytes, self.index.bytes, self.index.len);
    size_t counts_end = TB_SYMBOL_AT_CRC + 4;
    for (size_t i = 0; i < self.index.len; i += i < counts_end ? 1 : 997) {
        if (i >= TB_SYMBOL_AT_BASE && i < TB_SYMBOL_AT_COUNTS)
            continue; /* says whose it is, which the reader of it compares */
        if (i >= counts_end && i < TB_SYMBOL_INDEX_HEADER_BYTES)
            continue;
        bytes[i] ^= 0x40;
        assert_int_equal(tb_symbol_index_open(bytes, self.index.len, &index), -EBADMSG);
        bytes[i] ^= 0x40;
    }
    for (size_t len = 0; len < self.index.len; len += 131)
        assert_int_equal(tb_symbol_index_open(bytes, len, &index), -EBADMSG);
    assert_int_equal(tb_symbol_index_open(bytes, self.index.len, &index), 0);
    free(bytes);
}

/* ---- indexes that are written by hand ---- */

struct by_hand {
    _Alignas(8) uint8_t bytes[2048];
    size_t len;
    struct tb_symbol_index index;
};

/* words: of the tables, in order. */
static int open_by_hand(struct by_hand *hand, const uint32_t counts[TB_SYMBOL_N_PARTS],
                        const uint32_t *const words[TB_SYMBOL_STRINGS], const char *strings)
{
    static const size_t n_words[] = {2, 4, 3, 2, 3, 2, 3};
    struct tb_symbol_layout layout;
    memset(hand, 0, sizeof(*hand));
    tb_symbol_layout_make(counts, &layout);
    assert_true(layout.len <= sizeof(hand->bytes));
    hand->len = layout.len;
    tb_put32(hand->bytes + TB_SYMBOL_AT_MAGIC, TB_SYMBOL_INDEX_MAGIC);
    tb_put32(hand->bytes + TB_SYMBOL_AT_VERSION, TB_SYMBOL_INDEX_VERSION);
    tb_put64(hand->bytes + TB_SYMBOL_AT_LEN, layout.len);
    tb_put64(hand->bytes + TB_SYMBOL_AT_BASE, 0x1000);
    for (size_t i = 0; i < TB_SYMBOL_N_PARTS; i++)
        tb_put32(hand->bytes + TB_SYMBOL_AT_COUNTS + 4 * i, counts[i]);
    for (size_t i = 0; i < TB_SYMBOL_STRINGS; i++) {
        for (size_t k = 0; k < counts[i] * n_words[i]; k++)
            tb_put32(hand->bytes + layout.at[i] + 4 * k, words[i][k]);
    }
    memcpy(hand->bytes + layout.at[TB_SYMBOL_STRINGS], strings, counts[TB_SYMBOL_STRINGS]);
    tb_put32(hand->bytes + TB_SYMBOL_AT_CRC, tb_crc32c(0, hand->bytes + 128, hand->len - 128));
    return tb_symbol_index_open(hand->bytes, hand->len, &hand->index);
}

static void every_table_is_read_as_it_is_described(void **state)
{
    static const uint32_t counts[] = {3, 3, 2, 2, 2, 1, 1, 15};
    static const uint32_t spans[] = {0x10, 1, 0x20, 2, 0x30, 0};
    static const uint32_t nodes[] = {0, 0, 0, 0, 1, 0, 0, 0, 3, 1, 1, 9};
    static const uint32_t lines[] = {0x10, 1, 7, 0x30, 0, 0};
    static const uint32_t files[] = {0, 0, 5, 10};
    static const uint32_t symbols[] = {0x10, 8, 1, 0x40, 0, 3};
    static const uint32_t calls[] = {0x14, 3};
    static const uint32_t tails[] = {1, 3, 0x16};
    static const uint32_t *const words[] = {spans, nodes, lines, files, symbols, calls, tails};
    static const char strings[15] = "\0f\0g\0/src\0a.c";
    struct by_hand hand;
    struct tb_symbol_place places[TB_SYMBOL_PLACES_MAX];
    (void)state;
    assert_int_equal(open_by_hand(&hand, counts, words, strings), 0);
    assert_int_equal(tb_symbol_index_find(&hand.index, 0x100f, places), 0);
    assert_int_equal(tb_symbol_index_find(&hand.index, 0x1010, places), 1);
    assert_string_equal(places[0].function, "f");
    assert_string_equal(places[0].folder, "/src");
    assert_string_equal(places[0].file, "a.c");
    assert_int_equal(places[0].line, 7);
    assert_int_equal(tb_symbol_index_find(&hand.index, 0x102f, places), 2);
    assert_string_equal(places[0].function, "g");
    assert_true(places[0].inlined);
    assert_string_equal(places[1].function, "f");
    assert_int_equal(places[1].line, 9);
    assert_false(places[1].inlined);
    assert_int_equal(tb_symbol_index_find(&hand.index, 0x1030, places), 0);
    assert_string_equal(tb_symbol_index_symbol(&hand.index, 0x1017), "f");
    assert_null(tb_symbol_index_symbol(&hand.index, 0x1018));
    assert_string_equal(tb_symbol_index_symbol(&hand.index, 0x1040 + 0xffff), "g");
    assert_null(tb_symbol_index_symbol(&hand.index, 0x1040 + 0x10000));
    assert_int_equal(tb_symbol_index_start(&hand.index, "g"), 0x1040);
    assert_int_equal(tb_symbol_index_start(&hand.index, "x"), 0);
    assert_string_equal(tb_symbol_index_called(&hand.index, 0x1014), "g");
    assert_null(tb_symbol_index_called(&hand.index, 0x1015));
}

/* f with g inlined into it; behind that, code without a line that has the file of g still. */
static void code_without_a_line_has_the_file_of_its_function(void **state)
{
    static const uint32_t counts[] = {4, 4, 5, 3, 0, 0, 0, 15};
    static const uint32_t spans[] = {0x10, 1, 0x20, 2, 0x30, 1, 0x40, 3};
    static const uint32_t nodes[] = {0, 0, 0, 0, 1, 0, 0, 0, 3, 1, 1, 9, 3, 0, 0, 0};
    static const uint32_t lines[] = {0x10, 1, 7, 0x20, 2, 4, 0x30, 2, 0, 0x40, 2, 0, 0x50, 0, 0};
    static const uint32_t files[] = {0, 0, 0, 5, 0, 9};
    static const uint32_t *const words[] = {spans, nodes, lines, files, NULL, NULL, NULL};
    static const char strings[15] = "\0f\0g\0f.c\0g.h\0";
    struct by_hand hand;
    struct tb_symbol_place places[TB_SYMBOL_PLACES_MAX];
    (void)state;
    assert_int_equal(open_by_hand(&hand, counts, words, strings), 0);
    assert_int_equal(tb_symbol_index_find(&hand.index, 0x1020, places), 2);
    assert_string_equal(places[0].file, "g.h");
    assert_int_equal(tb_symbol_index_find(&hand.index, 0x1030, places), 1);
    assert_string_equal(places[0].function, "f");
    assert_string_equal(places[0].file, "f.c");
    assert_int_equal(places[0].line, 0);
    /* A function that has no other row. */
    assert_int_equal(tb_symbol_index_find(&hand.index, 0x1040, places), 1);
    assert_string_equal(places[0].function, "g");
    assert_null(places[0].file);
}

static void offsets_that_lead_nowhere_are_not_followed(void **state)
{
    static const uint32_t counts[] = {4, 3, 1, 2, 1, 1, 0, 4};
    static const uint32_t spans[] = {0x10, 1, 0x20, 2, 0x30, 77, 0x40, UINT32_MAX};
    static const uint32_t nodes[] = {0, 0, 0, 0, 99, 2, 0, 0, 1, 1, 50, 9};
    static const uint32_t lines[] = {0x10, 2, 7};
    static const uint32_t files[] = {0, 0, 1, 2};
    static const uint32_t symbols[] = {0x10, UINT32_MAX, 4};
    static const uint32_t calls[] = {0x14, UINT32_MAX};
    static const uint32_t *const words[] = {spans, nodes, lines, files, symbols, calls, NULL};
    static const char strings[4] = "\0ab";
    struct by_hand hand;
    struct tb_symbol_place places[TB_SYMBOL_PLACES_MAX];
    (void)state;
    assert_int_equal(open_by_hand(&hand, counts, words, strings), 0);
    assert_int_equal(tb_symbol_index_find(&hand.index, 0x1010, places), 1); /* a circle */
    assert_null(places[0].function);
    assert_null(places[0].file);
    assert_int_equal(tb_symbol_index_find(&hand.index, 0x1020, places), 2);
    assert_string_equal(places[0].function, "ab");
    assert_null(places[1].function);
    assert_int_equal(tb_symbol_index_find(&hand.index, 0x1030, places), 0);
    assert_int_equal(tb_symbol_index_find(&hand.index, 0x1040, places), 0);
    assert_null(tb_symbol_index_symbol(&hand.index, 0x1010));
    assert_null(tb_symbol_index_called(&hand.index, 0x1014));
}

static void deep_inlining_shows_the_innermost(void **state)
{
    enum { DEPTH = TB_SYMBOL_PLACES_MAX + 6 };
    static const uint32_t spans[] = {0, DEPTH};
    static uint32_t nodes[4 * (DEPTH + 1)];
    static const uint32_t counts[] = {1, DEPTH + 1, 0, 1, 0, 0, 0, 1};
    static const uint32_t files[] = {0, 0};
    static const uint32_t *const words[] = {spans, nodes, NULL, files, NULL, NULL, NULL};
    static struct by_hand hand;
    static struct tb_symbol_place places[TB_SYMBOL_PLACES_MAX];
    (void)state;
    for (uint32_t i = 1; i <= DEPTH; i++) {
        nodes[4 * i + 1] = i - 1;
        nodes[4 * i + 3] = i;
    }
    assert_int_equal(open_by_hand(&hand, counts, words, ""), 0);
    assert_int_equal(tb_symbol_index_find(&hand.index, 0x1000, places), TB_SYMBOL_PLACES_MAX);
    assert_int_equal(places[1].line, DEPTH);
    assert_int_equal(places[TB_SYMBOL_PLACES_MAX - 1].line, DEPTH - TB_SYMBOL_PLACES_MAX + 2);
    assert_true(places[TB_SYMBOL_PLACES_MAX - 1].inlined);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(function_of_this_program_has_name_file_and_line),
        cmocka_unit_test(header_says_whose_index_it_is),
        cmocka_unit_test(room_that_is_too_small_is_said),
        cmocka_unit_test(addresses_outside_have_no_name),
        cmocka_unit_test(damage_anywhere_is_noticed),
        cmocka_unit_test(every_table_is_read_as_it_is_described),
        cmocka_unit_test(code_without_a_line_has_the_file_of_its_function),
        cmocka_unit_test(offsets_that_lead_nowhere_are_not_followed),
        cmocka_unit_test(deep_inlining_shows_the_innermost),
    };
    return cmocka_run_group_tests(tests, build_self, drop_self);
}
