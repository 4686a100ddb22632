/* rows_request.c - see rows_request.h. */
#include "agent/pipeline/rows_request.h"

#include <fnmatch.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static bool is_set(const char *text)
{
    return text != NULL && text[0] != '\0';
}

static bool is_host_key(const struct tb_doc *item, int node)
{
    char name[8];
    struct tb_buf key;
    tb_buf_init(&key, sizeof(name));
    tb_doc_key(item, node, &key);
    (void)snprintf(name, sizeof(name), "%s", key.err == 0 ? tb_buf_str(&key) : "");
    tb_buf_done(&key);
    return strcasecmp(name, "host") == 0;
}

/* SDKs write the names of headers in many ways. */
static void find_host(const struct tb_doc *item, char out[TB_ROWS_HOST])
{
    int headers = tb_doc_find(item, 0, "request.headers");
    out[0] = '\0';
    if (headers < 0 || tb_doc_at(item, headers)->type != TB_DOC_OBJECT)
        return;
    for (int node = tb_doc_at(item, headers)->first; node >= 0;
         node = tb_doc_at(item, node)->next) {
        if (is_host_key(item, node) && tb_doc_copy(item, node, out, TB_ROWS_HOST))
            return;
    }
}

/* Cuts what is in url down to its path, which comes back; its host goes where there was none. */
static const char *split(char *url, char host[TB_ROWS_HOST])
{
    char *scheme = strstr(url, "://");
    char *authority = scheme != NULL ? scheme + 3 : url;
    size_t len = scheme != NULL ? strcspn(authority, "/?#") : 0;
    char *path = authority + len;
    if (len > 0 && len < TB_ROWS_HOST && host[0] == '\0')
        (void)snprintf(host, TB_ROWS_HOST, "%.*s", (int)len, authority);
    path[strcspn(path, "?#")] = '\0';
    return path[0] == '\0' && scheme != NULL ? "/" : path;
}

void tb_rows_request(const struct tb_config_xray *xray, const struct tb_doc *item,
                     const char *service, struct tb_rows_request *out)
{
    find_host(item, out->host);
    (void)tb_doc_copy(item, tb_doc_find(item, 0, "request.method"), out->method,
                      sizeof(out->method));
    (void)tb_doc_copy(item, tb_doc_find(item, 0, "request.url"), out->url, sizeof(out->url));
    const char *path = split(out->url, out->host);
    const char *name = is_set(xray->name) ? xray->name : service;
    if (is_set(xray->name_pattern) && out->host[0] != '\0' &&
        fnmatch(xray->name_pattern, out->host, FNM_NOESCAPE | FNM_CASEFOLD) == 0)
        name = out->host;
    out->request =
        (struct tb_sampling_request){.service = name,
                                     .service_type = is_set(xray->origin) ? xray->origin : NULL,
                                     .host = out->host,
                                     .method = out->method,
                                     .path = path};
}
