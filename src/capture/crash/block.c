/* block.c - see block.h.
 *
 * The stack has 256 KiB, since handlers of the host run there that ran on the thread's own stack
 * before, or what the processor's registers need and 32 KiB more. The guard below is larger than
 * the frame of most functions, so that few step over it: below may be another thread's data.
 *
 * A kept block belongs to whoever takes its pointer out of the table. */
#include "capture/crash/block.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

#include "capture/crash/quiet.h"

enum {
    GUARD_BYTES = 64 << 10,
    STACK_LEAST_BYTES = 256 << 10,
    STACK_OURS_BYTES = 32 << 10,
    ALIGNMENT = 64,
    N_SPARES = 64,
    KEPT_MAX = 1024, /* spares, and blocks that wait for the end of their threads */
    LOOKS_MAX = 4,   /* at blocks that still wait, before one gives up */
};

static atomic_int n_blocks; /* mapped, kept ones too */
static _Atomic(struct tb_thread *) kept[KEPT_MAX];
static atomic_int n_kept;
static atomic_uint kept_end; /* no place from here on was ever used */
static atomic_uint trim_at;  /* where the last look for surplus ended */

/* ---- mappings ---- */

static size_t guard_bytes(void)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    return (GUARD_BYTES + page - 1) / page * page;
}

/* After mlockall(MCL_FUTURE) a new mapping is locked, and filled as soon as it may be written to:
 * so it may not before it is unlocked. */
static char *map_unlocked(size_t guard, size_t bytes)
{
    char *map = mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (map == MAP_FAILED)
        return NULL;
    if (!tb_quiet_is_expected()) /* a filter may kill for it */
        (void)munlock(map, bytes);
    if (mprotect(map + guard, bytes - guard, PROT_READ | PROT_WRITE) == 0)
        return map;
    (void)munmap(map, bytes);
    return NULL;
}

static struct tb_thread *map_block(void)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t stack = getauxval(AT_MINSIGSTKSZ) + STACK_OURS_BYTES;
    if (stack < STACK_LEAST_BYTES)
        stack = STACK_LEAST_BYTES;
    size_t own = (sizeof(struct tb_thread) + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    size_t bytes = guard_bytes() + (stack + own + page - 1) / page * page;
    char *map = map_unlocked(guard_bytes(), bytes);
    if (!map)
        return NULL;
    atomic_fetch_add(&n_blocks, 1);
    struct tb_thread *thread = (struct tb_thread *)(void *)(map + bytes - own);
    thread->map = map;
    thread->map_bytes = bytes;
    return thread;
}

static void unmap_block(struct tb_thread *thread)
{
    atomic_fetch_sub(&n_blocks, 1);
    (void)munmap(thread->map, thread->map_bytes);
}

/* ---- kept ones ---- */

/* Has the thread that left this block ended? Where a filter may forbid to ask, one that does not
 * run on the block is taken for ended. */
static int is_over(const struct tb_thread *thread)
{
    if (thread->left_by == 0)
        return 1;
    if (tb_quiet_is_expected())
        return !thread->is_on_stack;
    if (tgkill(getpid(), thread->left_by, 0) == 0)
        return 0;
    return errno == ESRCH || !thread->is_on_stack;
}

static struct tb_thread *take_kept(unsigned place)
{
    if (!atomic_load_explicit(&kept[place], memory_order_relaxed))
        return NULL;
    struct tb_thread *thread = atomic_exchange(&kept[place], NULL);
    if (thread)
        atomic_fetch_sub(&n_kept, 1);
    return thread;
}

static int put_kept(struct tb_thread *thread)
{
    for (unsigned i = 0; i < KEPT_MAX; i++) {
        struct tb_thread *none = NULL;
        if (atomic_load_explicit(&kept[i], memory_order_relaxed) ||
            !atomic_compare_exchange_strong(&kept[i], &none, thread))
            continue;
        atomic_fetch_add(&n_kept, 1);
        unsigned end = atomic_load(&kept_end);
        while (end <= i && !atomic_compare_exchange_weak(&kept_end, &end, i + 1))
            ;
        return 1;
    }
    return 0;
}

/* What finds no place goes, also while its thread is at its last steps; what a thread runs on is
 * lost. */
static void keep(struct tb_thread *thread)
{
    if (!put_kept(thread) && !(thread->left_by != 0 && thread->is_on_stack))
        unmap_block(thread);
}

static struct tb_thread *take_spare(void)
{
    unsigned end = atomic_load(&kept_end);
    int n_looks = 0;
    for (unsigned i = 0; i < end && n_looks < LOOKS_MAX; i++) {
        struct tb_thread *thread = take_kept(i);
        if (thread && is_over(thread))
            return thread;
        if (!thread)
            continue;
        keep(thread);
        n_looks++;
    }
    return NULL;
}

/* Unmaps what is more than max spares, as far as its threads have ended; n_looks bounds the work.
 * Returns how many. */
static int trim(int max, int n_looks)
{
    unsigned end = atomic_load(&kept_end);
    unsigned at = atomic_load(&trim_at);
    int n = 0;
    for (unsigned i = 0; i < end && n_looks > 0 && atomic_load(&n_kept) > max; i++) {
        at = at + 1 < end ? at + 1 : 0;
        struct tb_thread *thread = take_kept(at);
        if (!thread)
            continue;
        n_looks--;
        if (is_over(thread)) {
            unmap_block(thread);
            n++;
        } else {
            keep(thread);
        }
    }
    atomic_store(&trim_at, at);
    return n;
}

struct tb_thread *tb_block_new(void)
{
    struct tb_thread *thread = take_spare();
    if (!thread)
        thread = map_block();
    if (!thread)
        return NULL;
    thread->id_place = 0;
    thread->left_by = 0;
    thread->is_on_stack = 0;
    thread->depth = 0;
    return thread;
}

void tb_block_drop(struct tb_thread *thread)
{
    int saved = errno;
    keep(thread);
    (void)trim(N_SPARES, LOOKS_MAX);
    errno = saved;
}

int tb_block_give_back(struct tb_thread *thread)
{
    int saved = errno;
    if (thread)
        unmap_block(thread);
    int n = trim(0, KEPT_MAX) + (thread != NULL);
    errno = saved;
    return n;
}

char *tb_block_stack(const struct tb_thread *thread)
{
    return thread->map + guard_bytes();
}

int tb_block_count(void)
{
    return atomic_load_explicit(&n_blocks, memory_order_relaxed);
}

void tb_block_forked(void)
{
    atomic_store(&n_blocks, 0);
}
