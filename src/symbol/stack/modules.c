/* modules.c - see modules.h. */
#include "symbol/stack/modules.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "symbol/files/alternate.h"
#include "symbol/files/debugfile.h"
#include "symbol/files/wounds.h"
#include "symbol/answer/path.h"

/* The start of a process is known by clock ticks, cut to a whole one. */
enum { START_TICK_NS = 10000000 };

int tb_symbol_modules_init(struct tb_symbol_cache *cache, const struct tb_symbol_config *config,
                           const struct tb_process *process, struct tb_symbol_modules *out)
{
    struct tb_symbol_modules modules = {.cache = cache, .config = config, .process = process};
    modules.items = calloc(process->n_modules + 1, sizeof(*modules.items));
    if (!modules.items)
        return -ENOMEM;
    for (size_t i = 0; i < process->n_modules; i++)
        modules.items[i].info = &process->modules[i];
    *out = modules;
    return 0;
}

void tb_symbol_modules_done(struct tb_symbol_modules *modules)
{
    if (!modules || !modules->items)
        return;
    for (size_t i = 0; i < modules->process->n_modules; i++) {
        tb_symbol_shelf_put(modules->items[i].shelved);
        tb_symbol_cache_put(modules->cache, modules->items[i].alternate);
        tb_symbol_cache_put(modules->cache, modules->items[i].debug);
        tb_symbol_cache_put(modules->cache, modules->items[i].image);
    }
    free(modules->items);
    modules->items = NULL;
}

static bool is_same_file(const struct tb_symbol_modules *modules, const struct tb_module *info,
                         const struct tb_symbol_image *image)
{
    const struct tb_symbol_elf *elf = &image->elf;
    if (modules->takes_any)
        return true;
    if (info->build_id_len > 0 || elf->build_id_len > 0)
        return info->build_id_len == elf->build_id_len &&
               memcmp(info->build_id, elf->build_id, info->build_id_len) == 0;
    const struct timespec *changed = &image->stat.st_mtim;
    uint64_t changed_ns = (uint64_t)changed->tv_sec * TB_NS_PER_S + (uint64_t)changed->tv_nsec;
    return modules->process->start_wall_ns == 0 ||
           changed_ns < modules->process->start_wall_ns + START_TICK_NS;
}

static void open_module(const struct tb_symbol_modules *modules, struct tb_symbol_module *module)
{
    struct tb_symbol_image *image;
    module->status = TB_SYMBOLS_UNREADABLE;
    if (!tb_symbol_path_is_plain(module->info->path) ||
        tb_symbol_cache_get(modules->cache, module->info->path, &modules->process->uid, &image) !=
            0)
        return;
    if (!is_same_file(modules, module->info, image)) {
        module->status = TB_SYMBOLS_CHANGED;
        tb_symbol_cache_put(modules->cache, image);
        return;
    }
    module->status = TB_SYMBOLS_NONE;
    module->image = image;
}

struct tb_symbol_module *tb_symbol_modules_find(struct tb_symbol_modules *modules, uint64_t address)
{
    const struct tb_module *info = tb_process_module(modules->process, address);
    if (!info)
        return NULL;
    struct tb_symbol_module *module = &modules->items[info - modules->process->modules];
    if (module->status == TB_SYMBOLS_UNTRIED)
        open_module(modules, module);
    return module;
}

struct tb_symbol_image *tb_symbol_module_debug(const struct tb_symbol_modules *modules,
                                               struct tb_symbol_module *module)
{
    if (!module->has_debug && module->image)
        (void)tb_symbol_debugfile_get(modules->cache, modules->config, module->image,
                                      modules->process->uid, &module->debug);
    module->has_debug = true;
    return module->debug;
}

/* Names from the first of the tables that has any: the module's own, that of its debug file, that
 * of its MiniDebugInfo, and what it exports. */
void tb_symbol_module_load_table(const struct tb_symbol_modules *modules,
                                 struct tb_symbol_module *module)
{
    if (module->has_table || !module->image)
        return;
    module->has_table = true;
    module->table = tb_symbol_image_table(module->image, TB_SYMBOL_SYMTAB);
    if (!module->table && tb_symbol_module_debug(modules, module))
        module->table = tb_symbol_image_table(module->debug, TB_SYMBOL_SYMTAB);
    if (!module->table)
        module->table = tb_symbol_image_table(module->image, TB_SYMBOL_MINI);
    if (module->table && module->status == TB_SYMBOLS_NONE)
        module->status = TB_SYMBOLS_SYMTAB;
    if (!module->table)
        module->table = tb_symbol_image_table(module->image, TB_SYMBOL_DYNSYM);
    if (module->table && module->status == TB_SYMBOLS_NONE)
        module->status = TB_SYMBOLS_EXPORTED;
}

struct tb_symbol_image *tb_symbol_module_alternate(const struct tb_symbol_modules *modules,
                                                   struct tb_symbol_module *module,
                                                   const struct tb_symbol_image *image)
{
    struct tb_symbol_altlink link;
    struct tb_symbol_image *found = NULL;
    if (tb_symbol_altlink_read(image->elf.elf, &link) != 0)
        return NULL;
    if (tb_symbol_alternate_get(modules->cache, modules->config, &link, &found) == 0) {
        tb_symbol_cache_put(modules->cache, module->alternate);
        module->alternate = found;
        return found;
    }
    module->note = "needs the file dwz made, which is missing";
    memcpy(module->missing, link.build_id, link.build_id_len);
    module->missing_len = link.build_id_len;
    return NULL;
}

static bool is_wounded(const struct tb_symbol_image *image)
{
    return image && tb_symbol_elf_is_wounded(image->elf.elf);
}

void tb_symbol_module_note_no_debug(struct tb_symbol_module *module)
{
    if ((module->image && tb_symbol_elf_has_zstd(module->image->elf.elf)) ||
        (module->debug && tb_symbol_elf_has_zstd(module->debug->elf.elf)))
        module->note = "the debug data are compressed with zstd, which cannot be read";
    else if (!module->note && (is_wounded(module->image) || is_wounded(module->debug)))
        module->note = TB_SYMBOL_NOTE_DAMAGED;
}

/* Those of the debug file are used where the module's own file has none. */
bool tb_symbol_module_is_partial(const struct tb_symbol_module *module)
{
    size_t len;
    const struct tb_symbol_image *used = module->image;
    if (!used || !tb_symbol_elf_section(used->elf.elf, ".debug_info", &len))
        used = module->debug;
    return is_wounded(used) || is_wounded(module->alternate);
}

struct timespec tb_symbol_module_built(const struct tb_symbol_modules *modules,
                                       const struct tb_symbol_module *module)
{
    if (module->image)
        return module->image->stat.st_mtim;
    if (module->debug)
        return module->debug->stat.st_mtim;
    uint64_t ns = modules->process->start_wall_ns;
    return (struct timespec){.tv_sec = (time_t)(ns / TB_NS_PER_S),
                             .tv_nsec = (long)(ns % TB_NS_PER_S)};
}

const char *tb_symbol_status_word(enum tb_symbol_status status)
{
    static const char *const words[] = {
        [TB_SYMBOLS_UNTRIED] = "none",    [TB_SYMBOLS_DEBUG] = "debug",
        [TB_SYMBOLS_SYMTAB] = "symtab",   [TB_SYMBOLS_EXPORTED] = "exported",
        [TB_SYMBOLS_NONE] = "none",       [TB_SYMBOLS_UNREADABLE] = "unreadable",
        [TB_SYMBOLS_CHANGED] = "changed",
    };
    return words[status];
}

const char *tb_symbol_module_name(const struct tb_symbol_module *module)
{
    const char *slash = strrchr(module->info->path, '/');
    return slash && slash[1] != '\0' ? slash + 1 : module->info->path;
}
