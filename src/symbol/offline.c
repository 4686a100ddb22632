/* offline.c - see offline.h. */
#include "symbol/offline.h"

#include <errno.h>
#include <string.h>

#include "unwind/rows.h"
#include "unwind/walk.h"

/* Places in the registers of the record: gregset_t of x86-64. */
enum { RECORD_BP = 10, RECORD_SP = 15, RECORD_IP = 16 };

struct memory {
    struct tb_symbol_modules *modules;
    const struct tb_crash *crash;
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

static int read_any(void *arg, uint64_t address, void *out, size_t len)
{
    const struct memory *m = arg;
    const struct tb_crash *crash = m->crash;
    if (read_bytes(crash->stack, crash->stack_len, crash->stack_address, address, out, len) ||
        read_bytes(crash->code, crash->code_len, crash->code_address, address, out, len))
        return 0;
    return read_module(arg, address, out, len);
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
    const struct memory *m = arg;
    return tb_rows_make(&m->source, pc, out);
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

static size_t walk(struct tb_symbol_modules *modules, const struct tb_crash *crash,
                   struct tb_symbol_stack_found *out)
{
    struct memory m = {.modules = modules, .crash = crash};
    struct tb_unwind_frame frames[TB_SYMBOL_RAW_MAX];
    const struct tb_unwind_ops ops = {&m, read_any, find_row, step, is_code};
    const struct tb_unwind_regs regs = {
        .ip = crash->fixed.regs[RECORD_IP],
        .sp = crash->fixed.regs[RECORD_SP],
        .bp = crash->fixed.regs[RECORD_BP],
    };
    int cut = 0;
    size_t n_trusted = 0;
    m.source = (struct tb_rows_source){&m, find_module, read_module};
    out->n = tb_unwind_walk(&ops, regs, 1, frames, TB_SYMBOL_RAW_MAX, &cut);
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

static void take_list(const struct tb_crash *crash, struct tb_symbol_stack_found *out)
{
    out->by_process = true;
    out->n = crash->n_frames < TB_SYMBOL_RAW_MAX ? crash->n_frames : TB_SYMBOL_RAW_MAX;
    out->cut = out->n < crash->n_frames || (crash->end_flags & TB_CRASH_FRAMES_CUT);
    for (size_t i = 0; i < out->n; i++) {
        const struct tb_crash_frame *frame = &crash->frames[i];
        int trust = frame->trust < TB_TRUST_SCAN ? (int)frame->trust : TB_TRUST_SCAN;
        out->frames[i] = (struct tb_symbol_raw){
            .ip = frame->ip, .trust = trust, .is_exact = trust == TB_TRUST_CONTEXT};
    }
}

void tb_symbol_offline_unwind(struct tb_symbol_modules *modules, const struct tb_crash *crash,
                              struct tb_symbol_stack_found *out)
{
    *out = (struct tb_symbol_stack_found){0};
    (void)tb_rows_load(); /* without it frame pointers must do */
    if (walk(modules, crash, out) < count_trusted(crash))
        take_list(crash, out);
}
