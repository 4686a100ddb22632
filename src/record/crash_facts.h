/* crash_facts.h - readers of the chunks that say why: exception, unloaded libraries, mappings.
 * For crash.c alone. chunk->len is what is there, perhaps less than was meant. */
#ifndef TB_RECORD_CRASH_FACTS_H
#define TB_RECORD_CRASH_FACTS_H

#include "record/chunk.h"
#include "record/crash.h"

void tb_crash_read_exception(const struct tb_chunk *chunk, struct tb_crash *out);
void tb_crash_read_unloaded(const struct tb_chunk *chunk, struct tb_crash *out);
void tb_crash_read_mapping(const struct tb_chunk *chunk, struct tb_crash *out);

#endif
