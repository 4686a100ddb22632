/* check_seen.c - see check_seen.h. */
#include "cli/check_seen.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <cjson/cJSON.h>

#include "base/suggest.h"
#include "base/wildcard.h"
#include "cli/print.h"
#include "sink/xray.h"
#include "store/store.h"

enum { DATA_MAX_BYTES = 256 << 10 };

struct look {
    const struct tb_config_xray *xray;
    struct tb_seen *seen;
};

/* The host of the request: of its URL, else its header. "" when there is none. */
static void host_of(const cJSON *data, char out[TB_SEEN_NAME])
{
    const char *url = tb_json_text(data, "request.url");
    const char *host = strstr(url, "://");
    host = host != NULL ? host + 3 : tb_json_text(data, "request.headers.Host");
    snprintf(out, TB_SEEN_NAME, "%.*s", (int)strcspn(host, "/?#"), host);
}

/* As the sink names the segment: docs/how-to/x-ray.md. */
static void name_of(const struct tb_config_xray *xray, const char *service, const char *host,
                    struct tb_seen_service *out)
{
    char name[TB_XRAY_NAME_BYTES];
    bool is_host = host[0] != '\0' && xray->name_pattern[0] != '\0' &&
                   tb_wildcard_fits(xray->name_pattern, host);
    snprintf(out->service, sizeof(out->service), "%s", service);
    snprintf(out->host, sizeof(out->host), "%s", is_host ? host : "");
    tb_xray_clean_name(is_host ? host : xray->name[0] != '\0' ? xray->name : service, name);
    snprintf(out->name, sizeof(out->name), "%.*s", TB_SEEN_NAME - 1, name);
}

static struct tb_seen_service *find(struct tb_seen *seen, const struct tb_seen_service *wanted)
{
    for (size_t i = 0; i < seen->n; i++)
        if (strcmp(seen->services[i].service, wanted->service) == 0 &&
            strcmp(seen->services[i].name, wanted->name) == 0)
            return &seen->services[i];
    if (seen->n == TB_SEEN_SERVICES)
        return NULL;
    seen->services[seen->n] = *wanted;
    return &seen->services[seen->n++];
}

static int add(void *arg, const struct tb_occurrence_row *row)
{
    struct look *look = arg;
    struct tb_seen_service one = {0};
    char host[TB_SEEN_NAME] = "";
    cJSON *data =
        row->data_len <= DATA_MAX_BYTES ? cJSON_ParseWithLength(row->data, row->data_len) : NULL;
    host_of(data, host);
    cJSON_Delete(data);
    if (row->service[0] == '\0')
        return 0;
    name_of(look->xray, row->service, host, &one);
    struct tb_seen_service *service = find(look->seen, &one);
    if (service == NULL)
        return 0;
    bool has_both = row->trace_id[0] != '\0' && row->xray_trace_id[0] != '\0';
    service->n_errors++;
    service->n_traced += has_both;
    service->n_differ += has_both && strcmp(row->trace_id, row->xray_trace_id) != 0;
    return 0;
}

void tb_seen_look(const struct tb_config *config, struct tb_seen *out)
{
    const struct tb_occurrence_filter latest = {.newest_first = 1, .max = TB_SEEN_ERRORS};
    struct look look = {&config->sinks.xray, out};
    char why[TB_STORE_WHY] = "";
    struct tb_store *store = NULL;
    out->n = 0;
    if (tb_store_open(config->state_dir, TB_STORE_READ, &store, why) < 0)
        return; /* `state` has said it */
    (void)tb_store_occurrences(store, &latest, add, &look);
    tb_store_close(store);
}

const struct tb_seen_service *tb_seen_by_name(const struct tb_seen *seen, const char *name)
{
    for (size_t i = 0; i < seen->n; i++)
        if (strcmp(seen->services[i].name, name) == 0)
            return &seen->services[i];
    return NULL;
}

const struct tb_seen_service *tb_seen_nearest(const struct tb_seen *seen, const char *name)
{
    const char *names[TB_SEEN_SERVICES];
    for (size_t i = 0; i < seen->n; i++)
        names[i] = seen->services[i].name;
    const char *near = tb_suggest(name, names, seen->n);
    if (near != NULL)
        return tb_seen_by_name(seen, near);
    return seen->n == 1 ? &seen->services[0] : NULL;
}

void tb_seen_names(const struct tb_seen *seen, char *out, size_t cap)
{
    size_t len = 0;
    out[0] = '\0';
    for (size_t i = 0; i < seen->n && len < cap; i++) {
        if (tb_seen_by_name(seen, seen->services[i].name) != &seen->services[i])
            continue; /* one name for several services */
        int n = snprintf(out + len, cap - len, "%s%s", i > 0 ? ", " : "", seen->services[i].name);
        len += n > 0 ? (size_t)n : 0;
    }
}
