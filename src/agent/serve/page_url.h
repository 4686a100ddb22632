/* page_url.h - where people find the pages, and whether these ask for a login. Pure but for the
 * host's name. */
#ifndef TB_AGENT_PAGE_URL_H
#define TB_AGENT_PAGE_URL_H

#include <stdbool.h>

#include "agent/config/config.h"

enum { TB_PAGE_URL = 512 };

/* address is what was bound, "127.0.0.1:7070"; "" makes "". One that stands for all addresses
 * becomes the host's name: browsers cannot go there, and no certificate names it. */
void tb_page_url(const struct tb_config *config, const char *address, char out[TB_PAGE_URL]);
/* An agent that serves a whole host, or other hosts, shows its pages to whom it knows alone. */
bool tb_page_asks_login(const struct tb_config *config);

#endif
