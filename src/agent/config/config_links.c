/* config_links.c - see config_links.h. The addresses are those of the tools' own pages:
 *
 * X-Ray         ...console.../cloudwatch/home?region=R#xray:traces/1-...
 * Logs Insights ...#logsV2:logs-insights?queryDetail=~(end~'T~start~'T~...~source~(~'GROUP)), where
 *               texts have *XX for what is no letter, digit, "-", "_" or "."; then all of it is
 *               percent-encoded twice, with "$" for "%". Nobody has written that down: it is what
 *               the console itself makes.
 * Honeycomb     https://ui.honeycomb.io/TEAM/environments/ENV/trace?trace_id=...&trace_start_ts=...
 *               (seconds), or .../TEAM/datasets/DATASET/trace?... in Classic */
#include "agent/config/config_links.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/config/config_sinks_load.h"

enum { NAME_ROOM = 3 * 512 + 1 };

static void add(struct tb_links *links, const char *name, const char *url)
{
    /* A log group whose name is too long for an address has no link. */
    if (tb_links_add(links, name, url) == -ENOMEM)
        abort();
}

static const char *console_of(const char *region)
{
    if (strncmp(region, "cn-", 3) == 0)
        return "console.amazonaws.cn";
    return strncmp(region, "us-gov-", 7) == 0 ? "console.amazonaws-us-gov.com"
                                              : "console.aws.amazon.com";
}

static void add_xray(const struct tb_config *c, struct tb_links *links)
{
    char url[TB_LINK_BYTES];
    if (c->sinks.xray.mode == TB_XRAY_OFF || links->region[0] == '\0')
        return;
    snprintf(url, sizeof(url),
             "https://{region}.%s/cloudwatch/home?region={region}#xray:traces/{xray_trace_id}",
             console_of(links->region));
    add(links, "X-Ray", url);
}

static void escape_name(const char *text, char out[NAME_ROOM])
{
    size_t n = 0;
    for (; *text != '\0' && n + 4 < NAME_ROOM; text++) {
        unsigned char c = (unsigned char)*text;
        if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
            strchr("-_.", c) != NULL)
            out[n++] = (char)c;
        else
            n += (size_t)snprintf(out + n, 4, "*%02x", c);
    }
    out[n] = '\0';
}

/* fields @timestamp, service, error_class, message
 * | filter xray_trace_id = "1-..."
 * | sort @timestamp */
#define QUERY                                                                                      \
    "fields*20*40timestamp*2c*20service*2c*20error_class*2c*20message*0a"                          \
    "*7c*20filter*20xray_trace_id*20*3d*20*22{xray_trace_id}*22*0a*7c*20sort*20*40timestamp"

static void add_logs(const struct tb_config *c, struct tb_links *links)
{
    char group[NAME_ROOM];
    char url[TB_LINK_BYTES];
    if (c->sinks.cloudwatch.log_group[0] == '\0' || links->region[0] == '\0')
        return;
    escape_name(c->sinks.cloudwatch.log_group, group);
    int len =
        snprintf(url, sizeof(url),
                 "https://{region}.%s/cloudwatch/home?region={region}#logsV2:logs-insights"
                 "$3FqueryDetail$3D$257E$2528end$257E$2527{end_aws}$257Estart$257E$2527"
                 "{start_aws}$257EtimeType$257E$2527ABSOLUTE$257Etz$257E$2527UTC"
                 "$257EeditorString$257E$2527" QUERY "$257Esource$257E$2528$257E$2527%s$2529$2529",
                 console_of(links->region), group);
    if (len > 0 && (size_t)len < sizeof(url))
        add(links, "Logs", url);
}

static void add_honeycomb(const struct tb_config *c, struct tb_links *links)
{
    const struct tb_config_otlp *otlp = &c->sinks.otlp;
    bool has_environment = otlp->honeycomb_environment[0] != '\0';
    const char *dataset = tb_config_otlp_header(otlp, "x-honeycomb-dataset");
    const char *place = has_environment ? otlp->honeycomb_environment : dataset;
    char team[3 * 128 + 1];
    char name[3 * 255 + 1];
    char url[TB_LINK_BYTES];
    if (otlp->honeycomb_team[0] == '\0' || place == NULL || place[0] == '\0' ||
        otlp->endpoint[0] == '\0' || !tb_link_encode(otlp->honeycomb_team, team, sizeof(team)) ||
        !tb_link_encode(place, name, sizeof(name)))
        return;
    snprintf(url, sizeof(url),
             "https://ui%s.honeycomb.io/%s/%s/%s/trace?trace_id={trace_id}&trace_start_ts={start_s}"
             "&trace_end_ts={end_s}",
             strstr(otlp->endpoint, "://api.eu1.") != NULL ? ".eu1" : "", team,
             has_environment ? "environments" : "datasets", name);
    add(links, "Honeycomb", url);
}

void tb_config_links(const struct tb_config *c, struct tb_links *out)
{
    memset(out, 0, sizeof(*out));
    snprintf(out->region, sizeof(out->region), "%s", c->sinks.aws.region);
    add_xray(c, out);
    add_honeycomb(c, out);
    add_logs(c, out);
    if (c->token[0] != '\0')
        add(out, "Rollbar", "https://rollbar.com/occurrence/uuid/?uuid={uuid}");
    for (size_t i = 0; i < c->sinks.n_links; i++)
        add(out, c->sinks.links[i].name, c->sinks.links[i].url);
}
