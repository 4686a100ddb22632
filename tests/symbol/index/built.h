/* built.h - for the tests of src/symbol/index: the index of a file, and what the DWARF data of the
 * file say themselves. After ../support.h. */
#ifndef TB_TESTS_SYMBOL_BUILT_H
#define TB_TESTS_SYMBOL_BUILT_H

#include "lookup/dwarf.h"
#include "symbol/files/elf.h"
#include "symbol/index/build.h"

enum { BUILT_BYTES = 64 << 20 };

struct built {
    struct tb_symbol_elf module, debug, alternate;
    uint8_t *bytes;
    struct tb_symbol_index index;
};

static inline Elf *open_elf(const char *path, struct tb_symbol_elf *out)
{
    *out = (struct tb_symbol_elf){0};
    if (!path)
        return NULL;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(tb_symbol_elf_open(fd, out), 0);
    return out->elf;
}

/* debug and alternate may be NULL. Returns what tb_symbol_index_build does. */
static inline int build_index(const char *path, const char *debug, const char *alternate,
                              struct built *out)
{
    size_t len;
    *out = (struct built){0};
    struct tb_symbol_index_input input = {.module = open_elf(path, &out->module),
                                          .debug = open_elf(debug, &out->debug),
                                          .alternate = open_elf(alternate, &out->alternate)};
    input.build_id = out->module.build_id;
    input.build_id_len = out->module.build_id_len;
    out->bytes = malloc(BUILT_BYTES);
    assert_non_null(out->bytes);
    int err = tb_symbol_index_build(&input, out->bytes, BUILT_BYTES, &len);
    if (err == 0)
        assert_int_equal(tb_symbol_index_open(out->bytes, len, &out->index), 0);
    return err;
}

static inline void drop_index(struct built *built)
{
    free(built->bytes);
    tb_symbol_elf_done(&built->module);
    tb_symbol_elf_done(&built->debug);
    tb_symbol_elf_done(&built->alternate);
}

static inline int is_same_text(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

/* Where the data have no line, their file may be that of something else: the index looks for that
 * of the function. */
static inline int is_same_place(const struct tb_symbol_place *a, const struct tb_symbol_place *b)
{
    bool is_same_file =
        is_same_text(a->file, b->file) && (!a->file || is_same_text(a->folder, b->folder));
    return is_same_text(a->function, b->function) && (is_same_file || (a->line == 0 && b->file)) &&
           a->line == b->line && a->inlined == b->inlined;
}

/* Whether the index says of address what the DWARF data say. */
static inline int is_same_at(const struct tb_symbol_index *index, struct tb_symbol_dwarf *dwarf,
                             uint64_t address)
{
    struct tb_symbol_place found[TB_SYMBOL_PLACES_MAX];
    struct tb_symbol_place wanted[TB_SYMBOL_PLACES_MAX];
    size_t n = tb_symbol_index_find(index, address, found);
    size_t n_wanted = tb_symbol_dwarf_find(dwarf, address, wanted);
    /* A line between two functions that is in no unit's code: padding. */
    if (n == 1 && n_wanted == 0 && !found[0].function)
        return 1;
    if (n != n_wanted)
        return 0;
    for (size_t i = 0; i < n; i++) {
        if (!is_same_place(&found[i], &wanted[i]))
            return 0;
    }
    return 1;
}

static inline void print_places(const struct tb_symbol_place *places, size_t n)
{
    for (size_t i = 0; i < n; i++)
        print_message("    %s%s %s/%s:%u\n", places[i].function ? places[i].function : "-",
                      places[i].inlined ? " (inlined)" : "",
                      places[i].folder ? places[i].folder : "-",
                      places[i].file ? places[i].file : "-", places[i].line);
}

static inline void print_difference(const struct tb_symbol_index *index,
                                    struct tb_symbol_dwarf *dwarf, uint64_t address)
{
    struct tb_symbol_place places[TB_SYMBOL_PLACES_MAX];
    print_message("0x%llx: the index has\n", (unsigned long long)address);
    print_places(places, tb_symbol_index_find(index, address, places));
    print_message("  the data have\n");
    print_places(places, tb_symbol_dwarf_find(dwarf, address, places));
}

/* How many of the addresses from which on the index says something new, and of those right before,
 * differ from the data; the first few are printed. Every step-th is asked. */
static inline size_t count_differences(const struct tb_symbol_index *index, Elf *elf, size_t step,
                                       size_t *n_asked)
{
    struct tb_symbol_dwarf dwarf;
    size_t n = 0;
    assert_int_equal(tb_symbol_dwarf_open(elf, NULL, &dwarf), 0);
    *n_asked = 0;
    for (size_t i = 0; i < (size_t)index->n_spans + index->n_lines; i += step) {
        const uint8_t *entry =
            i < index->n_spans ? index->spans + i * 8 : index->lines + (i - index->n_spans) * 12;
        uint32_t at;
        memcpy(&at, entry, sizeof(at));
        for (uint64_t back = 0; back < 2 && back <= at; back++) {
            uint64_t address = index->base + at - back;
            ++*n_asked;
            if (!is_same_at(index, &dwarf, address) && n++ < 5)
                print_difference(index, &dwarf, address);
        }
    }
    tb_symbol_dwarf_done(&dwarf);
    return n;
}

#endif
