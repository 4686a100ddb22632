/* route.h - which project an item goes to: the rule of docs/delivery.md 2.
 *
 * 1. What is stored with a waiting item is "" (the agent's own token), the name of a project of the
 *    settings, or the item's own token. Secrets of the settings are never stored.
 * 2. A name begins with a space, which no access token does; an item that says such a token is
 * given one that is refused.
 * 3. The same settings and item give the same choice, also when it is made again. */
#ifndef TB_AGENT_ROUTE_H
#define TB_AGENT_ROUTE_H

#include "agent/config/config.h"

/* What to store for an item that came with that token ("" for none), service and environment. */
void tb_route_choose(const struct tb_config *config, const char *own, const char *service,
                     const char *environment, char out[TB_CONFIG_TOKEN_MAX + 1]);
/* The token to send with for what was stored; "" when there is none (any more). Borrowed from
 * config or stored. */
const char *tb_route_token(const struct tb_config *config, const char *stored);
/* For people, without the secret: "own", "project feedd*", "...89ab". */
void tb_route_name(const struct tb_config *config, const char *stored, char *out, size_t cap);

#endif
