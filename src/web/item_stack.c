/* item_stack.c - the stacks of an item: the blamed frame open, libraries folded. */
#include <inttypes.h>
#include <string.h>

#include "web/emit.h"
#include "web/pages.h"
#include "web/words.h"

enum { SOURCE_LINES = 50, VALUES_MAX = 200, PAIRS_MAX = 200 };

/* ---- values ---- */

static int is_skipped(const char *key, const char *const *skip)
{
    for (; skip != NULL && *skip != NULL; skip++)
        if (strcmp(key, *skip) == 0)
            return 1;
    return 0;
}

void tb_item_put_pairs(struct tb_buf *out, struct tb_event *event, int object,
                       const char *const *skip)
{
    int n = 0;
    tb_emit(out, "<table class=\"kv\"><tbody>");
    for (int m = tb_event_first(event, object); m >= 0; m = tb_event_next(event, m)) {
        const char *key = tb_event_key(event, m);
        if (is_skipped(key, skip))
            continue;
        if (n++ == PAIRS_MAX) {
            tb_emit(out,
                    "<tr><td colspan=\"2\" class=\"mute\">More are left out here; the JSON has "
                    "them all.</td></tr>");
            break;
        }
        tb_emit(
            out,
            "<tr><th scope=\"row\" class=\"mono\">%.120h</th><td class=\"mono\">%.2000h</td></tr>",
            key, tb_event_value(event, m));
    }
    tb_emit(out, "</tbody></table>");
}

/* ---- one frame ---- */

static void put_lines(struct tb_buf *out, struct tb_event *event, int list, int64_t first)
{
    int n = 0;
    for (int l = tb_event_first(event, list); l >= 0 && n < SOURCE_LINES;
         l = tb_event_next(event, l), n++)
        tb_emit(out, "<span>%r%l  %.400h\n</span>", first + n < 1000 ? " " : "", first + n,
                tb_event_value(event, l));
}

static void put_source(struct tb_buf *out, struct tb_event *event, const struct tb_frame *frame)
{
    int pre = tb_event_node(event, frame->node, "context.pre");
    int n_pre = tb_event_count(event, pre);
    const char *note = tb_event_at(event, frame->node, "code_note");
    if (*note != '\0')
        tb_emit(out, "<p class=\"mute facts\">%.300h</p>", note);
    if (*frame->code == '\0')
        return;
    tb_emit(out, "<pre tabindex=\"0\" aria-label=\"Source around line %l\">", frame->line);
    put_lines(out, event, pre, frame->line - n_pre);
    tb_emit(out, "<span class=\"hit\">%r%l  %.400h\n</span>", frame->line < 1000 ? " " : "",
            frame->line, frame->code);
    put_lines(out, event, tb_event_node(event, frame->node, "context.post"), frame->line + 1);
    tb_emit(out, "</pre>");
}

static int has_values(const struct tb_event *event, const struct tb_frame *frame)
{
    static const char *const KEYS[] = {"locals", "args", "kwargs"};
    for (size_t i = 0; i < sizeof(KEYS) / sizeof(KEYS[0]); i++)
        if (tb_event_count(event, tb_event_node(event, frame->node, KEYS[i])) > 0)
            return 1;
    return 0;
}

/* What SDKs send of arguments and local variables. */
static void put_values(struct tb_buf *out, struct tb_event *event, const struct tb_frame *frame)
{
    int args = tb_event_node(event, frame->node, "args");
    int n = 0;
    if (tb_event_is(event, args, TB_DOC_ARRAY) && tb_event_count(event, args) > 0) {
        tb_emit(out, "<p class=\"mono facts\">Arguments: ");
        for (int a = tb_event_first(event, args); a >= 0 && n < VALUES_MAX;
             a = tb_event_next(event, a))
            tb_emit(out, "%r%.400h", n++ > 0 ? ", " : "", tb_event_value(event, a));
        tb_emit(out, "</p>");
    } else if (tb_event_count(event, args) > 0) {
        tb_item_put_pairs(out, event, args, NULL);
    }
    static const char *const TABLES[] = {"kwargs", "locals"};
    for (size_t i = 0; i < sizeof(TABLES) / sizeof(TABLES[0]); i++) {
        int table = tb_event_node(event, frame->node, TABLES[i]);
        if (tb_event_is(event, table, TB_DOC_OBJECT) && tb_event_count(event, table) > 0)
            tb_item_put_pairs(out, event, table, NULL);
    }
}

static void put_machine(struct tb_buf *out, struct tb_event *event, const struct tb_frame *frame)
{
    const char *build = tb_event_at(event, frame->node, "build_id");
    const char *trust = tb_event_at(event, frame->node, "trust");
    if (*frame->address == '\0')
        return;
    tb_emit(out, "<p class=\"mono mute facts\">%.40h in %.200h", frame->address, frame->module);
    if (*frame->offset != '\0')
        tb_emit(out, " +%.40h", frame->offset);
    if (*build != '\0')
        tb_emit(out, " \xc2\xb7 build %.40h", build);
    if (strcmp(trust, "tail") == 0)
        tb_emit(out, " \xc2\xb7 left by a tail call");
    else if (*trust != '\0')
        tb_emit(out, " \xc2\xb7 found by %.20h", trust);
    tb_emit(out, "</p>");
}

static void put_line(struct tb_buf *out, struct tb_event *event, const struct tb_frame *frame,
                     const char *chip)
{
    tb_emit(out,
            "<span class=\"mono\">#%d</span> <b class=\"mono\">%.200h</b> "
            "<span class=\"mono mute\">%.300h</span>",
            frame->number, frame->method, tb_frame_place(event, frame));
    if (*chip != '\0')
        tb_emit(out, " <span class=\"chip reg\">%h</span>", chip);
    if (frame->is_inlined)
        tb_emit(out, " <span class=\"chip\">inlined</span>");
    if (frame->is_tail)
        tb_emit(out, " <span class=\"chip\">tail call</span>");
    if (frame->is_scan)
        tb_emit(out, " <span class=\"chip\">found by scan</span>");
}

static void put_frame(struct tb_item_view *item, const struct tb_frame *frame, int is_blamed)
{
    struct tb_buf *out = item->view->out;
    struct tb_event *event = &item->event;
    const char *chip = !is_blamed                                          ? ""
                       : frame->number == 0 && tb_item_view_is_crash(item) ? "crashed here"
                                                                           : "here";
    if (*frame->code == '\0' && *frame->address == '\0' && !has_values(event, frame)) {
        tb_emit(out, "<div class=\"frame\"><div class=\"line\">");
        put_line(out, event, frame, chip);
        tb_emit(out, "</div></div>\n");
        return;
    }
    tb_emit(out, "<details class=\"frame\"%r><summary>", is_blamed ? " open" : "");
    put_line(out, event, frame, chip);
    tb_emit(out, "</summary>");
    put_source(out, event, frame);
    put_values(out, event, frame);
    put_machine(out, event, frame);
    tb_emit(out, "</details>\n");
}

/* ---- folds ---- */

/* What recurs is shown once; how often, and the frames again, is one line. */
static void put_cycle(struct tb_item_view *item, const struct tb_stack *stack, size_t i,
                      const struct tb_fold *fold, int is_main)
{
    struct tb_buf *out = item->view->out;
    for (size_t f = i; f < i + fold->cycle; f++)
        put_frame(item, &stack->frames[f], is_main && f == stack->blamed);
    tb_emit(out, "<details class=\"frame lib\"><summary>\xc3\x97 %d \xc2\xb7 ", (int)fold->times);
    if (fold->cycle == 1)
        tb_emit(out, "%.200h", stack->frames[i].method);
    else
        tb_emit(out, "the %d frames above", (int)fold->cycle);
    tb_emit(out, ", up to #%d</summary>\n", stack->frames[i + fold->n - 1].number);
    for (size_t f = i + fold->cycle; f < i + fold->n; f++)
        put_frame(item, &stack->frames[f], 0);
    tb_emit(out, "</details>\n");
}

static void put_library(struct tb_item_view *item, const struct tb_stack *stack, size_t i, size_t n)
{
    struct tb_buf *out = item->view->out;
    char names[TB_FOLD_NAMES_TEXT];
    tb_fold_names(stack->calls + i, n, names);
    tb_emit(out, "<details class=\"frame lib\"><summary>%d library frame%r%r%h</summary>\n", (int)n,
            n == 1 ? "" : "s", *names != '\0' ? " \xc2\xb7 " : "", names);
    for (size_t f = i; f < i + n;) {
        struct tb_fold fold = tb_fold_cycle(stack->calls, i + n, f);
        if (fold.kind == TB_FOLD_CYCLE)
            put_cycle(item, stack, f, &fold, 0);
        else
            put_frame(item, &stack->frames[f], 0);
        f += fold.n;
    }
    tb_emit(out, "</details>\n");
}

static void put_omitted(struct tb_item_view *item, int64_t n)
{
    if (n > 0)
        tb_emit(item->view->out, "<p class=\"mute facts\">%n frames are left out.</p>\n", n);
}

void tb_item_put_frames(struct tb_item_view *item, const struct tb_stack *stack, int is_main,
                        int64_t omitted)
{
    for (size_t i = 0; i < stack->n;) {
        struct tb_fold fold = tb_stack_fold(stack, i);
        if (i > 0 && i == stack->gap)
            put_omitted(item, stack->n_in_gap);
        if (fold.kind == TB_FOLD_LIBRARY)
            put_library(item, stack, i, fold.n);
        else if (fold.kind == TB_FOLD_CYCLE)
            put_cycle(item, stack, i, &fold, is_main);
        else
            put_frame(item, &stack->frames[i], is_main && i == stack->blamed);
        i += fold.n;
    }
    if (stack->n < stack->n_all)
        omitted += (int64_t)(stack->n_all - stack->n);
    put_omitted(item, omitted);
}

/* ---- a panel for each stack ---- */

static void put_head(struct tb_item_view *item, const struct tb_stack *stack, int i)
{
    struct tb_buf *out = item->view->out;
    const char *thread = tb_event_at(&item->event, 0, "custom.native.thread.name");
    tb_emit(out,
            "<div class=\"panel\" data-stack><div class=\"hd\"><h2>%h</h2><span class=\"mute\">",
            i == 0 ? "Stack" : "Caused by");
    if (item->n_stacks > 1)
        tb_emit(out, "%.200h%r%.300h", stack->class_, *stack->message != '\0' ? ": " : "",
                stack->message);
    else if (*thread != '\0')
        tb_emit(out, "thread \xe2\x80\x9c%.40h\xe2\x80\x9d%r", thread,
                tb_item_view_is_crash(item) ? " \xc2\xb7 crashed" : "");
    tb_emit(out, "</span><span class=\"sp\"></span>");
    if (stack->n > 0)
        tb_emit(out,
                "<button type=\"button\" hidden data-frames=\"few\" "
                "aria-pressed=\"true\">In-app</button>"
                "<button type=\"button\" hidden data-frames=\"all\" aria-pressed=\"false\">All "
                "%d</button>"
                "<button type=\"button\" hidden data-frames=\"raw\" "
                "aria-pressed=\"false\">Raw</button>",
                (int)stack->n);
    tb_emit(out, "</div>\n");
}

void tb_item_put_stacks(struct tb_item_view *item)
{
    struct tb_buf *out = item->view->out;
    int64_t n_omitted = tb_event_int(&item->event, 0, "custom.native.frames_omitted");
    for (int i = 0; i < item->n_stacks; i++) {
        const struct tb_stack *stack = &item->stacks[i];
        struct tb_buf text;
        put_head(item, stack, i);
        tb_emit(out, "<div data-framed>");
        tb_item_put_frames(item, stack, 1, stack->gap > 0 ? 0 : n_omitted);
        if (stack->n == 0)
            tb_emit(out, "<p class=\"mute facts\">%h.</p>\n", tb_item_view_no_frames(item));
        tb_emit(out, "</div>");
        tb_buf_init(&text, out->max);
        tb_item_put_stack_text(item, stack, &text);
        if (text.err != 0)
            out->err = text.err;
        tb_emit(out, "<pre class=\"raw\" tabindex=\"0\" hidden>%h</pre></div>\n",
                tb_buf_str(&text));
        tb_buf_done(&text);
    }
}
