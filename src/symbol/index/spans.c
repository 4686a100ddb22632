/* spans.c - see spans.h. A sweep over the ranges in the order of their addresses, the wider first,
 * with those that are open on a stack. */
#include "symbol/index/spans.h"

#include <errno.h>
#include <stdlib.h>

#include "symbol/index/sort.h"

enum { OPEN_MAX = 1024 };

struct sweep {
    const struct tb_symbol_node *nodes;
    uint32_t *functions; /* by node: the function that it is in */
    struct tb_symbol_range open[OPEN_MAX];
    size_t n_open;
    struct tb_symbol_list *out;
};

static uint32_t lo_key(const void *item)
{
    return ((const struct tb_symbol_range *)item)->lo;
}

/* The wider come first once they are sorted by lo. */
static uint32_t hi_key(const void *item)
{
    return ~((const struct tb_symbol_range *)item)->hi;
}

static int emit(struct sweep *s, uint32_t at)
{
    struct tb_symbol_span_from *spans = s->out->items;
    uint32_t node = s->n_open > 0 ? s->open[s->n_open - 1].node : 0;
    if (s->out->n > 0 && spans[s->out->n - 1].at == at)
        s->out->n--; /* nothing was left of it */
    uint32_t before = s->out->n > 0 ? spans[s->out->n - 1].node : 0;
    if (node == before)
        return 0;
    struct tb_symbol_span_from *span = tb_symbol_list_add(s->out, sizeof(*span));
    if (!span)
        return -ENOMEM;
    *span = (struct tb_symbol_span_from){.at = at, .node = node};
    return 0;
}

/* Closes what ends at or before at. */
static int close_until(struct sweep *s, uint32_t at)
{
    while (s->n_open > 0 && s->open[s->n_open - 1].hi <= at) {
        uint32_t hi = s->open[s->n_open - 1].hi;
        while (s->n_open > 0 && s->open[s->n_open - 1].hi <= hi)
            s->n_open--;
        int err = emit(s, hi);
        if (err)
            return err;
    }
    return 0;
}

/* A function that lies on another one is its double; what was inlined counts inside its own
 * function alone. */
static bool belongs(const struct sweep *s, const struct tb_symbol_range *range)
{
    const struct tb_symbol_range *top = s->n_open > 0 ? &s->open[s->n_open - 1] : NULL;
    if (s->nodes[range->node].parent == 0)
        return !top || s->open[0].lo != range->lo || s->open[0].hi != range->hi;
    return top && s->functions[top->node] == s->functions[range->node];
}

static int sweep(struct sweep *s, const struct tb_symbol_tables *tables)
{
    const struct tb_symbol_range *ranges = tables->ranges.items;
    for (size_t i = 0; i < tables->ranges.n; i++) {
        struct tb_symbol_range range = ranges[i];
        int err = close_until(s, range.lo);
        if (err)
            return err;
        if (s->n_open == OPEN_MAX || !belongs(s, &range))
            continue;
        if (s->n_open > 0 && s->nodes[range.node].parent != 0 &&
            range.hi > s->open[s->n_open - 1].hi)
            range.hi = s->open[s->n_open - 1].hi; /* no call reaches beyond what it is in */
        s->open[s->n_open++] = range;
        if ((err = emit(s, range.lo)))
            return err;
    }
    return close_until(s, UINT32_MAX);
}

int tb_symbol_spans_make(struct tb_symbol_tables *tables, struct tb_symbol_list *out)
{
    struct sweep s = {.nodes = tables->nodes.items, .out = out};
    int err;
    if ((err = tb_symbol_sort(&tables->ranges, sizeof(struct tb_symbol_range), hi_key)) ||
        (err = tb_symbol_sort(&tables->ranges, sizeof(struct tb_symbol_range), lo_key)))
        return err;
    s.functions = malloc(tables->nodes.n * sizeof(*s.functions));
    if (!s.functions)
        return -ENOMEM;
    for (uint32_t i = 0; i < tables->nodes.n; i++) {
        uint32_t parent = s.nodes[i].parent;
        s.functions[i] = parent == 0 ? i : s.functions[parent];
    }
    err = sweep(&s, tables);
    free(s.functions);
    return err;
}
