/* item_text.c - an item as plain text in the style of gdb, and as Markdown for an issue.
 *
 * Both are for terminals, mails and assistants: every line that holds something of a report begins
 * with something of ours, so that no text of a report can end a block or look like ours. */
#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "web/emit.h"
#include "web/pages.h"
#include "web/threads.h"
#include "web/words.h"

enum { NOTES_SHOWN = 20, REGISTERS_MAX = 100, SOURCE_LINES = 50 };

/* ---- the stack ---- */

static void put_lines(struct tb_buf *out, struct tb_event *event, int list, int64_t first)
{
    int64_t n = 0;
    for (int l = tb_event_first(event, list); l >= 0 && n < SOURCE_LINES;
         l = tb_event_next(event, l), n++)
        tb_emit(out, "      %l\t%.400t\n", first + n, tb_event_value(event, l));
}

static void put_source(struct tb_buf *out, struct tb_event *event, const struct tb_frame *frame)
{
    int pre = tb_event_node(event, frame->node, "context.pre");
    int post = tb_event_node(event, frame->node, "context.post");
    put_lines(out, event, pre, frame->line - tb_event_count(event, pre));
    tb_emit(out, "    > %l\t%.400t\n", frame->line, frame->code);
    put_lines(out, event, post, frame->line + 1);
}

/* "#0  0x000055d0c1a04e2c in queue_push (src/queue.c:214)" */
static void put_frame(struct tb_buf *out, struct tb_event *event, const struct tb_stack *stack,
                      size_t i)
{
    const struct tb_frame *frame = &stack->frames[i];
    const char *place = tb_frame_place(event, frame);
    tb_emit(out, "#%d%r %.40t%r%.200t", frame->number, frame->number < 10 ? " " : "",
            frame->address, *frame->address != '\0' ? " in " : "", frame->method);
    if (*place != '\0')
        tb_emit(out, " (%.300t)", place);
    if (frame->is_inlined)
        tb_emit(out, " [inlined]");
    if (frame->is_tail)
        tb_emit(out, " [tail call]");
    if (frame->is_scan)
        tb_emit(out, " [found by scan]");
    tb_emit(out, "\n");
    if (i == stack->blamed && *frame->code != '\0')
        put_source(out, event, frame);
}

/* "... × 41: the 2 frames above, up to #83" */
static void put_cycle(struct tb_buf *out, const struct tb_stack *stack, size_t i,
                      const struct tb_fold *fold)
{
    tb_emit(out, "... \xc3\x97 %d: ", (int)fold->times);
    if (fold->cycle == 1)
        tb_emit(out, "%.200t", stack->frames[i].method);
    else
        tb_emit(out, "the %d frames above", (int)fold->cycle);
    tb_emit(out, ", up to #%d\n", stack->frames[i + fold->n - 1].number);
}

/* Of libraries all frames are shown: whoever reads this has asked for it. */
void tb_item_put_stack_text(struct tb_item_view *item, const struct tb_stack *stack,
                            struct tb_buf *out)
{
    for (size_t i = 0; i < stack->n;) {
        size_t end = i < stack->gap ? stack->gap : stack->n;
        struct tb_fold fold = tb_fold_cycle(stack->calls, end, i);
        size_t n_shown = fold.kind == TB_FOLD_CYCLE ? fold.cycle : 1;
        if (i > 0 && i == stack->gap)
            tb_emit(out, "... %n frames are left out\n", stack->n_in_gap);
        for (size_t f = i; f < i + n_shown; f++)
            put_frame(out, &item->event, stack, f);
        if (fold.kind == TB_FOLD_CYCLE)
            put_cycle(out, stack, i, &fold);
        i += fold.n;
    }
    if (stack->n < stack->n_all)
        tb_emit(out, "... %n frames are left out\n", (int64_t)(stack->n_all - stack->n));
}

static void put_stacks(struct tb_item_view *item, struct tb_buf *out)
{
    for (int i = 0; i < item->n_stacks; i++) {
        const struct tb_stack *stack = &item->stacks[i];
        if (item->n_stacks > 1)
            tb_emit(out, "%r%.200t%r%.2000t\n", i > 0 ? "\nCaused by: " : "Raised: ", stack->class_,
                    *stack->message != '\0' ? ": " : "", stack->message);
        tb_item_put_stack_text(item, stack, out);
        if (stack->n == 0)
            tb_emit(out, "%t.\n", tb_item_view_no_frames(item));
    }
}

static int has_threads(struct tb_item_view *item)
{
    struct tb_threads threads;
    return tb_threads_read(&item->event, &threads);
}

/* ---- around it ---- */

struct line {
    const char *name, *path;
};

static const struct line LINES[] = {{"signal", "custom.native.signal"},
                                    {"code", "custom.native.code"},
                                    {"address", "custom.native.address"},
                                    {"exception", "custom.native.exception.type"},
                                    {"what", "custom.native.exception.what"},
                                    {"system call", "custom.native.syscall.name"},
                                    {"sent by pid", "custom.native.sender.pid"},
                                    {"of uid", "custom.native.sender.uid"},
                                    {"abort", "custom.native.abort_message"},
                                    {"thread", "custom.native.thread.name"},
                                    {"host", "server.host"},
                                    {"pid", "server.pid"},
                                    {"version", "code_version"},
                                    {"framework", "framework"},
                                    {"context", "context"},
                                    {"request", "request.url"},
                                    {"method", "request.method"},
                                    {"storm", "custom.towbar.note"}};

/* Up to where the values begin. */
static const char PAD[] = "            ";

static void put_seen(struct tb_item_view *item, struct tb_buf *out)
{
    char first[TB_WORDS];
    char last[TB_WORDS];
    tb_words_stamp(item->first_ms, first);
    tb_words_stamp(item->last_ms, last);
    if (item->total == 1)
        tb_emit(out, "once, %t", last);
    else
        tb_emit(out, "%n times, first %t, last %t", item->total, first, last);
}

static int has_notes(const struct tb_item_view *item)
{
    int list = tb_event_node(&item->event, 0, "body.telemetry");
    return tb_event_is(&item->event, list, TB_DOC_ARRAY) && tb_event_count(&item->event, list) > 0;
}

static int has_ranges(struct tb_item_view *item)
{
    struct tb_event *event = &item->event;
    return tb_event_count(event, tb_event_node(event, 0, "custom.native.mappings")) > 0 ||
           tb_event_count(event, tb_event_node(event, 0, "custom.native.unloaded")) > 0;
}

static int has_registers(const struct tb_item_view *item)
{
    return tb_event_count(&item->event, tb_event_node(&item->event, 0, "custom.native.registers")) >
           0;
}

static void put_notes(struct tb_item_view *item, struct tb_buf *out)
{
    struct tb_event *event = &item->event;
    int list = tb_event_node(event, 0, "body.telemetry");
    int left = tb_event_count(event, list);
    for (int t = tb_event_first(event, list); t >= 0; t = tb_event_next(event, t)) {
        char distance[TB_WORDS] = "?";
        int64_t at_ms = tb_event_int(event, t, "timestamp_ms");
        const char *text = tb_event_at(event, t, "body.message");
        if (left-- > NOTES_SHOWN)
            continue;
        if (at_ms > 0 && at_ms < INT64_MAX / TB_NS_PER_MS)
            tb_words_distance(
                (at_ms - tb_moment_of(item->occurred_ns, item->received_ns).at_ns / TB_NS_PER_MS) *
                    TB_NS_PER_MS,
                distance);
        tb_emit(out, "  %t  %.44t  %.500t\n", distance, tb_item_view_note_kind(item, t),
                *text != '\0' ? text : tb_event_at(event, t, "body"));
    }
}

static void put_registers(struct tb_item_view *item, struct tb_buf *out)
{
    struct tb_event *event = &item->event;
    int list = tb_event_node(event, 0, "custom.native.registers");
    int n = 0;
    for (int r = tb_event_first(event, list); r >= 0 && n++ < REGISTERS_MAX;
         r = tb_event_next(event, r))
        tb_emit(out, "  %.10t\t%.40t\n", tb_event_key(event, r), tb_event_value(event, r));
}

static void put_why(struct tb_item_view *item, struct tb_buf *out)
{
    struct tb_event inputs;
    if (tb_event_init(&inputs, item->group_inputs, strlen(item->group_inputs)) == 0) {
        const char *why = tb_event_at(&inputs, 0, "why");
        if (*why != '\0')
            tb_emit(out, "\nGrouped by %.4000t\n", why);
        tb_event_done(&inputs);
    }
    tb_emit(out, "\nFingerprint %t, from %.4000t\n", item->fingerprint, item->group_inputs);
}

void tb_item_put_text(struct tb_item_view *item, struct tb_buf *out)
{
    char stamp[TB_WORDS];
    const char *meaning = tb_item_view_meaning(item);
    tb_emit(out, "%t\n", item->title);
    if (*meaning != '\0')
        tb_emit(out, "  %.2000t\n", meaning);
    tb_emit(out, "\n  item        %l, %t, %t\n  service     %t\n  environment %t\n  seen        ",
            item->number, item->level, item->status, item->service, item->environment);
    put_seen(item, out);
    tb_emit(out, "\n  occurrence  %t, %t\n", item->uuid,
            tb_words_stamp(item->occurred_ns / TB_NS_PER_MS, stamp));
    if (*item->trace_id != '\0' || *item->xray_trace_id != '\0')
        tb_emit(out, "  trace       %t\n",
                *item->trace_id != '\0' ? item->trace_id : item->xray_trace_id);
    for (size_t i = 0; i < sizeof(LINES) / sizeof(LINES[0]); i++) {
        const char *value = tb_event_at(&item->event, 0, LINES[i].path);
        if (*value != '\0')
            tb_emit(out, "  %t%r%.500t\n", LINES[i].name, &PAD[strlen(LINES[i].name)], value);
    }
    tb_item_put_links_text(item, out, 0);
    tb_item_put_evidence_text(item, out);
    tb_emit(out, "\n");
    put_stacks(item, out);
    if (has_threads(item)) {
        tb_emit(out, "\n");
        tb_item_put_threads_text(item, out);
    }
    if (has_notes(item)) {
        tb_emit(out, "\nBefore it, the latest last:\n");
        put_notes(item, out);
    }
    if (has_registers(item)) {
        tb_emit(out, "\nRegisters:\n");
        put_registers(item, out);
    }
    put_why(item, out);
}

/* ---- Markdown ---- */

static void put_block(struct tb_item_view *item, struct tb_buf *out,
                      void (*put)(struct tb_item_view *, struct tb_buf *))
{
    size_t before;
    tb_emit(out, "```text\n");
    before = out->len;
    put(item, out);
    if (out->len == before)
        tb_emit(out, "(nothing)\n");
    tb_emit(out, "```\n");
}

void tb_item_put_markdown(struct tb_item_view *item, struct tb_buf *out)
{
    char stamp[TB_WORDS];
    const char *meaning = tb_item_view_meaning(item);
    tb_emit(out, "# %m\n\n", item->title);
    if (*meaning != '\0')
        tb_emit(out, "%.2000m\n\n", meaning);
    tb_emit(out, "- **Level:** %m\n- **Service:** %m\n- **Environment:** %m\n- **Seen:** ",
            item->level, item->service, item->environment);
    put_seen(item, out);
    tb_emit(out, "\n- **Occurrence:** %m, %m\n", item->uuid,
            tb_words_stamp(item->occurred_ns / TB_NS_PER_MS, stamp));
    if (*item->trace_id != '\0' || *item->xray_trace_id != '\0')
        tb_emit(out, "- **Trace:** %m\n",
                *item->trace_id != '\0' ? item->trace_id : item->xray_trace_id);
    for (size_t i = 0; i < sizeof(LINES) / sizeof(LINES[0]); i++) {
        const char *value = tb_event_at(&item->event, 0, LINES[i].path);
        if (*value != '\0')
            tb_emit(out, "- **%m:** %.500m\n", LINES[i].name, value);
    }
    tb_item_put_links_text(item, out, 1);
    if (has_ranges(item)) {
        tb_emit(out, "\n## What is mapped\n\n");
        put_block(item, out, tb_item_put_evidence_text);
    }
    tb_emit(out, "\n## Stack\n\n");
    put_block(item, out, put_stacks);
    if (has_threads(item)) {
        tb_emit(out, "\n## Other threads\n\n");
        put_block(item, out, tb_item_put_threads_text);
    }
    if (has_notes(item)) {
        tb_emit(out, "\n## Before it\n\n");
        put_block(item, out, put_notes);
    }
    if (has_registers(item)) {
        tb_emit(out, "\n## Registers\n\n");
        put_block(item, out, put_registers);
    }
    tb_emit(out, "\nItem %l of towbar, fingerprint %m.\n", item->number, item->fingerprint);
}
