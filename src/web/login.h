/* login.h - who may see the pages of a host that several people use.
 *
 * The agent keeps a token in STATE_DIR/TB_PAGE_TOKEN_FILE; whoever can read it gets a link with it
 * from `towbar`, and the link sets a cookie. The token is never logged and never shown on a page.
 */
#ifndef TB_WEB_LOGIN_H
#define TB_WEB_LOGIN_H

#include <stdbool.h>

#include "http/page.h"

enum { TB_LOGIN_TOKEN_TEXT = 65 }; /* 64 hex digits and NUL */

/* Reads the token. 0, -EINVAL when the file holds none, or why it cannot be read. */
int tb_login_token(const char *state_dir, char out[TB_LOGIN_TOKEN_TEXT]);
/* Is it the token? Takes as long for a wrong one as for the right one. */
bool tb_login_is(const char token[TB_LOGIN_TOKEN_TEXT], const char *offered);
/* Does the request carry the token's cookie? */
bool tb_login_has_cookie(const struct tb_page_request *request,
                         const char token[TB_LOGIN_TOKEN_TEXT]);
/* The Set-Cookie header's value. */
void tb_login_cookie(const char token[TB_LOGIN_TOKEN_TEXT], char out[TB_PAGE_COOKIE]);

#endif
