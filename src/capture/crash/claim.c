/* claim.c - see claim.h. */
#include "capture/crash/claim.h"

#include "capture/report/context.h"
#include "capture/crash/memory.h"

enum { WIPE_BYTES = 2048 };

static _Atomic uint64_t n_claims;

static uintptr_t self(void)
{
    return (uintptr_t)tb_context();
}

uint64_t tb_claim_number(void)
{
    return atomic_fetch_add(&n_claims, 1) + 1;
}

int tb_claim_try(struct tb_claim *claim)
{
    uintptr_t none = 0;
    return atomic_compare_exchange_strong(&claim->owner, &none, self());
}

void tb_claim_hold(struct tb_claim *claim, const volatile uint64_t *number)
{
    atomic_store(&claim->number_at, (uintptr_t)number);
    atomic_store(&claim->number, *number);
}

/* A claim that holds has its number where it says. One that ended meanwhile is not broken, as no
 * number comes twice. */
int tb_claim_break(struct tb_claim *claim)
{
    uint64_t number = atomic_load(&claim->number);
    uint64_t there = 0;
    if (number == 0 || atomic_load(&claim->owner) != self())
        return 0;
    (void)tb_memory_copy(atomic_load(&claim->number_at), &there, sizeof(there));
    return there != number && atomic_compare_exchange_strong(&claim->number, &number, 0);
}

void tb_claim_end(struct tb_claim *claim)
{
    atomic_store(&claim->number, 0);
    atomic_store(&claim->owner, 0);
}

void tb_claim_forked(struct tb_claim *claim)
{
    if (atomic_load(&claim->owner) != self())
        tb_claim_end(claim);
}

__attribute__((noinline)) void tb_claim_wipe(void)
{
    volatile unsigned char room[WIPE_BYTES];
    for (size_t i = 0; i < sizeof(room); i++)
        room[i] = 0;
}
