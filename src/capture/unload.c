/* unload.c - see unload.h.
 *
 * Of those that end at the same time, whoever sees another count of unloaded libraries first raises
 * the number while it is still among the closing ones: so no mark holds until then. */
#include "capture/unload.h"

#include <errno.h>
#include <link.h>
#include <stdatomic.h>

enum { NEVER = 0 }; /* a mark that does not hold */

static _Atomic uint64_t n_unloads = 1;
static atomic_int n_closing;
static _Atomic uint64_t n_gone; /* as the loader counts */
static atomic_int is_child;     /* of a fork */

void tb_unload_begin(void)
{
    atomic_fetch_add(&n_closing, 1);
}

static int ask(struct dl_phdr_info *info, size_t size, void *out)
{
    (void)size;
    *(uint64_t *)out = info->dlpi_subs;
    return 1; /* the first one says it */
}

/* Has anything been unloaded? A child does not ask: another thread of its parent may have had the
 * loader's lock. */
static int has_gone(int may_ask)
{
    uint64_t now = 0;
    if (!may_ask || atomic_load(&is_child))
        return 1;
    (void)dl_iterate_phdr(ask, &now);
    return atomic_exchange(&n_gone, now) != now;
}

void tb_unload_end(int may_ask)
{
    int kept = errno;
    int n = atomic_load(&n_closing);
    if (has_gone(may_ask))
        atomic_fetch_add(&n_unloads, 1);
    /* 0 in a child that was forked by a destructor. */
    while (n > 0 && !atomic_compare_exchange_weak(&n_closing, &n, n - 1))
        ;
    errno = kept;
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
    atomic_store(&is_child, 1);
    if (atomic_exchange(&n_closing, 0) != 0)
        atomic_fetch_add(&n_unloads, 1);
}
