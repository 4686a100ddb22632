/* claim.h - who uses one of a few things that are shared by all threads and handlers. Signal-safe.
 *
 * A handler that leaves its thread's work by siglongjmp leaves what that had claimed. Each claim
 * has a number, which lies in a frame of its owner too, for as long as it lasts. A claim whose
 * number is not there any more is abandoned for sure, whatever stacks the program switches between;
 * one whose frame happens to be untouched is not known to be. */
#ifndef TB_CAPTURE_CLAIM_H
#define TB_CAPTURE_CLAIM_H

#include <stdatomic.h>
#include <stdint.h>

/* Zeroed: free. */
struct tb_claim {
    atomic_uintptr_t owner;     /* the thread's tb_context; 0: free */
    _Atomic uint64_t number;    /* 0: free, or changing hands */
    atomic_uintptr_t number_at; /* where it lies on the owner's stack */
};

/* A number that no claim had yet. */
uint64_t tb_claim_number(void);
/* 1 when it was free, and is this thread's now; then it is to be held. */
int tb_claim_try(struct tb_claim *claim);
/* 1 when this thread abandoned it, and it is to be held anew. */
int tb_claim_break(struct tb_claim *claim);
/* The number is in a frame that outlives the claim. */
void tb_claim_hold(struct tb_claim *claim, const volatile uint64_t *number);
void tb_claim_end(struct tb_claim *claim);
/* In a fork child: ends that of a thread which is not there. One of this thread, that a handler
 * interrupted which then forked, goes on. */
void tb_claim_forked(struct tb_claim *claim);
/* Writes over what is left of frames that were below this one: makes more of them known. */
void tb_claim_wipe(void);

#endif
