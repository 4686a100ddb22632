/* test_build_cases.c - single things that an index must tell, and files whose data are elsewhere.
 */
#include <errno.h>

#include "../support.h"
#include "built.h"

#define FLAT_C (DATA "/flat.c")
#define FLAT_CC (DATA "/flat.cc")
#define DROPPED_C (DATA "/dropped.c")

static uint64_t address_of(const struct tb_symbol_index *index, const char *symbol)
{
    for (uint32_t i = 0; i < index->n_symbols; i++) {
        uint32_t entry[3];
        memcpy(entry, index->symbols + (size_t)i * 12, sizeof(entry));
        if (strcmp(index->strings + entry[2], symbol) == 0)
            return index->base + entry[0];
    }
    fail_msg("there is no symbol %s", symbol);
    return 0;
}

/* Of gcc, whose pieces and lines are asked for below. */
static void build_flat(const char *option, struct built *out)
{
    char path[512];
    RUN("gcc", "-g", "-O2", option, FLAT_C, "-o", in_folder(path, "flat"));
    assert_int_equal(build_index(path, NULL, NULL, out), 0);
}

static void second_piece_of_a_function_has_its_name(void **state)
{
    struct tb_symbol_place places[TB_SYMBOL_PLACES_MAX];
    struct built built;
    (void)state;
    if (!is_installed("gcc"))
        skip();
    build_flat("-freorder-blocks-and-partition", &built);
    uint64_t address = address_of(&built.index, "split.cold");
    size_t n = tb_symbol_index_find(&built.index, address, places);
    assert_true(n >= 1);
    assert_string_equal(places[n - 1].function, "split");
    assert_non_null(strstr(places[n - 1].file, "flat.c"));
    drop_index(&built);
}

static void expect_line(const struct tb_symbol_place *place, const char *mark, const char *other)
{
    int line = (int)place->line;
    assert_true(line == line_of("flat.c", mark) || line == line_of("flat.c", other));
}

/* Chains leaf, middle, split and their lines are somewhere in split. */
static void inlined_calls_tell_where_they_were_called(void **state)
{
    struct tb_symbol_place places[TB_SYMBOL_PLACES_MAX];
    struct built built;
    size_t n_found = 0;
    (void)state;
    if (!is_installed("gcc"))
        skip();
    build_flat("-fno-lto", &built);
    uint64_t address = address_of(&built.index, "split");
    for (uint64_t i = 0; i < 128; i++) {
        size_t n = tb_symbol_index_find(&built.index, address + i, places);
        if (n != 3 || strcmp(places[0].function, "leaf") != 0)
            continue;
        n_found++;
        assert_string_equal(places[1].function, "middle");
        assert_string_equal(places[2].function, "split");
        assert_true(places[0].inlined && places[1].inlined && !places[2].inlined);
        expect_line(&places[0], "leaf", "leaf2");
        expect_line(&places[1], "middle", "middle2");
        expect_line(&places[2], "split", "split2");
        assert_non_null(strstr(places[2].file, "flat.c"));
    }
    assert_true(n_found > 0);
    drop_index(&built);
}

/* What a linker drops stays in the debug data, at address 0. */
static void functions_that_were_thrown_away_name_nothing(void **state)
{
    struct tb_symbol_place places[TB_SYMBOL_PLACES_MAX];
    struct built built;
    char path[512];
    (void)state;
    RUN(c_compiler(), "-g", "-O2", "-ffunction-sections", "-Wl,--gc-sections", FLAT_C, "-o",
        in_folder(path, "dropped"));
    assert_int_equal(build_index(path, NULL, NULL, &built), 0);
    for (uint64_t address = 0; address < 0x4000; address++) {
        size_t n = tb_symbol_index_find(&built.index, address, places);
        for (size_t i = 0; i < n; i++)
            assert_string_not_equal(places[i].function ? places[i].function : "", "unused");
    }
    drop_index(&built);
}

/* They begin at address 0, and would reach into the code. */
static void lines_that_were_thrown_away_are_not_those_of_others(void **state)
{
    struct tb_symbol_place places[TB_SYMBOL_PLACES_MAX];
    struct built built;
    char path[512];
    uint32_t first = (uint32_t)line_of("dropped.c", "first dropped");
    uint32_t last = (uint32_t)line_of("dropped.c", "last dropped");
    uint32_t end = (uint32_t)line_of("dropped.c", "end of long");
    size_t n_ends = 0;
    (void)state;
    RUN(c_compiler(), "-g", "-O2", "-ffunction-sections", "-Wl,--gc-sections", DROPPED_C, "-o",
        in_folder(path, "dropped"));
    assert_int_equal(build_index(path, NULL, NULL, &built), 0);
    assert_true(address_of(&built.index, "short_one") < 0x3000);
    for (uint64_t address = 0; address < 0x10000; address++) {
        if (tb_symbol_index_find(&built.index, address, places) == 0)
            continue;
        assert_false(places[0].line >= first && places[0].line <= last);
        n_ends += places[0].line == end;
    }
    assert_true(n_ends > 0);
    uint64_t address = address_of(&built.index, "short_one");
    assert_int_equal(tb_symbol_index_find(&built.index, address, places), 1);
    assert_string_equal(places[0].function, "short_one");
    assert_int_equal(places[0].line, 0); /* it cannot be told from another one's */
    drop_index(&built);
}

static void separate_debug_file_gives_the_same_index(void **state)
{
    struct built whole;
    struct built split;
    char path[512];
    char debug[512];
    (void)state;
    RUN(c_compiler(), "-g", "-O2", FLAT_C, "-o", in_folder(path, "apart"));
    assert_int_equal(build_index(path, NULL, NULL, &whole), 0);
    RUN("objcopy", "--only-keep-debug", path, in_folder(debug, "apart.debug"));
    RUN("objcopy", "--strip-all", path);
    assert_int_equal(build_index(path, debug, NULL, &split), 0);
    assert_int_equal(split.index.len, whole.index.len);
    assert_memory_equal(split.bytes, whole.bytes, whole.index.len);
    drop_index(&split);
    /* And without it there are the exported names. */
    int err = build_index(path, NULL, NULL, &split);
    assert_true(err == 0 ? split.index.flags == TB_SYMBOL_INDEX_EXPORTED : err == -ENOENT);
    drop_index(&split);
    drop_index(&whole);
}

static void expect_equal_at_all_addresses(const struct tb_symbol_index *a,
                                          const struct tb_symbol_index *b)
{
    struct tb_symbol_place of_a[TB_SYMBOL_PLACES_MAX];
    struct tb_symbol_place of_b[TB_SYMBOL_PLACES_MAX];
    uint32_t last;
    memcpy(&last, a->lines + (size_t)(a->n_lines - 1) * 12, sizeof(last));
    for (uint64_t address = a->base; address < a->base + last + 16; address++) {
        size_t n = tb_symbol_index_find(a, address, of_a);
        assert_int_equal(n, tb_symbol_index_find(b, address, of_b));
        for (size_t i = 0; i < n; i++)
            assert_true(is_same_place(&of_a[i], &of_b[i]));
        assert_true(
            is_same_text(tb_symbol_index_called(a, address), tb_symbol_index_called(b, address)));
    }
}

/* Two programs whose common data dwz has moved to a third file. */
static void data_that_dwz_moved_are_found_in_the_alternate_file(void **state)
{
    struct built before;
    struct built after;
    char path[512];
    char twin[512];
    char common[512];
    (void)state;
    if (!is_installed("dwz") || !is_installed("g++"))
        skip();
    RUN("g++", "-g", "-O2", "-gno-column-info", FLAT_CC, "-o", in_folder(path, "dwz1"));
    RUN("cp", path, in_folder(twin, "dwz2"));
    assert_int_equal(build_index(path, NULL, NULL, &before), 0);
    RUN("dwz", "-m", in_folder(common, "common"), path, twin);
    assert_int_equal(build_index(path, NULL, common, &after), 0);
    assert_false(after.index.flags & TB_SYMBOL_INDEX_PARTIAL);
    expect_equal_at_all_addresses(&before.index, &after.index);
    drop_index(&after);
    /* Without that file what is there is partial. */
    assert_int_equal(build_index(path, NULL, NULL, &after), 0);
    assert_true(after.index.flags & TB_SYMBOL_INDEX_PARTIAL);
    assert_true(after.index.flags & TB_SYMBOL_INDEX_SYMTAB);
    drop_index(&after);
    drop_index(&before);
}

/* dwz on one file: partial units that are imported. */
static void data_that_dwz_made_smaller_are_the_same(void **state)
{
    struct built before;
    struct built after;
    char path[512];
    char other[512];
    (void)state;
    if (!is_installed("dwz") || !is_installed("g++"))
        skip();
    RUN("g++", "-g", "-O2", "-Dmain=other_main", "-Dflat=other", "-c", FLAT_CC, "-o",
        in_folder(other, "other.o"));
    RUN("g++", "-g", "-O2", FLAT_CC, other, "-o", in_folder(path, "dwz3"));
    assert_int_equal(build_index(path, NULL, NULL, &before), 0);
    RUN("dwz", path);
    assert_int_equal(build_index(path, NULL, NULL, &after), 0);
    expect_equal_at_all_addresses(&before.index, &after.index);
    drop_index(&after);
    drop_index(&before);
}

static void calls_tell_which_function_they_call(void **state)
{
    static const char *const options[] = {"-gdwarf-5", "-gdwarf-4"};
    (void)state;
    if (!is_installed("gcc"))
        skip();
    for (size_t i = 0; i < 2; i++) {
        struct built built;
        build_flat(options[i], &built);
        const struct tb_symbol_index *index = &built.index;
        uint64_t address = address_of(index, "main");
        size_t n_first = 0;
        for (uint64_t at = address; at < address + 64; at++) {
            const char *called = tb_symbol_index_called(index, at);
            n_first += called && strcmp(called, "first") == 0;
        }
        assert_int_equal(n_first, 1);
        assert_int_equal(index->n_tails, 2);
        uint32_t tail[3];
        memcpy(tail, index->tails, sizeof(tail));
        assert_string_equal(index->strings + tail[0], "first");
        assert_string_equal(index->strings + tail[1], "hop");
        drop_index(&built);
    }
}

/* Their entries are in a file that nobody looks for. */
static void split_units_have_no_lines_and_say_what_is_missing(void **state)
{
    struct tb_symbol_place places[TB_SYMBOL_PLACES_MAX];
    struct built built;
    char path[512];
    char object[512];
    (void)state;
    RUN(c_compiler(), "-g", "-O2", "-gsplit-dwarf", "-c", FLAT_C, "-o",
        in_folder(object, "split.o"));
    RUN(c_compiler(), object, "-o", in_folder(path, "split"));
    assert_int_equal(build_index(path, NULL, NULL, &built), 0);
    assert_true(built.index.flags & TB_SYMBOL_INDEX_PARTIAL);
    assert_false(built.index.flags & TB_SYMBOL_INDEX_LINES);
    uint64_t address = address_of(&built.index, "split");
    for (uint64_t at = address; at < address + 16; at++) {
        assert_int_equal(tb_symbol_index_find(&built.index, at, places), 0);
        assert_string_equal(tb_symbol_index_symbol(&built.index, at), "split");
    }
    drop_index(&built);
}

/* clang can leave the entries that inlined calls need where they are looked for. */
static void split_units_with_entries_of_their_own_are_paired_by_them(void **state)
{
    struct tb_symbol_place places[TB_SYMBOL_PLACES_MAX];
    struct built built;
    char path[512];
    char object[512];
    size_t n_chains = 0;
    (void)state;
    if (!is_installed("clang"))
        skip();
    RUN("clang", "-g", "-O2", "-gsplit-dwarf", "-fsplit-dwarf-inlining", "-c", FLAT_C, "-o",
        in_folder(object, "inlining.o"));
    RUN("clang", object, "-o", in_folder(path, "inlining"));
    assert_int_equal(build_index(path, NULL, NULL, &built), 0);
    assert_true(built.index.flags & TB_SYMBOL_INDEX_PARTIAL);
    uint64_t address = address_of(&built.index, "split");
    for (uint64_t at = address; at < address + 64; at++) {
        size_t n = tb_symbol_index_find(&built.index, at, places);
        n_chains += n == 3 && strcmp(places[0].function, "leaf") == 0 &&
                    strcmp(places[2].function, "split") == 0;
    }
    assert_true(n_chains > 0);
    drop_index(&built);
}

static void file_without_a_name_gives_no_index(void **state)
{
    struct built built;
    char path[512];
    (void)state;
    RUN(c_compiler(), "-O2", "-s", "-nostdlib", "-static", "-Wl,-e,0", "-x", "c", FLAT_C, "-c",
        "-o", in_folder(path, "object"));
    assert_int_equal(build_index(path, NULL, NULL, &built), -ENOENT);
    drop_index(&built);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(second_piece_of_a_function_has_its_name),
        cmocka_unit_test(inlined_calls_tell_where_they_were_called),
        cmocka_unit_test(functions_that_were_thrown_away_name_nothing),
        cmocka_unit_test(lines_that_were_thrown_away_are_not_those_of_others),
        cmocka_unit_test(separate_debug_file_gives_the_same_index),
        cmocka_unit_test(data_that_dwz_moved_are_found_in_the_alternate_file),
        cmocka_unit_test(data_that_dwz_made_smaller_are_the_same),
        cmocka_unit_test(calls_tell_which_function_they_call),
        cmocka_unit_test(split_units_have_no_lines_and_say_what_is_missing),
        cmocka_unit_test(split_units_with_entries_of_their_own_are_paired_by_them),
        cmocka_unit_test(file_without_a_name_gives_no_index),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
