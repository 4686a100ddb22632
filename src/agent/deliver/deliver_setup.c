/* deliver_setup.c - the settings of delivery, and what follows when they change. */
#include "agent/deliver/deliver_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/deliver/route.h"
#include "base/crc.h"
#include "sink/sigv4.h"

enum { HOST_BYTES = 256, NAMED_ALWAYS = 3 };

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
            (err = copy_text(&project->environment, source->environment)) == 0 &&
            (err = copy_text(&project->group, source->group ? source->group : "")) == 0)
            err = copy_text(&project->token, source->token);
    }
    return err;
}

static int copy_settings(struct tb_config *to, const struct tb_config *from)
{
    int err;
    to->retry_min_ms = from->retry_min_ms > 0 ? from->retry_min_ms : 1;
    to->retry_max_ms =
        from->retry_max_ms > to->retry_min_ms ? from->retry_max_ms : to->retry_min_ms;
    to->token_per_minute = from->token_per_minute;
    to->force_token = from->force_token;
    err = copy_text(&to->token, from->token);
    return err < 0 ? err : copy_projects(to, from);
}

/* ---- the sink's ---- */

/* Owned by setup; NULL: out of memory. */
static const char *keep(struct setup *setup, const char *text)
{
    char **longer = realloc(setup->texts, (setup->n_texts + 1) * sizeof(*longer));
    if (!longer)
        return NULL;
    setup->texts = longer;
    longer[setup->n_texts] = strdup(text ? text : "");
    return longer[setup->n_texts] ? longer[setup->n_texts++] : NULL;
}

static int keep_headers(struct setup *setup, const struct tb_sink_settings *from)
{
    struct tb_sink_settings *to = &setup->sink.settings;
    to->headers = NULL;
    to->n_headers = 0;
    if (from->n_headers == 0)
        return 0;
    setup->headers = calloc(from->n_headers, sizeof(*setup->headers));
    to->headers = setup->headers;
    while (to->headers && to->n_headers < from->n_headers) {
        const char *header = keep(setup, from->headers[to->n_headers]);
        if (!header)
            return -ENOMEM;
        setup->headers[to->n_headers++] = header;
    }
    return to->headers ? 0 : -ENOMEM;
}

static int copy_sink(struct setup *setup, const struct tb_deliver_sink *from)
{
    struct tb_deliver_sink *to = &setup->sink;
    struct tb_sink_settings *settings = &to->settings;
    char host[HOST_BYTES] = "";
    *to = *from;
    if (!settings->host && gethostname(host, sizeof(host) - 1) == 0)
        settings->host = host;
    const char **const texts[] = {&to->section,
                                  &to->proxy,
                                  &to->ca_file,
                                  &to->cert_file,
                                  &to->key_file,
                                  &settings->host,
                                  &settings->name_pattern,
                                  &settings->name,
                                  &settings->origin,
                                  &settings->region,
                                  &settings->log_group};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        *texts[i] = keep(setup, *texts[i]);
        if (!*texts[i])
            return -ENOMEM;
    }
    if (to->connections == 0)
        to->connections = 1;
    if (to->connections > TB_DELIVER_CONNECTIONS)
        to->connections = TB_DELIVER_CONNECTIONS;
    return keep_headers(setup, &from->settings);
}

/* Where the requests go: a rest of another way says nothing about this one. */
static void name_rest(struct setup *setup)
{
    const struct tb_deliver_sink *sink = &setup->sink;
    const char *const parts[] = {sink->endpoint, sink->proxy, sink->ca_file, sink->cert_file,
                                 sink->key_file};
    uint32_t one = 0;
    uint32_t two = 0;
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        if (i >= NAMED_ALWAYS && !parts[i][0])
            continue;
        one = tb_crc32c(one, parts[i], strlen(parts[i]) + 1);
        two = tb_crc32(two, parts[i], strlen(parts[i]) + 1);
    }
    (void)snprintf(setup->rest_name, sizeof(setup->rest_name), " rest %08x%08x", one, two);
}

static int make_transport(struct setup *setup, int wake_fd, char why[TB_STORE_WHY])
{
    const struct tb_deliver_sink *sink = &setup->sink;
    const struct tb_transport_limits limits = {.timeout_ms = sink->timeout_ms,
                                               .connections = sink->connections + TB_DELIVER_EXTRA,
                                               .wake_fd = wake_fd,
                                               .section = sink->section,
                                               .proxy = sink->proxy,
                                               .ca_file = sink->ca_file,
                                               .cert_file = sink->cert_file,
                                               .key_file = sink->key_file};
    return tb_transport_new(&limits, &setup->transport, why);
}

int tb_deliver_setup_new(const struct tb_config *config, const struct tb_deliver_sink *sink,
                         int wake_fd, struct setup **out, char why[TB_STORE_WHY])
{
    struct setup *setup = calloc(1, sizeof(*setup));
    why[0] = '\0';
    int err = setup ? copy_settings(&setup->config, config) : -ENOMEM;
    if (err == 0)
        err = copy_sink(setup, sink);
    if (err == 0 && sink->service)
        err = tb_aws_new(&config->sinks.aws, &setup->aws);
    if (err == 0)
        err = make_transport(setup, wake_fd, why);
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
    tb_aws_free(setup->aws);
    for (size_t i = 0; i < config->n_projects; i++) {
        free(config->projects[i].service);
        free(config->projects[i].environment);
        free(config->projects[i].group);
        free(config->projects[i].token);
    }
    free(config->projects);
    free(config->token);
    for (size_t i = 0; i < setup->n_texts; i++)
        free(setup->texts[i]);
    free(setup->texts);
    free(setup->headers);
    free(setup);
}

const char *tb_deliver_token(const struct setup *setup, const struct tb_queue *queue)
{
    return setup->sink.has_tokens ? tb_route_token(&setup->config, queue->token) : queue->token;
}

void tb_deliver_name_queue(const struct tb_deliver *deliver, const struct tb_queue *queue,
                           char out[TB_DELIVER_NAME])
{
    const struct setup *setup = deliver->setup;
    if (setup->sink.has_tokens)
        tb_route_name(&setup->config, queue->token, out, TB_DELIVER_NAME);
    else
        (void)snprintf(out, TB_DELIVER_NAME, "%.47s", queue->token[0] ? queue->token : "all");
}

/* ---- the target ---- */

/* A datagram goes to a daemon, which has its own. */
static bool needs_credentials(const struct tb_deliver *deliver)
{
    return deliver->sink->is_signed && deliver->setup->aws != NULL;
}

struct tb_sink_target tb_deliver_target(const struct tb_deliver *deliver, const char *token)
{
    const struct tb_deliver_sink *sink = &deliver->setup->sink;
    return (struct tb_sink_target){.endpoint = sink->endpoint,
                                   .token = token,
                                   .settings = sink->has_tokens ? NULL : &sink->settings,
                                   .credentials =
                                       needs_credentials(deliver) ? &deliver->credentials : NULL,
                                   .now_ms = tb_deliver_wall_ms() + deliver->clock_ms};
}

int tb_deliver_credentials(struct tb_deliver *deliver, bool is_refused, char why[TB_AWS_WHY])
{
    struct tb_sink_credentials fresh;
    int err = tb_aws_credentials(deliver->setup->aws, is_refused, &fresh, why);
    /* Those of before are gone with the call. */
    deliver->credentials = err < 0 ? (struct tb_sink_credentials){"", "", ""} : fresh;
    return err;
}

/* Amazon's address of the service in that region, unless the settings name one. */
static int find_region(struct setup *setup, char why[TB_AWS_WHY])
{
    struct tb_deliver_sink *sink = &setup->sink;
    if (sink->settings.region[0])
        return 0;
    const char *region = tb_aws_region(setup->aws, why);
    if (!region)
        return -ENOENT;
    if (!sink->endpoint[0] &&
        tb_sigv4_endpoint(region, sink->service, sink->endpoint, sizeof(sink->endpoint)) < 0) {
        (void)snprintf(why, TB_AWS_WHY, "\"%.40s\" is no region", region);
        return -EINVAL;
    }
    region = keep(setup, region);
    if (!region)
        return -ENOMEM;
    sink->settings.region = region;
    return 0;
}

bool tb_deliver_can_send(struct tb_deliver *deliver)
{
    char why[TB_AWS_WHY] = "out of memory";
    if (!deliver->setup->aws)
        return true;
    tb_aws_watch(deliver->setup->aws, &deliver->is_stopping);
    if (find_region(deliver->setup, why) == 0 &&
        (!needs_credentials(deliver) || tb_deliver_credentials(deliver, false, why) == 0))
        return true;
    tb_deliver_halt(deliver);
    tb_deliver_tell_trouble(deliver, why);
    return false;
}

/* ---- tokens ---- */

static void choose(void *arg, const char *token, const char *service, const char *environment,
                   char out[128])
{
    const struct tb_config *config = arg;
    tb_route_again(config, token, service, environment, out);
}

int tb_deliver_route_all(struct tb_deliver *deliver)
{
    struct tb_config *config = &deliver->setup->config;
    const char *sink = deliver->sink->name;
    int err = 0;
    if (deliver->setup->sink.has_tokens)
        err = tb_store_choose(deliver->store, sink, config->force_token, choose, config);
    if (err == 0)
        err = tb_store_park(deliver->store, sink, NULL, 0, NULL);
    if (err == 0)
        deliver->must_route = false;
    return err;
}
