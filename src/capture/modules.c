/* modules.c - see modules.h.
 *
 * There are N_TABLES places for tables. A refresh writes into one that is not current and has no
 * users; one who has just read the pointer to it counts itself in, sees that it is not current any
 * more, and goes. When all are in use the table of before serves on until the next call. */
#include "capture/modules.h"

#include <elf.h>
#include <errno.h>
#include <limits.h>
#include <link.h>
#include <string.h>
#include <sys/mman.h>

#include "capture/context.h"

enum { N_TABLES = 4, PATH_BYTES = 512, NAME_OF_NOTE = 4 };

static struct tb_modules tables[N_TABLES];
static _Atomic(struct tb_modules *) current;
static atomic_flag refreshing = ATOMIC_FLAG_INIT;
static _Atomic uint64_t seen_changes; /* of the loader, when current was made */
static _Atomic uint64_t n_generations;

/* ---- use ---- */

struct tb_modules *tb_modules_take(void)
{
    for (;;) {
        struct tb_modules *modules = atomic_load(&current);
        if (!modules)
            return NULL;
        atomic_fetch_add(&modules->n_users, 1);
        if (atomic_load(&current) == modules)
            return modules;
        atomic_fetch_sub(&modules->n_users, 1);
    }
}

void tb_modules_give(struct tb_modules *modules)
{
    if (modules)
        atomic_fetch_sub(&modules->n_users, 1);
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
    for (int i = 0; i < N_TABLES; i++)
        atomic_store(&tables[i].n_users, 0);
    atomic_flag_clear(&refreshing);
}

/* ---- ask the loader ---- */

struct gathering {
    struct tb_modules *table; /* NULL: count only */
    const char *exe;
    char *text; /* where the next path goes */
    size_t text_left;
    size_t n, n_max, text_bytes;
    uint64_t changes;
};

static int gather_changes(struct dl_phdr_info *info, size_t size, void *arg)
{
    uint64_t *changes = arg;
    if (size >= offsetof(struct dl_phdr_info, dlpi_tls_modid))
        *changes = (uint64_t)info->dlpi_adds + info->dlpi_subs;
    return 1;
}

static const char *path_of(const struct gathering *g, const struct dl_phdr_info *info)
{
    if (g->n == 0) /* the loader begins with the program itself */
        return g->exe;
    if (!info->dlpi_name || info->dlpi_name[0] == '\0')
        return "[unnamed]";
    return info->dlpi_name;
}

void tb_modules_build_id(const uint8_t *notes, size_t len, struct tb_module *out)
{
    size_t at = 0;
    ElfW(Nhdr) note;
    while (len - at >= sizeof(note)) {
        memcpy(&note, notes + at, sizeof(note));
        size_t name_at = at + sizeof(note);
        if (note.n_namesz > len || note.n_descsz > len)
            return;
        size_t id_at = name_at + ((note.n_namesz + 3) & ~(size_t)3);
        size_t next = id_at + ((note.n_descsz + 3) & ~(size_t)3);
        if (next > len)
            return;
        if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == NAME_OF_NOTE &&
            memcmp(notes + name_at, "GNU", NAME_OF_NOTE) == 0 && note.n_descsz > 0 &&
            note.n_descsz <= TB_BUILD_ID_BYTES) {
            out->build_id_len = note.n_descsz;
            memcpy(out->build_id, notes + id_at, note.n_descsz);
            return;
        }
        at = next;
    }
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
        if (segment->p_type == PT_NOTE && out->build_id_len == 0)
            tb_modules_build_id((const uint8_t *)(uintptr_t)low, segment->p_memsz, out);
    }
}

static int gather(struct dl_phdr_info *info, size_t size, void *arg)
{
    struct gathering *g = arg;
    const char *path = path_of(g, info);
    size_t path_len = strnlen(path, PATH_BYTES - 1);
    if (g->n == 0)
        (void)gather_changes(info, size, &g->changes);
    if (g->table && (g->n == g->n_max || path_len + 1 > g->text_left))
        return 1; /* grew since it was counted: the next check sees that */
    g->text_bytes += path_len + 1;
    g->n++;
    if (!g->table)
        return g->n == TB_MODULES_MAX;
    struct tb_module module;
    struct tb_code code;
    read_segments(info, &module, &code);
    if (module.lo >= module.hi)
        return 0;
    memcpy(g->text, path, path_len);
    g->text[path_len] = '\0';
    module.path = g->text;
    module.flags = path == g->exe ? TB_MODULE_MAIN : 0;
    g->text += path_len + 1;
    g->text_left -= path_len + 1;
    /* Kept sorted: the loader's order is nearly the reverse of it, and the list is short. */
    struct tb_process *process = &g->table->process;
    size_t place = process->n_modules++;
    for (; place > 0 && process->modules[place - 1].lo > module.lo; place--) {
        process->modules[place] = process->modules[place - 1];
        g->table->code[place] = g->table->code[place - 1];
    }
    process->modules[place] = module;
    g->table->code[place] = code;
    return 0;
}

static void ask_loader(int (*callback)(struct dl_phdr_info *, size_t, void *), void *arg)
{
    struct tb_context *context = tb_context();
    context->in_loader = 1;
    (void)dl_iterate_phdr(callback, arg);
    context->in_loader = 0;
}

/* ---- make ---- */

static size_t aligned(size_t bytes)
{
    return (bytes + 63) & ~(size_t)63;
}

/* One mapping: modules, code, spare, texts, record. */
static int make_room(struct tb_modules *table, size_t n, size_t text_bytes, char **text)
{
    size_t module_bytes = aligned(n * sizeof(struct tb_module));
    size_t code_bytes = aligned(n * sizeof(struct tb_code));
    size_t spare_bytes = aligned((n + TB_LATE_MAX) * sizeof(struct tb_module));
    size_t bytes = module_bytes + code_bytes + spare_bytes + aligned(text_bytes);
    size_t record_at = bytes;
    bytes += TB_PROCESS_RECORD_MAX;
    char *map = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED)
        return -errno;
    if (table->map)
        (void)munmap(table->map, table->map_bytes);
    table->map = map;
    table->map_bytes = bytes;
    table->process.modules = (struct tb_module *)(void *)map;
    table->code = (struct tb_code *)(void *)(map + module_bytes);
    table->spare = (struct tb_module *)(void *)(map + module_bytes + code_bytes);
    *text = map + module_bytes + code_bytes + spare_bytes;
    table->record = (uint8_t *)map + record_at;
    return 0;
}

static struct tb_modules *find_free(void)
{
    struct tb_modules *now = atomic_load(&current);
    for (int i = 0; i < N_TABLES; i++) {
        if (&tables[i] != now && atomic_load(&tables[i].n_users) == 0)
            return &tables[i];
    }
    return NULL;
}

/* The caller holds refreshing. */
static int make_table(const struct tb_process *about)
{
    struct tb_modules *table = find_free();
    struct gathering count = {.exe = about->exe};
    if (!table)
        return -EAGAIN;
    ask_loader(gather, &count);
    struct gathering fill = {.table = table, .exe = about->exe, .n_max = count.n};
    fill.text_left = count.text_bytes;
    int err = make_room(table, count.n, count.text_bytes, &fill.text);
    if (err)
        return err;
    struct tb_module *modules = table->process.modules;
    table->process = *about;
    table->process.modules = modules;
    table->process.n_modules = 0;
    table->process.text = NULL;
    table->process.generation = tb_modules_next_generation();
    ask_loader(gather, &fill);
    table->record_len = tb_process_pack(&table->process, table->record, TB_PROCESS_RECORD_MAX);
    atomic_store(&seen_changes, fill.changes);
    atomic_store(&current, table);
    return 1;
}

int tb_modules_refresh(const struct tb_process *about, int force)
{
    uint64_t changes = 0;
    /* A handler that interrupted our own visit to the loader must not wait for its lock. */
    if (tb_context()->in_loader)
        return 0;
    ask_loader(gather_changes, &changes);
    if (!force && changes == atomic_load(&seen_changes))
        return 0;
    if (atomic_flag_test_and_set(&refreshing))
        return 0; /* another thread, or the one this handler interrupted, is at it */
    int err = make_table(about);
    atomic_flag_clear(&refreshing);
    return err;
}
