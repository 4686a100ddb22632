/* module_index.c - see module_index.h. */
#include "symbol/stack/module_index.h"

#include <errno.h>
#include <gelf.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "symbol/answer/path.h"
#include "symbol/files/debugfile.h"
#include "symbol/files/wounds.h"

#define INDEXED_BYTES_MAX (UINT64_C(1) << 30) /* of debug data, inflated */

/* What an index is built from. */
struct parts {
    struct tb_symbol_key key;
    struct tb_symbol_image *module; /* the file that ran, or the debug file of one that is gone */
    struct tb_symbol_image *debug;  /* NULL: none */
    struct tb_symbol_image *alternate; /* that dwz made beside it; NULL: none */
    uint32_t flags;
    bool is_kept; /* also after the worker has ended */
};

/* ---- who may have it ---- */

static bool may_use(const struct tb_symbol_modules *modules,
                    const struct tb_symbol_shelved *shelved)
{
    uint32_t reporter = modules->process->uid;
    return (shelved->index.flags & TB_SYMBOL_INDEX_PUBLIC) || reporter == 0 ||
           reporter == shelved->key.uid || shelved->key.is_for_one; /* for that one */
}

/* NULL when there is none that may be used. */
static struct tb_symbol_shelved *get(const struct tb_symbol_modules *modules,
                                     const struct tb_symbol_key *key)
{
    struct tb_symbol_shelved *found =
        tb_symbol_shelf_get(&modules->cache->shelf, modules->config->index_dir, key);
    if (found && !may_use(modules, found)) {
        tb_symbol_shelf_put(found);
        return NULL;
    }
    return found;
}

static bool is_below_debug_dirs(const struct tb_symbol_config *config, const char *path)
{
    for (size_t i = 0; i < config->n_debug_dirs; i++) {
        if (tb_symbol_path_below(path, config->debug_dirs[i]))
            return true;
    }
    return false;
}

/* What the configuration names is shown for any module of that build ID, whoever may read it. */
static bool is_public(const struct tb_symbol_modules *modules, const struct parts *parts)
{
    return parts->module->is_public && (!parts->debug || parts->debug->is_public ||
                                        is_below_debug_dirs(modules->config, parts->debug->path));
}

/* Is the owner of the file the one who wrote it? Of an ordinary user's, those whom he lets. */
static bool is_owners_own(const struct tb_symbol_image *image)
{
    return !image->is_foreign &&
           (image->stat.st_uid != 0 || !(image->stat.st_mode & (S_IWGRP | S_IWOTH)));
}

/* May what it says be told of every file that the owner of the module has with that build ID? */
static bool is_trusted(const struct tb_symbol_modules *modules,
                       const struct tb_symbol_image *module, const struct tb_symbol_image *other)
{
    return !other || is_below_debug_dirs(modules->config, other->path) ||
           (is_owners_own(other) &&
            (other->stat.st_uid == 0 || other->stat.st_uid == module->stat.st_uid));
}

static bool is_for_others(const struct tb_symbol_modules *modules, const struct parts *parts)
{
    return is_owners_own(parts->module) && is_trusted(modules, parts->module, parts->debug) &&
           is_trusted(modules, parts->module, parts->alternate);
}

/* ---- what there is ---- */

static uint64_t mix(uint64_t mark, uint64_t more)
{
    mark = (mark ^ more) * UINT64_C(0x9e3779b97f4a7c15);
    return mark ^ (mark >> 29);
}

/* Of the debug file and of what dwz made beside it, together. Size and time of writing can be given
 * to any file by its owner; inode and time of change cannot. The device is not asked for: its
 * number may be another after each start. */
static struct tb_symbol_index_origin origin_of(const struct tb_symbol_image *debug,
                                               const struct tb_symbol_image *alternate)
{
    const struct tb_symbol_image *const images[] = {debug, alternate};
    struct tb_symbol_index_origin origin = {0};
    for (size_t i = 0; i < sizeof(images) / sizeof(images[0]); i++) {
        if (!images[i])
            continue;
        const struct timespec *changed = &images[i]->stat.st_ctim;
        origin.debug_bytes += (uint64_t)images[i]->stat.st_size;
        origin.debug_mark = mix(origin.debug_mark, images[i]->stat.st_ino);
        origin.debug_mark = mix(origin.debug_mark, (uint64_t)changed->tv_sec * TB_NS_PER_S +
                                                       (uint64_t)changed->tv_nsec);
    }
    return origin;
}

static bool has_section(const struct tb_symbol_image *image, const char *name)
{
    size_t len;
    return tb_symbol_elf_section(image->elf.elf, name, &len) != NULL;
}

/* The file that dwz made beside that which has the debug data. */
static struct tb_symbol_image *alternate_of(const struct tb_symbol_modules *modules,
                                            struct tb_symbol_module *module,
                                            const struct tb_symbol_image *image,
                                            const struct tb_symbol_image *debug)
{
    if (!has_section(image, ".debug_info"))
        image = debug;
    return image ? tb_symbol_module_alternate(modules, module, image) : NULL;
}

static bool is_same_origin(const struct tb_symbol_index_origin *a,
                           const struct tb_symbol_index_origin *b)
{
    return a->debug_bytes == b->debug_bytes && a->debug_mark == b->debug_mark;
}

/* Was it built from a twin of the file that had less, one that was stripped or cut? */
static bool is_of_lesser(const struct tb_symbol_image *image, const struct tb_symbol_index *index)
{
    if (image->is_indexed || (index->flags & TB_SYMBOL_INDEX_LINES))
        return false;
    return has_section(image, ".debug_info") ||
           (!(index->flags & TB_SYMBOL_INDEX_SYMTAB) && has_section(image, ".symtab"));
}

/* Was it built from the debug file that is there now? One with debug data of its own needs none,
 * but for what dwz has moved. */
static bool is_current(const struct tb_symbol_modules *modules, struct tb_symbol_module *module,
                       const struct tb_symbol_index *index)
{
    static const struct tb_symbol_index_origin none;
    if (is_of_lesser(module->image, index))
        return false;
    if ((index->flags & TB_SYMBOL_INDEX_LINES) && is_same_origin(&index->origin, &none) &&
        !alternate_of(modules, module, module->image, NULL))
        return true;
    const struct tb_symbol_image *debug = tb_symbol_module_debug(modules, module);
    struct tb_symbol_index_origin now =
        origin_of(debug, alternate_of(modules, module, module->image, debug));
    return is_same_origin(&index->origin, &now);
}

static uint64_t debug_bytes(Elf *elf)
{
    uint64_t total = 0;
    size_t names;
    size_t len;
    Elf_Scn *section = NULL;
    if (elf_getshdrstrndx(elf, &names) != 0 || !elf_rawfile(elf, &len))
        return 0;
    while ((section = elf_nextscn(elf, section))) {
        GElf_Shdr header;
        GElf_Chdr packed;
        const char *name;
        if (!gelf_getshdr(section, &header) || header.sh_type == SHT_NOBITS ||
            !(name = elf_strptr(elf, names, header.sh_name)) || strncmp(name, ".debug_", 7) != 0)
            continue;
        if (!tb_symbol_elf_holds(len, header.sh_type, header.sh_offset, header.sh_size))
            continue; /* as libdw passes over it */
        bool is_packed = (header.sh_flags & SHF_COMPRESSED) && gelf_getchdr(section, &packed);
        uint64_t bytes = is_packed ? packed.ch_size : header.sh_size;
        if (bytes > INDEXED_BYTES_MAX)
            return bytes;
        total += bytes;
    }
    return total;
}

static bool is_too_large(const struct parts *parts)
{
    return debug_bytes(parts->module->elf.elf) > INDEXED_BYTES_MAX ||
           (parts->debug && debug_bytes(parts->debug->elf.elf) > INDEXED_BYTES_MAX) ||
           (parts->alternate && debug_bytes(parts->alternate->elf.elf) > INDEXED_BYTES_MAX);
}

/* ---- building ---- */

/* What stood in the way of an index with more in it. */
static void note(struct tb_symbol_module *module, uint32_t flags)
{
    bool has_lines = flags & TB_SYMBOL_INDEX_LINES;
    if (!has_lines)
        tb_symbol_module_note_no_debug(module);
    if (module->note)
        return;
    if (flags & TB_SYMBOL_INDEX_SPLIT)
        module->note = "some of the debug data are in .dwo files, which are not read";
    else if ((flags & TB_SYMBOL_INDEX_PARTIAL) ||
             (has_lines && tb_symbol_module_is_partial(module)))
        module->note = "some of the debug data could not be read";
    else if ((flags & TB_SYMBOL_INDEX_NO_MINI) && !(flags & TB_SYMBOL_INDEX_SYMTAB) && !has_lines)
        module->note = TB_SYMBOL_NOTE_NO_MINI;
}

/* Of a module without any names. */
static void note_none(struct tb_symbol_module *module)
{
    tb_symbol_module_note_no_debug(module);
    if (!module->note && module->image && !module->debug &&
        has_section(module->image, ".gnu_debugdata"))
        module->note = TB_SYMBOL_NOTE_NO_MINI;
}

static void use(struct tb_symbol_module *module, struct tb_symbol_shelved *shelved)
{
    uint32_t flags = shelved->index.flags;
    module->shelved = shelved;
    module->index = &shelved->index;
    note(module, flags);
    if (!module->image)
        return; /* what became of the file is said */
    if (flags & TB_SYMBOL_INDEX_LINES)
        module->status = TB_SYMBOLS_DEBUG;
    else if (flags & TB_SYMBOL_INDEX_SYMTAB)
        module->status = TB_SYMBOLS_SYMTAB;
    else if (flags & TB_SYMBOL_INDEX_EXPORTED)
        module->status = TB_SYMBOLS_EXPORTED;
}

/* Its table is read in this process: not that of a file over which the child died. */
static void go_without(struct tb_symbol_module *module, int err)
{
    static const struct {
        int err;
        bool uses_table;
        const char *note;
    } reasons[] = {
        {-ECHILD, false, "the debug data are damaged"},
        {-ETIMEDOUT, true, "debug data took longer than 5 s"},
        {-EAGAIN, true, "there was no time left for its debug data"},
        {-EFBIG, true, "debug data over 1 GiB are not read"},
        {-ENOSPC, true, "the index of its debug data would be larger than 256 MiB"},
    };
    if (err == -ENOENT) {
        note_none(module);
        return;
    }
    module->uses_table = true;
    module->note = "there was no memory for an index of its debug data";
    for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
        if (reasons[i].err != err)
            continue;
        module->uses_table = reasons[i].uses_table;
        module->note = reasons[i].note;
    }
}

/* Errors of the file, which the next question would meet too; not those of the moment. */
static bool is_lasting(int err, int deadline_ms)
{
    return err == -ENOENT || err == -ECHILD || err == -ENOSPC ||
           (err == -ETIMEDOUT && deadline_ms == TB_SYMBOL_INDEX_MS);
}

static int build(struct tb_symbol_modules *modules, const struct parts *parts,
                 struct tb_symbol_indexed *out)
{
    const struct tb_symbol_index_input input = {
        .module = parts->module->elf.elf,
        .debug = parts->debug ? parts->debug->elf.elf : NULL,
        .alternate = parts->alternate ? parts->alternate->elf.elf : NULL,
        .build_id = parts->key.build_id,
        .build_id_len = parts->key.build_id_len,
        .flags = parts->flags,
        .origin = origin_of(parts->debug, parts->alternate),
    };
    struct tb_symbol_failure *failure = &parts->module->failure;
    if (failure->err && is_same_origin(&failure->origin, &input.origin))
        return failure->err;
    uint64_t spent_ms = modules->index_ns / TB_NS_PER_MS;
    if (spent_ms >= TB_SYMBOL_INDEX_TOTAL_MS)
        return -EAGAIN;
    int left_ms = (int)(TB_SYMBOL_INDEX_TOTAL_MS - spent_ms);
    int deadline_ms = left_ms < TB_SYMBOL_INDEX_MS ? left_ms : TB_SYMBOL_INDEX_MS;
    uint64_t start_ns = tb_clock_mono_ns();
    int err = tb_symbol_indexer_run(&input, deadline_ms, out);
    modules->index_ns += tb_clock_mono_ns() - start_ns;
    if (is_lasting(err, deadline_ms))
        *failure = (struct tb_symbol_failure){.err = err, .origin = input.origin};
    else if (err == -ETIMEDOUT)
        err = -EAGAIN;
    return err;
}

static void build_and_use(struct tb_symbol_modules *modules, struct tb_symbol_module *module,
                          const struct parts *parts)
{
    struct tb_symbol_indexed made;
    if (is_too_large(parts)) {
        go_without(module, -EFBIG);
        return;
    }
    int err = build(modules, parts, &made);
    if (err) {
        go_without(module, err);
        return;
    }
    parts->module->is_indexed = true;
    struct tb_symbol_shelved *shelved = tb_symbol_shelf_add(
        &modules->cache->shelf, &parts->key, &made, parts->is_kept && modules->config->index_dir);
    if (shelved)
        use(module, shelved);
    else
        go_without(module, -ENOMEM);
}

/* ---- the two kinds of modules ---- */

static bool use_shelved(struct tb_symbol_modules *modules, struct tb_symbol_module *module,
                        const struct tb_symbol_key *key)
{
    struct tb_symbol_shelved *shelved = get(modules, key);
    if (shelved && is_current(modules, module, &shelved->index)) {
        use(module, shelved);
        return true;
    }
    tb_symbol_shelf_put(shelved);
    return false;
}

static void load_of_file(struct tb_symbol_modules *modules, struct tb_symbol_module *module)
{
    const struct tb_symbol_elf *elf = &module->image->elf;
    struct parts parts = {
        .key = tb_symbol_key_of(elf->build_id, elf->build_id_len, &module->image->stat),
        .module = module->image};
    if (use_shelved(modules, module, &parts.key))
        return;
    parts.debug = tb_symbol_module_debug(modules, module);
    parts.alternate = alternate_of(modules, module, module->image, parts.debug);
    parts.is_kept = is_for_others(modules, &parts);
    if (!parts.is_kept) {
        tb_symbol_key_for_one(&parts.key, &module->image->stat, modules->process->uid);
        if (use_shelved(modules, module, &parts.key))
            return;
    }
    parts.flags = is_public(modules, &parts) ? TB_SYMBOL_INDEX_PUBLIC : 0;
    build_and_use(modules, module, &parts);
}

/* Of root's file, else of the reporter's. */
static struct tb_symbol_shelved *get_of_gone(const struct tb_symbol_modules *modules,
                                             struct tb_symbol_key *key)
{
    key->uid = 0;
    struct tb_symbol_shelved *shelved = get(modules, key);
    key->uid = modules->process->uid;
    return shelved || key->uid == 0 ? shelved : get(modules, key);
}

static struct tb_symbol_image *find_debug_of_gone(const struct tb_symbol_modules *modules,
                                                  const struct tb_symbol_key *key)
{
    char no_path[] = "";
    struct tb_symbol_image gone = {.path = no_path};
    struct tb_symbol_image *debug = NULL;
    memcpy(gone.elf.build_id, key->build_id, key->build_id_len);
    gone.elf.build_id_len = key->build_id_len;
    (void)tb_symbol_debugfile_get(modules->cache, modules->config, &gone, modules->process->uid,
                                  &debug);
    return debug;
}

static void load_of_gone(struct tb_symbol_modules *modules, struct tb_symbol_module *module)
{
    struct tb_symbol_key key = {.build_id_len = module->info->build_id_len};
    if (key.build_id_len == 0)
        return;
    memcpy(key.build_id, module->info->build_id, key.build_id_len);
    struct tb_symbol_shelved *shelved = get_of_gone(modules, &key);
    if (!shelved || !(shelved->index.flags & TB_SYMBOL_INDEX_LINES))
        module->debug = find_debug_of_gone(modules, &key);
    if (!module->debug && shelved)
        use(module, shelved);
    if (!module->debug)
        return;
    tb_symbol_shelf_put(shelved);
    /* What it says is the reporter's to use: a file that is there later decides for itself. */
    const struct parts parts = {.key = key,
                                .module = module->debug,
                                .alternate = alternate_of(modules, module, module->debug, NULL)};
    build_and_use(modules, module, &parts);
    module->uses_table = false; /* which is the file's */
}

void tb_symbol_module_load_index(struct tb_symbol_modules *modules, struct tb_symbol_module *module)
{
    if (module->has_index || module->index)
        return;
    module->has_index = true;
    if (module->image)
        load_of_file(modules, module);
    else
        load_of_gone(modules, module);
}
