/* view_item.h - the view of a trace, made of the items that we have of it: what X-Ray would show of
 * their documents, as far as they tell. docs/filter.md 3. Pure.
 *
 * 1. Each item is a service, with the name that its X-Ray document has.
 * 2. Nothing trusts the items: one that is no JSON object is left out. */
#ifndef TB_FILTER_VIEW_ITEM_H
#define TB_FILTER_VIEW_ITEM_H

#include "filter/view.h"
#include "sink/facts.h"

enum { TB_FILTER_ITEMS = 100 };

struct tb_filter_item {
    const char *uuid;
    const char *data; /* the data object, JSON */
    size_t len;
};

/* A view and what it borrows from. */
struct tb_filter_trace;

/* Of the first TB_FILTER_ITEMS of them, in any order; the data must stay. settings has name,
 * name_pattern and origin of X-Ray; NULL: none. 0 or -ENOMEM. Free with tb_filter_trace_free. */
int tb_filter_trace_new(const struct tb_filter_item *items, size_t n,
                        const struct tb_sink_settings *settings, struct tb_filter_trace **out);
/* The same of one whose facts are known; they must stay. */
int tb_filter_trace_of(const struct tb_sink_facts *facts, const char *uuid,
                       const struct tb_sink_settings *settings, struct tb_filter_trace **out);
const struct tb_filter_view *tb_filter_trace_view(const struct tb_filter_trace *trace);
void tb_filter_trace_free(struct tb_filter_trace *trace);

#endif
