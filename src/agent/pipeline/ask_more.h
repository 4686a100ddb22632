/* ask_more.h - asks the symbolizer again with debug files that were fetched for its answer. */
#ifndef TB_AGENT_ASK_MORE_H
#define TB_AGENT_ASK_MORE_H

#include "agent/pipeline/stages.h"

/* Makes answer a better one, where debuginfod servers have what it lacks; else it stays. question
 * is the one that it answers, for a record of uid. */
void tb_stage_ask_more(const struct tb_stage_tools *tools,
                       const struct tb_symbolizer_question *question, uid_t uid,
                       struct tb_buf *answer);

#endif
