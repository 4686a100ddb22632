/* spare.c - see spare.h.
 *
 * Two places: one has the current spare, in the other the next is made, and what is not current may
 * be closed. Who is busy works on them; that is tried and never waited for, since the fork may come
 * from a handler that interrupted the work. A child that another thread forks in the middle of it
 * closes what is in the other place.
 *
 * Who takes a spare says so in memory that all of them share, in a word that no other spare has and
 * that is never unmapped: any thread may look at it at any time. In the file itself it would be a
 * fault where a stranger has cut that, and to ask the kernel at each fork might be forbidden
 * (seccomp). */
#include "capture/crash/spare.h"

#include <errno.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "capture/hooks/fork.h"
#include "capture/lib.h"
#include "capture/crash/quiet.h"
#include "spool/sys.h"

enum { RETRY_NS = TB_NS_PER_S, N_TAKERS = 1023 };

/* Of a process and its children; a new one is made when all are used, and the old one stays. */
struct takers {
    _Atomic uint32_t n_used;
    _Atomic uint32_t tids[N_TAKERS]; /* 0: free */
};

struct place {
    struct tb_slot slot;
    _Atomic uint32_t *_Atomic taker; /* in takers; NULL: there is none */
};

static struct place places[2] = {{.slot = {.fd = -1}}, {.slot = {.fd = -1}}};
static struct place *_Atomic current;
static struct takers *_Atomic takers;
static struct tb_slot *_Atomic taken; /* a crash handler with this memory writes to it */
static atomic_flag busy = ATOMIC_FLAG_INIT;
static atomic_int is_known;        /* this process has seen that it has the file */
static _Atomic uint64_t failed_ns; /* monotonic: when none could be made; 0 never */

static void close_place(struct place *place)
{
    atomic_store(&place->taker, NULL);
    tb_slot_close(&place->slot, 0);
}

/* A word of zero that was nobody's before, or NULL. */
static _Atomic uint32_t *new_taker(void)
{
    struct takers *old = atomic_load(&takers);
    uint32_t i = old ? atomic_fetch_add(&old->n_used, 1) : N_TAKERS;
    if (i < N_TAKERS)
        return &old->tids[i];
    long at = syscall(SYS_mmap, NULL, sizeof(struct takers), PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_ANONYMOUS, -1, 0L);
    if (at == -1)
        return NULL;
    struct takers *fresh = (struct takers *)(uintptr_t)at;
    atomic_store(&fresh->n_used, 1);
    atomic_store(&takers, fresh);
    return &fresh->tids[0];
}

static int open_place(struct place *place)
{
    tb_lib_check_dir();
    int err = tb_slot_open_spare(&place->slot, tb_lib.dirfd, tb_lib.boot_id);
    if (err)
        return err;
    _Atomic uint32_t *taker = new_taker();
    atomic_store(&place->taker, taker);
    if (taker)
        return 0;
    close_place(place);
    return -ENOMEM;
}

static struct place *other_place(const struct place *place)
{
    return place == &places[0] ? &places[1] : &places[0];
}

static int is_free(struct place *place)
{
    _Atomic uint32_t *taker = place ? atomic_load(&place->taker) : NULL;
    return taker && atomic_load_explicit(taker, memory_order_relaxed) == 0;
}

/* What a host inherited and closed keeps no lock: the agent removes the file. */
static int is_held(const struct tb_slot *slot)
{
    struct stat st;
    return tb_sys_fstat(slot->fd, &st) == 0 && st.st_dev == slot->dev && st.st_ino == slot->ino &&
           st.st_nlink > 0;
}

static int is_ready(void)
{
    return atomic_load_explicit(&is_known, memory_order_relaxed) && is_free(atomic_load(&current));
}

static void renew(void)
{
    struct place *old = atomic_load(&current);
    struct place *next = other_place(old);
    uint64_t failed = atomic_load(&failed_ns);
    if (is_free(old) && is_held(&old->slot)) {
        atomic_store(&is_known, 1);
        return;
    }
    if (failed != 0 && tb_clock_mono_ns() - failed < (uint64_t)RETRY_NS)
        return;
    int err = open_place(next);
    atomic_store(&failed_ns, err ? tb_clock_mono_ns() : 0);
    if (err)
        return;
    atomic_store(&current, next);
    atomic_store(&is_known, 1);
    if (old)
        close_place(old);
}

static void drop_taken(void)
{
    struct place *old = atomic_load(&current);
    if (!old || is_free(old))
        return;
    atomic_store(&current, NULL);
    close_place(old);
}

/* Is the library on, in this process itself, and no handler in the middle of the spare? */
static int may_work(void)
{
    return atomic_load(&tb_lib.state) == TB_LIB_ON && tb_lib.has_handler && !atomic_load(&taken) &&
           atomic_load(&tb_lib.pid) == (int)syscall(SYS_getpid);
}

/* As a user of the library, for whom shutdown waits, but without a fork child's files. */
static void work(void (*deed)(void))
{
    int kept = errno;
    atomic_fetch_add(&tb_lib.n_users, 1);
    if (may_work() && !atomic_flag_test_and_set(&busy)) {
        deed();
        atomic_flag_clear(&busy);
    }
    atomic_fetch_sub(&tb_lib.n_users, 1);
    errno = kept;
}

void tb_spare_prepare(void)
{
    if (atomic_load_explicit(&tb_lib.state, memory_order_relaxed) != TB_LIB_ON)
        return;
    if (tb_fork_is_unseen())
        tb_fork_forget();
    if (!is_ready() && !tb_quiet_is_expected()) /* a filter may kill for the calls */
        work(renew);
}

void tb_spare_look(void)
{
    struct place *spare = atomic_load(&current);
    if (spare && !is_free(spare))
        work(drop_taken);
}

struct tb_slot *tb_spare_take(uint32_t tid)
{
    uint32_t nobody = 0;
    struct place *spare = atomic_load(&current);
    _Atomic uint32_t *taker = spare ? atomic_load(&spare->taker) : NULL;
    if (!taker)
        return NULL;
    atomic_store(&taken, &spare->slot); /* first: another thread must not close it */
    if (atomic_compare_exchange_strong(taker, &nobody, tid))
        return &spare->slot;
    atomic_store(&taken, NULL);
    return NULL;
}

int tb_spare_is(const struct tb_slot *slot)
{
    return slot && slot == atomic_load(&taken);
}

void tb_spare_give(void)
{
    atomic_store(&taken, NULL);
}

void tb_spare_forked(void)
{
    struct place *spare = atomic_load(&current);
    close_place(other_place(spare));
    if (!spare)
        close_place(&places[1]);
    atomic_store(&taken, NULL);
    atomic_store(&is_known, 0);
    atomic_store(&failed_ns, 0);
    atomic_flag_clear(&busy);
}

void tb_spare_close(void)
{
    struct place *spare = atomic_exchange(&current, NULL);
    if (spare)
        close_place(spare);
}
