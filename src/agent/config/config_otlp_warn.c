/* config_otlp_warn.c - what of OTLP's settings works, and is not what somebody can have meant. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/config/config_settings.h"
#include "agent/config/config_sinks_load.h"

#define TEAM "x-honeycomb-team"

/* Not "127.0.0.1.example", and of "127.0.0.1@example" what is behind the "@". */
static bool is_near(const char *url)
{
    const char *host = strstr(url, "//") + 2;
    const char *at = memrchr(host, '@', strcspn(host, "/?#"));
    host = at != NULL ? at + 1 : host;
    size_t len = host[0] == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":/?#");
    bool is_loopback = strncmp(host, "127.", 4) == 0 && strspn(host, "0123456789.") == len;
    return is_loopback || (len == 9 && strncmp(host, "localhost", len) == 0) ||
           (len == 5 && strncmp(host, "[::1]", len) == 0);
}

/* Whether a header's name says that its value is for nobody to read. */
static bool has_secret(const struct tb_config_otlp *o)
{
    static const char *const marks[] = {"auth", "key", "token", "secret", "password", TEAM};
    for (size_t i = 0; i < o->n_headers; i++) {
        char name[64];
        snprintf(name, sizeof(name), "%.*s", (int)strcspn(o->headers[i], ":"), o->headers[i]);
        for (size_t k = 0; k < sizeof(marks) / sizeof(marks[0]); k++)
            if (strcasestr(name, marks[k]) != NULL)
                return true;
    }
    return false;
}

static void warn_of_readers(struct tb_config *c)
{
    const struct tb_config_otlp *o = &c->sinks.otlp;
    const char *const urls[] = {o->form == TB_OTLP_SPAN ? "" : o->endpoint,
                                o->form == TB_OTLP_LOG ? "" : o->traces_endpoint};
    for (size_t i = 0; i < 2; i++) {
        if (!has_secret(o) || strncmp(urls[i], "http://", 7) != 0 || is_near(urls[i]))
            continue;
        tb_config_warn(c,
                       "%s is http, so the %s over the network for everybody to read; take https",
                       i == 0 ? "otlp.endpoint" : "otlp.traces_endpoint",
                       o->key_from[0] != '\0' ? "Honeycomb key goes" : "keys in its headers go");
        return;
    }
}

/* As Honeycomb tells them apart: 32 hex digits, or hc, a letter, ic_ and 58 more. */
static bool is_classic(const char *key)
{
    size_t len = strlen(key);
    if (len == 32)
        return strspn(key, "0123456789abcdefABCDEF") == len;
    return len == 64 && strncmp(key, "hc", 2) == 0 && strncmp(key + 3, "ic_", 3) == 0;
}

static void warn_of_classic(struct tb_config *c)
{
    const char *key = tb_config_otlp_header(&c->sinks.otlp, TEAM);
    const char *dataset = tb_config_otlp_header(&c->sinks.otlp, "x-honeycomb-dataset");
    if (key != NULL && is_classic(key) && (dataset == NULL || dataset[0] == '\0'))
        tb_config_warn(c, "the Honeycomb key is one of Honeycomb Classic, which takes nothing "
                          "without a dataset: set HONEYCOMB_DATASET, or otlp.dataset");
}

/* What a variable says is taken as it is. */
static void warn_of_no_path(struct tb_config *c)
{
    const struct tb_config_otlp *o = &c->sinks.otlp;
    const struct {
        const char *url, *key, *variable, *path;
    } all[] = {{o->form == TB_OTLP_SPAN ? "" : o->endpoint, "otlp.endpoint",
                "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "/v1/logs"},
               {o->form == TB_OTLP_LOG ? "" : o->traces_endpoint, "otlp.traces_endpoint",
                "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "/v1/traces"}};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        const char *host = strstr(all[i].url, "//");
        const char *path = host != NULL ? host + 2 + strcspn(host + 2, "/?") : "/v1";
        if (strcmp(path, "/") == 0 || path[0] == '\0')
            tb_config_warn(c,
                           "%s (%s) has no path and is taken as it is; receivers want %s behind it",
                           all[i].key, all[i].variable, all[i].path);
    }
}

void tb_config_otlp_warn(struct tb_config *c)
{
    static const char *const variables[] = {"OTEL_EXPORTER_OTLP_LOGS_PROTOCOL",
                                            "OTEL_EXPORTER_OTLP_PROTOCOL"};
    const struct tb_config_otlp *o = &c->sinks.otlp;
    const char *protocol = NULL;
    size_t i = 0;
    for (; i < 2 && (protocol == NULL || protocol[0] == '\0'); i++)
        protocol = getenv(variables[i]);
    if (protocol != NULL && protocol[0] != '\0' && strcmp(protocol, "http/json") != 0)
        tb_config_warn(c,
                       "%s is \"%.40s\", which is not spoken: http/json goes to the same address",
                       variables[i - 1], protocol);
    const char *host = strstr(o->endpoint, "//") + 2;
    size_t len = strcspn(host, "/?");
    if (len > 5 && memcmp(host + len - 5, ":4317", 5) == 0)
        tb_config_warn(c, "otlp.endpoint has port 4317, where collectors take gRPC, which is not "
                          "spoken; their port for http/json is 4318");
    warn_of_no_path(c);
    warn_of_classic(c);
    warn_of_readers(c);
}
