/* view.h - what one page is made from, and the frame around every page.
 *
 * A page function writes its answer with tb_view_begin, tb_emit into view->out, tb_view_end; or
 * calls one of the whole answers below. It returns nothing: what failed is in the answer. */
#ifndef TB_WEB_VIEW_H
#define TB_WEB_VIEW_H

#include "http/page.h"
#include "item/links.h"
#include "store/store.h"
#include "web/search.h"

enum { TB_VIEW_HOST = 65 };

struct tb_view {
    const struct tb_page_request *request;
    struct tb_page_reply *reply;
    struct tb_buf *out; /* the reply's body */
    struct tb_store *store;
    const char *socket;
    const struct tb_links *links; /* to other tools */
    const struct tb_search_settings *search;
    char host[TB_VIEW_HOST];
    int64_t now_ms;
};

enum tb_nav { TB_NAV_NONE, TB_NAV_ITEMS, TB_NAV_TRACES };

/* Status 200 and all up to the content; title is that of the window. */
void tb_view_begin(struct tb_view *view, enum tb_nav nav, const char *title);
void tb_view_end(struct tb_view *view);
/* Whole answers. title and text are shown on a page of the same look; text alone, as text or as
 * {"err":1,"message":...}, where a twin of an item (.txt, .md, .json) was asked for. */
void tb_view_problem(struct tb_view *view, int status, const char *title, const char *text);
/* The database failed while the page was made: what was written is thrown away. */
void tb_view_broken(struct tb_view *view, int err);
void tb_view_redirect(struct tb_view *view, int status, const char *location);
/* The last steps of a page: its end, or what went wrong instead. */
void tb_view_finish(struct tb_view *view, int err);

#endif
