/* symbols.h - between the benchmarks of the symbol index and its peers. */
#ifndef TB_BENCH_SYMBOLS_H
#define TB_BENCH_SYMBOLS_H

#include <libelf.h>
#include <stddef.h>
#include <stdint.h>

/* Functions, inlined calls and line at each address, as libdw finds them. us: for one of them. 0 or
 * a negative errno. */
int bench_libdw_frames(Elf *elf, const uint64_t *addresses, size_t n, double *us);
/* All functions, inlined calls, names and lines of a file, as libdw gives them; nothing is kept. */
int bench_libdw_all(Elf *elf, double *ms);
/* addr2line -ifCe path for all addresses, in one process. -ENOENT where it is not installed. */
int bench_addr2line(const char *folder, const char *path, const uint64_t *addresses, size_t n,
                    double *ms);

#endif
