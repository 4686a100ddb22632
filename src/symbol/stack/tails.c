/* tails.c - see tails.h. */
#include "symbol/stack/tails.h"

#include <string.h>

#include "symbol/stack/module_index.h"
#include "unwind/walk.h"

/* What was found by looking for it may not be what was called, or not next to it. */
static bool is_sure(const struct tb_symbol_raw *raw)
{
    return raw->trust == TB_TRUST_CONTEXT || raw->trust == TB_TRUST_CFI ||
           raw->trust == TB_SYMBOL_TRUST_UNKNOWN;
}

/* The module of an address, if it has an index. */
static const struct tb_symbol_module *indexed(struct tb_symbol_modules *modules, uint64_t address)
{
    struct tb_symbol_module *module = tb_symbol_modules_find(modules, address);
    if (module)
        tb_symbol_module_load_index(modules, module);
    return module && module->index ? module : NULL;
}

/* The function itself that address is in, not what was inlined there; or NULL. */
static const char *function_at(const struct tb_symbol_module *module, uint64_t address)
{
    struct tb_symbol_place places[TB_SYMBOL_PLACES_MAX];
    size_t n = tb_symbol_index_find(module->index, address - module->info->bias, places);
    return n > 0 && !places[n - 1].inlined ? places[n - 1].function : NULL;
}

/* The loader finds the function of a first call before it is entered. */
static bool is_loader(const struct tb_symbol_module *module)
{
    const char *name = module ? tb_symbol_module_name(module) : "";
    return strncmp(name, "ld-", 3) == 0 || strncmp(name, "ld.so", 5) == 0;
}

/* Another module's function of that name may stand in for the caller's own; one of C++ may have two
 * names, as constructors do. */
static bool may_be_same(const char *called, const char *found)
{
    return found && (strcmp(called, found) == 0 ||
                     (strncmp(called, "_Z", 2) == 0 && strncmp(found, "_Z", 2) == 0));
}

/* What has code of its own here and led to another module has jumped there, though clang tells no
 * call of a function that it knows by itself, as strtol. */
static size_t find_left(const struct tb_symbol_module *caller, const char *called,
                        struct tb_symbol_hop out[TB_SYMBOL_HOPS_MAX])
{
    uint64_t start = tb_symbol_index_start(caller->index, called);
    out[0] = (struct tb_symbol_hop){.at = start + 1};
    return start > 0;
}

/* No chain leads from what caller calls to pc: what was called has jumped away all the same, if pc
 * is surely not in it. */
static size_t find_begun(struct tb_symbol_modules *modules, const struct tb_symbol_module *caller,
                         const char *called, uint64_t pc,
                         struct tb_symbol_hop out[TB_SYMBOL_HOPS_MAX])
{
    const struct tb_symbol_module *module = indexed(modules, pc);
    const char *found = module ? function_at(module, pc) : NULL;
    if (is_loader(tb_symbol_modules_find(modules, pc)) || (module == caller && !found))
        return 0;
    if (module && !found)
        found = tb_symbol_index_symbol(module->index, pc - module->info->bias);
    if (module != caller && may_be_same(called, found))
        return 0;
    size_t n = tb_symbol_index_begun(caller->index, called, module == caller ? found : NULL, out);
    return n > 0 || !module || module == caller ? n : find_left(caller, called, out);
}

size_t tb_symbol_tails_find(struct tb_symbol_modules *modules, const struct tb_symbol_raw *inner,
                            const struct tb_symbol_raw *outer,
                            struct tb_symbol_hop out[TB_SYMBOL_HOPS_MAX])
{
    if (outer->is_exact || !is_sure(inner) || !is_sure(outer))
        return 0;
    uint64_t pc = inner->ip - (inner->is_exact ? 0 : 1);
    const struct tb_symbol_module *caller = indexed(modules, outer->ip - 1);
    const char *called =
        caller ? tb_symbol_index_called(caller->index, outer->ip - caller->info->bias) : NULL;
    if (!called)
        return 0;
    const struct tb_symbol_module *module = indexed(modules, pc);
    const char *found = module ? function_at(module, pc) : NULL;
    if (found && strcmp(found, called) == 0)
        return 0;
    size_t n = found ? tb_symbol_index_chain(module->index, called, found, out) : 0;
    if (n == 0) {
        module = caller;
        n = find_begun(modules, caller, called, pc, out);
    }
    for (size_t i = 0; i < n; i++)
        out[i].at += module->info->bias;
    return n;
}
