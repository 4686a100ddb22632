/* test_build.c - an index says what the DWARF data of a file say, whoever has compiled it. */
#include <dlfcn.h>
#include <dwarf.h>
#include <errno.h>

#include "../support.h"
#include "built.h"

#define FLAT_C (DATA "/flat.c")
#define FLAT_CC (DATA "/flat.cc")
#define FLAT_RS (DATA "/flat.rs")

/* Asks for every step-th address of path at which something changes. */
static void expect_same(const char *path, size_t step, const char *what)
{
    struct built built;
    size_t n_asked;
    assert_int_equal(build_index(path, NULL, NULL, &built), 0);
    size_t n = count_differences(&built.index, built.module.elf, step, &n_asked);
    if (n > 0)
        print_message("%s: %zu of %zu addresses differ\n", what, n, n_asked);
    assert_int_equal(n, 0);
    assert_true(n_asked > 20);
    assert_true(built.index.flags & TB_SYMBOL_INDEX_LINES);
    assert_false(built.index.flags & TB_SYMBOL_INDEX_PARTIAL);
    drop_index(&built);
}

static void index_says_what_the_data_of_this_program_say(void **state)
{
    (void)state;
    expect_same("/proc/self/exe", 7, "this program");
}

static void expect_same_compiled(const char *compiler, const char *source,
                                 const char *const options[][2], size_t n)
{
    char path[512];
    char what[256];
    if (!is_installed(compiler))
        skip();
    for (size_t i = 0; i < n; i++) {
        (void)snprintf(what, sizeof(what), "%s %s %s", compiler, options[i][0], options[i][1]);
        RUN(compiler, "-g", options[i][0], options[i][1], source, "-o", in_folder(path, "flat"));
        expect_same(path, 1, what);
    }
}

static void index_is_right_for_each_version_of_dwarf(void **state)
{
    static const char *const options[][2] = {
        {"-O2", "-gdwarf-2"}, {"-O2", "-gdwarf-3"}, {"-O2", "-gdwarf-4"}, {"-O2", "-gdwarf-5"},
        {"-O0", "-gdwarf-4"}, {"-O0", "-gdwarf-5"}, {"-O2", "-gdwarf64"},
    };
    (void)state;
    expect_same_compiled("gcc", FLAT_C, options, sizeof(options) / sizeof(options[0]));
}

static void index_is_right_however_the_data_are_stored(void **state)
{
    static const char *const options[][2] = {
        {"-O2", "-g1"},
        {"-O2", "-gz=zlib"},
        {"-O2", "-flto"},
        {"-O2", "-no-pie"},
        {"-Os", "-ffunction-sections"},
        {"-O3", "-Wl,--build-id=none"},
        {"-O2", "-gz=zlib-gnu"},
    };
    (void)state;
    expect_same_compiled("gcc", FLAT_C, options, sizeof(options) / sizeof(options[0]));
}

static void index_is_right_for_cxx(void **state)
{
    static const char *const options[][2] = {
        {"-O2", "-gdwarf-5"}, {"-O1", "-gdwarf-4"}, {"-O0", "-gdwarf-3"},
        {"-O2", "-flto"},     {"-O2", "-g1"},       {"-O2", "-fdebug-types-section"},
    };
    (void)state;
    expect_same_compiled("g++", FLAT_CC, options, sizeof(options) / sizeof(options[0]));
}

static void index_is_right_for_clang(void **state)
{
    static const char *const options[][2] = {
        {"-O2", "-gdwarf-5"},
        {"-O2", "-gdwarf-4"},
        {"-O0", "-gdwarf-3"},
        {"-O2", "-gline-tables-only"},
    };
    (void)state;
    expect_same_compiled("clang", FLAT_C, options, sizeof(options) / sizeof(options[0]));
}

static void index_is_right_for_cxx_of_clang(void **state)
{
    static const char *const options[][2] = {{"-O2", "-gdwarf-5"}, {"-O1", "-gdwarf-4"}};
    (void)state;
    expect_same_compiled("clang++", FLAT_CC, options, sizeof(options) / sizeof(options[0]));
}

static void index_is_right_for_rust(void **state)
{
    char path[512];
    (void)state;
    if (!is_installed("rustc"))
        skip();
    RUN("rustc", "-g", "-O", FLAT_RS, "-o", in_folder(path, "rust"));
    expect_same(path, 97, "rust");
}

/* ---- libdw itself, of a library of the system ---- */

static const char *name_by_libdw(Dwarf_Die *die)
{
    Dwarf_Attribute attribute;
    const char *name = dwarf_formstring(dwarf_attr_integrate(die, DW_AT_linkage_name, &attribute));
    return name ? name : dwarf_diename(die);
}

/* The names of what address is in, innermost first, and its line. */
static size_t places_by_libdw(Dwarf *dwarf, uint64_t address, struct tb_symbol_place *out)
{
    Dwarf_Die unit;
    Dwarf_Die *scopes = NULL;
    Dwarf_Die *nested = NULL;
    size_t n = 0;
    int line = 0;
    if (!dwarf_addrdie(dwarf, address, &unit) || dwarf_getscopes(&unit, address, &scopes) <= 0)
        return 0;
    int n_scopes = dwarf_getscopes_die(&scopes[0], &nested);
    for (int i = 0; i < n_scopes; i++) {
        int tag = dwarf_tag(&nested[i]);
        if (tag == DW_TAG_subprogram || tag == DW_TAG_inlined_subroutine)
            out[n++] = (struct tb_symbol_place){.function = name_by_libdw(&nested[i])};
    }
    Dwarf_Line *row = dwarf_getsrc_die(&unit, address);
    if (n > 0 && row && dwarf_lineno(row, &line) == 0) {
        out[0].line = (uint32_t)line;
        out[0].file = dwarf_linesrc(row, NULL, NULL);
    }
    free(scopes);
    free(nested);
    return n;
}

/* Returns how many functions and calls there are at address. */
static size_t expect_as_libdw(const struct tb_symbol_index *index, Dwarf *dwarf, uint64_t address)
{
    struct tb_symbol_place wanted[TB_SYMBOL_PLACES_MAX];
    struct tb_symbol_place found[TB_SYMBOL_PLACES_MAX];
    size_t n = places_by_libdw(dwarf, address, wanted);
    if (n == 0)
        return 0;
    assert_int_equal(tb_symbol_index_find(index, address, found), n);
    for (size_t k = 0; k < n; k++)
        assert_string_equal(found[k].function, wanted[k].function);
    assert_string_equal(found[0].file, wanted[0].file);
    assert_int_equal(found[0].line, wanted[0].line);
    return n;
}

static void index_of_the_c_library_says_what_libdw_says(void **state)
{
    char id[2 * TB_BUILD_ID_BYTES + 1];
    char debug[512];
    struct tb_symbol_elf elf;
    struct built built;
    Dl_info info;
    size_t n_places = 0;
    (void)state;
    assert_int_not_equal(dladdr((void *)(uintptr_t)abort, &info), 0);
    open_elf(info.dli_fname, &elf);
    tb_hex(elf.build_id, elf.build_id_len, id);
    tb_symbol_elf_done(&elf);
    (void)snprintf(debug, sizeof(debug), "/usr/lib/debug/.build-id/%.2s/%s.debug", id, id + 2);
    if (access(debug, R_OK) != 0)
        skip();
    assert_int_equal(build_index(info.dli_fname, debug, NULL, &built), 0);
    Dwarf *dwarf = dwarf_begin_elf(built.debug.elf, DWARF_C_READ, NULL);
    assert_non_null(dwarf);
    for (size_t i = 0; i < built.index.n_lines; i += 211) {
        uint32_t at;
        memcpy(&at, built.index.lines + i * 12, sizeof(at));
        n_places += expect_as_libdw(&built.index, dwarf, built.index.base + at);
    }
    assert_true(n_places > 100);
    dwarf_end(dwarf);
    drop_index(&built);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(index_says_what_the_data_of_this_program_say),
        cmocka_unit_test(index_is_right_for_each_version_of_dwarf),
        cmocka_unit_test(index_is_right_however_the_data_are_stored),
        cmocka_unit_test(index_is_right_for_cxx),
        cmocka_unit_test(index_is_right_for_clang),
        cmocka_unit_test(index_is_right_for_cxx_of_clang),
        cmocka_unit_test(index_is_right_for_rust),
        cmocka_unit_test(index_of_the_c_library_says_what_libdw_says),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
