/* links.c - see show.h: links to other tools, by the settings. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "cli/print.h"
#include "cli/show.h"
#include "trace/trace.h"

enum { AROUND_MS = 15 * 60 * 1000, HOST_BYTES = 256 };

/* What is known of one; the texts behind it. */
struct known {
    struct tb_link_values values;
    char xray[TB_XRAY_ID_TEXT];
    char host[HOST_BYTES], environment[HOST_BYTES];
};

static void know_span(const struct tb_show_span *span, struct known *out)
{
    const char *xray = *span->xray_trace_id != '\0' ? span->xray_trace_id : span->trace_id;
    memset(out, 0, sizeof(*out));
    out->values.trace_id = *span->trace_id != '\0' ? span->trace_id : span->xray_trace_id;
    out->values.xray_trace_id = tb_xray_id_of(xray, out->xray);
    if (span->first_ns <= 0)
        return;
    out->values.start_ms = span->first_ns / TB_NS_PER_MS - AROUND_MS;
    out->values.end_ms = span->last_ns / TB_NS_PER_MS + AROUND_MS;
}

static void know_occurrence(const struct tb_occurrence_row *occurrence, struct known *out)
{
    const struct tb_show_span span = {occurrence->trace_id, occurrence->xray_trace_id,
                                      occurrence->occurred_ns, occurrence->occurred_ns};
    cJSON *data = cJSON_ParseWithLength(occurrence->data, occurrence->data_len);
    know_span(&span, out);
    snprintf(out->host, sizeof(out->host), "%s", tb_json_text(data, "server.host"));
    snprintf(out->environment, sizeof(out->environment), "%s", tb_json_text(data, "environment"));
    out->values.host = out->host;
    out->values.span_id = occurrence->span_id;
    out->values.uuid = occurrence->uuid;
    out->values.service = occurrence->service;
    out->values.environment = out->environment;
    cJSON_Delete(data);
}

void tb_show_links(const struct tb_links *links, const struct tb_show_span *span,
                   const struct tb_occurrence_row *occurrence)
{
    struct known known;
    char url[TB_LINK_BYTES];
    char clean[TB_LINK_NAME_BYTES];
    const char *name;
    size_t at = 0;
    size_t n = 0;
    if (occurrence != NULL)
        know_occurrence(occurrence, &known);
    else if (span != NULL)
        know_span(span, &known);
    else
        return;
    while ((name = tb_links_next(links, &known.values, &at, url)) != NULL)
        printf("%s  %-12s %s\n", n++ == 0 ? "\nOpen in\n" : "",
               tb_print_clean(name, clean, sizeof(clean)), url);
}

void tb_show_links_json(const struct tb_links *links, const struct tb_occurrence_row *occurrence,
                        struct tb_json *j)
{
    struct known known;
    know_occurrence(occurrence, &known);
    tb_links_json(links, &known.values, j);
}
