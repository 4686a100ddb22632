/* page_traces.c - the latest traces, those with several errors first. */
#include "web/emit.h"
#include "web/pages.h"
#include "web/words.h"

enum { TRACES_MAX = 50 };

struct traces {
    struct tb_view *view;
    int n;
};

static int put_trace(void *arg, const struct tb_store_trace *trace)
{
    struct traces *traces = arg;
    struct tb_buf *out = traces->view->out;
    char brief[TB_WORDS];
    if (traces->n++ == 0)
        tb_emit(out,
                "<div class=\"panel\"><table><thead><tr><th scope=\"col\">Trace</th><th "
                "scope=\"col\">What came last</th><th scope=\"col\" class=\"hide\">Services</th>"
                "<th scope=\"col\" class=\"n\">Errors</th><th scope=\"col\" class=\"n\">Events"
                "</th><th scope=\"col\" class=\"n\">Last</th></tr></thead><tbody>\n");
    tb_emit(out,
            "<tr data-row><td><a class=\"mono u short\" href=\"/trace/%u\" title=\"%a\">%h</a></td>"
            "<td class=\"what\">%.160h</td><td class=\"hide\">%.120h</td><td class=\"n\">%n</td>"
            "<td class=\"n\">%n</td><td class=\"n mute\">",
            trace->trace_id, trace->trace_id, tb_words_short_id(trace->trace_id, brief),
            trace->title, trace->services, trace->errors, trace->events);
    tb_words_time(out, traces->view->now_ms, trace->last_ms, "");
    tb_emit(out, "</td></tr>\n");
    return 0;
}

void tb_page_traces(struct tb_view *view)
{
    struct traces traces = {.view = view};
    tb_view_begin(view, TB_NAV_TRACES, "Traces");
    tb_emit(view->out,
            "<h1>Traces</h1>\n<p class=\"mute facts\">Those of the last %d occurrences; with "
            "several errors first.</p>\n",
            TB_STORE_RECENT);
    int err = tb_store_traces(view->store, TRACES_MAX, put_trace, &traces);
    if (traces.n > 0)
        tb_emit(view->out, "</tbody></table></div>\n");
    else
        tb_emit(view->out,
                "<div class=\"panel\"><p class=\"bd\">No event with a trace yet. A program "
                "says which trace it works for with <code>TOWBAR_TRACE(header)</code>; web "
                "SDKs send the header of the request.</p></div>\n");
    tb_view_finish(view, err);
}
