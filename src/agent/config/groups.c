/* groups.c - see groups.h. */
#include "agent/config/groups.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/config/config_settings.h"

struct tb_groups {
    struct tb_filter_group list[TB_CONFIG_GROUPS];
    struct tb_filter *owned[TB_CONFIG_GROUPS];
    size_t n;
};

static struct tb_filter_group *find(struct tb_groups *groups, const char *name)
{
    for (size_t i = 0; i < groups->n; i++) {
        if (strcmp(groups->list[i].name, name) == 0)
            return &groups->list[i];
    }
    return NULL;
}

/* ---- what may be named ---- */

struct naming {
    const struct tb_groups *groups;
    char *why; /* TB_FILTER_WHY */
};

/* An ARN is one of AWS's: whose group of that name is not here is in none. */
static int is_there(void *arg, const char *name)
{
    const struct naming *naming = arg;
    if (strncmp(name, "arn:", 4) == 0 || tb_groups_find(naming->groups, name) != NULL)
        return 0;
    (void)snprintf(naming->why, TB_FILTER_WHY,
                   "it names the group \"%.40s\", and groups has none of that name", name);
    return -EINVAL;
}

int tb_groups_check_names(const struct tb_groups *groups, const struct tb_filter *filter,
                          char why[TB_FILTER_WHY])
{
    struct naming naming = {.groups = groups, .why = why};
    return tb_filter_named_groups(filter, is_there, &naming);
}

/* Looks for a way from one group back to it. */
struct walk {
    struct tb_groups *groups;
    const struct tb_filter_group *from;
    bool seen[TB_CONFIG_GROUPS];
};

static int step(void *arg, const char *name)
{
    struct walk *walk = arg;
    const struct tb_filter_group *to = find(walk->groups, name);
    if (to == NULL)
        return 0;
    if (to == walk->from)
        return -ELOOP;
    size_t at = (size_t)(to - walk->groups->list);
    if (walk->seen[at])
        return 0;
    walk->seen[at] = true;
    return tb_filter_named_groups(to->filter, step, walk);
}

static int check(struct tb_groups *groups, const struct tb_filter_group *group,
                 char why[TB_FILTER_WHY])
{
    struct walk walk = {.groups = groups, .from = group};
    int err = tb_groups_check_names(groups, group->filter, why);
    if (err)
        return err;
    if (tb_filter_named_groups(group->filter, step, &walk) == 0)
        return 0;
    (void)snprintf(why, TB_FILTER_WHY, "it names itself, directly or by another group");
    return -EINVAL;
}

/* ---- all of them ---- */

static int parse(struct tb_groups *groups, const struct tb_config_group *from,
                 char why[TB_FILTER_WHY])
{
    struct tb_filter *filter = NULL;
    int err = tb_filter_parse(from->filter, strlen(from->filter), &filter, why);
    if (err)
        return err;
    groups->owned[groups->n] = filter;
    groups->list[groups->n++] = (struct tb_filter_group){from->name, filter};
    return 0;
}

/* fault is what is wrong with the key "groups". */
static int make(const struct tb_config *config, struct tb_groups **out, char *fault, size_t cap)
{
    const struct tb_config_sinks *sinks = &config->sinks;
    char why[TB_FILTER_WHY] = "out of memory";
    struct tb_groups *groups = calloc(1, sizeof(*groups));
    int err = groups != NULL ? 0 : -ENOMEM;
    size_t at = 0;
    for (; at < sinks->n_groups && at < TB_CONFIG_GROUPS && !err; at++)
        err = parse(groups, &sinks->groups[at], why);
    for (size_t i = 0; !err && i < groups->n; i++) {
        at = i + 1;
        err = check(groups, &groups->list[i], why);
    }
    if (err) {
        (void)snprintf(fault, cap, "entry %zu (\"%.32s\"): %s", at,
                       at > 0 ? sinks->groups[at - 1].name : "", why);
        tb_groups_free(groups);
        return err;
    }
    *out = groups;
    return 0;
}

int tb_groups_new(const struct tb_config *config, struct tb_groups **out, char why[TB_CONFIG_WHY])
{
    char fault[TB_SETTING_FAULT];
    int err = make(config, out, fault, sizeof(fault));
    if (err)
        (void)snprintf(why, TB_CONFIG_WHY, "groups: %s", fault);
    return err;
}

int tb_groups_check(const struct tb_config *config, char why[TB_CONFIG_WHY])
{
    struct tb_groups *groups = NULL;
    char fault[TB_SETTING_FAULT];
    int err = make(config, &groups, fault, sizeof(fault));
    tb_groups_free(groups);
    if (err)
        tb_setting_explain(config, "groups", NULL, fault, why);
    return err;
}

void tb_groups_free(struct tb_groups *groups)
{
    if (groups == NULL)
        return;
    for (size_t i = 0; i < groups->n; i++)
        tb_filter_free(groups->owned[i]);
    free(groups);
}

const struct tb_filter_group *tb_groups_list(const struct tb_groups *groups, size_t *n)
{
    *n = groups != NULL ? groups->n : 0;
    return groups != NULL ? groups->list : NULL;
}

const struct tb_filter *tb_groups_find(const struct tb_groups *groups, const char *name)
{
    for (size_t i = 0; groups != NULL && i < groups->n; i++) {
        if (strcmp(groups->list[i].name, name) == 0)
            return groups->list[i].filter;
    }
    return NULL;
}

bool tb_groups_match(const struct tb_groups *groups, const char *name,
                     const struct tb_filter_view *view)
{
    if (name == NULL || name[0] == '\0')
        return true;
    const struct tb_filter *filter = tb_groups_find(groups, name);
    return filter != NULL && tb_filter_match(filter, groups->list, groups->n, view);
}
