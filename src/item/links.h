/* links.h - the list of links to other tools: templates (link.h) with the names that people see.
 *
 * A link is shown only when all its values are known, so a list may hold more than one item has. */
#ifndef TB_ITEM_LINKS_H
#define TB_ITEM_LINKS_H

#include "base/json.h"
#include "item/link.h"

enum { TB_LINKS_MAX = 20, TB_LINK_NAME_BYTES = 65, TB_LINK_REGION_BYTES = 41 };

struct tb_links {
    struct {
        char name[TB_LINK_NAME_BYTES];
        char *url; /* owned */
    } links[TB_LINKS_MAX];
    size_t n;
    char region[TB_LINK_REGION_BYTES]; /* for {region}; "" for none */
};

/* Adds a template. 0; -EINVAL for a bad one; -ENOSPC; -ENOMEM. A zeroed list is an empty one. */
int tb_links_add(struct tb_links *links, const char *name, const char *url);
/* 0 or -ENOMEM; then out is empty. */
int tb_links_copy(const struct tb_links *from, struct tb_links *out);
void tb_links_done(struct tb_links *links);

/* The next link of which all is known, from number *at on, which is counted up: its name, with the
 * address in url; NULL when there is none. links may be NULL. values' region is the list's. */
const char *tb_links_next(const struct tb_links *links, const struct tb_link_values *values,
                          size_t *at, char url[TB_LINK_BYTES]);

/* The same as the member "links" of an object, a list of {"name", "url"}; nothing for none. */
void tb_links_json(const struct tb_links *links, const struct tb_link_values *values,
                   struct tb_json *j);

#endif
