/* route.c - see route.h. */
#include "agent/deliver/route.h"

#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

#include "base/crc.h"

enum { SHOWN = 4, LONG_ENOUGH = 12 };

static bool fits(const char *pattern, const char *text)
{
    return pattern[0] == '\0' || fnmatch(pattern, text, 0) == 0;
}

static bool has_group(const struct tb_config_project *project)
{
    return project->group != NULL && project->group[0] != '\0';
}

/* By its patterns and group: the token behind them may change. */
static void name_of(const struct tb_config_project *project, char out[TB_CONFIG_TOKEN_MAX + 1])
{
    size_t service_len = strlen(project->service) + 1; /* its end parts the two */
    size_t environment_len = strlen(project->environment);
    uint32_t one = tb_crc32c(0, project->service, service_len);
    uint32_t two = tb_crc32(0, project->service, service_len);
    one = tb_crc32c(one, project->environment, environment_len);
    two = tb_crc32(two, project->environment, environment_len);
    if (has_group(project)) {
        size_t group_len = strlen(project->group) + 1;
        one = tb_crc32c(one, project->group, group_len);
        two = tb_crc32(two, project->group, group_len);
    }
    (void)snprintf(out, TB_CONFIG_TOKEN_MAX + 1, " project %08x%08x", one, two);
}

static const struct tb_config_project *find(const struct tb_config *config, const char *stored)
{
    char name[TB_CONFIG_TOKEN_MAX + 1];
    for (size_t i = 0; i < config->n_projects; i++) {
        name_of(&config->projects[i], name);
        if (strcmp(name, stored) == 0)
            return &config->projects[i];
    }
    return NULL;
}

/* What an item says of itself, and how its groups are known. */
struct item {
    const char *own, *service, *environment;
    const char *stored; /* the choice that was made when they were known; NULL: it was none */
    bool (*in_group)(void *arg, const char *group);
    void *arg;
};

static bool is_for(const struct tb_config_project *project, const struct item *item)
{
    char name[TB_CONFIG_TOKEN_MAX + 1];
    if (!fits(project->service, item->service) || !fits(project->environment, item->environment))
        return false;
    if (!has_group(project))
        return true;
    if (item->in_group != NULL)
        return item->in_group(item->arg, project->group);
    name_of(project, name);
    return item->stored != NULL && strcmp(name, item->stored) == 0;
}

static void choose(const struct tb_config *config, const struct item *item,
                   char out[TB_CONFIG_TOKEN_MAX + 1])
{
    char settings[TB_CONFIG_TOKEN_MAX + 1] = "";
    const char *own = item->own;
    for (size_t i = 0; i < config->n_projects; i++) {
        if (!is_for(&config->projects[i], item))
            continue;
        name_of(&config->projects[i], settings);
        break;
    }
    /* The same token under two names would be two queues. */
    bool is_same = strcmp(own, tb_route_token(config, settings)) == 0;
    const char *chosen = own[0] == '\0' || config->force_token || is_same ? settings : own;
    (void)snprintf(out, TB_CONFIG_TOKEN_MAX + 1, "%s", chosen);
    if (chosen == own && out[0] == ' ')
        out[0] = '\t'; /* no token either */
}

void tb_route_choose(const struct tb_config *config, const char *own, const char *service,
                     const char *environment, char out[TB_CONFIG_TOKEN_MAX + 1])
{
    choose(config, &(struct item){.own = own, .service = service, .environment = environment}, out);
}

void tb_route_choose_in(const struct tb_config *config, const char *own, const char *service,
                        const char *environment, bool (*in_group)(void *arg, const char *group),
                        void *arg, char out[TB_CONFIG_TOKEN_MAX + 1])
{
    const struct item item = {.own = own,
                              .service = service,
                              .environment = environment,
                              .in_group = in_group,
                              .arg = arg};
    choose(config, &item, out);
}

void tb_route_again(const struct tb_config *config, const char *stored, const char *service,
                    const char *environment, char out[TB_CONFIG_TOKEN_MAX + 1])
{
    const struct item item = {.own = stored[0] == ' ' ? "" : stored,
                              .service = service,
                              .environment = environment,
                              .stored = stored};
    choose(config, &item, out);
}

const char *tb_route_token(const struct tb_config *config, const char *stored)
{
    if (stored[0] == '\0')
        return config->token;
    if (stored[0] != ' ')
        return stored;
    const struct tb_config_project *project = find(config, stored);
    return project ? project->token : "";
}

void tb_route_name(const struct tb_config *config, const char *stored, char *out, size_t cap)
{
    size_t len = strlen(stored);
    const struct tb_config_project *project = stored[0] == ' ' ? find(config, stored) : NULL;
    if (len == 0)
        (void)snprintf(out, cap, "own");
    else if (project)
        (void)snprintf(out, cap, "project %s%s%s%s%s", project->service[0] ? project->service : "*",
                       project->environment[0] ? " " : "", project->environment,
                       has_group(project) ? " group " : "",
                       has_group(project) ? project->group : "");
    else if (stored[0] == ' ')
        (void)snprintf(out, cap, "project that is gone");
    else
        (void)snprintf(out, cap, "...%s", len >= LONG_ENOUGH ? stored + len - SHOWN : "");
}
