/* list_filter.h - a search of the list that is a filter expression (docs/page.md). */
#ifndef TB_WEB_LIST_FILTER_H
#define TB_WEB_LIST_FILTER_H

#include "base/buf.h"
#include "web/search.h"

enum { TB_LIST_BYTES = 64 << 20 }; /* of bodies that one page reads, at about 200 MB a second */

struct tb_list_filter {
    const char *text;         /* the expression, a part of the search; NULL: it is none */
    struct tb_search *search; /* NULL: text does not parse */
    char why[TB_FILTER_WHY];
    size_t n_passed;  /* that match and stand on pages before */
    size_t n_matched; /* that were found so far */
};

/* Is the search a filter expression? It is one that begins with "filter:", or has one of service(
 * edge( annotation. annotation[ rootcause. group.name group.arn in it, and does not begin with
 * "text:". The expression, or NULL. */
const char *tb_list_filter_text(const char *q);
/* What of a search are words: without "text:". */
const char *tb_list_filter_words(const char *q);
/* Whether words would be a group or an expression, were they said to be one. */
bool tb_list_filter_could_be(const char *words, const struct tb_search_settings *settings);
/* 0, also when it does not parse, or -ENOMEM. settings must stay. Free with tb_list_filter_done. */
int tb_list_filter_init(struct tb_list_filter *filter, const char *q,
                        const struct tb_search_settings *settings);
void tb_list_filter_done(struct tb_list_filter *filter);
/* Is the entry to be shown, when n_skip of those that match are on pages before? 1, 0 or a negative
 * errno. */
int tb_list_filter_takes(struct tb_list_filter *filter, struct tb_store *store,
                         const struct tb_store_entry *entry, size_t n_skip);
/* Below the box: what is wrong, with the place marked; or how it was read, and whether a limit was
 * met. */
void tb_list_filter_put(const struct tb_list_filter *filter, struct tb_buf *out);

#endif
