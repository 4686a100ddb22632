/* stack.h - the stacks of an occurrence as people read them: innermost frame first, runs folded.
 *
 * An exception with what caused it is several stacks: the one that was reported first. */
#ifndef TB_WEB_STACK_H
#define TB_WEB_STACK_H

#include "item/fold.h"
#include "web/event.h"

enum { TB_STACK_FRAMES = 1000, TB_STACKS = 16 };

/* Texts are the event's. */
struct tb_frame {
    int node, number; /* number 0 is the innermost */
    const char *method, *filename, *module, *address, *offset, *code;
    int64_t line; /* 0: unknown */
    int is_library, is_inlined;
    int is_tail; /* it ended in a call that took its place: it was worked out, not found */
    int is_scan; /* the stack holds its address: it may be left from an earlier call */
};

struct tb_stack {
    const char *class_, *message;
    struct tb_frame *frames;     /* owned */
    struct tb_fold_frame *calls; /* the same as folding sees them; owned */
    size_t n, n_all;             /* n_all: with those beyond TB_STACK_FRAMES */
    size_t gap;                  /* n_in_gap are left out before this one; 0: there is no gap */
    int64_t n_in_gap;
    size_t blamed; /* as tb_fold_blamed says */
};

/* Reads the stacks of body.trace or body.trace_chain, at most TB_STACKS. Returns how many, or
 * -ENOMEM. Each is for tb_stack_done. */
int tb_stack_read(struct tb_event *event, struct tb_stack out[TB_STACKS]);
/* The stack of a list of frames, oldest first, that is not part of the body. 0 or -ENOMEM. */
int tb_stack_frames(struct tb_event *event, int list, struct tb_stack *out);
void tb_stack_done(struct tb_stack *stack);
/* What is shown from number i on; nothing is folded over the gap. */
struct tb_fold tb_stack_fold(const struct tb_stack *stack, size_t i);
/* "src/queue.c:214", "libc.so.6 +0x3bd90" or ""; the server's root is cut off. Kept by the event.
 */
const char *tb_frame_place(struct tb_event *event, const struct tb_frame *frame);

/* The blamed frame of the first stack. 0, -ENOENT when there is none, -ENOMEM. */
int tb_stack_blamed(struct tb_event *event, struct tb_frame *out);

#endif
