/* frames.h - from the addresses of a stack to frames with names, innermost first. */
#ifndef TB_SYMBOL_FRAMES_H
#define TB_SYMBOL_FRAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "symbol/stack/modules.h"

enum {
    TB_SYMBOL_RAW_MAX = 512,      /* addresses of one stack */
    TB_SYMBOL_FRAMES_SHOWN = 256, /* frames in an answer, half of them from each end */
    TB_SYMBOL_TRUST_UNKNOWN = -1,
    TB_SYMBOL_TRUST_TAIL = 4 /* not on the stack: it jumped to the one inside (tails.h) */
};

/* One address of a stack. */
struct tb_symbol_raw {
    uint64_t ip;
    int trust;      /* enum tb_unwind_trust, or one of the above */
    bool is_exact;  /* ip is the instruction itself, not the one after a call */
    bool is_return; /* from a signal handler, see tb_symbol_frames_mark */
};

struct tb_symbol_frame {
    uint64_t ip;
    int trust;
    const struct tb_symbol_module *module; /* borrowed; NULL: in none */
    char *method;                          /* NULL: unknown */
    char *file;                            /* normalised; NULL: unknown */
    bool file_is_whole;                    /* file may be looked up */
    uint32_t line;                         /* 0: unknown */
    bool inlined;
    bool in_app;
};

struct tb_symbol_frames {
    struct tb_symbol_frame *items; /* innermost first */
    size_t n, cap;
    size_t gap;          /* n_left_out are missing before this one; 0: there is no gap */
    uint64_t n_left_out; /* addresses, and frames of what is inlined */
    bool cut;
    bool crashed; /* the innermost, which are dropped, were those of the crash handler */
};

/* What the stack is of. */
enum tb_symbol_stack {
    TB_SYMBOL_STACK_REPORT, /* its innermost frames are those of the library that made the report */
    TB_SYMBOL_STACK_CRASH   /* the same only when they end with a signal frame, as where a thread
                             * waits in the crash handler while another crash is written */
};

/* Before the address number at n_left_out others are missing. */
struct tb_symbol_gap {
    size_t at;
    uint64_t n_left_out;
};

/* What a handler returns to is no call: it was never called, the instruction itself counts, and
 * that of the frame outside of it, which the signal interrupted. inner is the next frame inside,
 * marked before, or NULL. */
void tb_symbol_frames_mark(struct tb_symbol_modules *modules, const struct tb_symbol_raw *inner,
                           struct tb_symbol_raw *raw);
/* Adds the frames of one address, those inlined there first. 0 or -ENOMEM. */
int tb_symbol_frames_add(struct tb_symbol_modules *modules, const struct tb_symbol_raw *raw,
                         struct tb_symbol_frames *frames);
/* Names the addresses (innermost first; of more than TB_SYMBOL_RAW_MAX those in the middle are left
 * out), then drops the frames of the library itself and those that start every thread. 0 or
 * -ENOMEM. */
int tb_symbol_frames_make(struct tb_symbol_modules *modules, const struct tb_symbol_raw *raw,
                          size_t n_raw, enum tb_symbol_stack stack, struct tb_symbol_frames *out);
/* The same for a stack with a gap (NULL: none). */
int tb_symbol_frames_make_far(struct tb_symbol_modules *modules, const struct tb_symbol_raw *raw,
                              size_t n_raw, enum tb_symbol_stack stack,
                              const struct tb_symbol_gap *gap, struct tb_symbol_frames *out);
void tb_symbol_frames_done(struct tb_symbol_frames *frames);

#endif
