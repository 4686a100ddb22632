/* late.c - see late.h. */
#include "capture/report/late.h"

#include <elf.h>
#include <errno.h>
#include <link.h>
#include <string.h>

#include "capture/path.h"
#include "capture/modules/loader.h"
#include "capture/modules/unload.h"
#include "capture/text.h"

enum { SEGMENTS_MAX = 64, NOTES_BYTES = 1024 };

/* A library rebuilt and loaded again into the same place differs in its build ID alone. Where that
 * is not there, or nothing tells how long the module has been there, it may be any. */
static int is_same_build(const struct tb_module *known, const struct tb_code *code,
                         struct tb_memory *memory, int is_sure)
{
    uint8_t now[TB_BUILD_ID_BYTES];
    if ((known->flags & TB_MODULE_MAIN) != 0)
        return 1;
    if (code->build_id_at == 0)
        return is_sure;
    return tb_memory_read(memory, code->build_id_at, now, known->build_id_len) == 0 &&
           memcmp(now, known->build_id, known->build_id_len) == 0;
}

/* The same unwind data in the loader's own object of then, or by the name: names that count from
 * the working directory are compared by their last part. Of two libraries that are alike in all
 * that, is_same_build tells. */
static int is_same(const struct tb_module *known, const struct tb_code *code,
                   const struct tb_loaded *loaded)
{
    struct tb_loaded again;
    struct tb_loaded_name name;
    if (known->eh_frame_hdr != loaded->eh_frame_hdr)
        return 0;
    if ((known->flags & TB_MODULE_MAIN) != 0 ||
        (loaded->map == code->map && loaded->lo <= known->lo && known->lo < loaded->hi))
        return 1;
    return tb_loader_read(known->lo, &again, &name) == 0 && again.map == loaded->map &&
           tb_path_is_of(known->path, name.name);
}

/* linux-vdso.so.1, which the index may not have. */
static int is_of_kernel(const struct tb_module *module)
{
    return strncmp(module->path, "linux-", strlen("linux-")) == 0;
}

int tb_late_is_proven(const struct tb_module *module, const struct tb_code *code,
                      struct tb_memory *memory)
{
    struct tb_loaded loaded;
    if (tb_loader_find(module->lo, &loaded) != 0)
        return is_of_kernel(module);
    return is_same(module, code, &loaded) && is_same_build(module, code, memory, 0);
}

void tb_late_begin(struct tb_late *late, const struct tb_modules *modules)
{
    late->n = 0;
    late->n_new = 0;
    late->mark = tb_unload_mark();
    late->is_sure = modules && !tb_unload_is_since(atomic_load(&modules->mark));
}

/* Takes what the program headers say from the mapped file; all reads are checked. */
static void read_headers(struct tb_memory *memory, struct tb_module *module, struct tb_code *code)
{
    ElfW(Ehdr) head;
    ElfW(Phdr) segment;
    uint8_t notes[NOTES_BYTES];
    if (tb_memory_read(memory, module->lo, &head, sizeof(head)) != 0 ||
        memcmp(head.e_ident, ELFMAG, SELFMAG) != 0)
        return;
    for (unsigned i = 0; i < head.e_phnum && i < SEGMENTS_MAX; i++) {
        uint64_t at = module->lo + head.e_phoff + (uint64_t)i * sizeof(segment);
        if (tb_memory_read(memory, at, &segment, sizeof(segment)) != 0)
            return;
        uint64_t low = module->bias + segment.p_vaddr;
        if (segment.p_type == PT_LOAD && (segment.p_flags & PF_X)) {
            code->low = low;
            code->high = low + segment.p_memsz;
        }
        size_t len = segment.p_memsz < sizeof(notes) ? segment.p_memsz : sizeof(notes);
        if (segment.p_type != PT_NOTE || module->build_id_len > 0 ||
            tb_memory_read(memory, low, notes, len) != 0)
            continue;
        size_t id_at = tb_modules_build_id(notes, len, module);
        code->build_id_at = id_at > 0 ? low + id_at : 0;
    }
}

/* 0, or -ENOENT when it cannot be told any more. */
static int describe(uint64_t address, struct tb_memory *memory, struct tb_module *module,
                    struct tb_code *code, char path[TB_LATE_PATH])
{
    struct tb_loaded loaded;
    struct tb_loaded_name name;
    if (tb_loader_read(address, &loaded, &name) != 0)
        return -ENOENT;
    (void)tb_path_make_whole(name.name, path, TB_LATE_PATH);
    *module = (struct tb_module){.lo = loaded.lo,
                                 .hi = loaded.hi,
                                 .bias = name.bias,
                                 .eh_frame_hdr = loaded.eh_frame_hdr,
                                 .path = path};
    *code =
        (struct tb_code){.low = module->lo, .high = module->hi, .map = loaded.map, .is_late = 1};
    read_headers(memory, module, code);
    return 0;
}

static int add(struct tb_late *late, struct tb_memory *memory, uint64_t address, size_t *place)
{
    size_t i = late->n;
    if (i == TB_LATE_MAX ||
        describe(address, memory, &late->modules[i], &late->code[i], late->paths[i]) != 0)
        return -ENOENT;
    late->n++;
    *place = i;
    return 0;
}

void tb_late_keep(struct tb_late *late, const struct tb_modules *modules,
                  const struct tb_module *module, const struct tb_code *code)
{
    size_t i = late->n;
    if (i == TB_LATE_MAX || tb_modules_overlap(module, late->modules, i) ||
        tb_modules_overlap(module, modules->process.modules, modules->process.n_modules))
        return;
    (void)tb_text_copy(late->paths[i], TB_LATE_PATH, module->path);
    late->modules[i] = *module;
    late->modules[i].path = late->paths[i];
    late->code[i] = *code;
    late->n++;
}

int tb_late_find(struct tb_late *late, const struct tb_modules *modules, struct tb_memory *memory,
                 uint64_t address, size_t *place)
{
    struct tb_loaded loaded;
    for (size_t i = 0; i < late->n; i++) {
        if (address >= late->modules[i].lo && address < late->modules[i].hi) {
            *place = i;
            return 0;
        }
    }
    long known = tb_modules_find(modules, address);
    const struct tb_module *module = known >= 0 ? &modules->process.modules[known] : NULL;
    if (tb_loader_find(address, &loaded) != 0) {
        if (!module || !is_of_kernel(module))
            return -ENOENT; /* unloaded since */
        *place = (size_t)known;
        return 1;
    }
    int is_alike = module && is_same(module, &modules->code[known], &loaded);
    /* The first is nearly always so. */
    if (is_alike && ((late->is_sure && !modules->code[known].is_late) || late->n == TB_LATE_MAX ||
                     is_same_build(module, &modules->code[known], memory, late->is_sure))) {
        *place = (size_t)known;
        return 1;
    }
    int err = add(late, memory, address, place);
    late->n_new += err == 0 && !is_alike;
    return err;
}

size_t tb_late_pack(const struct tb_late *late, const struct tb_modules *modules, uint32_t pid,
                    uint64_t generation, uint8_t *mem, size_t cap)
{
    struct tb_process process = modules->process;
    process.pid = pid;
    process.generation = generation;
    if (late->n > 0) {
        process.modules = modules->spare;
        process.n_modules = 0;
        /* Late ones first: they are on the stack of the crash, and the record may be full. */
        for (size_t i = 0; i < late->n; i++)
            process.modules[process.n_modules++] = late->modules[i];
        for (size_t i = 0; i < modules->process.n_modules; i++) {
            const struct tb_module *module = &modules->process.modules[i];
            if (!tb_modules_overlap(module, late->modules, late->n))
                process.modules[process.n_modules++] = *module;
        }
    }
    return tb_process_pack(&process, mem, cap);
}
