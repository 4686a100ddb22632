/* memory.h - reading memory of this process that may not be there. Signal-safe.
 *
 * Nothing is loaded from an address that was not proven readable: first the ranges that the caller
 * vouches for, then pages fetched by the kernel (process_vm_readv on ourselves), a few of which are
 * kept until the next reset. Where the kernel refuses that call, it is asked about each word; and
 * where a filter forbids that as well, or may kill for it (quiet.h), our own handler lets a word be
 * tried. */
#ifndef TB_CAPTURE_MEMORY_H
#define TB_CAPTURE_MEMORY_H

#include <stddef.h>
#include <stdint.h>

enum { TB_MEMORY_PAGE = 4096, TB_MEMORY_PAGES = 8 };

struct tb_memory {
    uint64_t low, high;  /* may be loaded directly: this thread's own stack; 0, 0 for nothing */
    const uint8_t *copy; /* copy_len bytes that were at copy_address, looked at first */
    uint64_t copy_address;
    size_t copy_len;
    unsigned next;                      /* page to give up next */
    uint64_t pages_at[TB_MEMORY_PAGES]; /* multiples of the page size; 0: none. Apart, so that
                                           forgetting does not touch the pages */
    uint8_t pages[TB_MEMORY_PAGES][TB_MEMORY_PAGE];
};

/* Forgets everything. */
void tb_memory_reset(struct tb_memory *memory);
/* Copies len bytes at address: 0, or -EFAULT. */
int tb_memory_read(struct tb_memory *memory, uint64_t address, void *out, size_t len);
/* Copies as many of len bytes as can be read from address on; returns how many. No cache. */
size_t tb_memory_copy(uint64_t address, void *out, size_t len);
/* To be called first by the handler of faults: 1 when it was such a try, which has failed now; the
 * handler is to return. */
int tb_memory_has_failed(int signo, void *context);
/* May this thread read the counter that the clocks of the C library use (PR_SET_TSC)? For our
 * handler alone, while SIGSEGV is not blocked. */
int tb_memory_has_counter(void);
/* Is every page from low to high readable? Costs one system call for 64 pages; may change errno. */
int tb_memory_is_readable(uint64_t low, uint64_t high);

#endif
