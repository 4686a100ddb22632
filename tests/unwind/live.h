/* live.h - the callbacks of the walk over this process itself, for tests. */
#ifndef TB_TESTS_UNWIND_LIVE_H
#define TB_TESTS_UNWIND_LIVE_H

#include <errno.h>
#include <link.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <ucontext.h>
#include <unistd.h>

#include "unwind/rows.h"
#include "unwind/walk.h"

enum { LIVE_MODULES_MAX = 128 };

struct live {
    struct live_module {
        uint64_t lo, hi, code_lo, code_hi, eh_frame_hdr;
    } modules[LIVE_MODULES_MAX];
    size_t n_modules;
    int use_rows; /* 0: as if libunwind were not there */
    struct tb_rows_source source;
    struct tb_unwind_ops ops;
};

static inline int live_add(struct dl_phdr_info *info, size_t size, void *arg)
{
    struct live *live = arg;
    struct live_module *m = &live->modules[live->n_modules];
    (void)size;
    if (live->n_modules == LIVE_MODULES_MAX)
        return 0;
    *m = (struct live_module){.lo = UINT64_MAX, .code_lo = UINT64_MAX};
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[i];
        uint64_t at = info->dlpi_addr + p->p_vaddr;
        if (p->p_type == PT_GNU_EH_FRAME)
            m->eh_frame_hdr = at;
        if (p->p_type != PT_LOAD)
            continue;
        m->lo = at < m->lo ? at : m->lo;
        m->hi = at + p->p_memsz > m->hi ? at + p->p_memsz : m->hi;
        if (!(p->p_flags & PF_X))
            continue;
        m->code_lo = at < m->code_lo ? at : m->code_lo;
        m->code_hi = at + p->p_memsz > m->code_hi ? at + p->p_memsz : m->code_hi;
    }
    live->n_modules++;
    return 0;
}

static inline int live_read(void *arg, uint64_t address, void *out, size_t len)
{
    struct iovec to = {out, len};
    struct iovec from = {(void *)(uintptr_t)address, len};
    (void)arg;
    return process_vm_readv(getpid(), &to, 1, &from, 1, 0) == (ssize_t)len ? 0 : -EFAULT;
}

static inline const struct live_module *live_find(const struct live *live, uint64_t address)
{
    for (size_t i = 0; i < live->n_modules; i++) {
        if (address >= live->modules[i].lo && address < live->modules[i].hi)
            return &live->modules[i];
    }
    return NULL;
}

static inline int live_module(void *arg, uint64_t address, struct tb_rows_module *out)
{
    const struct live_module *m = live_find(arg, address);
    if (!m)
        return -ENOENT;
    *out = (struct tb_rows_module){.lo = m->lo, .hi = m->hi, .eh_frame_hdr = m->eh_frame_hdr};
    return 0;
}

static inline int live_row(void *arg, uint64_t pc, struct tb_unwind_row *out)
{
    const struct live *live = arg;
    return live->use_rows ? tb_rows_make(&live->source, pc, out) : -ENOENT;
}

static inline int live_step(void *arg, uint64_t pc, struct tb_unwind_regs *regs)
{
    const struct live *live = arg;
    return tb_rows_step(&live->source, live_read, pc, regs);
}

static inline int live_is_code(void *arg, uint64_t address)
{
    const struct live_module *m = live_find(arg, address);
    return m && address >= m->code_lo && address < m->code_hi;
}

static inline void live_init(struct live *live)
{
    memset(live, 0, sizeof(*live));
    dl_iterate_phdr(live_add, live);
    live->use_rows = 1;
    live->source = (struct tb_rows_source){live, live_module, live_read};
    live->ops =
        (struct tb_unwind_ops){live, live_read, live_row, live_step, live_is_code, NULL, NULL};
}

#if defined(__x86_64__)
static inline struct tb_unwind_regs live_regs(const ucontext_t *context)
{
    const greg_t *regs = context->uc_mcontext.gregs;
    return (struct tb_unwind_regs){(uint64_t)regs[REG_RIP], (uint64_t)regs[REG_RSP],
                                   (uint64_t)regs[REG_RBP]};
}
#else
static inline struct tb_unwind_regs live_regs(const ucontext_t *context)
{
    const mcontext_t *regs = &context->uc_mcontext;
    return (struct tb_unwind_regs){regs->pc, regs->sp, regs->regs[29]};
}
#endif

static inline long live_resident_pages(void)
{
    long size = 0;
    long resident = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    if (file) {
        if (fscanf(file, "%ld %ld", &size, &resident) != 2)
            resident = 0;
        fclose(file);
    }
    return resident;
}

#endif
