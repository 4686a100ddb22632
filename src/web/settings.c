/* settings.c - see settings.h. */
#include "web/settings.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct tb_web_groups {
    struct tb_search_settings search;
    struct tb_sink_settings xray;
    struct tb_filter_group *list; /* n of them */
    struct tb_filter **filters;
    char **names;
    char *texts[3]; /* what xray points to */
    size_t n;
};

static int copy(const char *from, char **to)
{
    *to = strdup(from != NULL ? from : "");
    return *to != NULL ? 0 : -ENOMEM;
}

static int add(struct tb_web_groups *groups, const struct tb_web_group *from)
{
    char why[TB_FILTER_WHY];
    size_t at = groups->n;
    int err = tb_filter_parse(from->filter, strlen(from->filter), &groups->filters[at], why);
    if (err)
        return err == -ENOMEM ? err : 0;
    groups->n++; /* freed from now on */
    err = copy(from->name, &groups->names[at]);
    groups->list[at] = (struct tb_filter_group){groups->names[at], groups->filters[at]};
    return err;
}

static int fill(struct tb_web_groups *groups, const struct tb_web_settings *settings)
{
    size_t n = settings->n_groups > 0 ? settings->n_groups : 1;
    int err = 0;
    groups->list = calloc(n, sizeof(*groups->list));
    groups->filters = calloc(n, sizeof(*groups->filters));
    groups->names = calloc(n, sizeof(*groups->names));
    if (groups->list == NULL || groups->filters == NULL || groups->names == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < settings->n_groups && !err; i++)
        err = add(groups, &settings->groups[i]);
    const char *const texts[] = {settings->xray_name, settings->xray_name_pattern,
                                 settings->xray_origin};
    for (size_t i = 0; i < 3 && !err; i++)
        err = copy(texts[i], &groups->texts[i]);
    groups->xray = (struct tb_sink_settings){
        .name = groups->texts[0], .name_pattern = groups->texts[1], .origin = groups->texts[2]};
    groups->search = (struct tb_search_settings){
        .groups = groups->list, .n_groups = groups->n, .xray = &groups->xray};
    return err;
}

int tb_web_groups_new(const struct tb_web_settings *settings, struct tb_web_groups **out)
{
    struct tb_web_groups *groups = calloc(1, sizeof(*groups));
    int err = groups != NULL ? fill(groups, settings) : -ENOMEM;
    if (err)
        tb_web_groups_free(groups);
    else
        *out = groups;
    return err;
}

void tb_web_groups_free(struct tb_web_groups *groups)
{
    if (groups == NULL)
        return;
    for (size_t i = 0; i < groups->n; i++) {
        tb_filter_free(groups->filters[i]);
        free(groups->names[i]);
    }
    for (size_t i = 0; i < 3; i++)
        free(groups->texts[i]);
    free(groups->list);
    free(groups->filters);
    free(groups->names);
    free(groups);
}

const struct tb_search_settings *tb_web_groups_search(const struct tb_web_groups *groups)
{
    static const struct tb_search_settings nothing;
    return groups != NULL ? &groups->search : &nothing;
}
