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
#include "item/links.h"

struct tb_web;

struct tb_web_options {
    const char *state_dir;        /* copied, like all here */
    const char *socket;           /* shown on the empty list */
    int needs_token;              /* the token is in STATE_DIR/TB_PAGE_TOKEN_FILE */
    const struct tb_links *links; /* to other tools; NULL for none */
};

/* What of the agent's settings the pages use; strings are copied, NULL is "". */
struct tb_web_group {
    const char *name, *filter;
};
struct tb_web_settings {
    const struct tb_web_group *groups; /* for searches */
    size_t n_groups;
    const char *xray_name, *xray_name_pattern, *xray_origin; /* how X-Ray names services */
};

/* 0 or -ENOMEM. */
int tb_web_new(const struct tb_web_options *options, struct tb_web **out);
/* NULL is nothing. */
void tb_web_free(struct tb_web *web);
/* Other links from the next page on; copied. Any thread. 0 or -ENOMEM. */
int tb_web_set_links(struct tb_web *web, const struct tb_links *links);
/* These count from the next page on; until the first call there are no groups. Any thread. 0 or
 * -ENOMEM, and the former count. */
int tb_web_set_search(struct tb_web *web, const struct tb_web_settings *settings);
/* For the agent; good until tb_web_free. */
const struct tb_pages *tb_web_pages(const struct tb_web *web);

#endif
