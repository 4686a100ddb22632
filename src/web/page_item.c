/* page_item.c - everything about one bug: what, since when, where, before it, and the rest. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "web/chart.h"
#include "web/deploys.h"
#include "web/emit.h"
#include "web/pages.h"
#include "web/query.h"
#include "web/words.h"

enum { NEAR_NULL = 4096, REGISTERS_MAX = 32, TITLE_TEXT = 200, DAY_MS = 24 * 3600 * 1000 };

static const char DOT[] = " \xc2\xb7 ";

/* ---- what ---- */

/* "SEGV_MAPERR at 0x18 · queue_push · pid 4242 tid 4251 “worker-2”": what is known of it. */
static void put_facts(struct tb_item_view *item)
{
    struct tb_buf *out = item->view->out;
    struct tb_event *event = &item->event;
    const struct tb_frame *blamed = tb_item_view_blamed(item);
    const char *address = tb_event_at(event, 0, "custom.native.address");
    const char *tid = tb_event_at(event, 0, "custom.native.thread.tid");
    const char *thread = tb_event_at(event, 0, "custom.native.thread.name");
    const char *what = tb_event_at(event, 0, "custom.native.code");
    const char *pid = tb_event_at(event, 0, "server.pid");
    if (*what == '\0')
        what = item->n_stacks > 0 ? item->stacks[0].class_ : tb_event_at(event, 0, "context");
    tb_emit(out, "<p class=\"mono mute facts\">%.200h%r%.40h", what, *address != '\0' ? " at " : "",
            address);
    if (blamed != NULL)
        tb_emit(out, "%r%.200h", *what != '\0' ? DOT : "", blamed->method);
    if (*pid != '\0')
        tb_emit(out, "%rpid %.20h", DOT, pid);
    if (*tid != '\0')
        tb_emit(out, " tid %.20h", tid);
    if (*thread != '\0')
        tb_emit(out, " \xe2\x80\x9c%.40h\xe2\x80\x9d", thread);
    tb_emit(out, "</p>\n");
}

/* Which registers were zero when an address near zero was touched. */
static void put_zero_registers(struct tb_item_view *item)
{
    struct tb_event *event = &item->event;
    struct tb_buf *out = item->view->out;
    int list = tb_event_node(event, 0, "custom.native.registers");
    int n = 0;
    for (int r = tb_event_first(event, list); r >= 0 && n < REGISTERS_MAX;
         r = tb_event_next(event, r))
        if (strcmp(tb_event_value(event, r), "0x0") == 0)
            tb_emit(out, "%r<code>%.10h</code>", n++ == 0 ? " Registers that are 0: " : ", ",
                    tb_event_key(event, r));
    tb_emit(out, "%r", n > 0 ? "." : "");
}

/* What it stands for: docs/storms.md. A service's message says it itself. */
static void put_repeated(struct tb_item_view *item)
{
    struct tb_event *event = &item->event;
    const char *note = tb_event_at(event, 0, "custom.towbar.note");
    if (tb_event_int(event, 0, "custom.towbar.repeated") < 1 || *note == '\0' ||
        tb_event_node(event, 0, "custom.towbar.kinds") >= 0)
        return;
    tb_emit(item->view->out, "<p class=\"mute facts\">+%.400h</p>\n", note);
}

static void put_insight(struct tb_item_view *item)
{
    struct tb_event *event = &item->event;
    struct tb_buf *out = item->view->out;
    const char *meaning = tb_item_view_meaning(item);
    const char *abort_text = tb_event_at(event, 0, "custom.native.abort_message");
    const char *address = tb_event_at(event, 0, "custom.native.address");
    char *end = NULL;
    unsigned long long at = *address != '\0' ? strtoull(address, &end, 16) : NEAR_NULL;
    if (*meaning == '\0' && *abort_text == '\0')
        return;
    tb_emit(out, "<div class=\"insight\">");
    if (*meaning != '\0' && tb_item_view_is_crash(item))
        tb_emit(out, "<b class=\"lead\">%.2000h.</b>", meaning);
    else if (*meaning != '\0')
        tb_emit(out, "<span class=\"said\">%.8000h</span>", meaning);
    if (at < NEAR_NULL && strcmp(tb_event_at(event, 0, "custom.native.signal"), "SIGSEGV") == 0)
        put_zero_registers(item);
    if (*abort_text != '\0')
        tb_emit(out, " <span class=\"said mono\">%.4000h</span>", abort_text);
    tb_item_put_evidence(item);
    tb_emit(out, "</div>\n");
}

/* The twins by link, and by button where there is a script. */
static void put_actions(struct tb_item_view *item)
{
    struct tb_buf *out = item->view->out;
    const char *query = *item->uuid != '\0' ? "?occurrence=" : "";
    tb_emit(out, "<div class=\"actions\">");
    tb_emit(out,
            "<button type=\"button\" hidden data-copy=\"/items/%l.txt%a%u\">Copy plain text"
            "</button><button type=\"button\" hidden data-copy=\"/items/%l.md%a%u\">Copy "
            "Markdown</button>",
            item->number, query, item->uuid, item->number, query, item->uuid);
    static const char *const TWINS[][2] = {{"txt", "Text"}, {"md", "Markdown"}, {"json", "JSON"}};
    for (size_t i = 0; i < sizeof(TWINS) / sizeof(TWINS[0]); i++)
        tb_emit(out, "<a class=\"button\" href=\"/items/%l.%a%a%u\">%h</a>", item->number,
                TWINS[i][0], query, item->uuid, TWINS[i][1]);
    tb_emit(out, "<span role=\"status\" class=\"mute\" data-said></span></div>\n");
}

void tb_item_put_head(struct tb_item_view *item)
{
    struct tb_buf *out = item->view->out;
    tb_emit(out, "<p class=\"mute crumbs\"><a href=\"/\">Items</a> / ");
    if (*item->service != '\0')
        tb_emit(out, "<a href=\"/?q=service:%u\">%.60h</a> / ", item->service, item->service);
    tb_emit(out, "#%l</p>\n<h1>", item->number);
    tb_put_level(out, item->level);
    tb_emit(out, " %h</h1>\n", item->title);
    put_facts(item);
    put_repeated(item);
    put_insight(item);
    tb_item_put_links(item);
    put_actions(item);
}

/* ---- since when ---- */

static int put_chart(struct tb_item_view *item)
{
    int64_t hours[1][TB_STORE_HOURS];
    struct tb_deploy_marks deploys = {.n = 0};
    int64_t now_ms = item->view->now_ms;
    int err = tb_store_hours(item->view->store, &item->number, 1, now_ms, hours);
    if (err == 0)
        err = tb_deploys_marks(item->view, item->environment, now_ms - DAY_MS, &deploys);
    if (err < 0)
        return err;
    tb_emit(item->view->out, "<div class=\"panel\"><div class=\"bd\">");
    tb_chart_bars(item->view->out, hours[0], now_ms, deploys.marks, deploys.n);
    tb_emit(item->view->out, "</div></div>\n");
    return 0;
}

static int put_page(struct tb_item_view *item)
{
    struct tb_buf *out = item->view->out;
    char title[TITLE_TEXT + 1];
    snprintf(title, sizeof(title), "%s", item->title);
    tb_view_begin(item->view, TB_NAV_ITEMS, title);
    tb_item_put_head(item);
    int err = put_chart(item);
    if (err < 0)
        return err;
    tb_emit(out, "<div class=\"grid\"><div>\n");
    if (item->event.doc == NULL)
        tb_emit(out,
                "<div class=\"panel\"><p class=\"bd\">The body of this occurrence cannot be "
                "shown: %h</p></div>\n",
                item->event.why);
    tb_item_put_stacks(item);
    tb_item_put_threads(item);
    tb_item_put_more(item);
    tb_emit(out, "</div>\n");
    err = tb_item_put_side(item);
    tb_emit(out, "</div>\n");
    return err < 0 ? err : item->event.err;
}

/* ---- the answers ---- */

static void put_twin(struct tb_item_view *item, enum tb_twin twin)
{
    struct tb_view *view = item->view;
    int err = 0;
    view->reply->status = 200;
    view->reply->type = twin == TB_TWIN_JSON       ? "application/json"
                        : twin == TB_TWIN_MARKDOWN ? "text/markdown; charset=utf-8"
                                                   : "text/plain; charset=utf-8";
    if (twin == TB_TWIN_JSON)
        err = tb_item_put_json(item, view->out);
    else if (twin == TB_TWIN_MARKDOWN)
        tb_item_put_markdown(item, view->out);
    else
        tb_item_put_text(item, view->out);
    if (err == 0)
        err = item->event.err;
    if (err < 0)
        tb_view_broken(view, err);
}

void tb_page_item(struct tb_view *view, int64_t number, enum tb_twin twin)
{
    char uuid[TB_QUERY_TEXT];
    struct tb_item_view *item = calloc(1, sizeof(*item));
    if (item == NULL) {
        tb_view_broken(view, -ENOMEM);
        return;
    }
    item->view = view;
    (void)tb_query_get(view->request->query, "occurrence", uuid, sizeof(uuid));
    int err = number > 0 ? tb_item_view_load(item, number, uuid) : -ENOENT;
    if (err == -ENOENT)
        tb_view_problem(view, 404, "No such item",
                        "There is no such item, or it has no such occurrence.");
    else if (err < 0)
        tb_view_broken(view, err);
    else if (twin != TB_TWIN_HTML)
        put_twin(item, twin);
    else
        tb_view_finish(view, put_page(item));
    tb_item_view_done(item);
    free(item);
}
