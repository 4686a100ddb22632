/* page_list.c - the list of items: one row for each bug, the latest first. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "web/chart.h"
#include "web/deploys.h"
#include "web/emit.h"
#include "web/list_filter.h"
#include "web/pages.h"
#include "web/query.h"
#include "web/words.h"

enum { PER_PAGE = 50, LAST_PAGE = 1000, DAY_MS = 24 * 3600 * 1000, DATA_MAX_BYTES = 512 << 10 };

struct row {
    int64_t number, first_ms, last_ms, total;
    const char *title, *level, *environment, *service, *framework, *version;
    const char *method, *place; /* of the blamed frame */
    const char *trace_id;       /* of the last occurrence, either kind; "" */
    int errors;                 /* in that trace */
};

/* What was asked for, and what was found. */
struct list {
    struct tb_view *view;
    char q[TB_FILTER_MAX_BYTES + 1];
    char words[TB_QUERY_TEXT]; /* q, cut into pieces */
    struct tb_list_filter by;  /* when q is a filter expression */
    int err;                   /* of it */
    const char *sort, *show;
    int64_t page; /* from 1 */
    struct tb_store_filter filter;
    struct tb_store_pulse pulse;
    struct tb_event texts;
    struct row rows[PER_PAGE];
    int64_t hours[PER_PAGE][TB_STORE_HOURS];
    size_t n;
    int has_more;
};

static const struct {
    const char *name, *text;
    enum tb_store_sort sort;
} SORTS[] = {{"last", "Last seen", TB_SORT_LAST},
             {"most", "Most occurrences", TB_SORT_MOST},
             {"first", "First seen", TB_SORT_FIRST}};
enum { N_SORTS = sizeof(SORTS) / sizeof(SORTS[0]) };

void tb_put_level(struct tb_buf *out, const char *level)
{
    tb_emit(out, "<span class=\"lv %a\">%.20h</span>", tb_words_level(level), level);
}

void tb_put_service(struct tb_buf *out, const char *service, const char *framework)
{
    if (*service != '\0' && *framework != '\0')
        tb_emit(out, "%.60h (%.40h)", service, framework);
    else if (*service != '\0' || *framework != '\0')
        tb_emit(out, "%.60h", *service != '\0' ? service : framework);
    else
        tb_emit(out, "\xe2\x80\x94");
}

/* ---- what is asked for ---- */

/* An expression is asked of each item in turn; words are the database's matter. */
static int read_search(struct list *list)
{
    (void)tb_query_get(list->view->request->query, "q", list->q, sizeof(list->q));
    int err = tb_list_filter_init(&list->by, list->q, list->view->search);
    if (list->by.text != NULL) {
        list->filter.max = TB_STORE_RECENT;
        list->filter.skip = 0;
        return err;
    }
    if (strlen(list->q) >= TB_QUERY_TEXT)
        list->q[0] = '\0';
    memcpy(list->words, list->q, sizeof(list->words));
    tb_query_words(list->words + (tb_list_filter_words(list->q) - list->q), &list->filter);
    return err;
}

static int read_query(struct list *list)
{
    const char *query = list->view->request->query;
    char text[TB_QUERY_TEXT];
    (void)tb_query_get(query, "sort", text, sizeof(text));
    list->sort = SORTS[0].name;
    for (size_t i = 0; i < N_SORTS; i++)
        if (strcmp(text, SORTS[i].name) == 0) {
            list->sort = SORTS[i].name;
            list->filter.sort = SORTS[i].sort;
        }
    (void)tb_query_get(query, "show", text, sizeof(text));
    list->show = strcmp(text, "new") == 0 ? "new" : "";
    if (*list->show != '\0')
        list->filter.first_since_ms = list->view->now_ms - DAY_MS;
    list->page = tb_query_number(query, "page", LAST_PAGE, 1);
    list->filter.max = PER_PAGE + 1;
    list->filter.skip = (size_t)(list->page - 1) * PER_PAGE;
    return read_search(list);
}

/* ---- what is found ---- */

static const char *keep(struct list *list, const char *text)
{
    return tb_event_keep(&list->texts, text, strlen(text));
}

/* Where the blame is, from the body of the last occurrence. */
static int read_body(struct list *list, const struct tb_store_entry *entry, struct row *row)
{
    struct tb_event event;
    struct tb_frame frame;
    row->method = row->place = row->version = "";
    if (entry->data_len > DATA_MAX_BYTES)
        return 0;
    int err = tb_event_init(&event, entry->data, entry->data_len);
    if (err < 0)
        return err;
    const char *context = tb_event_at(&event, 0, "context");
    const char *version = tb_event_at(&event, 0, "code_version");
    if (*version == '\0')
        version = tb_event_at(&event, 0, "server.code_version");
    row->version = keep(list, version);
    err = tb_stack_blamed(&event, &frame);
    if (err == 0) {
        row->method = keep(list, frame.method);
        row->place = keep(list, tb_frame_place(&event, &frame));
    } else if (err == -ENOENT) {
        row->method = keep(list, context);
        err = 0;
    }
    tb_event_done(&event);
    return err;
}

static int take_entry(void *arg, const struct tb_store_entry *entry)
{
    struct list *list = arg;
    if (list->by.text != NULL) {
        size_t n_skip = (size_t)(list->page - 1) * PER_PAGE;
        list->err = tb_list_filter_takes(&list->by, list->view->store, entry, n_skip);
        if (list->err <= 0)
            return list->err < 0 || tb_search_is_full(list->by.search);
    }
    if (list->n == PER_PAGE) {
        list->has_more = 1;
        return 1;
    }
    struct row *row = &list->rows[list->n++];
    row->number = entry->number;
    row->first_ms = entry->first_ms;
    row->last_ms = entry->last_ms;
    row->total = entry->total;
    row->title = keep(list, entry->title);
    row->level = keep(list, entry->level);
    row->environment = keep(list, entry->environment);
    row->service = keep(list, entry->service);
    row->framework = keep(list, entry->framework);
    row->trace_id = keep(list, *entry->trace_id != '\0' ? entry->trace_id : entry->xray_trace_id);
    return read_body(list, entry, row) < 0;
}

static int list_entries(struct list *list)
{
    if (list->by.text != NULL && list->by.search == NULL)
        return 0; /* it does not parse */
    int err = tb_store_list(list->view->store, &list->filter, take_entry, list);
    return err < 0 || list->err > 0 ? err : list->err;
}

static int collect(struct list *list)
{
    struct tb_view *view = list->view;
    int64_t numbers[PER_PAGE];
    int err = tb_store_pulse(view->store, view->now_ms - DAY_MS, view->now_ms, &list->pulse);
    if (err == 0)
        err = list_entries(list);
    for (size_t i = 0; i < list->n && err >= 0; i++) {
        struct row *row = &list->rows[i];
        numbers[i] = row->number;
        err = *row->trace_id != '\0' ? tb_store_trace_errors(view->store, row->trace_id) : 0;
        row->errors = err;
    }
    if (err >= 0)
        err = tb_store_hours(view->store, numbers, list->n, view->now_ms, list->hours);
    return err < 0 ? err : list->texts.err;
}

/* ---- the page ---- */

static void put_tab(struct list *list, const char *name, const char *show, int64_t n)
{
    tb_emit(list->view->out, "<a href=\"/?show=%u&amp;sort=%u&amp;q=%u\"%r>%h %n</a>", show,
            list->sort, list->q, strcmp(show, list->show) == 0 ? " aria-current=\"page\"" : "",
            name, n);
}

static void put_search(struct list *list)
{
    struct tb_buf *out = list->view->out;
    tb_emit(out, "<h1>Items</h1>\n<nav class=\"tabs\" aria-label=\"Status\">");
    put_tab(list, "Active", "", list->pulse.items);
    put_tab(list, "New today", "new", list->pulse.new_items);
    tb_emit(out,
            "</nav>\n<form class=\"bar\" role=\"search\" action=\"/\" method=\"get\">"
            "<input type=\"search\" name=\"q\" aria-label=\"Search items\" value=\"%a\" "
            "placeholder=\"words, env: service: level: filter:\">"
            "<select name=\"sort\" aria-label=\"Sort\">",
            list->q);
    for (size_t i = 0; i < N_SORTS; i++)
        tb_emit(out, "<option value=\"%a\"%r>%h</option>", SORTS[i].name,
                strcmp(SORTS[i].name, list->sort) == 0 ? " selected" : "", SORTS[i].text);
    tb_emit(out, "</select>");
    if (*list->show != '\0')
        tb_emit(out, "<input type=\"hidden\" name=\"show\" value=\"%a\">", list->show);
    tb_emit(out, "<button>Search</button></form>\n");
    tb_list_filter_put(&list->by, out);
}

static void put_place(struct tb_buf *out, const struct row *row)
{
    tb_emit(out, "<span class=\"mute mono\">%.120h%r%.200h</span>", row->method,
            *row->method != '\0' && *row->place != '\0' ? " \xc2\xb7 " : "", row->place);
    if (row->errors > 1)
        tb_emit(out, "%r<a class=\"u\" href=\"/trace/%u\">%d%r errors in trace</a>",
                *row->method != '\0' ? " \xc2\xb7 " : "", row->trace_id, row->errors,
                row->errors == TB_STORE_ERRORS ? " and more" : "");
}

static void put_row(struct list *list, size_t i)
{
    struct tb_view *view = list->view;
    const struct row *row = &list->rows[i];
    tb_emit(view->out, "<tr data-row><td>");
    tb_put_level(view->out, row->level);
    tb_emit(view->out, "</td><td class=\"what\"><a class=\"t\" href=\"/items/%l\">%h</a>%r<br>",
            row->number, row->title,
            row->first_ms >= view->now_ms - DAY_MS ? " <span class=\"chip new\">new</span>" : "");
    put_place(view->out, row);
    tb_emit(view->out, "</td><td class=\"hide\">");
    tb_put_service(view->out, row->service, row->framework);
    tb_emit(view->out,
            "<br><span class=\"mute\">%.60h%r<span class=\"mono\">%.12h</span></span></td>",
            row->environment, *row->version != '\0' ? " \xc2\xb7 " : "", row->version);
    tb_emit(view->out, "<td class=\"hide\">");
    tb_chart_spark(view->out, list->hours[i]);
    tb_emit(view->out, "</td><td class=\"n\">%n</td><td class=\"n mute\">", row->total);
    tb_words_time(view->out, view->now_ms, row->last_ms, "");
    tb_emit(view->out, "</td></tr>\n");
}

static void put_pager(struct list *list)
{
    static const char LINK[] =
        "<a class=\"button\" href=\"/?show=%u&amp;sort=%u&amp;q=%u&amp;page=%l\">%h</a>";
    struct tb_buf *out = list->view->out;
    if (list->page == 1 && !list->has_more)
        return;
    tb_emit(out, "<nav class=\"pager\" aria-label=\"Pages\">");
    if (list->page > 1)
        tb_emit(out, LINK, list->show, list->sort, list->q, list->page - 1, "Previous page");
    if (list->has_more && list->page < LAST_PAGE)
        tb_emit(out, LINK, list->show, list->sort, list->q, list->page + 1, "Next page");
    tb_emit(out, "</nav>\n");
}

static void put_table(struct list *list)
{
    struct tb_buf *out = list->view->out;
    tb_emit(out,
            "<div class=\"panel\"><table class=\"list\"><thead><tr><th scope=\"col\">Level</th>"
            "<th scope=\"col\">Item</th><th scope=\"col\" class=\"hide\">Service</th>"
            "<th scope=\"col\" class=\"hide\">24 h</th><th scope=\"col\" class=\"n\">Count</th>"
            "<th scope=\"col\" class=\"n\">Last</th></tr></thead><tbody>\n");
    for (size_t i = 0; i < list->n; i++)
        put_row(list, i);
    tb_emit(out, "</tbody></table></div>\n");
    put_pager(list);
    tb_emit(out,
            "<p class=\"mute keys\" hidden>j/k move \xc2\xb7 enter open \xc2\xb7 / search</p>\n");
}

/* The empty list teaches. */
static void put_empty(struct list *list, const char *address)
{
    struct tb_buf *out = list->view->out;
    tb_emit(
        out,
        "<h1>No items yet</h1>\n<p>Everything is ready; nothing has gone wrong so far. Four "
        "ways to see something here:</p>\n"
        "<div class=\"panel\" data-wait><div class=\"hd\"><h2>By hand</h2></div>"
        "<pre class=\"bd\" tabindex=\"0\">curl --unix-socket %h http://localhost/api/1/item/ \\\n"
        "  -d '{\"data\":{\"environment\":\"test\",\"level\":\"error\",\"body\":"
        "{\"message\":{\"body\":\"hello towbar\"}}}}'</pre></div>\n",
        list->view->socket);
    tb_emit(out,
            "<div class=\"panel\"><div class=\"hd\"><h2>A daemon in C</h2></div>"
            "<pre class=\"bd\" tabindex=\"0\">#include &lt;towbar/towbar.h&gt;\n"
            "towbar_init(NULL);                      /* crashes are reported from here on */\n"
            "towbar_error(\"cannot read %%s\", name);   /* and what you notice yourself */</pre>"
            "</div>\n");
    tb_emit(out,
            "<div class=\"panel\"><div class=\"hd\"><h2>A Flask app, with pyrollbar</h2></div>"
            "<pre class=\"bd\" tabindex=\"0\">rollbar.init(\"any\", \"production\", endpoint="
            "\"http://%h/api/1/\")\n"
            "flask.got_request_exception.connect(rollbar.contrib.flask.report_exception, app)"
            "</pre></div>\n",
            *address != '\0' ? address : "127.0.0.1:7070");
    tb_emit(out, "<div class=\"panel\"><div class=\"hd\"><h2>A sample that crashes</h2></div>"
                 "<pre class=\"bd\" tabindex=\"0\">towbar demo</pre></div>\n");
}

/* Who types the name of a group, or "fault", most likely means it. */
static void put_nothing(struct list *list)
{
    struct tb_buf *out = list->view->out;
    tb_emit(out, "<div class=\"panel\"><p class=\"bd\">No item matches. <a href=\"/\">Show "
                 "all</a>");
    if (list->by.text == NULL && tb_list_filter_could_be(list->q, list->view->search))
        tb_emit(out,
                ", or <a href=\"/?q=filter%%3A%u&amp;sort=%u\">read it as a filter "
                "expression</a>",
                list->q, list->sort);
    tb_emit(out, "</p></div>\n");
}

static int put_page(struct list *list, const char *address)
{
    tb_view_begin(list->view, TB_NAV_ITEMS, "Items");
    if (list->pulse.items == 0) {
        put_empty(list, address);
        return 0;
    }
    put_search(list);
    int err = tb_deploys_put_last(list->view);
    if (list->n > 0)
        put_table(list);
    else if (list->by.text == NULL || list->by.search != NULL)
        put_nothing(list);
    return err;
}

void tb_page_list(struct tb_view *view, const char *address)
{
    struct list *list = calloc(1, sizeof(*list));
    if (list == NULL) {
        tb_view_broken(view, -ENOMEM);
        return;
    }
    list->view = view;
    int err = read_query(list);
    if (err == 0)
        err = collect(list);
    if (err == 0)
        err = put_page(list, address);
    tb_view_finish(view, err);
    tb_list_filter_done(&list->by);
    tb_event_done(&list->texts);
    free(list);
}
