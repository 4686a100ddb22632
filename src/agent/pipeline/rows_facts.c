/* rows_facts.c - see rows_facts.h. */
#include "agent/pipeline/rows_facts.h"

#include <stdio.h>
#include <string.h>

static const char *text_of(const char *text)
{
    return text != NULL ? text : "";
}

void tb_rows_facts_init(struct tb_rows_facts *facts, const struct tb_config *config,
                        const char *host, const struct tb_work *work)
{
    const struct tb_config_xray *xray = &config->sinks.xray;
    facts->work = work;
    facts->settings = (struct tb_sink_settings){.host = host,
                                                .name_pattern = text_of(xray->name_pattern),
                                                .name = text_of(xray->name),
                                                .origin = text_of(xray->origin)};
    facts->trace = NULL;
    facts->has_read = false;
}

int tb_rows_facts_read(struct tb_rows_facts *facts)
{
    if (facts->has_read)
        return 0;
    const struct tb_sink_item item = {.uuid = facts->work->uuid,
                                      .data = tb_buf_str(&facts->work->item),
                                      .len = facts->work->item.len};
    int err = tb_sink_facts_read(&item, &facts->settings, &facts->facts);
    if (err)
        tb_sink_facts_done(&facts->facts);
    facts->has_read = err == 0;
    return err;
}

int tb_rows_facts_in(struct tb_rows_facts *facts, const struct tb_groups *groups, const char *group,
                     bool *out)
{
    int err = tb_rows_facts_read(facts);
    if (!err && facts->trace == NULL)
        err = tb_filter_trace_of(&facts->facts, facts->work->uuid, &facts->settings, &facts->trace);
    if (!err)
        *out = tb_groups_match(groups, group, tb_filter_trace_view(facts->trace));
    return err;
}

/* What of a URL is host and path; the host counts where no header names one. */
static void split(struct tb_rows_facts *facts)
{
    const char *url = facts->facts.url;
    const char *scheme = strstr(url, "://");
    const char *authority = scheme != NULL ? scheme + 3 : url;
    size_t len = scheme != NULL ? strcspn(authority, "/?#") : 0;
    const char *path = authority + len;
    const char *host = facts->facts.request_host;
    (void)snprintf(facts->host, sizeof(facts->host), "%.*s",
                   (int)(host[0] != '\0' ? strlen(host) : len), host[0] != '\0' ? host : authority);
    (void)snprintf(facts->path, sizeof(facts->path), "%.*s", (int)strcspn(path, "?#"), path);
    if (facts->path[0] == '\0' && scheme != NULL)
        (void)snprintf(facts->path, sizeof(facts->path), "/");
}

void tb_rows_facts_request(struct tb_rows_facts *facts, struct tb_sampling_request *out)
{
    split(facts);
    tb_xray_name(&facts->facts, &facts->settings, facts->name);
    *out = (struct tb_sampling_request){.service = facts->name,
                                        .service_type = facts->settings.origin,
                                        .host = facts->host,
                                        .method = facts->facts.method,
                                        .path = facts->path};
}

void tb_rows_facts_done(struct tb_rows_facts *facts)
{
    tb_filter_trace_free(facts->trace);
    if (facts->has_read)
        tb_sink_facts_done(&facts->facts);
}
