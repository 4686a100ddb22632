/* dwarf.c - see dwarf.h. */
#include "lookup/dwarf.h"

#include <dwarf.h>
#include <elfutils/libdwelf.h>
#include <errno.h>
#include <stdlib.h>

enum { UNITS_MAX = 1 << 20, SPANS_MAX = 4 << 20 };

static int grow(void **items, size_t n, size_t *cap, size_t max, size_t item_bytes)
{
    if (n < *cap)
        return 0;
    size_t more_cap = *cap > 0 ? *cap * 2 : 64;
    void *more = more_cap > max ? NULL : realloc(*items, more_cap * item_bytes);
    if (!more)
        return -ENOMEM;
    *items = more;
    *cap = more_cap;
    return 0;
}

static int add_spans(struct tb_symbol_dwarf *d, Dwarf_Die *die, size_t unit)
{
    struct tb_symbol_unit_span span = {.unit = unit};
    Dwarf_Addr base;
    ptrdiff_t at = 0;
    while ((at = dwarf_ranges(die, at, &base, &span.lo, &span.hi)) > 0) {
        if (span.lo == 0 || span.hi <= span.lo)
            continue;
        void *items = d->spans;
        int err = grow(&items, d->n_spans, &d->cap_spans, SPANS_MAX, sizeof(span));
        d->spans = items;
        if (err)
            return err;
        d->spans[d->n_spans++] = span;
    }
    return 0;
}

static int add_unit(struct tb_symbol_dwarf *d, Dwarf_Die *die, uint8_t type)
{
    void *items = d->units;
    int err = grow(&items, d->n_units, &d->cap_units, UNITS_MAX, sizeof(*d->units));
    d->units = items;
    if (err)
        return err;
    d->units[d->n_units] = (struct tb_symbol_unit){.die = *die, .has_tree = type == DW_UT_compile};
    return add_spans(d, die, d->n_units++);
}

static int list_units(struct tb_symbol_dwarf *d)
{
    Dwarf_CU *unit = NULL;
    Dwarf_Die die;
    uint8_t type;
    while (dwarf_get_units(d->dwarf, unit, &unit, NULL, &type, &die, NULL) == 0) {
        if (type != DW_UT_compile && type != DW_UT_skeleton)
            continue;
        int err = add_unit(d, &die, type);
        if (err)
            return err;
    }
    return d->n_spans > 0 ? 0 : -ENOENT;
}

static bool has_link(Dwarf *dwarf)
{
    const char *name;
    const void *id;
    return dwelf_dwarf_gnu_debugaltlink(dwarf, &name, &id) != 0;
}

/* 0 when there is nothing left for which libdw would open the file that a link names, wherever that
 * is; -ENOENT. */
static int set_alternate(struct tb_symbol_dwarf *d, Elf *alternate)
{
    if (!has_link(d->dwarf))
        return 0;
    d->alternate = alternate ? dwarf_begin_elf(alternate, DWARF_C_READ, NULL) : NULL;
    if (!d->alternate || has_link(d->alternate))
        return -ENOENT;
    dwarf_setalt(d->dwarf, d->alternate);
    return 0;
}

int tb_symbol_dwarf_open(Elf *elf, Elf *alternate, struct tb_symbol_dwarf *out)
{
    struct tb_symbol_dwarf d = {0};
    d.dwarf = dwarf_begin_elf(elf, DWARF_C_READ, NULL);
    if (!d.dwarf)
        return -ENOENT;
    int err = set_alternate(&d, alternate);
    if (err == 0)
        err = list_units(&d);
    if (err) {
        tb_symbol_dwarf_done(&d);
        return err;
    }
    *out = d;
    return 0;
}

void tb_symbol_dwarf_done(struct tb_symbol_dwarf *dwarf)
{
    if (!dwarf)
        return;
    for (size_t i = 0; i < dwarf->n_units; i++)
        tb_symbol_scopes_done(&dwarf->units[i].scopes);
    free(dwarf->units);
    free(dwarf->spans);
    if (dwarf->dwarf)
        dwarf_end(dwarf->dwarf);
    if (dwarf->alternate)
        dwarf_end(dwarf->alternate);
    *dwarf = (struct tb_symbol_dwarf){0};
}

/* The unit of the narrowest range around address. */
static struct tb_symbol_unit *find_unit(const struct tb_symbol_dwarf *d, Dwarf_Addr address)
{
    const struct tb_symbol_unit_span *found = NULL;
    for (size_t i = 0; i < d->n_spans; i++) {
        const struct tb_symbol_unit_span *span = &d->spans[i];
        if (address < span->lo || address >= span->hi)
            continue;
        if (!found || span->hi - span->lo < found->hi - found->lo)
            found = span;
    }
    return found ? &d->units[found->unit] : NULL;
}

static const char *function_name(Dwarf_Die *die)
{
    static const unsigned names[] = {DW_AT_linkage_name, DW_AT_MIPS_linkage_name, DW_AT_name};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        Dwarf_Attribute attribute;
        const char *name = dwarf_formstring(dwarf_attr_integrate(die, names[i], &attribute));
        if (name && name[0] != '\0')
            return name;
    }
    return NULL;
}

static void set_folder(struct tb_symbol_unit *unit, struct tb_symbol_place *out)
{
    Dwarf_Attribute attribute;
    out->folder = dwarf_formstring(dwarf_attr(&unit->die, DW_AT_comp_dir, &attribute));
}

static void find_line(struct tb_symbol_unit *unit, Dwarf_Addr address, struct tb_symbol_place *out)
{
    Dwarf_Line *line = dwarf_getsrc_die(&unit->die, address);
    int number = 0;
    if (!line)
        return;
    out->file = dwarf_linesrc(line, NULL, NULL);
    set_folder(unit, out);
    if (dwarf_lineno(line, &number) == 0 && number > 0)
        out->line = (uint32_t)number;
}

/* Where die was inlined: the place in the function around it. */
static void find_call(struct tb_symbol_unit *unit, Dwarf_Die *die, struct tb_symbol_place *out)
{
    Dwarf_Attribute attribute;
    Dwarf_Word number;
    Dwarf_Files *files;
    size_t n_files;
    if (dwarf_formudata(dwarf_attr(die, DW_AT_call_file, &attribute), &number) == 0 &&
        dwarf_getsrcfiles(&unit->die, &files, &n_files) == 0 && number < n_files)
        out->file = dwarf_filesrc(files, (size_t)number, NULL, NULL);
    set_folder(unit, out);
    if (dwarf_formudata(dwarf_attr(die, DW_AT_call_line, &attribute), &number) == 0 &&
        number <= INT32_MAX)
        out->line = (uint32_t)number;
}

size_t tb_symbol_dwarf_find(struct tb_symbol_dwarf *dwarf, uint64_t address,
                            struct tb_symbol_place out[TB_SYMBOL_PLACES_MAX])
{
    struct tb_symbol_unit *unit = find_unit(dwarf, address);
    if (!unit)
        return 0;
    if (!unit->is_built && unit->has_tree) {
        unit->is_built = true;
        (void)tb_symbol_scopes_build(&unit->die, &unit->scopes); /* what is there will do */
    }
    size_t n = 0;
    out[n] = (struct tb_symbol_place){0};
    find_line(unit, address, &out[n]);
    uint32_t at = tb_symbol_scopes_find(&unit->scopes, address);
    while (at != TB_SYMBOL_NO_SCOPE) {
        struct tb_symbol_scope *scope = &unit->scopes.items[at];
        out[n].function = function_name(&scope->die);
        out[n].inlined = scope->inlined;
        n++;
        at = scope->parent;
        if (at == TB_SYMBOL_NO_SCOPE || n == TB_SYMBOL_PLACES_MAX)
            return n;
        out[n] = (struct tb_symbol_place){0};
        find_call(unit, &scope->die, &out[n]);
    }
    return out[0].file ? 1 : 0;
}
