/* facts.h - the parts of a crash record that say why: the C++ exception, libraries that were
 * unloaded, what is mapped at the address of a fault. Signal-safe; for the one with the claim.
 *
 * None of them is in a quiet handler (quiet.h) but the second, which makes no call. */
#ifndef TB_CAPTURE_FACTS_H
#define TB_CAPTURE_FACTS_H

#include <stddef.h>
#include <stdint.h>

#include "capture/crash/handoff.h"
#include "capture/threads/stack.h"
#include "spool/slot.h"

/* What a record knows when its frames are written. */
struct tb_facts {
    struct tb_slot *slot;
    const struct tb_signal *signal;
    uint32_t pid;
    struct tb_stack *walker; /* as the walk left it */
    const struct tb_unwind_frame *frames;
    size_t n_frames;
    int is_cut;        /* there are more frames */
    uint64_t until_ns; /* monotonic */
};

void tb_facts_exception(const struct tb_facts *facts);
void tb_facts_unloaded(const struct tb_facts *facts);
void tb_facts_mappings(const struct tb_facts *facts);

#endif
