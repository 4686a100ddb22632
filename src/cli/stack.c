/* stack.c - the stack of an item as people read it, innermost frame first. */
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "cli/calls.h"
#include "cli/print.h"

enum { SHORT_FRAMES = 8 };

/* The part of the body that holds class, message and frames: a trace, or the last link of a chain
 * (Rollbar puts the error that was seen first). */
static const cJSON *trace_of(const cJSON *data)
{
    const cJSON *trace = tb_json_at(data, "body.trace");
    if (trace != NULL)
        return trace;
    return cJSON_GetArrayItem(tb_json_at(data, "body.trace_chain"), 0);
}

const cJSON *tb_print_frames(const cJSON *data)
{
    const cJSON *frames = cJSON_GetObjectItemCaseSensitive(trace_of(data), "frames");
    return cJSON_GetArraySize(frames) > 0 ? frames : NULL;
}

const char *tb_print_class(const cJSON *data)
{
    return tb_json_text(trace_of(data), "exception.class");
}

const char *tb_print_meaning(const cJSON *data)
{
    const char *const native[] = {"custom.native.meaning", "body.message.body"};
    for (size_t i = 0; i < sizeof(native) / sizeof(native[0]); i++)
        if (*tb_json_text(data, native[i]) != '\0')
            return tb_json_text(data, native[i]);
    const char *said = tb_json_text(trace_of(data), "exception.description");
    return *said != '\0' ? said : tb_json_text(trace_of(data), "exception.message");
}

const cJSON *tb_print_blamed(const cJSON *frames, const char *root)
{
    struct tb_calls calls;
    (void)tb_calls_read(frames, root, &calls);
    const cJSON *blamed = calls.n > 0 ? calls.frames[calls.blamed] : NULL;
    tb_calls_done(&calls);
    return blamed;
}

/* What the meaning of a crash adds to its title, which says class and function. */
static const char *behind_title(const char *meaning, const char *class_)
{
    size_t len = strlen(class_);
    if (len == 0 || strncmp(meaning, class_, len) != 0)
        return meaning;
    return meaning + len + strspn(meaning + len, ":, ");
}

/* "SIGSEGV in queue_push: near-NULL read at 0x18", or the sentence alone where it says both. */
static void print_crash(const cJSON *data, const char *meaning)
{
    const char *class_ = tb_print_class(data);
    const char *title = tb_json_text(data, "title");
    const char *rest = behind_title(meaning, class_);
    const char *function = strstr(title, " in ");
    if (*class_ != '\0' && strstr(meaning, class_) != NULL && function != NULL &&
        strstr(meaning, function + strlen(" in ")) != NULL) {
        tb_print_text(meaning);
        return;
    }
    tb_print_text(title);
    if (*rest == '\0' || strncmp(title, meaning, strlen(meaning)) == 0)
        return;
    printf(": ");
    tb_print_text(rest);
}

void tb_print_what(const cJSON *data)
{
    const char *class_ = tb_print_class(data);
    const char *meaning = tb_print_meaning(data);
    if (*tb_json_text(data, "custom.native.signal") != '\0' &&
        *tb_json_text(data, "title") != '\0') {
        print_crash(data, meaning);
        return;
    }
    if (*class_ != '\0' && strstr(meaning, class_) == NULL) { /* else it says so itself */
        tb_print_text(class_);
        printf(": ");
    }
    tb_print_text(meaning);
}

static int line_of(const cJSON *frame)
{
    const cJSON *line = cJSON_GetObjectItemCaseSensitive(frame, "lineno");
    return cJSON_IsNumber(line) ? line->valueint : 0;
}

const char *tb_print_place(const cJSON *frame, const char *root, char out[TB_PLACE_TEXT])
{
    char file[TB_PLACE_TEXT - 64];
    char offset[32];
    const char *name = tb_json_text(frame, "filename");
    size_t len = strlen(root);
    if (len > 0 && strncmp(name, root, len) == 0 && name[len] == '/')
        name += len + 1;
    tb_print_clean(name, file, sizeof(file));
    tb_print_clean(tb_json_text(frame, "module_offset"), offset, sizeof(offset));
    if (line_of(frame) > 0)
        snprintf(out, TB_PLACE_TEXT, "%s:%d", file, line_of(frame));
    else
        snprintf(out, TB_PLACE_TEXT, "%s%s%s", file, *offset != '\0' ? " +" : "", offset);
    return out;
}

static const char *method(const cJSON *frame, char *out, size_t cap)
{
    const char *name = tb_json_text(frame, "method");
    return tb_print_clean(*name != '\0' ? name : "<unknown>", out, cap);
}

static const char *skip_blanks(const char *text)
{
    return text + strspn(text, " \t");
}

static void print_context(const cJSON *list, int line, const char *indent)
{
    const cJSON *code;
    char clean[200];
    cJSON_ArrayForEach(code, list)
    {
        const char *text = cJSON_GetStringValue(code);
        printf("%s    %5d  %s%s%s\n", indent, line++, tb_ink(TB_INK_DIM),
               tb_print_clean(text, clean, sizeof(clean)), tb_ink(TB_INK_NONE));
    }
}

/* The source around a frame, its own line marked. */
static void print_source(const cJSON *frame, int is_blamed, const char *indent)
{
    char clean[200];
    const char *code = tb_json_text(frame, "code");
    const cJSON *pre = tb_json_at(frame, "context.pre");
    int line = line_of(frame);
    if (*code == '\0')
        return;
    if (is_blamed)
        print_context(pre, line - cJSON_GetArraySize(pre), indent);
    printf("%s  > %5d  %s%s%s\n", indent, line, is_blamed ? tb_ink(TB_INK_BOLD) : "",
           tb_print_clean(code, clean, sizeof(clean)), is_blamed ? tb_ink(TB_INK_NONE) : "");
    if (is_blamed)
        print_context(tb_json_at(frame, "context.post"), line + 1, indent);
}

/* Where no frame has its source line: that it can be had, and how; or that those which are there
 * are too new, said of the innermost alone. */
static void print_hint(const cJSON *frames, const char *indent)
{
    const cJSON *frame;
    int n_lines = 0;
    const char *note = "";
    cJSON_ArrayForEach(frame, frames)
    {
        if (*tb_json_text(frame, "code_note") != '\0')
            note = tb_json_text(frame, "code_note");
    }
    if (*note != '\0') {
        printf("%s%s", indent, tb_ink(TB_INK_DIM));
        tb_print_text(note);
        printf("%s\n", tb_ink(TB_INK_NONE));
        return;
    }
    cJSON_ArrayForEach(frame, frames)
    {
        if (*tb_json_text(frame, "code") != '\0')
            return;
        n_lines +=
            line_of(frame) > 0 && cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(frame, "in_app"));
    }
    if (n_lines > 0)
        printf("%s%sno source lines: start the program with TOWBAR_ROOT (or .root), or the agent "
               "with symbols.source_roots, set to the folder of the sources%s\n",
               indent, tb_ink(TB_INK_DIM), tb_ink(TB_INK_NONE));
}

/* A stack while it is printed. */
struct stack {
    struct tb_calls calls;
    const char *root, *indent;
    bool is_main;    /* its blamed frame is marked */
    bool is_whole;   /* nothing is folded */
    size_t n_folded; /* frames that were not shown */
};

/* What is less than certain about a frame. */
static const char *how_found(const cJSON *frame)
{
    const char *trust = tb_json_text(frame, "trust");
    if (strcmp(trust, "tail") == 0)
        return "   tail call";
    return strcmp(trust, "scan") == 0 ? "   found by scan" : "";
}

static void print_frame(const struct stack *stack, size_t i)
{
    char name[128];
    char where[TB_PLACE_TEXT];
    const cJSON *frame = stack->calls.frames[i];
    bool is_blamed = stack->is_main && i == stack->calls.blamed;
    printf("%s#%-2zu %s%-16s%s  %s%s%s%s\n", stack->indent, i, is_blamed ? tb_ink(TB_INK_BOLD) : "",
           method(frame, name, sizeof(name)), is_blamed ? tb_ink(TB_INK_NONE) : "",
           tb_print_place(frame, stack->root, where), is_blamed ? "   (here)" : "",
           cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(frame, "inlined")) ? "   inlined" : "",
           how_found(frame));
    print_source(frame, is_blamed, stack->indent);
}

/* "7 frames of libc, libevent" */
static void print_library(struct stack *stack, size_t i, size_t n)
{
    char names[TB_FOLD_NAMES_TEXT];
    char clean[TB_FOLD_NAMES_TEXT];
    tb_fold_names(stack->calls.calls + i, n, names);
    tb_print_clean(names, clean, sizeof(clean));
    printf("%s%s>  %zu %sframe%s%s%s%s\n", stack->indent, tb_ink(TB_INK_DIM), n,
           *clean != '\0' ? "" : "library ", n == 1 ? "" : "s", *clean != '\0' ? " of " : "", clean,
           tb_ink(TB_INK_NONE));
    stack->n_folded += n;
}

/* "× 41: the 2 frames above, up to #83" */
static void print_cycle(struct stack *stack, size_t i, const struct tb_fold *fold)
{
    char name[128];
    printf("%s%s>  \xc3\x97 %zu: ", stack->indent, tb_ink(TB_INK_DIM), fold->times);
    if (fold->cycle == 1)
        printf("%s", method(stack->calls.frames[i], name, sizeof(name)));
    else
        printf("the %zu frames above", fold->cycle);
    printf(", up to #%zu%s\n", i + fold->n - 1, tb_ink(TB_INK_NONE));
    stack->n_folded += fold->n - fold->cycle;
}

/* One library frame alone is shown: a line that hides it would be as long. */
static void print_part(struct stack *stack, size_t start, size_t end)
{
    const struct tb_calls *calls = &stack->calls;
    for (size_t i = start; i < end;) {
        struct tb_fold fold = {.kind = TB_FOLD_NONE, .n = 1};
        if (!stack->is_whole)
            fold = tb_fold_at(calls->calls, end, i, calls->blamed);
        size_t n_shown = fold.kind == TB_FOLD_CYCLE ? fold.cycle : fold.n == 1 ? 1 : 0;
        for (size_t k = i; k < i + n_shown; k++)
            print_frame(stack, k);
        if (fold.kind == TB_FOLD_CYCLE)
            print_cycle(stack, i, &fold);
        else if (n_shown == 0)
            print_library(stack, i, fold.n);
        i += fold.n;
    }
}

size_t tb_print_others(const cJSON *frames, const char *root, const char *indent, int is_whole)
{
    struct stack stack = {.root = root, .indent = indent, .is_whole = is_whole != 0};
    if (tb_calls_read(frames, root, &stack.calls) < 0)
        printf("%sout of memory\n", indent);
    print_part(&stack, 0, stack.calls.n);
    tb_calls_done(&stack.calls);
    return stack.n_folded;
}

/* Of an own frame a line, with the source of the blamed one. */
static void print_line(const struct stack *stack, size_t i)
{
    char name[128];
    char where[TB_PLACE_TEXT];
    char code[200];
    const cJSON *frame = stack->calls.frames[i];
    printf("%s#%-2zu %-16s  %s", stack->indent, i, method(frame, name, sizeof(name)),
           tb_print_place(frame, stack->root, where));
    if (i == stack->calls.blamed && *tb_json_text(frame, "code") != '\0')
        printf("     %s%s%s", tb_ink(TB_INK_BOLD),
               skip_blanks(tb_print_clean(tb_json_text(frame, "code"), code, sizeof(code))),
               tb_ink(TB_INK_NONE));
    printf("\n");
}

static void print_short(struct stack *stack)
{
    const struct tb_calls *calls = &stack->calls;
    for (size_t i = 0, shown = 0; i < calls->n && shown < SHORT_FRAMES; shown++) {
        struct tb_fold fold = tb_fold_at(calls->calls, calls->n, i, calls->blamed);
        if (fold.kind == TB_FOLD_LIBRARY) {
            print_library(stack, i, fold.n);
        } else {
            for (size_t k = i; k < i + (fold.kind == TB_FOLD_CYCLE ? fold.cycle : 1); k++)
                print_line(stack, k);
        }
        if (fold.kind == TB_FOLD_CYCLE)
            print_cycle(stack, i, &fold);
        i += fold.n;
    }
}

static const char *why_no_stack(const cJSON *data)
{
    if (strcmp(tb_json_text(data, "custom.native.kind"), "vanished") == 0)
        return "no handler saw it";
    return trace_of(data) != NULL ? "it came without frames" : "it was reported as a message";
}

static int number_at(const cJSON *data, const char *path)
{
    double number = cJSON_GetNumberValue(tb_json_at(data, path));
    return number >= 1 && number < INT_MAX ? (int)number : 0;
}

/* Of a native stack that was too deep the frames between both ends are left out. */
static void print_full(const cJSON *data, struct stack *stack)
{
    int omitted = number_at(data, "custom.native.frames_omitted");
    size_t oldest = (size_t)number_at(data, "custom.native.frames_oldest");
    size_t gap = oldest >= 1 && oldest < stack->calls.n ? stack->calls.n - oldest : stack->calls.n;
    print_part(stack, 0, gap);
    if (omitted > 0)
        printf("%s%s>  %d frames are left out%s\n", stack->indent, tb_ink(TB_INK_DIM), omitted,
               tb_ink(TB_INK_NONE));
    print_part(stack, gap, stack->calls.n);
}

size_t tb_print_stack(const cJSON *data, const char *indent, enum tb_stack_form form)
{
    const cJSON *frames = tb_print_frames(data);
    struct stack stack = {.root = tb_json_text(data, "server.root"),
                          .indent = indent,
                          .is_main = true,
                          .is_whole = form == TB_STACK_WHOLE};
    if (frames == NULL) {
        printf("%sno stack: %s\n", indent, why_no_stack(data));
        return 0;
    }
    if (tb_calls_read(frames, stack.root, &stack.calls) < 0)
        printf("%sout of memory\n", indent);
    if (form == TB_STACK_SHORT) {
        print_short(&stack);
    } else {
        print_full(data, &stack);
        print_hint(frames, indent);
    }
    tb_calls_done(&stack.calls);
    return stack.n_folded;
}
