/* rows.h - rows made by libunwind: the only file that calls it is rows.c.
 *
 * libunwind is opened with dlopen(RTLD_NOW | RTLD_LOCAL), never linked: naming it as a dependency
 * would send the C++ exceptions of a host through it (docs/design.md, "libunwind"). A row is
 * derived through its public API: one unw_step in an address space of our own whose stack and base
 * pointers are made-up numbers; what comes out says how the caller's frame is computed.
 * tb_rows_make and tb_rows_step take no lock of the dynamic loader and allocate nothing from
 * malloc; libunwind's own memory pool is guarded by a mutex that is held with signals blocked. */
#ifndef TB_UNWIND_ROWS_H
#define TB_UNWIND_ROWS_H

#include <stdint.h>

#include "unwind/walk.h"

/* Where the unwind data of the module around an address are. */
struct tb_rows_module {
    uint64_t lo, hi;
    uint64_t eh_frame_hdr; /* address; 0: none */
};

struct tb_rows_source {
    void *arg;
    /* The module that holds address: 0 or -ENOENT. */
    int (*module)(void *arg, uint64_t address, struct tb_rows_module *out);
    /* Reads module memory (unwind tables): 0 or -EFAULT. */
    int (*read)(void *arg, uint64_t address, void *out, size_t len);
};

/* Opens libunwind; call before the others, once, not from a handler. 0; -ENOENT when it is not
 * installed: then make and step return -ENOENT and the walk lives on frame pointers. */
int tb_rows_load(void);
int tb_rows_make(const struct tb_rows_source *source, uint64_t pc, struct tb_unwind_row *out);
/* One step by libunwind itself over real memory (memory reads the stack). For TB_ROW_OTHER. */
int tb_rows_step(const struct tb_rows_source *source,
                 int (*memory)(void *arg, uint64_t address, void *out, size_t len), uint64_t pc,
                 struct tb_unwind_regs *regs);

#endif
