/* unload.c - see unload.h.
 *
 * The number is raised while the dlclose is still among the closing ones: so no mark holds until
 * then. */
#include "capture/modules/unload.h"

#include <stdatomic.h>

enum { NEVER = 0 }; /* a mark that does not hold */

static _Atomic uint64_t n_unloads = 1;
static atomic_int n_closing;

void tb_unload_begin(void)
{
    atomic_fetch_add(&n_closing, 1);
}

void tb_unload_end(int is_closed)
{
    int n = atomic_load(&n_closing);
    if (is_closed)
        atomic_fetch_add(&n_unloads, 1);
    /* 0 in a child that was forked by a destructor. */
    while (n > 0 && !atomic_compare_exchange_weak(&n_closing, &n, n - 1))
        ;
}

uint64_t tb_unload_mark(void)
{
    uint64_t mark = atomic_load(&n_unloads);
    return atomic_load(&n_closing) == 0 ? mark : NEVER;
}

int tb_unload_is_since(uint64_t mark)
{
    return atomic_load_explicit(&n_closing, memory_order_acquire) != 0 ||
           atomic_load_explicit(&n_unloads, memory_order_acquire) != mark;
}

void tb_unload_forked(void)
{
    if (atomic_exchange(&n_closing, 0) != 0)
        atomic_fetch_add(&n_unloads, 1);
}
