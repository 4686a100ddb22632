/* page_trace.c - every event of one trace, whichever program and language it came from.
 *
 * What it says of order is what can be known: times of several hosts are not compared; a sender
 * that tells whole seconds is placed where the agent received it, if that was soon, and the page
 * says so. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "trace/trace.h"
#include "web/emit.h"
#include "web/pages.h"
#include "web/words.h"

enum { REQUEST_MAX_S = 3600, EVENTS_MAX = 200, LANES_MAX = 20, IDS_MAX = 4 };

struct moment {
    const char *uuid, *service, *framework, *level, *title, *span_id, *host, *environment;
    const char *method, *url; /* of the request */
    int64_t item;
    int64_t occurred_ns;
    int64_t began_ns; /* the request that it happened in; without one at time */
    struct tb_moment time;
};

struct trace {
    struct tb_view *view;
    char id[TB_TRACE_ID_TEXT];
    struct tb_event texts;
    struct moment moments[EVENTS_MAX];
    size_t n;
    int64_t began_ns; /* the first of all */
    int has_more, err;
    const char *own_id, *xray_id;           /* of the first event that has one; NULL for none */
    char others[IDS_MAX][TB_TRACE_ID_TEXT]; /* other ids of the same events */
    size_t n_others;
};

/* ---- what is found ---- */

static const char *keep(struct trace *trace, const char *text)
{
    return tb_event_keep(&trace->texts, text, strlen(text));
}

static void note_id(struct trace *trace, const char *id)
{
    if (*id == '\0' || strcmp(id, trace->id) == 0 || trace->n_others == IDS_MAX ||
        strlen(id) != TB_TRACE_ID_TEXT - 1)
        return;
    for (size_t i = 0; i < trace->n_others; i++)
        if (strcmp(trace->others[i], id) == 0)
            return;
    memcpy(trace->others[trace->n_others++], id, TB_TRACE_ID_TEXT);
}

static int read_body(struct trace *trace, const struct tb_occurrence_row *row, struct moment *out)
{
    static const char *const PATHS[] = {"framework", "server.host", "environment", "request.method",
                                        "request.url"};
    const char **const fields[] = {&out->framework, &out->host, &out->environment, &out->method,
                                   &out->url};
    struct tb_event event;
    int err = tb_event_init(&event, row->data, row->data_len);
    if (err < 0)
        return err;
    for (size_t i = 0; i < sizeof(PATHS) / sizeof(PATHS[0]); i++)
        *fields[i] = keep(trace, tb_event_at(&event, 0, PATHS[i]));
    int64_t began_ns = tb_event_ns(&event, 0, "custom.trace.started_at");
    out->began_ns = out->time.at_ns;
    if (began_ns < out->time.at_ns &&
        began_ns > out->time.at_ns - (int64_t)REQUEST_MAX_S * TB_NS_PER_S)
        out->began_ns = began_ns;
    if (trace->began_ns == 0 || out->began_ns < trace->began_ns)
        trace->began_ns = out->began_ns;
    err = event.err;
    tb_event_done(&event);
    return err;
}

static int take_row(void *arg, const struct tb_occurrence_row *row)
{
    struct trace *trace = arg;
    if (trace->n == EVENTS_MAX) {
        trace->has_more = 1;
        return 1;
    }
    struct moment *moment = &trace->moments[trace->n++];
    moment->uuid = keep(trace, row->uuid);
    moment->service = keep(trace, row->service);
    moment->level = keep(trace, row->level);
    moment->title = keep(trace, row->title);
    moment->span_id = keep(trace, row->span_id);
    moment->item = row->item;
    moment->occurred_ns = row->occurred_ns;
    moment->time = tb_moment_of(row->occurred_ns, row->received_ns);
    if (trace->own_id == NULL && *row->trace_id != '\0')
        trace->own_id = keep(trace, row->trace_id);
    if (trace->xray_id == NULL && *row->xray_trace_id != '\0')
        trace->xray_id = keep(trace, row->xray_trace_id);
    note_id(trace, row->trace_id);
    note_id(trace, row->xray_trace_id);
    trace->err = read_body(trace, row, moment);
    return trace->err < 0;
}

static int by_time(const void *a, const void *b)
{
    const struct moment *left = a;
    const struct moment *right = b;
    return (left->time.at_ns > right->time.at_ns) - (left->time.at_ns < right->time.at_ns);
}

/* ---- what can be said of it ---- */

static int is_failure(const struct moment *moment)
{
    return strcmp(moment->level, "critical") == 0 || strcmp(moment->level, "error") == 0;
}

static int is_one_host(const struct trace *trace)
{
    for (size_t i = 0; i < trace->n; i++)
        if (*trace->moments[i].host == '\0' ||
            strcmp(trace->moments[i].host, trace->moments[0].host) != 0)
            return 0;
    return trace->n > 0;
}

/* The first event at error or above; trace->n when there is none. */
static size_t first_failure(const struct trace *trace)
{
    size_t i = 0;
    while (i < trace->n && !is_failure(&trace->moments[i]))
        i++;
    return i;
}

static int64_t since(const struct trace *trace, size_t i)
{
    return trace->moments[i].time.at_ns - trace->began_ns;
}

static int is_same_lane(const struct moment *a, const struct moment *b)
{
    return strcmp(a->service, b->service) == 0 && strcmp(a->framework, b->framework) == 0;
}

/* When the first request of a service began. */
static int64_t lane_began(const struct trace *trace, const struct moment *of)
{
    int64_t began_ns = of->began_ns;
    for (size_t i = 0; i < trace->n; i++)
        if (is_same_lane(of, &trace->moments[i]) && trace->moments[i].began_ns < began_ns)
            began_ns = trace->moments[i].began_ns;
    return began_ns;
}

/* Who began first stands above: who called above who was called. */
static void sort_lanes(const struct trace *trace, size_t *lanes, size_t n)
{
    int64_t began[LANES_MAX];
    for (size_t i = 0; i < n; i++) {
        size_t lane = lanes[i];
        int64_t at = lane_began(trace, &trace->moments[lane]);
        size_t k = i;
        for (; k > 0 && began[k - 1] > at; k--) {
            began[k] = began[k - 1];
            lanes[k] = lanes[k - 1];
        }
        began[k] = at;
        lanes[k] = lane;
    }
}

/* The first event of each service; returns how many, at most LANES_MAX. */
static size_t find_lanes(const struct trace *trace, size_t out[LANES_MAX])
{
    size_t n = 0;
    for (size_t i = 0; i < trace->n && n < LANES_MAX; i++) {
        size_t k = 0;
        while (k < n && !is_same_lane(&trace->moments[out[k]], &trace->moments[i]))
            k++;
        if (k == n)
            out[n++] = i;
    }
    sort_lanes(trace, out, n);
    return n;
}

/* The last moment at which it can have happened. */
static int64_t latest(const struct moment *moment)
{
    return moment->time.is_coarse && !moment->time.is_placed ? moment->occurred_ns + TB_NS_PER_S
                                                             : moment->time.at_ns;
}

/* The sender of whole seconds because of which a failure that is shown later could have come first;
 * NULL when the order is known. */
static const struct moment *unsure_after(const struct trace *trace, size_t first)
{
    const struct moment *a = &trace->moments[first];
    for (size_t i = first + 1; i < trace->n; i++) {
        const struct moment *b = &trace->moments[i];
        if (is_failure(b) && b->occurred_ns < latest(a))
            return b->time.is_coarse ? b : a;
    }
    return NULL;
}

/* ---- the page ---- */

static void put_first_failure(struct trace *trace)
{
    struct tb_buf *out = trace->view->out;
    size_t first = first_failure(trace);
    char distance[TB_WORDS];
    if (first == trace->n || trace->n < 2)
        return;
    if (!is_one_host(trace)) {
        tb_emit(out,
                "<p class=\"insight calm\">These events come from several hosts, or do not say "
                "from which: their clocks are not comparable, so nothing is said of what failed "
                "first.</p>\n");
        return;
    }
    const struct moment *moment = &trace->moments[first];
    const struct moment *unsure = unsure_after(trace, first);
    tb_emit(out, "<p class=\"insight\">First failure: <b>");
    tb_put_service(out, moment->service, moment->framework);
    tb_emit(out, "</b> %.160h at %h", moment->title,
            tb_words_distance(since(trace, first), distance));
    if (unsure == NULL) {
        tb_emit(out, ".%r (same host clock).</p>\n",
                first + 1 < trace->n ? " Later events follow it"
                                     : " Nothing was reported after it");
        return;
    }
    tb_emit(out, ", as far as is known: ");
    tb_put_service(out, unsure->service, unsure->framework);
    tb_emit(out, " tells whole seconds only%r.</p>\n",
            unsure->time.is_placed ? ", so its event is shown where the agent received it"
                                   : ": the order within that second is not known");
}

static void put_links(struct trace *trace)
{
    struct tb_web_link link;
    memset(&link, 0, sizeof(link));
    tb_web_link_ids(&link, trace->own_id != NULL ? trace->own_id : trace->id,
                    trace->xray_id != NULL ? trace->xray_id : "");
    tb_web_link_times(&link, trace->moments[0].time.at_ns, trace->moments[trace->n - 1].time.at_ns);
    link.values.environment = trace->moments[0].environment;
    tb_web_put_links(trace->view, &link, " \xc2\xb7 ");
}

static void put_head(struct trace *trace, size_t n_lanes)
{
    struct tb_buf *out = trace->view->out;
    char took[TB_WORDS];
    char xray[TB_XRAY_ID_TEXT];
    tb_emit(out,
            "<h1>Trace <span class=\"mono wrap\">%h</span></h1>\n<p class=\"mute facts\">as X-Ray "
            "writes it: "
            "<span class=\"mono wrap\">%h</span>",
            trace->id, tb_xray_id_of(trace->id, xray));
    for (size_t i = 0; i < trace->n_others; i++)
        tb_emit(out, " \xc2\xb7 also <a class=\"mono\" href=\"/trace/%u\">%h</a>", trace->others[i],
                trace->others[i]);
    tb_emit(out, "</p>\n<p class=\"mute facts\">%d service%r \xc2\xb7 %d event%r \xc2\xb7 %h",
            (int)n_lanes, n_lanes == 1 ? "" : "s", (int)trace->n, trace->n == 1 ? "" : "s",
            tb_words_duration(since(trace, trace->n - 1), took));
    if (*trace->moments[0].environment != '\0')
        tb_emit(out, " \xc2\xb7 %.60h", trace->moments[0].environment);
    put_links(trace);
    tb_emit(out, "</p>\n");
    if (trace->has_more)
        tb_emit(out, "<p class=\"mute facts\">Only the first %d events are shown.</p>\n",
                EVENTS_MAX);
}

/* Where a time stands between the edges of its lane, in tenths of a percent. */
static int position(const struct trace *trace, int64_t at_ns)
{
    enum { LEFT = 20, WIDTH = 960 };
    int64_t whole = since(trace, trace->n - 1);
    double part = (double)(at_ns - trace->began_ns) * WIDTH;
    return LEFT + (whole > 0 ? (int)(part / (double)whole) : 0);
}

/* From the beginning of its request to an event. */
static void put_bar(struct trace *trace, const struct moment *moment)
{
    int from = position(trace, moment->began_ns);
    int width = position(trace, moment->time.at_ns) - from;
    if (width > 0)
        tb_emit(trace->view->out,
                "<rect class=\"track\" x=\"%d.%d%%\" y=\"15\" width=\"%d.%d%%\" height=\"10\" "
                "rx=\"3\"/>",
                from / 10, from % 10, width / 10, width % 10);
}

static void put_lane(struct trace *trace, const struct moment *of)
{
    struct tb_buf *out = trace->view->out;
    int n = 0;
    for (size_t i = 0; i < trace->n; i++)
        n += is_same_lane(of, &trace->moments[i]);
    tb_emit(out, "<div class=\"lane\"><div><b>");
    tb_put_service(out, of->service, of->framework);
    tb_emit(out,
            "</b></div><div><svg role=\"img\" aria-label=\"%d event%r\" width=\"100%%\" "
            "height=\"40\"><line class=\"ax\" x1=\"2%%\" x2=\"98%%\" y1=\"20\" y2=\"20\"/>",
            n, n == 1 ? "" : "s");
    for (size_t i = 0; i < trace->n; i++)
        if (is_same_lane(of, &trace->moments[i]))
            put_bar(trace, &trace->moments[i]);
    for (size_t i = 0; i < trace->n; i++) {
        const struct moment *moment = &trace->moments[i];
        int at = position(trace, moment->time.at_ns);
        if (!is_same_lane(of, moment))
            continue;
        tb_emit(out,
                "<circle class=\"at-%a\" cx=\"%d.%d%%\" cy=\"20\" r=\"6\"><title>%.120h</title>"
                "</circle>",
                tb_words_level(moment->level), at / 10, at % 10, moment->title);
    }
    tb_emit(out, "</svg></div></div>\n");
}

static void put_lanes(struct trace *trace, const size_t *lanes, size_t n_lanes)
{
    struct tb_buf *out = trace->view->out;
    int64_t whole = since(trace, trace->n - 1);
    char half[TB_WORDS];
    char all[TB_WORDS];
    tb_emit(out, "<div class=\"panel\">");
    for (size_t i = 0; i < n_lanes; i++)
        put_lane(trace, &trace->moments[lanes[i]]);
    if (whole > 0)
        tb_emit(out,
                "<div class=\"lane\"><div class=\"mute\">time</div><div><svg role=\"img\" "
                "aria-label=\"from 0 to %a\" width=\"100%%\" height=\"24\"><text x=\"2%%\" "
                "y=\"15\">0 ms</text><text x=\"50%%\" y=\"15\" text-anchor=\"middle\">%h</text>"
                "<text x=\"98%%\" y=\"15\" text-anchor=\"end\">%h</text></svg></div></div>",
                tb_words_duration(whole, all), tb_words_duration(whole / 2, half), all);
    tb_emit(out, "</div>\n");
}

static void put_row(struct trace *trace, size_t i, int is_first)
{
    struct tb_buf *out = trace->view->out;
    const struct moment *moment = &trace->moments[i];
    char distance[TB_WORDS];
    tb_emit(out, "<tr data-row><td class=\"n mono\">%r%h</td><td>",
            moment->time.is_placed ? "\xe2\x89\xa4 " : "",
            tb_words_distance(since(trace, i), distance));
    tb_put_service(out, moment->service, moment->framework);
    tb_emit(out, "</td><td>");
    tb_put_level(out, moment->level);
    tb_emit(out,
            "</td><td class=\"what\"><a class=\"t\" href=\"/items/%l?occurrence=%u\">%.300h</a>%r",
            moment->item, moment->uuid, moment->title,
            is_first ? " <span class=\"chip reg\">first failure</span>" : "");
    if (*moment->url != '\0')
        tb_emit(out, "<br><span class=\"mute mono\">%.20h %.300h</span>", moment->method,
                moment->url);
    tb_emit(out, "</td><td class=\"mono mute hide\">%.8h</td></tr>\n", moment->span_id);
}

static void put_table(struct trace *trace)
{
    struct tb_buf *out = trace->view->out;
    size_t first = trace->n > 1 && is_one_host(trace) ? first_failure(trace) : trace->n;
    int is_placed = 0;
    tb_emit(out,
            "<div class=\"panel\"><table><thead><tr><th scope=\"col\" class=\"n\">At</th>"
            "<th scope=\"col\">Service</th><th scope=\"col\">Level</th><th scope=\"col\">What</th>"
            "<th scope=\"col\" class=\"hide\">Span</th></tr></thead><tbody>\n");
    for (size_t i = 0; i < trace->n; i++) {
        put_row(trace, i, i == first);
        is_placed |= trace->moments[i].time.is_placed;
    }
    tb_emit(out, "</tbody></table></div>\n");
    if (is_placed)
        tb_emit(out,
                "<p class=\"mute\">\xe2\x89\xa4: the sender tells whole seconds; this is when the "
                "agent received the event.</p>\n");
}

static void put_page(struct trace *trace)
{
    size_t lanes[LANES_MAX];
    qsort(trace->moments, trace->n, sizeof(trace->moments[0]), by_time);
    size_t n_lanes = find_lanes(trace, lanes);
    tb_view_begin(trace->view, TB_NAV_TRACES, "Trace");
    put_head(trace, n_lanes);
    put_first_failure(trace);
    put_lanes(trace, lanes, n_lanes);
    put_table(trace);
}

static void show(struct tb_view *view, const char *id)
{
    struct trace *trace = calloc(1, sizeof(*trace));
    if (trace == NULL) {
        tb_view_broken(view, -ENOMEM);
        return;
    }
    trace->view = view;
    memcpy(trace->id, id, sizeof(trace->id));
    struct tb_occurrence_filter filter = {.trace_id = id, .max = EVENTS_MAX + 1};
    int err = tb_store_occurrences(view->store, &filter, take_row, trace);
    if (err == 0)
        err = trace->err < 0 ? trace->err : trace->texts.err;
    if (err == 0 && trace->n == 0) {
        tb_view_problem(view, 404, "Nothing of this trace",
                        "No event with this trace id is stored here. It is looked for as an "
                        "OpenTelemetry and as an X-Ray id.");
    } else {
        if (err == 0)
            put_page(trace);
        tb_view_finish(view, err);
    }
    tb_event_done(&trace->texts);
    free(trace);
}

void tb_page_trace(struct tb_view *view, const char *typed)
{
    struct tb_trace parsed;
    char id[TB_TRACE_ID_TEXT];
    char location[TB_PAGE_LOCATION] = "/trace/";
    memset(&parsed, 0, sizeof(parsed));
    if (tb_trace_parse_id(typed, parsed.trace_id) < 0 &&
        tb_trace_parse(typed, strlen(typed), &parsed) < 0) {
        tb_view_problem(
            view, 404, "No trace id",
            "A trace id has 32 hex digits, or X-Ray's form 1-5759e988-bd862e3fe1be46a9942"
            "72793. The value of a traceparent or X-Amzn-Trace-Id header is taken too.");
        return;
    }
    tb_trace_id_text(parsed.trace_id, id);
    memcpy(location + strlen(location), id, sizeof(id));
    if (strcmp(typed, id) != 0)
        tb_view_redirect(view, 303, location);
    else
        show(view, id);
}
