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

size_t tb_symbol_tails_find(struct tb_symbol_modules *modules, const struct tb_symbol_raw *inner,
                            const struct tb_symbol_raw *outer,
                            struct tb_symbol_hop out[TB_SYMBOL_HOPS_MAX])
{
    if (outer->is_exact || !is_sure(inner) || !is_sure(outer))
        return 0;
    uint64_t pc = inner->ip - (inner->is_exact ? 0 : 1);
    const struct tb_symbol_module *module = indexed(modules, pc);
    const struct tb_symbol_module *caller = module ? indexed(modules, outer->ip - 1) : NULL;
    if (!caller)
        return 0;
    const char *found = function_at(module, pc);
    const char *called = tb_symbol_index_called(caller->index, outer->ip - caller->info->bias);
    if (!found || !called)
        return 0;
    size_t n = tb_symbol_index_chain(module->index, called, found, out);
    for (size_t i = 0; i < n; i++)
        out[i].at += module->info->bias;
    return n;
}
