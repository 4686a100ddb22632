/* stages_read.h - the first stage of stages.h: reads a record by its kind, and unwinds and
 * symbolizes what is native. */
#ifndef TB_AGENT_STAGES_READ_H
#define TB_AGENT_STAGES_READ_H

#include "agent/pipeline/stages.h"

/* work->item, and work->doc where there are edits, become the data object of an item, or the
 * counter of a dropcount is set. Returns as tb_stages_run does. */
int tb_stage_read(const struct tb_stage_tools *tools, struct tb_work *work);
/* Notes why no item can be made of the record; returns -EBADMSG. */
int tb_stage_refuse(struct tb_work *work, const char *why);

#endif
