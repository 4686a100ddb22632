/* filter.h - X-Ray's filter expressions over our own items. docs/filter.md has the grammar.
 *
 * 1. Parsing and matching are pure; a view (view.h) says what a trace is like.
 * 2. Work is bounded: TB_FILTER_MAX_BYTES of text, TB_FILTER_TERMS terms, TB_FILTER_DEPTH levels;
 *    of TB_FILTER_GROUPS groups each is asked once for a match.
 * 3. A group that names itself, directly or through others, is not matched at that place. */
#ifndef TB_FILTER_FILTER_H
#define TB_FILTER_FILTER_H

#include <stdbool.h>
#include <stddef.h>

enum {
    TB_FILTER_WHY = 256,
    TB_FILTER_MAX_BYTES = 4096,
    TB_FILTER_TERMS = 512,
    TB_FILTER_DEPTH = 32,
    TB_FILTER_GROUPS = 64
};

struct tb_filter;
struct tb_filter_view; /* view.h */

/* A named expression that group.name may name. */
struct tb_filter_group {
    const char *name;
    const struct tb_filter *filter;
};

/* 0, or -EINVAL with why: "column 12: expected ..., not ...". -ENOMEM. */
int tb_filter_parse(const char *text, size_t len, struct tb_filter **out, char why[TB_FILTER_WHY]);
void tb_filter_free(struct tb_filter *filter);
/* The column that why begins with, 1-based; 0 when it begins with none. */
size_t tb_filter_column(const char *why);
/* Groups beyond TB_FILTER_GROUPS are not known. */
bool tb_filter_match(const struct tb_filter *filter, const struct tb_filter_group *groups,
                     size_t n_groups, const struct tb_filter_view *view);

/* ---- what can be said of an expression without a trace ---- */

/* Whether an error of ours, alone in its trace, can ever match. False only where that is certain:
 * it asks for what no error is ("ok"), or for what no item says. */
bool tb_filter_can_match_error(const struct tb_filter *filter, const struct tb_filter_group *groups,
                               size_t n_groups);
/* The same where the trace has other services too: what asks for a call (edge) can match there. */
bool tb_filter_can_match_call(const struct tb_filter *filter, const struct tb_filter_group *groups,
                              size_t n_groups);
/* The names of services without which it never matches an error: those that a renamed service would
 * be missed by. Borrowed from the filters. How many, at most max are written. */
size_t tb_filter_services(const struct tb_filter *filter, const struct tb_filter_group *groups,
                          size_t n_groups, const char **out, size_t max);
/* Which of the groups it names, directly, for the caller to look for circles: calls row for each
 * until that returns nonzero, which is returned. */
int tb_filter_named_groups(const struct tb_filter *filter, int (*row)(void *arg, const char *name),
                           void *arg);

#endif
