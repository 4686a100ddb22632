/* stack.c - the stack of an item as people read it, innermost frame first. */
#include <stdio.h>
#include <string.h>

#include "cli/print.h"
#include "item/read.h"

enum { SHORT_FRAMES = 8, RECURSION_LEAST = 4 };

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

static int is_library(const cJSON *frame)
{
    const cJSON *in_app = cJSON_GetObjectItemCaseSensitive(frame, "in_app");
    return cJSON_IsBool(in_app) ? cJSON_IsFalse(in_app)
                                : tb_item_is_package(tb_json_text(frame, "filename"));
}

const cJSON *tb_print_blamed(const cJSON *frames)
{
    const cJSON *blamed = NULL;
    const cJSON *last = NULL;
    const cJSON *frame;
    cJSON_ArrayForEach(frame, frames)
    {
        last = frame;
        if (!is_library(frame))
            blamed = frame;
    }
    return blamed != NULL ? blamed : last;
}

void tb_print_what(const cJSON *data)
{
    const char *class_ = tb_print_class(data);
    const char *meaning = tb_print_meaning(data);
    const char *function = tb_json_text(tb_print_blamed(tb_print_frames(data)), "method");
    tb_print_text(class_);
    printf("%s", *class_ != '\0' ? ": " : "");
    tb_print_text(meaning);
    if (*tb_json_text(data, "custom.native.signal") == '\0' || *function == '\0' ||
        strstr(meaning, function) != NULL)
        return;
    printf(" in ");
    tb_print_text(function);
    printf("()");
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

/* How many frames from number i on to end, innermost first, are the same call again. */
static int same_run(const cJSON *frames, int n, int i, int end)
{
    const cJSON *frame = cJSON_GetArrayItem(frames, n - 1 - i);
    int run = 1;
    for (; i + run < end; run++) {
        const cJSON *next = cJSON_GetArrayItem(frames, n - 1 - i - run);
        if (strcmp(tb_json_text(frame, "method"), tb_json_text(next, "method")) != 0 ||
            strcmp(tb_json_text(frame, "filename"), tb_json_text(next, "filename")) != 0 ||
            line_of(frame) != line_of(next))
            break;
    }
    return run;
}

/* Frames that follow each other without a gap. */
struct part {
    int start, end;
};

/* Says how often the frame before number i comes again, if that is often; returns how many frames
 * that was. */
static int fold_recursion(const cJSON *frames, int n, struct part part, int i, const char *indent)
{
    char name[128];
    int run = i > part.start ? same_run(frames, n, i - 1, part.end) - 1 : 0;
    if (run < RECURSION_LEAST)
        return 0;
    printf("%s%s>  %d more frames of %s%s\n", indent, tb_ink(TB_INK_DIM), run,
           method(cJSON_GetArrayItem(frames, n - 1 - i), name, sizeof(name)), tb_ink(TB_INK_NONE));
    return run;
}

/* Where no frame has its source line: that it can be had, and how. */
static void print_hint(const cJSON *frames, const char *indent)
{
    const cJSON *frame;
    int n_lines = 0;
    cJSON_ArrayForEach(frame, frames)
    {
        if (*tb_json_text(frame, "code") != '\0')
            return;
        n_lines += line_of(frame) > 0;
    }
    if (n_lines > 0)
        printf("%s%sno source lines: start the program with TOWBAR_ROOT (or .root), or the agent "
               "with symbols.source_roots, set to the folder of the sources%s\n",
               indent, tb_ink(TB_INK_DIM), tb_ink(TB_INK_NONE));
}

/* blamed NULL: none is marked. */
static void print_part(const cJSON *frames, struct part part, const cJSON *blamed, const char *root,
                       const char *indent)
{
    char name[128];
    char where[TB_PLACE_TEXT];
    int n = cJSON_GetArraySize(frames);
    for (int i = part.start; i < part.end; i++) {
        const cJSON *frame = cJSON_GetArrayItem(frames, n - 1 - i);
        int run = fold_recursion(frames, n, part, i, indent);
        if (run > 0) {
            i += run - 1;
            continue;
        }
        printf("%s#%-2d %s%-16s%s  %s%s%s\n", indent, i, frame == blamed ? tb_ink(TB_INK_BOLD) : "",
               method(frame, name, sizeof(name)), frame == blamed ? tb_ink(TB_INK_NONE) : "",
               tb_print_place(frame, root, where), frame == blamed ? "   (here)" : "",
               cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(frame, "inlined")) ? "   inlined"
                                                                                : "");
        print_source(frame, frame == blamed, indent);
    }
}

void tb_print_others(const cJSON *frames, const char *root, const char *indent)
{
    print_part(frames, (struct part){0, cJSON_GetArraySize(frames)}, NULL, root, indent);
}

/* Counts the library frames from number i on, innermost first, and says which library. */
static int library_run(const cJSON *frames, int n, int i, const char **module)
{
    int run = 0;
    *module = "";
    while (i + run < n && is_library(cJSON_GetArrayItem(frames, n - 1 - i - run))) {
        if (**module == '\0')
            *module = tb_json_text(cJSON_GetArrayItem(frames, n - 1 - i - run), "module");
        run++;
    }
    return run;
}

static void print_fold(const char *indent, int run, const char *module)
{
    char clean[128];
    const char *base = strrchr(module, '/');
    printf("%s%s>  %d library frame%s%s%s%s\n", indent, tb_ink(TB_INK_DIM), run,
           run == 1 ? "" : "s", *module != '\0' ? "  " : "",
           tb_print_clean(base != NULL ? base + 1 : module, clean, sizeof(clean)),
           tb_ink(TB_INK_NONE));
}

static void print_short(const cJSON *frames, const char *root, const char *indent)
{
    const cJSON *blamed = tb_print_blamed(frames);
    char name[128];
    char where[TB_PLACE_TEXT];
    char code[200];
    int n = cJSON_GetArraySize(frames);
    int shown = 0;
    for (int i = 0; i < n && shown < SHORT_FRAMES; i++, shown++) {
        const char *module;
        const cJSON *frame = cJSON_GetArrayItem(frames, n - 1 - i);
        int run = library_run(frames, n, i, &module);
        if (run > 0 && frame != blamed) {
            print_fold(indent, run, module);
            i += run - 1;
            continue;
        }
        printf("%s#%-2d %-16s  %s", indent, i, method(frame, name, sizeof(name)),
               tb_print_place(frame, root, where));
        if (frame == blamed && *tb_json_text(frame, "code") != '\0')
            printf("     %s%s%s", tb_ink(TB_INK_BOLD),
                   skip_blanks(tb_print_clean(tb_json_text(frame, "code"), code, sizeof(code))),
                   tb_ink(TB_INK_NONE));
        printf("\n");
    }
}

static const char *why_no_stack(const cJSON *data)
{
    if (strcmp(tb_json_text(data, "custom.native.kind"), "vanished") == 0)
        return "no handler saw it";
    return trace_of(data) != NULL ? "it came without frames" : "it was reported as a message";
}

/* Of a native stack that was too deep the frames between both ends are left out. */
static void print_full(const cJSON *data, const cJSON *frames, const char *root, const char *indent)
{
    const cJSON *blamed = tb_print_blamed(frames);
    int n = cJSON_GetArraySize(frames);
    double omitted = cJSON_GetNumberValue(tb_json_at(data, "custom.native.frames_omitted"));
    double oldest = cJSON_GetNumberValue(tb_json_at(data, "custom.native.frames_oldest"));
    int gap = oldest >= 1 && oldest < n ? n - (int)oldest : n;
    print_part(frames, (struct part){0, gap}, blamed, root, indent);
    if (omitted >= 1)
        printf("%s%s>  %.0f frames are left out%s\n", indent, tb_ink(TB_INK_DIM), omitted,
               tb_ink(TB_INK_NONE));
    print_part(frames, (struct part){gap, n}, blamed, root, indent);
}

void tb_print_stack(const cJSON *data, const char *indent, int is_short)
{
    const cJSON *frames = tb_print_frames(data);
    const char *root = tb_json_text(data, "server.root");
    if (frames == NULL) {
        printf("%sno stack: %s\n", indent, why_no_stack(data));
    } else if (is_short) {
        print_short(frames, root, indent);
    } else {
        print_full(data, frames, root, indent);
        print_hint(frames, indent);
    }
}
