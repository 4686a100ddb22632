/* stack_names.c - see stack_names.h. */
#include "agent/meaning/stack_names.h"

#include <stdio.h>
#include <string.h>

enum { LEAST_FRAMES = 8, LEAST_SHARE = 4 };

/* The list is linked from the oldest on: what was read last is the innermost. */
void tb_stack_names_read(const struct tb_doc *item, struct tb_stack_names *out)
{
    int frames = tb_doc_find(item, 0, "body.trace.frames");
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

static size_t count(const struct tb_stack_names *stack, const char *name)
{
    size_t n = 0;
    for (size_t i = 0; i < stack->n; i++)
        n += strcmp(stack->names[i], name) == 0;
    return n;
}

const char *tb_stack_names_recursive(const struct tb_stack_names *stack, const char **other)
{
    const char *first = NULL;
    *other = NULL;
    if (stack == NULL || stack->n < LEAST_FRAMES)
        return NULL;
    for (size_t i = 0; i < stack->n; i++) {
        const char *name = stack->names[i];
        if (name[0] == '\0' || count(stack, name) * LEAST_SHARE < stack->n)
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
