/* facts_impl.h - what the files behind facts.h share. */
#ifndef TB_SINK_FACTS_IMPL_H
#define TB_SINK_FACTS_IMPL_H

#include "sink/facts.h"

enum { TB_FACTS_NS = 1000000000 };

/* One block. Each value is decoded once, and no text is longer than its JSON: text of the item's
 * length is enough. */
struct tb_facts_memory {
    struct tb_item item;
    struct tb_sink_exception exceptions[TB_FACTS_EXCEPTIONS];
    const char *doc_text; /* the item's */
    char *at, *end;       /* room for texts that is left */
    size_t n_frames;      /* that were given out */
    size_t frames_cap;
    struct tb_sink_frame frames[];
};

/* NULL: no memory. */
struct tb_facts_memory *tb_facts_memory_new(const struct tb_doc *doc,
                                            const struct tb_sink_item *item);
/* A string decoded, a number as it is written; "" for anything else. */
const char *tb_facts_text(struct tb_facts_memory *memory, const struct tb_doc *doc, int node);
bool tb_facts_is_true(const struct tb_doc *doc, int node);
/* Exceptions, frames, class and message. */
void tb_facts_stack(struct tb_sink_facts *out, struct tb_facts_memory *memory, bool omits_source);

/* Nanoseconds since 1970 of "1795679383.447", "1.795679383447E9" or the like; 0 for what is no
 * such number, or not of this era. Milliseconds, which some write there, are taken for what they
 * are. */
int64_t tb_facts_seconds(const char *text);
/* Of "2023-11-14T22:13:20.123456789Z", or 0. */
int64_t tb_facts_date(const char *text);

#endif
