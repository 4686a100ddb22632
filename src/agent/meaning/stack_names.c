/* stack_names.c - see stack_names.h. */
#include "agent/meaning/stack_names.h"

#include <stdio.h>
#include <string.h>

#include "agent/native/group_functions.h"

enum { LEAST_FRAMES = 8, LEAST_SHARE = 4, LEAST_SHARE_OWN = 12, LEAST_TIMES_OWN = 3 };

static int is_c_library(const char *module)
{
    static const char *const beginnings[] = {"libc.so", "libc-", "libc.musl", "libpthread", "ld-"};
    for (size_t i = 0; i < sizeof(beginnings) / sizeof(beginnings[0]); i++)
        if (strncmp(module, beginnings[i], strlen(beginnings[i])) == 0)
            return 1;
    return 0;
}

static enum tb_stack_owner owner_of(const struct tb_doc *doc, int frame, const char *name)
{
    char module[TB_GROUP_NAME_BYTES];
    (void)tb_doc_copy(doc, tb_doc_member(doc, frame, "module"), module, sizeof(module));
    const char *slash = strrchr(module, '/');
    if (is_c_library(slash != NULL ? slash + 1 : module))
        return TB_STACK_C_LIBRARY;
    if (tb_group_is_noise_module(slash != NULL ? slash + 1 : module))
        return TB_STACK_LIBRARY;
    if (tb_group_is_false(doc, tb_doc_member(doc, frame, "in_app")) ||
        tb_group_is_noise(name, tb_group_has_own_line(doc, frame)))
        return TB_STACK_LIBRARY;
    return TB_STACK_OWN;
}

void tb_stack_names_read(const struct tb_doc *item, struct tb_stack_names *out)
{
    tb_stack_names_read_list(item, tb_doc_find(item, 0, "body.trace.frames"), out);
}

/* The list is linked from the oldest on: what was read last is the innermost. */
void tb_stack_names_read_list(const struct tb_doc *item, int frames, struct tb_stack_names *out)
{
    const struct tb_doc_node *list = frames >= 0 ? tb_doc_at(item, frames) : NULL;
    out->n = 0;
    if (list == NULL || list->type != TB_DOC_ARRAY || list->n_members <= 0)
        return;
    size_t n = (size_t)list->n_members;
    size_t left = n;
    out->n = n < TB_STACK_NAMES_MAX ? n : TB_STACK_NAMES_MAX;
    for (int f = list->first; f >= 0 && left > 0; f = tb_doc_at(item, f)->next) {
        left--;
        if (left >= out->n)
            continue;
        char *name = out->names[left];
        (void)tb_doc_copy(item, tb_doc_member(item, f, "method"), name, TB_STACK_NAME_BYTES);
        if (strcmp(name, "<unknown>") == 0)
            name[0] = '\0';
        out->owners[left] = owner_of(item, f, name);
    }
}

const char *tb_stack_names_plain(const char *name)
{
    static const char internal[] = "__GI_";
    if (strncmp(name, internal, strlen(internal)) == 0)
        name += strlen(internal);
    return name + strspn(name, "_");
}

int tb_stack_names_has(const struct tb_stack_names *stack, size_t n, const char *name)
{
    for (size_t i = 0; stack != NULL && i < stack->n && i < n; i++)
        if (strcmp(tb_stack_names_plain(stack->names[i]), name) == 0)
            return 1;
    return 0;
}

int tb_stack_names_begins(const struct tb_stack_names *stack, size_t n, const char *with)
{
    for (size_t i = 0; stack != NULL && i < stack->n && i < n; i++)
        if (strncmp(stack->names[i], with, strlen(with)) == 0)
            return 1;
    return 0;
}

static size_t count(const struct tb_stack_names *stack, const char *name)
{
    size_t n = 0;
    for (size_t i = 0; i < stack->n; i++)
        n += strcmp(stack->names[i], name) == 0;
    return n;
}

/* Of the program's own functions alone, or of all. */
static const char *recursive_of(const struct tb_stack_names *stack, int is_own, const char **other)
{
    const char *first = NULL;
    *other = NULL;
    for (size_t i = 0; i < stack->n; i++) {
        const char *name = stack->names[i];
        size_t share = is_own ? LEAST_SHARE_OWN : LEAST_SHARE;
        if (is_own && (stack->owners[i] != TB_STACK_OWN || count(stack, name) < LEAST_TIMES_OWN))
            continue;
        if (name[0] == '\0' || count(stack, name) * share < stack->n)
            continue;
        if (first != NULL && strcmp(name, first) == 0)
            continue;
        if (first == NULL || strcmp(name, first) < 0) {
            *other = first;
            first = name;
        } else if (*other == NULL || strcmp(name, *other) < 0) {
            *other = name;
        }
    }
    return first;
}

const char *tb_stack_names_recursive(const struct tb_stack_names *stack, const char **other)
{
    *other = NULL;
    if (stack == NULL || stack->n < LEAST_FRAMES)
        return NULL;
    const char *own = recursive_of(stack, 1, other);
    return own != NULL ? own : recursive_of(stack, 0, other);
}
