/* offline.c - see offline.h. */
#include "symbol/stack/offline.h"

#include <errno.h>
#include <string.h>

#include "unwind/rows.h"
#include "unwind/walk.h"

/* Places in the registers of the record: gregset_t of x86-64. */
enum { RECORD_BP = 10, RECORD_SP = 15, RECORD_IP = 16 };

enum {
    STACK_REACH = 64 << 20, /* a word so far behind the copy is still of that stack */
    SYSCALL_BYTES = 2
};

struct memory {
    struct tb_symbol_modules *modules;
    const struct tb_crash *crash;
    uint64_t stack_address;
    const uint8_t *stack; /* NULL: the walk has come to the end of the copy */
    size_t stack_len;
    bool ends_with_copy;         /* no guesses in what is left of a copy that was cut */
    struct tb_symbol_rows *rows; /* NULL: none are kept */
    struct tb_rows_source source;
};

static bool read_bytes(const uint8_t *bytes, size_t bytes_len, uint64_t start, uint64_t address,
                       void *out, size_t len)
{
    if (!bytes || address < start || len > bytes_len || address - start > bytes_len - len)
        return false;
    memcpy(out, bytes + (address - start), len);
    return true;
}

static int read_module(void *arg, uint64_t address, void *out, size_t len)
{
    const struct memory *m = arg;
    const struct tb_symbol_module *module = tb_symbol_modules_find(m->modules, address);
    if (!module || !module->image)
        return -EFAULT;
    return tb_symbol_elf_read(&module->image->elf, address - module->info->bias, out, len);
}

/* A word of the stack that was not copied. A scan reads more at once, and then word by word. */
static bool is_behind_copy(const struct memory *m, uint64_t address, size_t len)
{
    uint64_t offset = address - m->stack_address;
    return m->stack && len == sizeof(uint64_t) && address >= m->stack_address &&
           offset + len > m->stack_len && offset < m->stack_len + (uint64_t)STACK_REACH;
}

static int read_any(void *arg, uint64_t address, void *out, size_t len)
{
    struct memory *m = arg;
    const struct tb_crash *crash = m->crash;
    if (read_bytes(m->stack, m->stack_len, m->stack_address, address, out, len) ||
        read_bytes(crash->code, crash->code_len, crash->code_address, address, out, len))
        return 0;
    if (read_module(arg, address, out, len) == 0)
        return 0;
    if (m->ends_with_copy && is_behind_copy(m, address, len))
        m->stack = NULL;
    return -EFAULT;
}

/* For libunwind's parser. In C++ a function's unwind data name its personality routine by a pointer
 * that the loader has written; it is followed, and what is found there is of no use to anybody. */
static int read_tables(void *arg, uint64_t address, void *out, size_t len)
{
    const struct memory *m = arg;
    if (read_module(arg, address, out, len) == 0)
        return 0;
    const struct tb_symbol_module *module = tb_symbol_modules_find(m->modules, address);
    if (!module || !module->image || is_behind_copy(m, address, len) ||
        !tb_symbol_elf_is_written(&module->image->elf, address - module->info->bias))
        return -EFAULT;
    if (!read_bytes(m->stack, m->stack_len, m->stack_address, address, out, len))
        memset(out, 0, len);
    return 0;
}

static int find_module(void *arg, uint64_t address, struct tb_rows_module *out)
{
    const struct memory *m = arg;
    const struct tb_symbol_module *module = tb_symbol_modules_find(m->modules, address);
    if (!module || !module->image)
        return -ENOENT;
    *out = (struct tb_rows_module){
        .lo = module->info->lo, .hi = module->info->hi, .eh_frame_hdr = module->info->eh_frame_hdr};
    return 0;
}

static int find_row(void *arg, uint64_t pc, struct tb_unwind_row *out)
{
    static const uint64_t spread = 0x9e3779b97f4a7c15; /* 2^64 by the golden ratio */
    enum {
        N_SLOTS = sizeof(((struct tb_symbol_rows *)NULL)->slots) /
                  sizeof(((struct tb_symbol_rows *)NULL)->slots[0])
    };
    const struct memory *m = arg;
    if (!m->rows || pc == 0)
        return tb_rows_make(&m->source, pc, out);
    size_t slot = (size_t)((pc * spread) >> 32) % N_SLOTS;
    if (m->rows->slots[slot].pc != pc) {
        m->rows->slots[slot].pc = pc;
        m->rows->slots[slot].err = tb_rows_make(&m->source, pc, &m->rows->slots[slot].row);
    }
    *out = m->rows->slots[slot].row;
    return m->rows->slots[slot].err;
}

static int step(void *arg, uint64_t pc, struct tb_unwind_regs *regs)
{
    const struct memory *m = arg;
    return tb_rows_step(&m->source, read_any, pc, regs);
}

static int is_code(void *arg, uint64_t address)
{
    const struct memory *m = arg;
    const struct tb_symbol_module *module = tb_symbol_modules_find(m->modules, address);
    if (!module)
        return 0;
    /* Without the file all of a module may be code. */
    return !module->image ||
           tb_symbol_elf_is_code(&module->image->elf, address - module->info->bias);
}

/* Returns how many of the frames are to be trusted. */
static size_t walk(struct memory *m, const uint64_t regs[TB_CRASH_N_REGS], size_t max,
                   struct tb_symbol_stack_found *out)
{
    struct tb_unwind_frame frames[TB_SYMBOL_RAW_MAX];
    const struct tb_unwind_ops ops = {m, read_any, find_row, step, is_code, NULL, NULL};
    const struct tb_unwind_regs start = {
        .ip = regs[RECORD_IP], .sp = regs[RECORD_SP], .bp = regs[RECORD_BP]};
    int cut = 0;
    size_t n_trusted = 0;
    m->source = (struct tb_rows_source){m, find_module, read_tables};
    out->n = tb_unwind_walk(&ops, start, 1, frames, max, &cut);
    out->cut = cut != 0;
    for (size_t i = 0; i < out->n; i++) {
        out->frames[i] = (struct tb_symbol_raw){.ip = frames[i].ip,
                                                .trust = frames[i].trust,
                                                .is_exact = i == 0 || frames[i].is_signal};
        n_trusted += frames[i].trust != TB_TRUST_SCAN;
    }
    return n_trusted;
}

static size_t count_trusted(const struct tb_crash *crash)
{
    size_t n = 0;
    for (size_t i = 0; i < crash->n_frames; i++)
        n += crash->frames[i].trust < TB_TRUST_SCAN;
    return n;
}

static struct tb_symbol_raw raw_of(const struct tb_crash_frame *frame)
{
    int trust = frame->trust < TB_TRUST_SCAN ? (int)frame->trust : TB_TRUST_SCAN;
    return (struct tb_symbol_raw){
        .ip = frame->ip, .trust = trust, .is_exact = trust == TB_TRUST_CONTEXT};
}

static void take_list(const struct tb_crash *crash, struct tb_symbol_stack_found *out)
{
    out->by_process = true;
    out->n = crash->n_frames < TB_SYMBOL_RAW_MAX ? crash->n_frames : TB_SYMBOL_RAW_MAX;
    out->cut = out->n < crash->n_frames || (crash->end_flags & TB_CRASH_FRAMES_CUT);
    for (size_t i = 0; i < out->n; i++)
        out->frames[i] = raw_of(&crash->frames[i]);
}

/* The end of what is there would not be that of the stack. */
static void add_outer(const struct tb_crash *crash, struct tb_symbol_stack_found *out)
{
    size_t n_inner = TB_SYMBOL_RAW_MAX - crash->n_outer;
    if (crash->n_outer == 0 || out->n == 0)
        return;
    if (!out->cut && out->frames[out->n - 1].ip == crash->outer[0].ip)
        return; /* it is */
    if (out->n > n_inner)
        out->n = n_inner;
    out->gap.at = out->n;
    for (size_t i = crash->n_outer; i > 0; i--)
        out->frames[out->n++] = raw_of(&crash->outer[i - 1]);
    out->gap.n_left_out = crash->depth > out->n ? crash->depth - out->n : 0;
    out->cut = true;
}

void tb_symbol_offline_unwind(struct tb_symbol_modules *modules, const struct tb_crash *crash,
                              struct tb_symbol_stack_found *out)
{
    struct memory m = {.modules = modules,
                       .crash = crash,
                       .stack_address = crash->stack_address,
                       .stack = crash->stack,
                       .stack_len = crash->stack_len};
    *out = (struct tb_symbol_stack_found){0};
    (void)tb_rows_load(); /* without it frame pointers must do */
    if (walk(&m, crash->fixed.regs, TB_SYMBOL_RAW_MAX, out) < count_trusted(crash))
        take_list(crash, out);
    add_outer(crash, out);
}

/* A thread that waits in the kernel stands behind its syscall, which may be the last instruction of
 * its function and of its line: it is named by the instruction before. */
static bool is_in_syscall(struct memory *m, uint64_t ip)
{
    static const uint8_t instruction[SYSCALL_BYTES] = {0x0f, 0x05};
    uint8_t bytes[SYSCALL_BYTES];
    return read_any(m, ip - SYSCALL_BYTES, bytes, sizeof(bytes)) == 0 &&
           memcmp(bytes, instruction, sizeof(bytes)) == 0;
}

/* Nothing tells whether the last frame, in a module without a file, is the outermost. */
static const struct tb_symbol_module *lost_in(struct tb_symbol_modules *modules,
                                              const struct tb_symbol_stack_found *found)
{
    if (found->n == 0 || found->n == TB_SYMBOL_THREAD_FRAMES)
        return NULL;
    const struct tb_symbol_raw *last = &found->frames[found->n - 1];
    const struct tb_symbol_module *module =
        tb_symbol_modules_find(modules, last->ip - (last->is_exact ? 0 : 1));
    return module && !module->image ? module : NULL;
}

void tb_symbol_offline_thread(struct tb_symbol_modules *modules, const struct tb_crash *crash,
                              const struct tb_crash_thread *thread, struct tb_symbol_rows *rows,
                              struct tb_symbol_stack_found *out)
{
    struct memory m = {.modules = modules,
                       .crash = crash,
                       .stack_address = thread->stack_address,
                       .stack = thread->stack,
                       .stack_len = thread->stack_len,
                       .ends_with_copy = (thread->flags & TB_CRASH_STACK_CUT) != 0,
                       .rows = rows};
    out->by_process = false;
    (void)walk(&m, thread->regs, TB_SYMBOL_THREAD_FRAMES, out);
    out->cut |= !m.stack || m.stack_len == 0;
    out->lost_in = m.stack ? lost_in(modules, out) : NULL;
    out->cut |= out->lost_in != NULL;
    if (out->n > 0 && is_in_syscall(&m, out->frames[0].ip))
        out->frames[0].is_exact = false;
}
