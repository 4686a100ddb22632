/* filter.h - X-Ray's filter expressions over our own items. docs/filter.md has the grammar.
 *
 * Parsing and matching are pure; a view says what a trace is like. */
#ifndef TB_FILTER_FILTER_H
#define TB_FILTER_FILTER_H

#include <stdbool.h>
#include <stddef.h>

enum { TB_FILTER_WHY = 256, TB_FILTER_MAX_BYTES = 4096 };

struct tb_filter;
struct tb_filter_view; /* view.h */

/* A named expression that group.name may name. */
struct tb_filter_group {
    const char *name;
    const struct tb_filter *filter;
};

/* 0, or -EINVAL with why: the column, what stands there, and what was expected. -ENOMEM. */
int tb_filter_parse(const char *text, size_t len, struct tb_filter **out, char why[TB_FILTER_WHY]);
void tb_filter_free(struct tb_filter *filter);
bool tb_filter_match(const struct tb_filter *filter, const struct tb_filter_group *groups,
                     size_t n_groups, const struct tb_filter_view *view);

#endif
