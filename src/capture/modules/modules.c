/* modules.c - see modules.h.
 *
 * There are N_TABLES places for tables. A new one is made in one that is not current and has no
 * users; one who has just read the pointer to it counts itself in, sees that it is not current any
 * more, and goes. When all are in use the table of before serves on until the next call. */
#include "capture/modules/modules.h"

#include <elf.h>
#include <errno.h>
#include <link.h>
#include <string.h>
#include <sys/mman.h>

#include "capture/report/context.h"
#include "capture/report/late.h"
#include "capture/crash/memory.h"
#include "capture/path.h"
#include "capture/modules/gone.h"
#include "capture/modules/loader.h"
#include "capture/modules/unload.h"

enum { N_TABLES = 4, PATH_BYTES = 512, NAME_OF_NOTE = 4 };

static struct tb_modules tables[N_TABLES];
static _Atomic(struct tb_modules *) current;
static atomic_flag making = ATOMIC_FLAG_INIT;
static _Atomic uint64_t n_generations;
static struct tb_memory checked; /* of the one that makes */

/* ---- use ---- */

static atomic_uint *count_of(struct tb_modules *modules)
{
    enum { HASH_BITS = 3 };
    _Static_assert(TB_MODULES_COUNTS == 1 << HASH_BITS, "the hash has a place for each");
    uint64_t self = (uint64_t)(uintptr_t)tb_context();
    return &modules->users[self * 0x9e3779b97f4a7c15u >> (64 - HASH_BITS)].n;
}

static int is_used(const struct tb_modules *modules)
{
    for (int i = 0; i < TB_MODULES_COUNTS; i++) {
        if (atomic_load(&modules->users[i].n) != 0)
            return 1;
    }
    return 0;
}

struct tb_modules *tb_modules_take(void)
{
    for (;;) {
        struct tb_modules *modules = atomic_load(&current);
        if (!modules)
            return NULL;
        atomic_fetch_add(count_of(modules), 1);
        if (atomic_load(&current) == modules)
            return modules;
        atomic_fetch_sub(count_of(modules), 1);
    }
}

void tb_modules_give(struct tb_modules *modules)
{
    if (modules)
        atomic_fetch_sub(count_of(modules), 1);
}

long tb_modules_find(const struct tb_modules *modules, uint64_t address)
{
    const struct tb_module *module = tb_process_module(&modules->process, address);
    return module ? module - modules->process.modules : -1;
}

uint64_t tb_modules_next_generation(void)
{
    return atomic_fetch_add(&n_generations, 1) + 1;
}

void tb_modules_forked(void)
{
    for (int i = 0; i < N_TABLES; i++) {
        for (int k = 0; k < TB_MODULES_COUNTS; k++)
            atomic_store(&tables[i].users[k].n, 0);
    }
    atomic_flag_clear(&making);
}

int tb_modules_overlap(const struct tb_module *module, const struct tb_module *others, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (module->lo < others[i].hi && others[i].lo < module->hi)
            return 1;
    }
    return 0;
}

size_t tb_modules_build_id(const uint8_t *notes, size_t len, struct tb_module *out)
{
    size_t at = 0;
    ElfW(Nhdr) note;
    while (len - at >= sizeof(note)) {
        memcpy(&note, notes + at, sizeof(note));
        size_t name_at = at + sizeof(note);
        if (note.n_namesz > len || note.n_descsz > len)
            return 0;
        size_t id_at = name_at + ((note.n_namesz + 3) & ~(size_t)3);
        size_t next = id_at + ((note.n_descsz + 3) & ~(size_t)3);
        if (next > len)
            return 0;
        if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == NAME_OF_NOTE &&
            memcmp(notes + name_at, "GNU", NAME_OF_NOTE) == 0 && note.n_descsz > 0 &&
            note.n_descsz <= TB_BUILD_ID_BYTES) {
            out->build_id_len = note.n_descsz;
            memcpy(out->build_id, notes + id_at, note.n_descsz);
            return id_at;
        }
        at = next;
    }
    return 0;
}

/* ---- make: the caller holds making ---- */

static struct tb_modules *find_free(void)
{
    struct tb_modules *now = atomic_load(&current);
    for (int i = 0; i < N_TABLES; i++) {
        if (&tables[i] != now && !is_used(&tables[i]))
            return &tables[i];
    }
    return NULL;
}

static size_t aligned(size_t bytes)
{
    return (bytes + 63) & ~(size_t)63;
}

/* One mapping for n modules: they, code, spare, texts, record. */
static int make_room(struct tb_modules *table, const struct tb_process *about, size_t n,
                     size_t text_bytes)
{
    size_t code_at = aligned(n * sizeof(struct tb_module));
    size_t spare_at = code_at + aligned(n * sizeof(struct tb_code));
    size_t text_at = spare_at + aligned((n + TB_LATE_MAX) * sizeof(struct tb_module));
    size_t record_at = text_at + aligned(text_bytes);
    size_t bytes = record_at + TB_PROCESS_RECORD_MAX;
    char *map = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED)
        return -errno;
    /* A child forked in the middle of this must not unmap what is not there any more. */
    void *old = atomic_exchange(&table->map, NULL);
    if (old)
        (void)munmap(old, table->map_bytes);
    table->map_bytes = bytes;
    atomic_store(&table->map, map);
    table->process = *about;
    table->process.modules = (struct tb_module *)(void *)map;
    table->process.n_modules = 0;
    table->process.text = NULL;
    table->process.generation = tb_modules_next_generation();
    table->code = (struct tb_code *)(void *)(map + code_at);
    table->spare = (struct tb_module *)(void *)(map + spare_at);
    table->text = map + text_at;
    table->text_left = text_bytes;
    table->record = (uint8_t *)map + record_at;
    return 0;
}

/* Kept sorted: what comes is nearly sorted, one way or the other, and short. */
static void insert(struct tb_modules *table, const struct tb_module *module,
                   const struct tb_code *code)
{
    struct tb_process *process = &table->process;
    size_t path_len = strnlen(module->path, PATH_BYTES - 1);
    if (module->lo >= module->hi || path_len + 1 > table->text_left)
        return;
    size_t place = process->n_modules++;
    for (; place > 0 && process->modules[place - 1].lo > module->lo; place--) {
        process->modules[place] = process->modules[place - 1];
        table->code[place] = table->code[place - 1];
    }
    process->modules[place] = *module;
    process->modules[place].path = table->text;
    table->code[place] = *code;
    memcpy(table->text, module->path, path_len);
    table->text[path_len] = '\0';
    table->text += path_len + 1;
    table->text_left -= path_len + 1;
}

static void publish(struct tb_modules *table)
{
    table->record_len = tb_process_pack(&table->process, table->record, TB_PROCESS_RECORD_MAX);
    atomic_store(&current, table);
}

/* ---- of the loader's list ---- */

struct gathering {
    struct tb_modules *table; /* NULL: count only */
    const char *exe;
    size_t n, n_max, text_bytes;
    char path[PATH_BYTES];
};

static const char *path_of(struct gathering *g, const struct dl_phdr_info *info)
{
    if (g->n == 0) /* the loader begins with the program itself */
        return g->exe;
    if (!info->dlpi_name || info->dlpi_name[0] == '\0')
        return "[unnamed]";
    (void)tb_path_make_whole(info->dlpi_name, g->path, sizeof(g->path));
    return g->path;
}

static void read_segments(const struct dl_phdr_info *info, struct tb_module *out,
                          struct tb_code *code)
{
    *out = (struct tb_module){.lo = UINT64_MAX, .bias = info->dlpi_addr};
    *code = (struct tb_code){.low = UINT64_MAX};
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
        uint64_t low = info->dlpi_addr + segment->p_vaddr;
        uint64_t high = low + segment->p_memsz;
        if (segment->p_type == PT_LOAD) {
            out->lo = low < out->lo ? low : out->lo;
            out->hi = high > out->hi ? high : out->hi;
        }
        if (segment->p_type == PT_LOAD && (segment->p_flags & PF_X)) {
            code->low = low < code->low ? low : code->low;
            code->high = high > code->high ? high : code->high;
        }
        if (segment->p_type == PT_GNU_EH_FRAME)
            out->eh_frame_hdr = low;
        if (segment->p_type == PT_NOTE && out->build_id_len == 0) {
            size_t at = tb_modules_build_id((const uint8_t *)(uintptr_t)low, segment->p_memsz, out);
            code->build_id_at = at > 0 ? low + at : 0;
        }
    }
}

static int gather(struct dl_phdr_info *info, size_t size, void *arg)
{
    struct gathering *g = arg;
    struct tb_module module;
    struct tb_code code;
    struct tb_loaded loaded;
    (void)size;
    const char *path = path_of(g, info);
    g->text_bytes += strnlen(path, PATH_BYTES - 1) + 1;
    g->n++;
    if (!g->table)
        return g->n == TB_MODULES_MAX;
    read_segments(info, &module, &code);
    if (tb_loader_find(module.lo, &loaded) == 0)
        code.map = loaded.map;
    module.path = path;
    module.flags = path == g->exe ? TB_MODULE_MAIN : 0;
    insert(g->table, &module, &code);
    return g->n == g->n_max; /* more than were counted: they are noticed later */
}

static int make_loaded(const struct tb_process *about)
{
    uint64_t mark = tb_unload_mark();
    struct gathering count = {.exe = about->exe};
    struct gathering fill = {.table = find_free(), .exe = about->exe};
    if (!fill.table)
        return -EAGAIN;
    (void)dl_iterate_phdr(gather, &count);
    int err = make_room(fill.table, about, count.n, count.text_bytes);
    if (err)
        return err;
    fill.n_max = count.n;
    (void)dl_iterate_phdr(gather, &fill);
    atomic_store(&fill.table->mark, mark);
    publish(fill.table);
    return 0;
}

int tb_modules_load(const struct tb_process *about)
{
    if (atomic_flag_test_and_set(&making))
        return -EAGAIN;
    int err = make_loaded(about);
    atomic_flag_clear(&making);
    return err;
}

/* ---- of the table of before ---- */

static size_t text_bytes_of(const struct tb_module *modules, size_t n)
{
    size_t bytes = 0;
    for (size_t i = 0; i < n; i++)
        bytes += strnlen(modules[i].path, PATH_BYTES - 1) + 1;
    return bytes;
}

static int make_extended(const struct tb_process *about, const struct tb_modules *before,
                         const struct tb_module *added, const struct tb_code *code, size_t n,
                         uint64_t mark)
{
    const struct tb_process *known = &before->process;
    int is_sure = !tb_unload_is_since(atomic_load(&before->mark));
    struct tb_modules *table = find_free();
    if (!table)
        return -EAGAIN;
    int err = make_room(table, about, known->n_modules + n,
                        text_bytes_of(known->modules, known->n_modules) + text_bytes_of(added, n));
    if (err)
        return err;
    for (size_t i = 0; i < known->n_modules; i++) {
        if (!tb_modules_overlap(&known->modules[i], added, n) &&
            (is_sure || tb_late_is_proven(&known->modules[i], &before->code[i], &checked)))
            insert(table, &known->modules[i], &before->code[i]);
        else
            tb_gone_note_module(&known->modules[i], &before->code[i]);
    }
    for (size_t i = 0; i < n; i++)
        insert(table, &added[i], &code[i]);
    atomic_store(&table->mark, mark);
    publish(table);
    return 0;
}

int tb_modules_extend(const struct tb_process *about, const struct tb_module *added,
                      const struct tb_code *code, size_t n, uint64_t mark)
{
    if (atomic_flag_test_and_set(&making))
        return -EAGAIN; /* another thread, or the one that this handler interrupted, is at it */
    struct tb_modules *before = tb_modules_take();
    tb_memory_reset(&checked);
    int err = before ? make_extended(about, before, added, code, n, mark) : -ENOENT;
    tb_modules_give(before);
    atomic_flag_clear(&making);
    return err;
}

static int confirm(const struct tb_process *about, struct tb_modules *table)
{
    uint64_t mark = tb_unload_mark();
    for (size_t i = 0; i < table->process.n_modules; i++) {
        if (!tb_late_is_proven(&table->process.modules[i], &table->code[i], &checked))
            return make_extended(about, table, NULL, NULL, 0, mark);
    }
    atomic_store(&table->mark, mark);
    return 0;
}

int tb_modules_confirm(const struct tb_process *about)
{
    if (atomic_flag_test_and_set(&making))
        return -EAGAIN;
    struct tb_modules *table = tb_modules_take();
    tb_memory_reset(&checked);
    int err = table ? confirm(about, table) : -ENOENT;
    tb_modules_give(table);
    atomic_flag_clear(&making);
    return err;
}
