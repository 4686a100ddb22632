/* stack.c - see stack.h. */
#include "web/stack.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

enum { PLACE_MAX_BYTES = 8 << 10 };

/* What the agent says of native frames; for others the folders where packages are installed. */
static int is_library(struct tb_event *event, int node, const char *filename)
{
    int in_app = tb_event_bool(event, node, "in_app");
    return in_app >= 0 ? !in_app
                       : tb_fold_is_package(filename, tb_event_at(event, 0, "server.root"));
}

static void read_frame(struct tb_event *event, int node, struct tb_frame *out)
{
    out->node = node;
    out->method = tb_event_at(event, node, "method");
    out->filename = tb_event_at(event, node, "filename");
    out->module = tb_event_at(event, node, "module");
    out->address = tb_event_at(event, node, "address");
    out->offset = tb_event_at(event, node, "module_offset");
    out->code = tb_event_at(event, node, "code");
    out->line = tb_event_int(event, node, "lineno");
    if (out->line < 0)
        out->line = 0;
    out->is_library = is_library(event, node, out->filename);
    out->is_inlined = tb_event_bool(event, node, "inlined") == 1;
    out->is_tail = strcmp(tb_event_at(event, node, "trust"), "tail") == 0;
    out->is_scan = strcmp(tb_event_at(event, node, "trust"), "scan") == 0;
    if (*out->method == '\0')
        out->method = "<unknown>";
}

/* Items have the oldest frame first; the innermost ones are kept when there are too many. */
static int read_frames(struct tb_event *event, int list, struct tb_stack *out)
{
    if (!tb_event_is(event, list, TB_DOC_ARRAY))
        return 0;
    out->n_all = (size_t)tb_event_count(event, list);
    out->n = out->n_all < TB_STACK_FRAMES ? out->n_all : TB_STACK_FRAMES;
    out->frames = calloc(out->n + 1, sizeof(*out->frames));
    out->calls = calloc(out->n + 1, sizeof(*out->calls));
    if (out->frames == NULL || out->calls == NULL)
        return -ENOMEM;
    size_t left = out->n_all;
    for (int f = tb_event_first(event, list); f >= 0; f = tb_event_next(event, f)) {
        left--;
        if (left >= out->n)
            continue;
        struct tb_frame *frame = &out->frames[left];
        read_frame(event, f, frame);
        frame->number = (int)left;
        out->calls[left] = (struct tb_fold_frame){.method = frame->method,
                                                  .file = frame->filename,
                                                  .module = frame->module,
                                                  .line = frame->line,
                                                  .is_library = frame->is_library};
    }
    out->blamed = tb_fold_blamed(out->calls, out->n);
    return 0;
}

static int read_stack(struct tb_event *event, int trace, struct tb_stack *out)
{
    memset(out, 0, sizeof(*out));
    out->class_ = tb_event_at(event, trace, "exception.class");
    out->message = tb_event_at(event, trace, "exception.message");
    return read_frames(event, tb_event_node(event, trace, "frames"), out);
}

int tb_stack_frames(struct tb_event *event, int list, struct tb_stack *out)
{
    memset(out, 0, sizeof(*out));
    out->class_ = out->message = "";
    return read_frames(event, list, out);
}

/* Of a native stack that was too deep. */
static void read_gap(struct tb_event *event, struct tb_stack *out)
{
    int64_t omitted = tb_event_int(event, 0, "custom.native.frames_omitted");
    int64_t oldest = tb_event_int(event, 0, "custom.native.frames_oldest");
    if (omitted <= 0 || oldest <= 0 || oldest >= (int64_t)out->n_all)
        return;
    out->gap = out->n_all - (size_t)oldest;
    out->n_in_gap = omitted;
    if (out->gap >= out->n)
        out->gap = 0;
}

int tb_stack_read(struct tb_event *event, struct tb_stack out[TB_STACKS])
{
    int n = 0;
    int err = 0;
    int trace = tb_event_node(event, 0, "body.trace");
    int chain = tb_event_node(event, 0, "body.trace_chain");
    if (tb_event_is(event, trace, TB_DOC_OBJECT))
        err = read_stack(event, trace, &out[n++]);
    else if (tb_event_is(event, chain, TB_DOC_ARRAY))
        for (int t = tb_event_first(event, chain); t >= 0 && n < TB_STACKS && err == 0;
             t = tb_event_next(event, t))
            err = read_stack(event, t, &out[n++]);
    if (err == 0 && n == 1)
        read_gap(event, &out[0]);
    if (err == 0)
        return n;
    while (n > 0)
        tb_stack_done(&out[--n]);
    return err;
}

void tb_stack_done(struct tb_stack *stack)
{
    free(stack->frames);
    free(stack->calls);
    memset(stack, 0, sizeof(*stack));
}

struct tb_fold tb_stack_fold(const struct tb_stack *stack, size_t i)
{
    size_t end = i < stack->gap ? stack->gap : stack->n;
    return tb_fold_at(stack->calls, end, i, stack->blamed);
}

/* Without the server's root, which says nothing and is long. */
static const char *without_root(struct tb_event *event, const char *filename)
{
    const char *root = tb_event_at(event, 0, "server.root");
    size_t len = strlen(root);
    return len > 0 && strncmp(filename, root, len) == 0 && filename[len] == '/' ? filename + len + 1
                                                                                : filename;
}

const char *tb_frame_place(struct tb_event *event, const struct tb_frame *frame)
{
    struct tb_buf text;
    const char *filename = without_root(event, frame->filename);
    tb_buf_init(&text, PLACE_MAX_BYTES);
    if (frame->line > 0)
        tb_buf_addf(&text, "%.4000s:%" PRId64, filename, frame->line);
    else
        tb_buf_addf(&text, "%.4000s%s%.32s", filename, *frame->offset != '\0' ? " +" : "",
                    frame->offset);
    if (text.err == -ENOMEM)
        event->err = text.err;
    const char *kept = tb_event_keep(event, tb_buf_str(&text), text.len);
    tb_buf_done(&text);
    return kept;
}

int tb_stack_blamed(struct tb_event *event, struct tb_frame *out)
{
    struct tb_stack stack;
    int trace = tb_event_node(event, 0, "body.trace");
    if (!tb_event_is(event, trace, TB_DOC_OBJECT))
        trace = tb_event_node(event, 0, "body.trace_chain.0");
    int err = read_stack(event, trace, &stack);
    if (err == 0 && stack.n > 0)
        *out = stack.frames[stack.blamed];
    else if (err == 0)
        err = -ENOENT;
    tb_stack_done(&stack);
    return err;
}
