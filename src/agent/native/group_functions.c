/* group_functions.c - see group_functions.h. */
#include "agent/native/group_functions.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/path.h"

enum {
    NEAR_STACK_BYTES = 64 << 10, /* a fault so near the stack pointer is the stack's end */
    TERMINATE_FRAMES = 24,
    RECURSIVE = 3, /* times that a function must be on the stack */
    OFFSET_BYTES = 24,
    TEXT_BYTES = 512,
};

/* The frames that count, newest first. */
struct counted {
    char (*names)[TB_GROUP_NAME_BYTES];
    size_t n;
    char lambda_in[TB_GROUP_NAME_BYTES];    /* the module of one that waits for its caller, or "" */
    char lambda_scope[TB_GROUP_NAME_BYTES]; /* whose it is, or empty */
};

static int is_bool(const struct tb_doc *item, int node, const char *word)
{
    const struct tb_doc_node *n = node >= 0 ? tb_doc_at(item, node) : NULL;
    return n != NULL && n->type == TB_DOC_BOOL && n->len == strlen(word);
}

int tb_group_is_false(const struct tb_doc *item, int node)
{
    return is_bool(item, node, "false");
}

int tb_group_has_own_line(const struct tb_doc *item, int frame)
{
    return is_bool(item, tb_doc_member(item, frame, "in_app"), "true") &&
           tb_doc_int(item, tb_doc_member(item, frame, "lineno"), 0) > 0;
}

static void copy_member(const struct tb_doc *item, int object, const char *key, char *out,
                        size_t cap)
{
    (void)tb_doc_copy(item, tb_doc_member(item, object, key), out, cap);
}

/* ---- the frames that count ---- */

/* All functions without a name would be one: the place in the module tells their bugs apart. */
static void add_unnamed(const struct tb_doc *item, int frame, const char *module,
                        struct counted *list)
{
    char offset[OFFSET_BYTES];
    if (module[0] == '\0')
        return;
    copy_member(item, frame, "module_offset", offset, sizeof(offset));
    char *name = list->names[list->n++];
    int room = TB_GROUP_NAME_BYTES - OFFSET_BYTES - 2;
    snprintf(name, TB_GROUP_NAME_BYTES, "%.*s", room, module);
    if (offset[0] != '\0')
        snprintf(name + strlen(name), OFFSET_BYTES + 1, "%c%s", TB_GROUP_UNNAMED, offset);
}

/* A lambda that was inlined into what the C++ library made for it is there by that name alone. It
 * is the program's if its caller is, the next frame that counts. */
static void add_lambda(struct counted *list, const char *module)
{
    if (list->lambda_in[0] != '\0' && strcmp(list->lambda_in, module) == 0)
        snprintf(list->names[list->n++], TB_GROUP_NAME_BYTES, "%.*s%s{lambda}",
                 TB_GROUP_NAME_BYTES - 16, list->lambda_scope,
                 list->lambda_scope[0] != '\0' ? "::" : "");
    list->lambda_in[0] = '\0';
    list->lambda_scope[0] = '\0';
}

/* Adds a frame if it counts. through gets the name of the innermost that does not. */
static int add_frame(const struct tb_doc *item, int frame, int need_in_app, struct counted *list,
                     char *through)
{
    char method[TB_GROUP_NAME_BYTES];
    char module[TB_GROUP_NAME_BYTES];
    copy_member(item, frame, "module", module, sizeof(module));
    copy_member(item, frame, "method", method, sizeof(method));
    const char *name = tb_path_base(module);
    int is_library = tb_group_is_noise_module(name) ||
                     (need_in_app && is_bool(item, tb_doc_member(item, frame, "in_app"), "false"));
    int is_named = method[0] != '\0' && strcmp(method, "<unknown>") != 0;
    int is_noise = is_named && tb_group_is_noise(method, tb_group_has_own_line(item, frame));
    if (is_library || is_noise) {
        if (list->n == 0 && through[0] == '\0' && !is_noise)
            snprintf(through, TB_GROUP_NAME_BYTES, "%s", is_named ? method : name);
        if (is_named && tb_group_is_of_lambda(method)) {
            snprintf(list->lambda_in, TB_GROUP_NAME_BYTES, "%s", module);
            (void)tb_group_lambda_scope(method, list->lambda_scope, TB_GROUP_NAME_BYTES);
        }
        return 0;
    }
    add_lambda(list, module);
    if (!is_named)
        add_unnamed(item, frame, name, list);
    else
        tb_group_clean(method, list->names[list->n++], TB_GROUP_NAME_BYTES);
    return is_named;
}

/* The frames from the newest on, at most TB_GROUP_FRAMES: they are a list that is linked forwards
 * only, so their numbers are laid out first. */
static size_t newest_first(const struct tb_doc *item, int *frames)
{
    int node = tb_doc_find(item, 0, "body.trace.frames");
    const struct tb_doc_node *list = node >= 0 ? tb_doc_at(item, node) : NULL;
    if (list == NULL || list->type != TB_DOC_ARRAY || list->n_members <= 0)
        return 0;
    size_t n_skipped = 0;
    size_t n = (size_t)list->n_members;
    if (n > TB_GROUP_FRAMES) {
        n_skipped = n - TB_GROUP_FRAMES;
        n = TB_GROUP_FRAMES;
    }
    size_t at = n;
    for (int f = list->first; f >= 0 && at > 0; f = tb_doc_at(item, f)->next) {
        if (n_skipped > 0)
            n_skipped--;
        else
            frames[--at] = f;
    }
    return n;
}

/* A stack without any function of the program: the module that it ends in is all there is. */
static void add_module(const struct tb_doc *item, int frame, struct counted *list)
{
    char module[TB_GROUP_NAME_BYTES];
    copy_member(item, frame, "module", module, sizeof(module));
    if (module[0] != '\0')
        snprintf(list->names[list->n++], TB_GROUP_NAME_BYTES, "%s", tb_path_base(module));
}

/* Where a call of data led is no function. */
static int is_jump_target(const struct tb_doc *item, int frame)
{
    char text[TEXT_BYTES];
    (void)tb_doc_copy(item, tb_doc_find(item, 0, "custom.native.access"), text, sizeof(text));
    if (strcmp(text, "exec") != 0)
        return 0;
    copy_member(item, frame, "method", text, sizeof(text));
    return text[0] == '\0' || strcmp(text, "<unknown>") == 0;
}

/* Of an abort that came from std::terminate: the frame behind that, as what is inside of it is a
 * handler that says how the program ends, and not why. Else 0. */
static size_t behind_terminate(const struct tb_doc *item, const int *frames, size_t n)
{
    char text[TEXT_BYTES];
    (void)tb_doc_copy(item, tb_doc_find(item, 0, "custom.native.signal"), text, sizeof(text));
    if (strcmp(text, "SIGABRT") != 0)
        return 0;
    for (size_t i = 0; i < n && i < TERMINATE_FRAMES; i++) {
        copy_member(item, frames[i], "method", text, sizeof(text));
        if (strcmp(text, "std::terminate") == 0 || strcmp(text, "std::terminate()") == 0 ||
            strncmp(text, "__cxxabiv1::__terminate", 23) == 0)
            return i + 1 < n ? i + 1 : 0;
    }
    return 0;
}

/* gcc's debug data do not say whose a lambda is; the library's functions that call it do, as it is
 * an argument of their templates. */
static void name_lambda(const struct tb_doc *item, const int *callers, size_t n, char *name)
{
    char method[TEXT_BYTES];
    char scope[TB_GROUP_NAME_BYTES];
    static const char lambda[] = "{lambda}";
    if (strcmp(name, lambda) != 0)
        return;
    for (size_t i = 0; i < n; i++) {
        copy_member(item, callers[i], "method", method, sizeof(method));
        if (tb_group_lambda_scope(method, scope, sizeof(scope))) {
            int room = TB_GROUP_NAME_BYTES - (int)sizeof(lambda) - 2;
            snprintf(name, TB_GROUP_NAME_BYTES, "%.*s::%s", room, scope, lambda);
            return;
        }
        if (is_bool(item, tb_doc_member(item, callers[i], "in_app"), "true"))
            return;
    }
}

static int count_frames(const struct tb_doc *item, struct counted *list, char *through)
{
    int *frames = calloc(TB_GROUP_FRAMES, sizeof(*frames));
    list->names =
        calloc((size_t)2 * TB_GROUP_FRAMES, sizeof(*list->names)); /* some with a lambda */
    if (frames == NULL || list->names == NULL) {
        free(frames);
        return -ENOMEM;
    }
    size_t n = newest_first(item, frames);
    size_t first = n > 1 && is_jump_target(item, frames[0]);
    size_t behind = behind_terminate(item, frames, n);
    first = behind > 0 ? behind : first;
    for (int need_in_app = 1; need_in_app >= 0 && list->n == 0; need_in_app--) {
        through[0] = '\0';
        list->lambda_in[0] = '\0';
        for (size_t i = first; i < n; i++)
            if (add_frame(item, frames[i], need_in_app, list, through))
                name_lambda(item, frames + i + 1, n - i - 1, list->names[list->n - 1]);
    }
    for (size_t i = 0; i < n && list->n == 0; i++)
        add_module(item, frames[i], list);
    free(frames);
    return 0;
}

/* ---- which of them ---- */

size_t tb_group_module_len(const char *name)
{
    static const char mark[] = {TB_GROUP_UNNAMED, '0', 'x', '\0'};
    const char *at = strstr(name, mark);
    return at != NULL ? (size_t)(at - name) : strlen(name);
}

static int hex_at(const struct tb_doc *item, const char *path, uint64_t *out)
{
    char text[OFFSET_BYTES];
    char *end = NULL;
    if (!tb_doc_copy(item, tb_doc_find(item, 0, path), text, sizeof(text)))
        return 0;
    errno = 0;
    *out = strtoull(text, &end, 16);
    return errno == 0 && end != text && *end == '\0';
}

static int is_stack_overflow(const struct tb_doc *item)
{
    char text[TEXT_BYTES];
    uint64_t address = 0;
    uint64_t sp = 0;
    (void)tb_doc_copy(item, tb_doc_find(item, 0, "custom.native.access"), text, sizeof(text));
    if (strcmp(text, "write") != 0 || !hex_at(item, "custom.native.address", &address) ||
        !hex_at(item, "custom.native.registers.rsp", &sp))
        return 0;
    return (address > sp ? address - sp : sp - address) <= NEAR_STACK_BYTES;
}

static int is_smashed_stack(const struct tb_doc *item)
{
    char text[TEXT_BYTES];
    (void)tb_doc_copy(item, tb_doc_find(item, 0, "custom.native.abort_message"), text,
                      sizeof(text));
    return strstr(text, "stack smashing detected") != NULL;
}

static size_t times(const struct counted *list, const char *name)
{
    size_t n = 0;
    for (size_t i = 0; i < list->n; i++)
        n += strcmp(list->names[i], name) == 0;
    return n;
}

static int is_among(const char (*names)[TB_GROUP_NAME_BYTES], size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(names[i], name) == 0)
            return 1;
    return 0;
}

/* Keeps the first by name, in order. */
static void add_to_cycle(struct tb_group_functions *out, const char *name)
{
    size_t at = out->n_cycle;
    if (is_among((const char(*)[TB_GROUP_NAME_BYTES])out->cycle, out->n_cycle, name))
        return;
    while (at > 0 && strcmp(name, out->cycle[at - 1]) < 0)
        at--;
    if (at == TB_GROUP_CYCLE)
        return;
    size_t n_moved = (out->n_cycle < TB_GROUP_CYCLE ? out->n_cycle : TB_GROUP_CYCLE - 1) - at;
    memmove(out->cycle[at + 1], out->cycle[at], n_moved * sizeof(out->cycle[0]));
    snprintf(out->cycle[at], TB_GROUP_NAME_BYTES, "%s", name);
    if (out->n_cycle < TB_GROUP_CYCLE)
        out->n_cycle++;
}

/* Returns the place behind the last frame of the recursion; 0: there is none. */
static size_t find_cycle(const struct counted *list, struct tb_group_functions *out)
{
    size_t end = 0;
    for (size_t i = 0; i < list->n; i++) {
        if (times(list, list->names[i]) < RECURSIVE)
            continue;
        add_to_cycle(out, list->names[i]);
        end = i + 1;
    }
    return end;
}

static void find_distinct(const struct counted *list, size_t from, size_t want,
                          struct tb_group_functions *out)
{
    for (size_t i = from; i < list->n && out->n < want; i++) {
        if (is_among((const char(*)[TB_GROUP_NAME_BYTES])out->names, out->n, list->names[i]))
            continue;
        snprintf(out->names[out->n++], TB_GROUP_NAME_BYTES, "%s", list->names[i]);
    }
}

int tb_group_functions_find(const struct tb_doc *item, struct tb_group_functions *out)
{
    struct counted list;
    size_t from = 0;
    memset(out, 0, sizeof(*out));
    memset(&list, 0, sizeof(list));
    int err = count_frames(item, &list, out->through);
    if (err) {
        free(list.names);
        return err;
    }
    out->is_smashed = is_smashed_stack(item);
    if (!out->is_smashed && is_stack_overflow(item))
        from = find_cycle(&list, out);
    size_t want = out->is_smashed || from > 0 ? 1 : TB_GROUP_FUNCTIONS;
    find_distinct(&list, from, want, out);
    free(list.names);
    return 0;
}
