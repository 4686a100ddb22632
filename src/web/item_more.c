/* item_more.c - below the stack: what came before, the request, the machine, why it was grouped. */
#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "web/emit.h"
#include "web/pages.h"
#include "web/words.h"

enum {
    NOTES_MAX = 100,
    MODULES_MAX = 200,
    REGISTERS_MAX = 100,
    RAW_MAX_BYTES = 256 << 10,
    INDENT_MAX = 64
};

static void open_panel(struct tb_buf *out, const char *title, const char *note)
{
    tb_emit(
        out,
        "<div class=\"panel\"><div class=\"hd\"><h2>%h</h2><span class=\"mute\">%h</span></div>",
        title, note);
}

/* ---- before it ---- */

static void put_note_text(struct tb_buf *out, struct tb_event *event, int note)
{
    const char *message = tb_event_at(event, note, "body.message");
    const char *method = tb_event_at(event, note, "body.method");
    const char *url = tb_event_at(event, note, "body.url");
    const char *status = tb_event_at(event, note, "body.status_code");
    if (*message != '\0')
        tb_emit(out, "%.2000h", message);
    else if (*url != '\0')
        tb_emit(out, "%.20h %.500h%r%.20h", method, url, *status != '\0' ? " \xe2\x86\x92 " : "",
                status);
    else
        tb_emit(out, "%.2000h", tb_event_at(event, note, "body"));
}

static void put_note(struct tb_item_view *item, int note)
{
    struct tb_event *event = &item->event;
    struct tb_buf *out = item->view->out;
    char distance[TB_WORDS] = "0 ms";
    int64_t at_ms = tb_event_int(event, note, "timestamp_ms");
    const char *level = tb_event_at(event, note, "level");
    int is_grave = *level != '\0' && strcmp(level, "info") != 0 && strcmp(level, "debug") != 0;
    int64_t ms =
        at_ms > 0 && at_ms < INT64_MAX / TB_NS_PER_MS
            ? at_ms - tb_moment_of(item->occurred_ns, item->received_ns).at_ns / TB_NS_PER_MS
            : 0;
    if (at_ms <= 0)
        distance[0] = '\0';
    else if (ms != 0)
        tb_words_distance(ms * TB_NS_PER_MS, distance);
    tb_emit(out,
            "<tr><td class=\"mono mute\">%h</td><td><span class=\"%r%a\">%.44h</span></td><td "
            "class=\"mono\">",
            distance, is_grave ? "lv " : "chip", is_grave ? tb_words_level(level) : "",
            tb_item_view_note_kind(item, note));
    put_note_text(out, event, note);
    tb_emit(out, "</td></tr>\n");
}

/* The latest first. */
static void put_notes(struct tb_item_view *item)
{
    struct tb_event *event = &item->event;
    int list = tb_event_node(event, 0, "body.telemetry");
    int notes[NOTES_MAX];
    size_t n = 0;
    if (!tb_event_is(event, list, TB_DOC_ARRAY) || tb_event_count(event, list) == 0)
        return;
    for (int t = tb_event_first(event, list); t >= 0; t = tb_event_next(event, t))
        notes[n++ % NOTES_MAX] = t;
    size_t shown = n < NOTES_MAX ? n : NOTES_MAX;
    open_panel(item->view->out, tb_item_view_is_crash(item) ? "Before the crash" : "Before it",
               n > NOTES_MAX ? "the last 100 notes" : "");
    tb_emit(item->view->out, "<table class=\"tl\"><tbody>\n");
    for (size_t i = 0; i < shown; i++)
        put_note(item, notes[(n - 1 - i) % NOTES_MAX]);
    tb_emit(item->view->out, "</tbody></table></div>\n");
}

/* ---- tables ---- */

static void put_object(struct tb_item_view *item, const char *path, const char *title,
                       const char *const *skip)
{
    int node = tb_event_node(&item->event, 0, path);
    if (!tb_event_is(&item->event, node, TB_DOC_OBJECT) || tb_event_count(&item->event, node) == 0)
        return;
    open_panel(item->view->out, title, "");
    tb_item_put_pairs(item->view->out, &item->event, node, skip);
    tb_emit(item->view->out, "</div>\n");
}

static void put_request(struct tb_item_view *item)
{
    static const char *const SKIP[] = {"headers", "method", "url", NULL};
    struct tb_event *event = &item->event;
    struct tb_buf *out = item->view->out;
    int node = tb_event_node(event, 0, "request");
    if (!tb_event_is(event, node, TB_DOC_OBJECT) || tb_event_count(event, node) == 0)
        return;
    open_panel(out, "Request", "");
    tb_emit(out, "<p class=\"bd mono\"><b>%.20h</b> %.1000h</p>",
            tb_event_at(event, node, "method"), tb_event_at(event, node, "url"));
    tb_item_put_pairs(out, event, node, SKIP);
    int headers = tb_event_node(event, node, "headers");
    if (tb_event_count(event, headers) > 0) {
        tb_emit(out, "<details class=\"frame lib\"><summary>%d headers</summary>",
                tb_event_count(event, headers));
        tb_item_put_pairs(out, event, headers, NULL);
        tb_emit(out, "</details>");
    }
    tb_emit(out, "</div>\n");
}

static void put_registers(struct tb_item_view *item)
{
    struct tb_event *event = &item->event;
    struct tb_buf *out = item->view->out;
    int node = tb_event_node(event, 0, "custom.native.registers");
    if (tb_event_count(event, node) == 0)
        return;
    open_panel(out, "Registers", "");
    tb_emit(out, "<div class=\"bd mono regs\">");
    int n = 0;
    for (int r = tb_event_first(event, node); r >= 0 && n < REGISTERS_MAX;
         r = tb_event_next(event, r), n++) {
        const char *value = tb_event_value(event, r);
        tb_emit(out, "<span>%.10h %r%.40h%r</span>\n", tb_event_key(event, r),
                strcmp(value, "0x0") == 0 ? "<b>" : "", value,
                strcmp(value, "0x0") == 0 ? "</b>" : "");
    }
    tb_emit(out, "</div></div>\n");
}

static void put_modules(struct tb_item_view *item)
{
    struct tb_event *event = &item->event;
    struct tb_buf *out = item->view->out;
    int list = tb_event_node(event, 0, "custom.native.modules");
    int n = 0;
    if (tb_event_count(event, list) == 0)
        return;
    tb_emit(
        out,
        "<details class=\"panel fold\"><summary>Modules <span class=\"mute\">%d</span></summary>"
        "<table class=\"tl\"><thead><tr><th scope=\"col\">Name</th><th scope=\"col\">Symbols</th>"
        "<th scope=\"col\">Build ID</th><th scope=\"col\">Path</th></tr></thead><tbody>\n",
        tb_event_count(event, list));
    for (int m = tb_event_first(event, list); m >= 0 && n < MODULES_MAX;
         m = tb_event_next(event, m), n++) {
        const char *note = tb_event_at(event, m, "note");
        tb_emit(out,
                "<tr><td class=\"mono\">%.100h</td><td>%.40h%r%.160h</td>"
                "<td class=\"mono\">%.64h</td><td class=\"mono\">%.300h</td></tr>\n",
                tb_event_at(event, m, "name"), tb_event_at(event, m, "symbols"),
                note[0] != '\0' ? ": " : "", note, tb_event_at(event, m, "build_id"),
                tb_event_at(event, m, "path"));
    }
    tb_emit(out, "</tbody></table></details>\n");
}

/* Where it ran: single values from many places. */
static void put_environment(struct tb_item_view *item)
{
    static const char *const ROWS[][2] = {{"Host", "server.host"},
                                          {"Root", "server.root"},
                                          {"Version", "code_version"},
                                          {"Branch", "server.branch"},
                                          {"Platform", "platform"},
                                          {"Language", "language"},
                                          {"Framework", "framework"},
                                          {"Context", "context"},
                                          {"Reported by", "notifier.name"},
                                          {"its version", "notifier.version"},
                                          {"Sent by process", "custom.native.sender.pid"},
                                          {"of user", "custom.native.sender.uid"},
                                          {"Unwound by", "custom.native.unwound_by"},
                                          {"Symbols", "custom.native.symbols"},
                                          {"Handler took, ns", "custom.native.handler_ns"}};
    struct tb_buf *out = item->view->out;
    int n = 0;
    for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
        const char *value = tb_event_at(&item->event, 0, ROWS[i][1]);
        if (*value == '\0')
            continue;
        if (n++ == 0) {
            open_panel(out, "Environment", "");
            tb_emit(out, "<table class=\"kv\"><tbody>");
        }
        tb_emit(out, "<tr><th scope=\"row\">%h</th><td class=\"mono\">%.500h</td></tr>", ROWS[i][0],
                value);
    }
    if (n > 0)
        tb_emit(out, "</tbody></table></div>\n");
}

/* ---- why grouped, raw ---- */

static void put_input(struct tb_buf *out, struct tb_event *inputs, int member)
{
    int n = 0;
    tb_emit(out, "<tr><th scope=\"row\">%.40h</th><td class=\"mono\">",
            tb_event_key(inputs, member));
    if (tb_event_is(inputs, member, TB_DOC_ARRAY))
        for (int v = tb_event_first(inputs, member); v >= 0; v = tb_event_next(inputs, v))
            tb_emit(out, "%r%.300h", n++ > 0 ? " &lt; " : "", tb_event_value(inputs, v));
    else
        tb_emit(out, "%.2000h", tb_event_value(inputs, member));
    tb_emit(out, "</td></tr>");
}

static void put_why(struct tb_item_view *item)
{
    struct tb_buf *out = item->view->out;
    struct tb_event inputs;
    open_panel(out, "Why grouped", "occurrences with the same of these are this item");
    if (tb_event_init(&inputs, item->group_inputs, strlen(item->group_inputs)) == 0) {
        const char *why = tb_event_at(&inputs, 0, "why");
        if (*why != '\0')
            tb_emit(out, "<p class=\"facts\">%.4000h</p>\n", why);
        tb_event_done(&inputs);
    }
    tb_emit(out,
            "<table class=\"kv\"><tbody><tr><th scope=\"row\">fingerprint</th>"
            "<td class=\"mono\">%.100h</td></tr>",
            item->fingerprint);
    if (tb_event_init(&inputs, item->group_inputs, strlen(item->group_inputs)) == 0) {
        for (int m = tb_event_first(&inputs, 0); m >= 0; m = tb_event_next(&inputs, m))
            if (strcmp(tb_event_key(&inputs, m), "why") != 0)
                put_input(out, &inputs, m);
        tb_event_done(&inputs);
    }
    tb_emit(out, "</tbody></table></div>\n");
}

static void put_indent(struct tb_buf *out, int depth)
{
    tb_emit(out, "\n");
    for (int i = 0; i < depth && i < INDENT_MAX; i++)
        tb_emit(out, "  ");
}

/* JSON as it is stored, with line breaks. Valid JSON: there is no quote outside of strings. */
static void put_json(struct tb_buf *out, const char *text, size_t len)
{
    size_t from = 0;
    int depth = 0;
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '"') {
            for (i++; i < len && text[i] != '"'; i++)
                i += text[i] == '\\';
            continue;
        }
        int closes = text[i] == '}' || text[i] == ']';
        int opens = text[i] == '{' || text[i] == '[';
        if (!closes && !opens && text[i] != ',')
            continue;
        tb_emit_text(out, text + from, i - from + (closes ? 0 : 1));
        from = i + (closes ? 0 : 1);
        depth += opens - closes;
        put_indent(out, depth);
    }
    if (from < len)
        tb_emit_text(out, text + from, len - from);
}

static void put_raw(struct tb_item_view *item)
{
    struct tb_buf *out = item->view->out;
    if (!item->has_occurrence)
        return;
    tb_emit(out,
            "<details class=\"panel fold\"><summary>Raw JSON <span class=\"mute\">%n bytes</span>"
            "</summary><pre class=\"raw\" tabindex=\"0\">",
            (int64_t)item->event.len);
    if (item->event.len > RAW_MAX_BYTES)
        tb_emit(out, "It is long: the JSON link above has it.");
    else if (item->event.doc == NULL)
        tb_emit_text(out, item->event.data, item->event.len);
    else
        put_json(out, item->event.data, item->event.len);
    tb_emit(out, "</pre></details>\n");
}

void tb_item_put_more(struct tb_item_view *item)
{
    static const char *const ELSEWHERE[] = {"native",        "scope",       "trace_id", "span_id",
                                            "xray_trace_id", "occurred_at", "service",  "towbar",
                                            "trace",         NULL};
    put_notes(item);
    put_request(item);
    put_object(item, "person", "Person", NULL);
    put_object(item, "custom.scope", "Tags", NULL);
    put_object(item, "custom.trace", "Trace", NULL);
    int custom = tb_event_node(&item->event, 0, "custom");
    int n_elsewhere = 0;
    for (size_t i = 0; ELSEWHERE[i] != NULL; i++)
        n_elsewhere += tb_event_node(&item->event, custom, ELSEWHERE[i]) >= 0;
    if (tb_event_count(&item->event, custom) > n_elsewhere)
        put_object(item, "custom", "Custom", ELSEWHERE);
    put_registers(item);
    put_modules(item);
    put_environment(item);
    put_why(item);
    put_raw(item);
}
