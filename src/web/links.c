/* links.c - the links to other tools on the pages of an item and of a trace, and in their twins.
 * See pages.h.
 *
 * The addresses are made from templates of the settings; what a report says is in them
 * percent-encoded (item/link.h), and they are http or https. */
#include <string.h>

#include "base/clock.h"
#include "web/emit.h"
#include "web/pages.h"

enum { AROUND_MS = 15 * 60 * 1000 };

void tb_web_link_ids(struct tb_web_link *link, const char *trace_id, const char *xray_trace_id)
{
    link->values.trace_id = *trace_id != '\0' ? trace_id : xray_trace_id;
    link->values.xray_trace_id =
        tb_xray_id_of(*xray_trace_id != '\0' ? xray_trace_id : trace_id, link->xray);
}

void tb_web_link_times(struct tb_web_link *link, int64_t first_ns, int64_t last_ns)
{
    link->values.start_ms = first_ns / TB_NS_PER_MS - AROUND_MS;
    link->values.end_ms = last_ns / TB_NS_PER_MS + AROUND_MS;
}

void tb_item_link_values(struct tb_item_view *item, struct tb_web_link *out)
{
    memset(out, 0, sizeof(*out));
    tb_web_link_ids(out, item->trace_id, item->xray_trace_id);
    if (item->has_occurrence)
        tb_web_link_times(out, item->occurred_ns, item->occurred_ns);
    out->values.span_id = item->span_id;
    out->values.uuid = item->uuid;
    out->values.service = item->service;
    out->values.environment = item->environment;
    out->values.host = tb_event_at(&item->event, 0, "server.host");
}

/* "Open in X-Ray"; the logs are no tool. */
static const char *before(const char *name)
{
    return strcmp(name, "Logs") == 0 ? "" : "Open in ";
}

void tb_web_put_links(struct tb_view *view, const struct tb_web_link *link, const char *first)
{
    char url[TB_LINK_BYTES];
    const char *name;
    size_t at = 0;
    while ((name = tb_links_next(view->links, &link->values, &at, url)) != NULL) {
        tb_emit(view->out, "%r<a href=\"%a\" rel=\"noopener noreferrer\">%r%h</a>", first, url,
                before(name), name);
        first = " \xc2\xb7 ";
    }
}

void tb_item_put_links(struct tb_item_view *item)
{
    struct tb_web_link link;
    struct tb_buf *out = item->view->out;
    size_t len = out->len;
    tb_item_link_values(item, &link);
    tb_web_put_links(item->view, &link, "<p class=\"facts\">");
    if (out->len > len)
        tb_emit(out, "</p>\n");
}

void tb_item_put_links_text(struct tb_item_view *item, struct tb_buf *out, int is_markdown)
{
    struct tb_web_link link;
    char url[TB_LINK_BYTES];
    const char *name;
    size_t at = 0;
    tb_item_link_values(item, &link);
    while ((name = tb_links_next(item->view->links, &link.values, &at, url)) != NULL) {
        if (is_markdown)
            tb_emit(out, "- **%m:** <%t>\n", name, url);
        else
            tb_emit(out, "  link        %t %t\n", name, url);
    }
}

void tb_item_put_links_json(struct tb_item_view *item, struct tb_json *j)
{
    struct tb_web_link link;
    tb_item_link_values(item, &link);
    tb_links_json(item->view->links, &link.values, j);
}
