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

/* By its patterns: the token behind them may change. */
static void name_of(const struct tb_config_project *project, char out[TB_CONFIG_TOKEN_MAX + 1])
{
    size_t service_len = strlen(project->service) + 1; /* its end parts the two */
    size_t environment_len = strlen(project->environment);
    uint32_t one = tb_crc32c(0, project->service, service_len);
    uint32_t two = tb_crc32(0, project->service, service_len);
    (void)snprintf(out, TB_CONFIG_TOKEN_MAX + 1, " project %08x%08x",
                   tb_crc32c(one, project->environment, environment_len),
                   tb_crc32(two, project->environment, environment_len));
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

void tb_route_choose(const struct tb_config *config, const char *own, const char *service,
                     const char *environment, char out[TB_CONFIG_TOKEN_MAX + 1])
{
    char settings[TB_CONFIG_TOKEN_MAX + 1] = "";
    for (size_t i = 0; i < config->n_projects; i++) {
        if (!fits(config->projects[i].service, service) ||
            !fits(config->projects[i].environment, environment))
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
        (void)snprintf(out, cap, "project %s%s%s", project->service[0] ? project->service : "*",
                       project->environment[0] ? " " : "", project->environment);
    else if (stored[0] == ' ')
        (void)snprintf(out, cap, "project that is gone");
    else
        (void)snprintf(out, cap, "...%s", len >= LONG_ENOUGH ? stored + len - SHOWN : "");
}
