/* status_more.h - what a running agent tells of itself beside its counts: watched files, tokens of
 * several projects, reloads. What an agent does not tell is left out. */
#ifndef TB_CLI_STATUS_MORE_H
#define TB_CLI_STATUS_MORE_H

#include <cjson/cJSON.h>
#include <stdint.h>

#include "base/json.h"
#include "store/store.h"

/* The counts as the agent has them, for who may not read its database. */
void tb_agent_counts(const cJSON *agent, struct tb_store_counts *out);
/* The members files, tokens and reload, as they came. agent may be NULL. */
void tb_status_more_put(const cJSON *agent, struct tb_json *j);
/* The same, a line for each that has something to say. */
void tb_status_more_print(const cJSON *agent, int64_t now_ms);

#endif
