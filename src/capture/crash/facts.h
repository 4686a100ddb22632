/* facts.h - the parts of a crash record that say why: the C library's last words, the C++
 * exception, libraries that were unloaded, what is mapped at the address of a fault. All but setup
 * is signal-safe, and for the one with the claim.
 *
 * A quiet handler (quiet.h) has neither exception nor mappings. */
#ifndef TB_CAPTURE_FACTS_H
#define TB_CAPTURE_FACTS_H

#include <stddef.h>
#include <stdint.h>

#include "capture/crash/handoff.h"
#include "capture/threads/stack.h"
#include "spool/slot.h"

/* What a record knows; before its frames are written there are none. */
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

/* Looks up what a handler cannot. Once, by init. */
void tb_facts_setup(void);
void tb_facts_abort(const struct tb_facts *facts);
void tb_facts_exception(const struct tb_facts *facts);
void tb_facts_unloaded(const struct tb_facts *facts);
void tb_facts_mappings(const struct tb_facts *facts);

#endif
