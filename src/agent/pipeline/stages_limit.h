/* stages_limit.h - the last stage: is the record kept, or only counted (docs/storms.md)? */
#ifndef TB_AGENT_STAGES_LIMIT_H
#define TB_AGENT_STAGES_LIMIT_H

#include "agent/pipeline/stages.h"

/* Sets work->limit. Never fails. */
int tb_stage_limit(const struct tb_stage_tools *tools, struct tb_work *work);
/* The rates that the configuration sets. */
struct tb_limit_rates tb_stage_limit_rates(const struct tb_config *config);

#endif
