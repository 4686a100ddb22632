/* walk.c - see walk.h.
 *
 * 1. Memory is read through ops->read alone, so a wrong guess costs a failed read, not a fault.
 * 2. The stack pointer grows with every step but over a signal frame (which leaves an alternate
 *    stack), and never more than max frames are found: the walk ends.
 * 3. A frame is only taken when its address is in code, or where the unwind data say so at least
 *    readable (code made at run time), or in a module that was unloaded.
 * Order of the fix-ups, as the cases that they were tried on asked for: in code that has no row the
 * scan comes first, since such code often has no frame pointer either and bp belongs to a caller;
 * where ip itself is nonsense (an overwritten return address) the frame pointer comes first. Stacks
 * are full of return addresses of calls that are over: those that can have led to ip go first. */
#include "unwind/walk.h"

#include <errno.h>
#include <stdbool.h>

#include "unwind/arch.h"

enum {
    WORD = 8,
    SCAN_WORDS_MAX = 512,
    SCAN_WORDS_AT_ONCE = 32,
    CALLEE_BYTES_MAX = 1 << 20, /* how far into a function an address may be */
    SAVED_BP_REACH = 1 << 20,
};

enum outcome { MOVED, ENDED, LOST };

/* What is asked of the call in front of a return address. */
enum call {
    CERTAIN,  /* direct, to before ip, into code that has no row either */
    LIKELY,   /* direct to before ip or to a stub of the linker, or indirect */
    INDIRECT, /* as code made at run time is called */
    ANY
};

struct walker {
    const struct tb_unwind_ops *ops;
    struct tb_unwind_regs regs;
    bool exact; /* ip is an instruction, not a return address */
    int trust;  /* how regs were found */
};

static bool read_word(const struct walker *w, uint64_t address, uint64_t *out)
{
    return w->ops->read(w->ops->arg, address, out, sizeof(*out)) == 0;
}

static bool is_code(const struct walker *w, uint64_t address)
{
    return address != 0 && w->ops->is_code(w->ops->arg, address);
}

static bool is_mapped(const struct walker *w, uint64_t address)
{
    uint8_t byte;
    return address != 0 && w->ops->read(w->ops->arg, address, &byte, 1) == 0;
}

static bool was_code(const struct walker *w, uint64_t address)
{
    return w->ops->was_code && w->ops->was_code(w->ops->arg, address);
}

static enum outcome move(struct walker *w, struct tb_unwind_regs to, int trust)
{
    w->regs = to;
    w->exact = false;
    w->trust = trust;
    return MOVED;
}

/* What the unwind data say about the caller. A return address of 0 is the outermost frame; one that
 * is in no memory at all was overwritten: regs move there, and the fix-ups go on. */
static enum outcome move_by_data(struct walker *w, struct tb_unwind_regs to)
{
    to.ip = tb_arch_code_address(to.ip);
    if (to.sp <= w->regs.sp)
        return LOST;
    if (to.ip == 0)
        return ENDED;
    (void)move(w, to, TB_TRUST_CFI);
    return is_code(w, to.ip - 1) || is_mapped(w, to.ip) || was_code(w, to.ip - 1) ? MOVED : LOST;
}

static enum outcome step_standard(struct walker *w, const struct tb_unwind_row *row)
{
    struct tb_unwind_regs to = w->regs;
    to.sp = (row->cfa_from_bp ? w->regs.bp : w->regs.sp) + (uint64_t)(int64_t)row->cfa_offset;
    if (!read_word(w, to.sp - WORD, &to.ip))
        return LOST;
    if (row->bp_saved && !read_word(w, to.sp + (uint64_t)(int64_t)row->bp_offset, &to.bp))
        return LOST;
    return move_by_data(w, to);
}

static enum outcome step_signal(struct walker *w)
{
    uint64_t at = w->regs.sp;
    struct tb_unwind_regs to;
    if (!read_word(w, at + tb_arch_signal_frame.ip_offset, &to.ip) ||
        !read_word(w, at + tb_arch_signal_frame.sp_offset, &to.sp) ||
        !read_word(w, at + tb_arch_signal_frame.bp_offset, &to.bp))
        return LOST;
    (void)move(w, to, TB_TRUST_CONTEXT);
    w->exact = true;
    return MOVED;
}

static enum outcome step_by_row(struct walker *w)
{
    struct tb_unwind_row row;
    uint64_t pc = w->regs.ip - (w->exact ? 0 : 1);
    struct tb_unwind_regs to = w->regs;
    if (w->ops->row(w->ops->arg, pc, &row) != 0)
        return LOST;
    switch (row.kind) {
    case TB_ROW_STD:
        return step_standard(w, &row);
    case TB_ROW_SIGNAL:
        return step_signal(w);
    case TB_ROW_END:
        return ENDED;
    default:
        if (!w->ops->step || w->ops->step(w->ops->arg, pc, &to) != 0)
            return LOST;
        return move_by_data(w, to);
    }
}

/* A call of NULL or of an unmapped address has pushed its return address and done nothing else. */
static enum outcome step_failed_call(struct walker *w)
{
    struct tb_unwind_regs to = w->regs;
    uint64_t target;
    if (!w->exact || !tb_arch_call_pushes || !read_word(w, w->regs.sp, &to.ip))
        return LOST;
    if (!is_code(w, to.ip - 1) || !tb_arch_follows_call(w->ops, to.ip, &target))
        return LOST;
    to.sp += WORD;
    return move(w, to, TB_TRUST_CFI);
}

/* Is word a return address, of such a call? */
static bool is_return_address(const struct walker *w, uint64_t word, enum call call)
{
    struct tb_unwind_row row;
    uint64_t target;
    uint64_t ip = w->regs.ip;
    if (!is_code(w, word - 1) || !tb_arch_follows_call(w->ops, word, &target))
        return false;
    bool leads_here = target != 0 && target <= ip && ip - target < CALLEE_BYTES_MAX;
    switch (call) {
    case CERTAIN:
        return leads_here && w->ops->row(w->ops->arg, target, &row) == -ENOENT;
    case LIKELY:
        return target == 0 || leads_here || tb_arch_is_stub(w->ops, target);
    case INDIRECT:
        return target == 0;
    case ANY:
        break;
    }
    return true;
}

static enum outcome step_frame_pointer(struct walker *w, enum call call)
{
    uint64_t bp = w->regs.bp;
    struct tb_unwind_regs to = {.sp = bp + (uint64_t)2 * WORD};
    if (bp == 0 || bp % WORD != 0 || bp < w->regs.sp || to.sp < bp)
        return LOST;
    if (!read_word(w, bp, &to.bp) || !read_word(w, bp + WORD, &to.ip))
        return LOST;
    to.ip = tb_arch_code_address(to.ip);
    if (!is_return_address(w, to.ip, call))
        return LOST;
    return move(w, to, TB_TRUST_FP);
}

/* The caller's bp: what it was, unless it cannot be; then what the callee may have pushed below its
 * return address. */
static uint64_t likely_bp(const struct walker *w, uint64_t sp)
{
    uint64_t pushed;
    if (w->regs.bp >= sp && w->regs.bp - sp < SAVED_BP_REACH)
        return w->regs.bp;
    if (read_word(w, sp - (uint64_t)2 * WORD, &pushed) && pushed % WORD == 0 && pushed > sp &&
        pushed - sp < SAVED_BP_REACH)
        return pushed;
    return w->regs.bp;
}

/* Looks at n_words words from sp on. */
static enum outcome step_scan(struct walker *w, size_t n_words, enum call call)
{
    uint64_t words[SCAN_WORDS_AT_ONCE];
    if (w->regs.sp % WORD != 0)
        return LOST;
    for (size_t i = 0; i < n_words; i++) {
        uint64_t at = w->regs.sp + (uint64_t)i * WORD;
        size_t k = i % SCAN_WORDS_AT_ONCE;
        /* Many words in one read; near the end of the stack one by one. */
        if (k == 0 && w->ops->read(w->ops->arg, at, words, sizeof(words)) != 0) {
            for (size_t n = 0; n < SCAN_WORDS_AT_ONCE; n++) {
                if (!read_word(w, at + (uint64_t)n * WORD, &words[n]))
                    words[n] = 0;
            }
        }
        if (!is_return_address(w, words[k], call))
            continue;
        struct tb_unwind_regs to = {.ip = words[k], .sp = at + WORD};
        to.bp = likely_bp(w, to.sp);
        return move(w, to, TB_TRUST_SCAN);
    }
    return LOST;
}

/* The words up to where bp points, if it can be a frame pointer at all. */
static size_t words_below_bp(const struct walker *w)
{
    uint64_t bytes = w->regs.bp - w->regs.sp;
    if (w->regs.bp < w->regs.sp || bytes > (uint64_t)SCAN_WORDS_MAX * WORD)
        return SCAN_WORDS_MAX;
    return (size_t)(bytes / WORD);
}

/* What is tried in which order, by what ip is. */
enum way { END, FAILED_CALL, FRAME_POINTER, SCAN_BELOW_BP, SCAN_FAR };
struct fixup {
    enum way way;
    enum call call;
};
static const struct fixup in_code[] = {{SCAN_BELOW_BP, CERTAIN}, {FRAME_POINTER, CERTAIN},
                                       {SCAN_BELOW_BP, LIKELY},  {SCAN_BELOW_BP, ANY},
                                       {FRAME_POINTER, ANY},     {SCAN_FAR, LIKELY},
                                       {SCAN_FAR, ANY},          {END, ANY}};
static const struct fixup in_memory[] = {{SCAN_BELOW_BP, INDIRECT},
                                         {FRAME_POINTER, ANY},
                                         {SCAN_FAR, INDIRECT},
                                         {SCAN_FAR, ANY},
                                         {END, ANY}};
static const struct fixup nowhere[] = {
    {FAILED_CALL, ANY}, {FRAME_POINTER, ANY}, {SCAN_FAR, ANY}, {END, ANY}};

static enum outcome step_by_fixup(struct walker *w, const struct fixup *fixup)
{
    switch (fixup->way) {
    case FAILED_CALL:
        return step_failed_call(w);
    case FRAME_POINTER:
        return step_frame_pointer(w, fixup->call);
    case SCAN_BELOW_BP:
        return step_scan(w, words_below_bp(w), fixup->call);
    case SCAN_FAR:
        return step_scan(w, SCAN_WORDS_MAX, fixup->call);
    case END:
        break;
    }
    return LOST;
}

static enum outcome step_by_fixups(struct walker *w)
{
    uint64_t pc = w->regs.ip - (w->exact ? 0 : 1);
    const struct fixup *fixup = nowhere;
    enum outcome found = LOST;
    if (is_code(w, pc))
        fixup = in_code;
    else if (w->exact && is_mapped(w, pc))
        fixup = in_memory;
    for (; found == LOST && fixup->way != END; fixup++)
        found = step_by_fixup(w, fixup);
    return found;
}

/* The frames that ops->run finds; it must be a return address that regs has. */
static size_t take_run(struct walker *w, struct tb_unwind_frame *frames, size_t max)
{
    size_t n = w->ops->run && !w->exact ? w->ops->run(w->ops->arg, &w->regs, frames, max) : 0;
    for (size_t i = 0; i < n; i++) {
        frames[i].trust = i > 0 ? TB_TRUST_CFI : w->trust;
        frames[i].is_signal = 0;
    }
    if (n > 0)
        w->trust = TB_TRUST_CFI;
    return n;
}

struct tb_unwind_place tb_unwind_start(struct tb_unwind_regs regs, int at_fault)
{
    return (struct tb_unwind_place){
        .regs = regs, .is_exact = at_fault != 0, .trust = TB_TRUST_CONTEXT};
}

size_t tb_unwind_walk_on(const struct tb_unwind_ops *ops, struct tb_unwind_place *place,
                         struct tb_unwind_frame *frames, size_t max, int *cut)
{
    struct walker w = {
        .ops = ops, .regs = place->regs, .exact = place->is_exact, .trust = place->trust};
    enum outcome found = MOVED;
    size_t n = 0;
    while (found == MOVED && n < max) {
        n += take_run(&w, frames + n, max - n);
        if (n == max)
            break;
        frames[n] = (struct tb_unwind_frame){
            .ip = w.regs.ip,
            .sp = w.regs.sp,
            .trust = w.trust,
            .is_signal = (n > 0 || place->is_begun) && w.exact,
        };
        n++;
        found = step_by_row(&w);
        if (found == LOST)
            found = step_by_fixups(&w);
    }
    if (cut && found == MOVED)
        *cut = 1;
    *place = (struct tb_unwind_place){
        .regs = w.regs, .is_exact = w.exact, .trust = w.trust, .is_begun = 1};
    return n;
}

size_t tb_unwind_walk(const struct tb_unwind_ops *ops, struct tb_unwind_regs regs, int at_fault,
                      struct tb_unwind_frame *frames, size_t max, int *cut)
{
    struct tb_unwind_place place = tb_unwind_start(regs, at_fault);
    return tb_unwind_walk_on(ops, &place, frames, max, cut);
}
