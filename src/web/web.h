/* web.h - the pages on the agent's port: list, item, trace, and their twins in text and JSON.
 *
 * 1. Pages only read: the database is opened for reading, at the first page and again when the
 *    file was replaced. Without a usable one the page says so, with status 503.
 * 2. Everything that came from a report goes through emit.h. There is no inline script or style.
 * 3. With needs_token nothing but the stylesheet, the script and the icon is shown to who has not
 *    come through the login link. docs/page.md describes the pages and who may see them. */
#ifndef TB_WEB_WEB_H
#define TB_WEB_WEB_H

#include "http/page.h"

struct tb_web;

struct tb_web_options {
    const char *state_dir; /* copied, like all here */
    const char *socket;    /* shown on the empty list */
    int needs_token;       /* the token is in STATE_DIR/TB_PAGE_TOKEN_FILE */
};

/* 0 or -ENOMEM. */
int tb_web_new(const struct tb_web_options *options, struct tb_web **out);
/* NULL is nothing. */
void tb_web_free(struct tb_web *web);
/* For the agent; good until tb_web_free. */
const struct tb_pages *tb_web_pages(const struct tb_web *web);

#endif
