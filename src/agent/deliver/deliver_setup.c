/* deliver_setup.c - the settings of delivery, and what follows when they change. */
#include "agent/deliver/deliver_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/deliver/route.h"
#include "base/crc.h"

/* NULL is taken for "": what tests and callers leave out. */
static int copy_text(char **to, const char *from)
{
    *to = strdup(from ? from : "");
    return *to ? 0 : -ENOMEM;
}

static int copy_projects(struct tb_config *to, const struct tb_config *from)
{
    int err = 0;
    if (from->n_projects == 0)
        return 0;
    to->projects = calloc(from->n_projects, sizeof(*to->projects));
    if (!to->projects)
        return -ENOMEM;
    for (; to->n_projects < from->n_projects && err == 0; to->n_projects++) {
        const struct tb_config_project *source = &from->projects[to->n_projects];
        struct tb_config_project *project = &to->projects[to->n_projects];
        if ((err = copy_text(&project->service, source->service)) == 0 &&
            (err = copy_text(&project->environment, source->environment)) == 0)
            err = copy_text(&project->token, source->token);
    }
    return err;
}

static int copy_settings(struct tb_config *to, const struct tb_config *from)
{
    int err;
    to->timeout_ms = from->timeout_ms;
    to->retry_min_ms = from->retry_min_ms > 0 ? from->retry_min_ms : 1;
    to->retry_max_ms =
        from->retry_max_ms > to->retry_min_ms ? from->retry_max_ms : to->retry_min_ms;
    to->connections = from->connections > 0 ? from->connections : 1;
    if (to->connections > TB_DELIVER_CONNECTIONS)
        to->connections = TB_DELIVER_CONNECTIONS;
    to->token_per_minute = from->token_per_minute;
    to->force_token = from->force_token;
    if ((err = copy_text(&to->endpoint, from->endpoint)) ||
        (err = copy_text(&to->token, from->token)) || (err = copy_text(&to->proxy, from->proxy)) ||
        (err = copy_text(&to->ca_file, from->ca_file)))
        return err;
    return copy_projects(to, from);
}

/* Where the requests go: a rest of another way says nothing about this one. */
static void name_rest(struct setup *setup)
{
    const struct tb_config *config = &setup->config;
    const char *const parts[] = {config->endpoint, config->proxy, config->ca_file};
    uint32_t one = 0;
    uint32_t two = 0;
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        one = tb_crc32c(one, parts[i], strlen(parts[i]) + 1);
        two = tb_crc32(two, parts[i], strlen(parts[i]) + 1);
    }
    (void)snprintf(setup->rest_name, sizeof(setup->rest_name), " rest %08x%08x", one, two);
}

int tb_deliver_setup_new(const struct tb_config *config, int wake_fd, struct setup **out,
                         char why[TB_STORE_WHY])
{
    struct setup *setup = calloc(1, sizeof(*setup));
    why[0] = '\0';
    int err = setup ? copy_settings(&setup->config, config) : -ENOMEM;
    if (err == 0) {
        const struct tb_transport_limits limits = {.timeout_ms = setup->config.timeout_ms,
                                                   .connections =
                                                       setup->config.connections + TB_DELIVER_EXTRA,
                                                   .wake_fd = wake_fd,
                                                   .proxy = setup->config.proxy,
                                                   .ca_file = setup->config.ca_file};
        err = tb_transport_new(&limits, &setup->transport, why);
    }
    if (err < 0) {
        if (!why[0])
            (void)snprintf(why, TB_STORE_WHY, "the delivery cannot start: %s",
                           strerrordesc_np(-err));
        tb_deliver_setup_free(setup);
        return err;
    }
    name_rest(setup);
    *out = setup;
    return 0;
}

void tb_deliver_setup_free(struct setup *setup)
{
    if (!setup)
        return;
    struct tb_config *config = &setup->config;
    tb_transport_free(setup->transport);
    for (size_t i = 0; i < config->n_projects; i++) {
        free(config->projects[i].service);
        free(config->projects[i].environment);
        free(config->projects[i].token);
    }
    free(config->projects);
    free(config->endpoint);
    free(config->token);
    free(config->proxy);
    free(config->ca_file);
    free(setup);
}

static void choose(void *arg, const char *token, const char *service, const char *environment,
                   char out[128])
{
    const struct tb_config *config = arg;
    const char *own = token[0] == ' ' ? "" : token;
    tb_route_choose(config, own, service, environment, out);
}

int tb_deliver_route_all(struct tb_deliver *deliver)
{
    struct tb_config *config = &deliver->setup->config;
    const char *sink = deliver->sink->name;
    int err = tb_store_choose(deliver->store, sink, config->force_token, choose, config);
    if (err == 0)
        err = tb_store_park(deliver->store, sink, NULL, 0, NULL);
    if (err == 0)
        deliver->must_route = false;
    return err;
}
