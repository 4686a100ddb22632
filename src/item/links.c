/* links.c - see links.h. */
#include "item/links.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int tb_links_add(struct tb_links *links, const char *name, const char *url)
{
    char why[TB_LINK_WHY];
    if (name[0] == '\0' || strlen(name) >= TB_LINK_NAME_BYTES || tb_link_check(url, why) != 0)
        return -EINVAL;
    if (links->n == TB_LINKS_MAX)
        return -ENOSPC;
    char *copy = strdup(url);
    if (!copy)
        return -ENOMEM;
    snprintf(links->links[links->n].name, TB_LINK_NAME_BYTES, "%s", name);
    links->links[links->n++].url = copy;
    return 0;
}

int tb_links_copy(const struct tb_links *from, struct tb_links *out)
{
    memset(out, 0, sizeof(*out));
    memcpy(out->region, from->region, sizeof(out->region));
    for (size_t i = 0; i < from->n; i++) {
        int err = tb_links_add(out, from->links[i].name, from->links[i].url);
        if (err) {
            tb_links_done(out);
            return err;
        }
    }
    return 0;
}

void tb_links_done(struct tb_links *links)
{
    if (!links)
        return;
    for (size_t i = 0; i < links->n; i++)
        free(links->links[i].url);
    memset(links, 0, sizeof(*links));
}

const char *tb_links_next(const struct tb_links *links, const struct tb_link_values *values,
                          size_t *at, char url[TB_LINK_BYTES])
{
    struct tb_link_values all = *values;
    if (!links)
        return NULL;
    all.region = links->region;
    while (*at < links->n) {
        size_t i = (*at)++;
        if (tb_link_expand(links->links[i].url, &all, url) == 0)
            return links->links[i].name;
    }
    return NULL;
}

void tb_links_json(const struct tb_links *links, const struct tb_link_values *values,
                   struct tb_json *j)
{
    char url[TB_LINK_BYTES];
    const char *name;
    size_t at = 0;
    size_t n = 0;
    while ((name = tb_links_next(links, values, &at, url)) != NULL) {
        if (n++ == 0) {
            tb_json_key(j, "links");
            tb_json_array(j);
        }
        tb_json_object(j);
        tb_json_kstr(j, "name", name);
        tb_json_kstr(j, "url", url);
        tb_json_end(j);
    }
    if (n > 0)
        tb_json_end(j);
}
