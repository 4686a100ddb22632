/* ask_more.h - asks the symbolizer, at the cost of a user; and again, with debug files that were
 * fetched for its answer. */
#ifndef TB_AGENT_ASK_MORE_H
#define TB_AGENT_ASK_MORE_H

#include "agent/pipeline/stages.h"

/* tb_symbolizer_ask for a record of uid, who pays for the time. */
int tb_stage_ask(const struct tb_stage_tools *tools, const struct tb_symbolizer_question *question,
                 uid_t uid, struct tb_buf *answer);
/* Makes answer a better one, where debuginfod servers have what it lacks; else it stays. question
 * is the one that it answers, for a record of uid; nothing where his time is used up. */
void tb_stage_ask_more(const struct tb_stage_tools *tools,
                       const struct tb_symbolizer_question *question, uid_t uid,
                       struct tb_buf *answer);

#endif
