/* rows_none.c - see rows.h: processors whose rows are not written yet. The walk then follows frame
 * pointers, and says so through -ENOENT. */
#include "unwind/rows.h"

#if !defined(__x86_64__)
#include <errno.h>

int tb_rows_load(void)
{
    return -ENOENT;
}

int tb_rows_make(const struct tb_rows_source *source, uint64_t pc, struct tb_unwind_row *out)
{
    (void)source;
    (void)pc;
    (void)out;
    return -ENOENT;
}

int tb_rows_step(const struct tb_rows_source *source,
                 int (*memory)(void *arg, uint64_t address, void *out, size_t len), uint64_t pc,
                 struct tb_unwind_regs *regs)
{
    (void)source;
    (void)memory;
    (void)pc;
    (void)regs;
    return -ENOENT;
}
#endif
