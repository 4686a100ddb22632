/* modules.c - see modules.h. */
#include "symbol/modules.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "symbol/debugfile.h"
#include "symbol/file.h"
#include "symbol/path.h"

int tb_symbol_modules_init(const struct tb_symbol_config *config, const struct tb_process *process,
                           struct tb_symbol_modules *out)
{
    struct tb_symbol_modules modules = {.config = config, .process = process};
    modules.items = calloc(process->n_modules + 1, sizeof(*modules.items));
    if (!modules.items)
        return -ENOMEM;
    for (size_t i = 0; i < process->n_modules; i++)
        modules.items[i].info = &process->modules[i];
    *out = modules;
    return 0;
}

static void close_module(struct tb_symbol_module *module)
{
    tb_symbol_dwarf_done(&module->dwarf);
    tb_symbol_table_done(&module->table);
    tb_symbol_elf_done(&module->debug);
    tb_symbol_elf_done(&module->elf);
}

void tb_symbol_modules_done(struct tb_symbol_modules *modules)
{
    if (!modules || !modules->items)
        return;
    for (size_t i = 0; i < modules->process->n_modules; i++)
        close_module(&modules->items[i]);
    free(modules->items);
    modules->items = NULL;
}

static bool is_same_file(const struct tb_symbol_modules *modules,
                         const struct tb_symbol_module *module, uint64_t changed_ns)
{
    const struct tb_module *info = module->info;
    if (info->build_id_len > 0 || module->elf.build_id_len > 0)
        return info->build_id_len == module->elf.build_id_len &&
               memcmp(info->build_id, module->elf.build_id, info->build_id_len) == 0;
    return modules->process->start_wall_ns == 0 || changed_ns <= modules->process->start_wall_ns;
}

static void open_module(const struct tb_symbol_modules *modules, struct tb_symbol_module *module)
{
    struct stat st;
    module->status = TB_SYMBOLS_UNREADABLE;
    if (!tb_symbol_path_is_plain(module->info->path))
        return;
    int fd = tb_symbol_file_open(module->info->path, TB_SYMBOL_MODULE_BYTES_MAX);
    if (fd < 0)
        return;
    if (!tb_symbol_file_may_read(fd, modules->process->uid) || fstat(fd, &st) < 0) {
        close(fd);
        return;
    }
    if (tb_symbol_elf_open(fd, &module->elf) != 0)
        return;
    module->status = TB_SYMBOLS_NONE;
    uint64_t changed_ns = (uint64_t)st.st_mtim.tv_sec * TB_NS_PER_S + (uint64_t)st.st_mtim.tv_nsec;
    if (!is_same_file(modules, module, changed_ns)) {
        module->status = TB_SYMBOLS_CHANGED;
        tb_symbol_elf_done(&module->elf);
    }
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

/* Names from the first of the tables that has any: the module's own, that of its debug file, and
 * what it exports. */
static void load_table(struct tb_symbol_module *module)
{
    if (tb_symbol_table_add(&module->table, module->elf.elf, SHT_SYMTAB) == 0 ||
        (module->debug.elf &&
         tb_symbol_table_add(&module->table, module->debug.elf, SHT_SYMTAB) == 0))
        module->status = TB_SYMBOLS_SYMTAB;
    else
        (void)tb_symbol_table_add(&module->table, module->elf.elf, SHT_DYNSYM);
    tb_symbol_table_sort(&module->table);
}

void tb_symbol_module_load_names(const struct tb_symbol_modules *modules,
                                 struct tb_symbol_module *module)
{
    if (module->has_names || !module->elf.elf)
        return;
    module->has_names = true;
    bool has_own = tb_symbol_dwarf_open(module->elf.elf, &module->dwarf) == 0;
    if (!has_own)
        (void)tb_symbol_debugfile_open(modules->config, &module->elf, module->info->path,
                                       modules->process->uid, &module->debug);
    load_table(module);
    if (has_own ||
        (module->debug.elf && tb_symbol_dwarf_open(module->debug.elf, &module->dwarf) == 0))
        module->status = TB_SYMBOLS_DEBUG;
}

const char *tb_symbol_status_word(enum tb_symbol_status status)
{
    static const char *const words[] = {
        [TB_SYMBOLS_UNTRIED] = "none",          [TB_SYMBOLS_DEBUG] = "debug",
        [TB_SYMBOLS_SYMTAB] = "symtab",         [TB_SYMBOLS_NONE] = "none",
        [TB_SYMBOLS_UNREADABLE] = "unreadable", [TB_SYMBOLS_CHANGED] = "changed",
    };
    return words[status];
}

const char *tb_symbol_module_name(const struct tb_symbol_module *module)
{
    const char *slash = strrchr(module->info->path, '/');
    return slash && slash[1] != '\0' ? slash + 1 : module->info->path;
}
