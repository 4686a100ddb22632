/* agent.h - what a running agent says about itself. */
#ifndef TB_CLI_AGENT_H
#define TB_CLI_AGENT_H

#include <cjson/cJSON.h>

#include "agent/config/config.h"
#include "cli/client.h"

struct tb_agent_answer {
    int is_up;               /* it answered /status */
    const char *listen;      /* "127.0.0.1:7070"; "" when it does not say or listens nowhere */
    const char *version;     /* "" when it does not say */
    cJSON *json;             /* owned: all of /status */
    char why[TB_CLIENT_WHY]; /* when it is not up */
};

/* Asks over the socket of the settings. Never fails: a silent agent
 * is one that is not up. */
void tb_agent_ask(const struct tb_config *config, struct tb_agent_answer *out);
/* The same over loopback TCP, "127.0.0.1:7070". */
void tb_agent_ask_at(const char *address, struct tb_agent_answer *out);
void tb_agent_answer_done(struct tb_agent_answer *answer);

#endif
