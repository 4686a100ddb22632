/* search.h - which of the stored occurrences match a filter expression (docs/filter.md), for the
 * pages and for the command line.
 *
 * 1. An occurrence matches when its trace does: itself, and of the others of that trace in the
 *    database TB_FILTER_ITEMS in all, the latest ones.
 * 2. With limits the work is bounded: so many occurrences are asked, so many bytes are read. */
#ifndef TB_WEB_SEARCH_H
#define TB_WEB_SEARCH_H

#include "filter/filter.h"
#include "filter/view_item.h"
#include "store/store.h"

struct tb_search_settings {
    const struct tb_filter_group *groups; /* borrowed */
    size_t n_groups;
    const struct tb_sink_settings *xray; /* as for tb_filter_trace_new; borrowed */
};

struct tb_search_limits {
    size_t occurrences; /* that are asked about; 0: any number */
    size_t bytes;       /* of bodies that are read; 0: any number */
};

struct tb_search;

/* One occurrence, borrowed. */
struct tb_search_row {
    const char *uuid, *trace_id, *xray_trace_id;
    const char *data;
    size_t len;
};

/* text is the name of a group, or an expression. 0; -ENOMEM; or -EINVAL with why, which begins with
 * the column where there is one. settings must stay. */
int tb_search_new(const char *text, const struct tb_search_settings *settings,
                  const struct tb_search_limits *limits, struct tb_search **out,
                  char why[TB_FILTER_WHY]);
void tb_search_free(struct tb_search *search);
/* 1: it matches; 0: it does not, or a limit is met; or a negative errno. May be called while rows
 * of store are given out. */
int tb_search_match(struct tb_search *search, struct tb_store *store,
                    const struct tb_search_row *row);
/* Is a limit met? Nothing matches any more then. */
bool tb_search_is_full(const struct tb_search *search);
/* How many were asked about. */
size_t tb_search_asked(const struct tb_search *search);

#endif
