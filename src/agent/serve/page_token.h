/* page_token.h - the secret that lets people see the pages of an agent that serves a whole host.
 *
 * It is in STATE_DIR/TB_PAGE_TOKEN_FILE, 64 hex digits, mode 0640, made at the first start and kept
 * after that, so that a browser stays logged in. It is never logged. */
#ifndef TB_AGENT_PAGE_TOKEN_H
#define TB_AGENT_PAGE_TOKEN_H

/* Makes the file unless there is a good one, and sets its mode. Only for who holds the state
 * folder's lock. 0 or a negative errno. */
int tb_page_token_make(int state_fd);

#endif
