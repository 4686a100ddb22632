/* item_side.c - beside the stack: the trace, the numbers, where else it was seen. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "trace/trace.h"
#include "web/chart.h"
#include "web/deploys.h"
#include "web/emit.h"
#include "web/pages.h"
#include "web/words.h"

enum { OTHERS_MAX = 8, LOOKED_AT_MAX = 50, FACET_MAX = 5, PERCENT = 100 };

/* ---- the trace ---- */

struct others {
    struct tb_item_view *item;
    int n, n_left_out;
};

static int put_other(void *arg, const struct tb_occurrence_row *row)
{
    struct others *others = arg;
    struct tb_item_view *item = others->item;
    struct tb_buf *out = item->view->out;
    char distance[TB_WORDS];
    if (strcmp(row->uuid, item->uuid) == 0)
        return 0;
    if (others->n == OTHERS_MAX) {
        others->n_left_out++;
        return 0;
    }
    if (others->n++ == 0)
        tb_emit(out, "<p>Also in this trace:</p><ul class=\"plain\">");
    tb_emit(out, "<li>");
    tb_put_level(out, row->level);
    tb_emit(out, " <a href=\"/items/%l?occurrence=%u\">%.120h</a> <span class=\"mute\">", row->item,
            row->uuid, row->title);
    if (*row->service != '\0')
        tb_emit(out, "%.60h, ", row->service);
    tb_emit(out, "%h</span></li>\n",
            tb_words_distance(tb_moment_of(row->occurred_ns, row->received_ns).at_ns -
                                  tb_moment_of(item->occurred_ns, item->received_ns).at_ns,
                              distance));
    return 0;
}

static void put_spelling(struct tb_buf *out, const char *id)
{
    uint8_t bytes[16];
    char xray[TB_XRAY_ID_TEXT];
    if (tb_trace_parse_id(id, bytes) < 0)
        return;
    tb_xray_id_text(bytes, xray);
    tb_emit(out, "<p class=\"mute\">as X-Ray writes it: <span class=\"mono wrap\">%h</span></p>",
            xray);
}

static int put_trace(struct tb_item_view *item)
{
    struct tb_buf *out = item->view->out;
    struct others others = {.item = item};
    char brief[TB_WORDS];
    const char *id = *item->trace_id != '\0' ? item->trace_id : item->xray_trace_id;
    if (*id == '\0')
        return 0;
    tb_emit(out,
            "<section class=\"panel\"><div class=\"hd\"><h2>Trace</h2></div><div class=\"bd\">"
            "<p class=\"mono\"><a href=\"/trace/%u\" title=\"%a\">%h</a></p>",
            id, id, tb_words_short_id(id, brief));
    put_spelling(out, *item->xray_trace_id != '\0' ? item->xray_trace_id : id);
    struct tb_occurrence_filter filter = {.trace_id = id, .max = LOOKED_AT_MAX};
    int err = tb_store_occurrences(item->view->store, &filter, put_other, &others);
    if (others.n > 0)
        tb_emit(out, "</ul>");
    else
        tb_emit(out, "<p class=\"mute\">Nothing else was reported in it.</p>");
    if (others.n_left_out > 0)
        tb_emit(out, "<p><a href=\"/trace/%u\">and more</a></p>", id);
    tb_emit(out, "</div></section>\n");
    return err;
}

/* ---- the numbers ---- */

static void put_delivery(struct tb_item_view *item)
{
    static const char *const STATES[] = {[TB_OUT_QUEUED] = "waits to be sent",
                                         [TB_OUT_SENT] = "sent",
                                         [TB_OUT_DROPPED] = "dropped",
                                         [TB_OUT_QUARANTINED] = "refused",
                                         [TB_OUT_PARKED] = "parked: its token is refused"};
    static const struct {
        const char *sink, *name;
    } SINKS[] = {{"rollbar", "Rollbar"},
                 {"otlp", "OpenTelemetry"},
                 {"otlp-spans", "OpenTelemetry spans"},
                 {"xray", "X-Ray"},
                 {"cloudwatch", "CloudWatch Logs"}};
    struct tb_store_outcome outcome;
    for (size_t i = 0; i < sizeof(SINKS) / sizeof(SINKS[0]); i++) {
        if (tb_store_outcome(item->view->store, item->uuid, SINKS[i].sink, &outcome) < 0)
            continue;
        tb_emit(item->view->out, "<dt>%h</dt><dd>%h%r%.200h</dd>", SINKS[i].name,
                STATES[outcome.state], outcome.reason[0] != '\0' ? ": " : "", outcome.reason);
    }
}

static int put_numbers(struct tb_item_view *item)
{
    struct tb_view *view = item->view;
    struct tb_buf *out = view->out;
    tb_emit(
        out,
        "<section class=\"panel\" aria-label=\"Seen\"><div class=\"bd\"><dl><dt>First</dt><dd>");
    tb_words_time(out, view->now_ms, item->first_ms, " ago");
    tb_emit(out, "</dd><dt>Last</dt><dd>");
    tb_words_time(out, view->now_ms, item->last_ms, " ago");
    tb_emit(out, "</dd><dt>Total</dt><dd>%n</dd><dt>Status</dt><dd>%.40h</dd>", item->total,
            item->status);
    put_delivery(item);
    int err = tb_deploys_put_suspect(item);
    tb_emit(out, "</dl></div></section>\n");
    return err;
}

static void put_link(struct tb_item_view *item, const char *uuid, const char *text)
{
    if (*uuid != '\0')
        tb_emit(item->view->out, "<a class=\"button\" href=\"/items/%l?occurrence=%u\">%h</a>\n",
                item->number, uuid, text);
}

static void put_occurrence(struct tb_item_view *item)
{
    char stamp[TB_WORDS];
    struct tb_buf *out = item->view->out;
    int is_last = strcmp(item->uuid, item->last_uuid) == 0;
    if (!item->has_occurrence)
        return;
    tb_emit(
        out,
        "<section class=\"panel\"><div class=\"hd\"><h2>%h occurrence</h2></div>"
        "<div class=\"bd\"><dl><dt>At</dt><dd>%h</dd><dt>UUID</dt><dd class=\"mono\">%.40h</dd>",
        is_last ? "Latest" : "An earlier", tb_words_stamp(item->occurred_ns / TB_NS_PER_MS, stamp),
        item->uuid);
    if (strcmp(item->occurrence_level, item->level) != 0)
        tb_emit(out, "<dt>Level</dt><dd>%.20h</dd>", item->occurrence_level);
    if (*item->span_id != '\0')
        tb_emit(out, "<dt>Span</dt><dd class=\"mono\">%.20h</dd>", item->span_id);
    tb_emit(out, "</dl>");
    if (*item->neighbours.older != '\0' || !is_last) {
        tb_emit(out, "<nav class=\"pager\" aria-label=\"Occurrences\">");
        put_link(item, item->neighbours.older, "Older");
        put_link(item, item->neighbours.newer, "Newer");
        if (!is_last)
            tb_emit(out, "<a class=\"button\" href=\"/items/%l\">Latest</a>", item->number);
        tb_emit(out, "</nav>");
    }
    tb_emit(out, "</div></section>\n");
}

/* ---- where else ---- */

struct facets {
    struct tb_buf *out;
    int64_t all; /* occurrences that were looked at, 0: not told yet */
    char open[16];
};

static int put_facet(void *arg, const char *facet, const char *value, int64_t n, int64_t all)
{
    struct facets *facets = arg;
    struct tb_buf *out = facets->out;
    int percent = all > 0 ? (int)((n * PERCENT + all / 2) / all) : 0;
    facets->all = all;
    if (strcmp(facet, facets->open) != 0) {
        tb_emit(out, "%r<h2 class=\"cap\">%h</h2><div class=\"fac\">",
                facets->open[0] != '\0' ? "</div>" : "", facet);
        snprintf(facets->open, sizeof(facets->open), "%s", facet);
    }
    tb_emit(out, "<span>%.60h</span><span class=\"mute\">%d%%</span>", value, percent);
    tb_chart_share(out, percent);
    return 0;
}

static int put_facets(struct tb_item_view *item)
{
    struct facets facets = {.out = item->view->out};
    tb_emit(facets.out,
            "<section class=\"panel\" aria-label=\"Where it was seen\"><div class=\"bd\">");
    int err = tb_store_facets(item->view->store, item->number, FACET_MAX, put_facet, &facets);
    if (facets.open[0] != '\0')
        tb_emit(facets.out, "</div>");
    if (item->total > facets.all && facets.all > 0)
        tb_emit(facets.out, "<p class=\"mute\">of the last %l that are kept</p>", facets.all);
    tb_emit(facets.out, "</div></section>\n");
    return err;
}

int tb_item_put_side(struct tb_item_view *item)
{
    tb_emit(item->view->out, "<aside>\n");
    int err = put_trace(item);
    if (err == 0)
        err = put_numbers(item);
    put_occurrence(item);
    if (err == 0)
        err = put_facets(item);
    tb_emit(item->view->out, "</aside>\n");
    return err;
}
