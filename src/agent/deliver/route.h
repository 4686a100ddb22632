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

/* What to store for an item that came with that token ("" for none), service and environment, and
 * that is in no group. */
void tb_route_choose(const struct tb_config *config, const char *own, const char *service,
                     const char *environment, char out[TB_CONFIG_TOKEN_MAX + 1]);
/* The same, where the item was never stored: a project with a group fits too, when in_group says
 * that the item is in it. */
void tb_route_choose_in(const struct tb_config *config, const char *own, const char *service,
                        const char *environment, bool (*in_group)(void *arg, const char *group),
                        void *arg, char out[TB_CONFIG_TOKEN_MAX + 1]);
/* Chooses anew for what was stored. Which groups the item is in is not asked again: it stays with a
 * project that has one, and comes to none. */
void tb_route_again(const struct tb_config *config, const char *stored, const char *service,
                    const char *environment, char out[TB_CONFIG_TOKEN_MAX + 1]);
/* The token to send with for what was stored; "" when there is none (any more). Borrowed from
 * config or stored. */
const char *tb_route_token(const struct tb_config *config, const char *stored);
/* For people, without the secret: "own", "project feedd*", "...89ab". */
void tb_route_name(const struct tb_config *config, const char *stored, char *out, size_t cap);

#endif
