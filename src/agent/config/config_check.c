/* config_check.c - see config_check.h. */
#include "agent/config/config_check.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/files/log_rule.h"
#include "agent/native/debuginfod_memory.h"
#include "agent/pipeline/scrub_patterns.h"
#include "agent/serve/status.h"
#include "base/buf.h"
#include "base/fd.h"
#include "spool/frame.h"

enum { INGEST_TOKEN_MIN = 16, AUTHORITIES_MAX_BYTES = 8 << 20 };

static int is_loopback(const char *listen)
{
    size_t len = (size_t)(strrchr(listen, ':') - listen);
    return strncmp(listen, "127.", 4) == 0 || (len == 9 && !strncmp(listen, "localhost", 9)) ||
           (len == 5 && strncmp(listen, "[::1]", 5) == 0);
}

bool tb_config_listens_abroad(const struct tb_config *c)
{
    return strchr(c->listen, ':') != NULL && !is_loopback(c->listen);
}

static int check_tls(const struct tb_config *c, char why[TB_CONFIG_WHY])
{
    if ((c->tls_cert_file[0] == '\0') != (c->tls_key_file[0] == '\0')) {
        snprintf(why, TB_CONFIG_WHY,
                 "tls.%s is set and tls.%s is not: TLS needs a certificate and its key",
                 c->tls_cert_file[0] != '\0' ? "cert_file" : "key_file",
                 c->tls_cert_file[0] != '\0' ? "key_file" : "cert_file");
        return -EINVAL;
    }
    if (c->ingest_token[0] != '\0' && strlen(c->ingest_token) < INGEST_TOKEN_MIN) {
        snprintf(why, TB_CONFIG_WHY,
                 "ingest.token_file holds a token of less than 16 characters, which can be "
                 "guessed: make one of 32 with \"openssl rand -hex 16\"");
        return -EINVAL;
    }
    return 0;
}

/* What other hosts can reach speaks TLS, and to those alone who show the token. */
static int check_abroad(const struct tb_config *c, char why[TB_CONFIG_WHY])
{
    int has_tls = c->tls_cert_file[0] != '\0';
    if (is_loopback(c->listen) || (has_tls && c->ingest_token[0] != '\0'))
        return 0;
    snprintf(why, TB_CONFIG_WHY,
             "listen \"%.100s\" is not a loopback address, so other hosts can reach it: that needs "
             "%s%s%s; or use 127.0.0.1%s",
             c->listen, has_tls ? "" : "tls.cert_file and tls.key_file",
             has_tls || c->ingest_token[0] != '\0' ? "" : ", and ",
             c->ingest_token[0] != '\0' ? "" : "ingest.token_file", strrchr(c->listen, ':'));
    return -EINVAL;
}

/* "ADDRESS:PORT", "[ADDRESS]:PORT", "localhost:PORT" or "off". */
static int check_listen(const struct tb_config *c, char why[TB_CONFIG_WHY])
{
    int err = check_tls(c, why);
    if (err || strcmp(c->listen, "off") == 0)
        return err;
    const char *colon = strrchr(c->listen, ':');
    char *end = NULL;
    unsigned long port = colon != NULL ? strtoul(colon + 1, &end, 10) : 0;
    if (colon == NULL || colon[1] < '0' || colon[1] > '9' || *end != '\0' || port > 65535) {
        snprintf(why, TB_CONFIG_WHY,
                 "listen \"%s\" is not ADDRESS:PORT; try 127.0.0.1:7070, port 0 "
                 "for a free one, or \"off\"",
                 c->listen);
        return -EINVAL;
    }
    return check_abroad(c, why);
}

static int check_vanished(const struct tb_config *c, char why[TB_CONFIG_WHY])
{
    if (strcmp(c->vanished, "report") == 0 || strcmp(c->vanished, "count") == 0)
        return 0;
    snprintf(why, TB_CONFIG_WHY,
             "vanished \"%.100s\" is neither \"report\" nor \"count\": what becomes of processes "
             "that died unseen",
             c->vanished);
    return -EINVAL;
}

static int check_number(const char *key, unsigned value, unsigned low, unsigned high,
                        char why[TB_CONFIG_WHY])
{
    if (value >= low && value <= high)
        return 0;
    snprintf(why, TB_CONFIG_WHY, "%s is %u; it must be %u to %u", key, value, low, high);
    return -EINVAL;
}

#define CACHE_BYTES_HIGH (UINT64_C(1) << 40)

enum { MAX_BYTES_LOW = 1 << 20, HOURS_HIGH = 87600, PER_MINUTE_HIGH = 100000000, FILES_MAX = 64 };

static int check_cache(const struct tb_config *c, char why[TB_CONFIG_WHY])
{
    if (c->cache_bytes <= CACHE_BYTES_HIGH)
        return check_number("symbols.user_budget_ms", c->user_budget_ms, 1, 60000, why);
    snprintf(why, TB_CONFIG_WHY,
             "symbols.cache_bytes is %" PRIu64 "; it must be 0 (none are kept) to 1099511627776 "
             "(1 TiB)",
             c->cache_bytes);
    return -EINVAL;
}

static int check_limits(const struct tb_config *c, char why[TB_CONFIG_WHY])
{
    static const char *const ages[TB_N_CLASSES] = {
        "spool_limits.max_age_hours.crash", "spool_limits.max_age_hours.error",
        "spool_limits.max_age_hours.warning", "spool_limits.max_age_hours.info"};
    int err;
    if (c->max_bytes < MAX_BYTES_LOW || c->max_bytes > UINT64_C(1) << 40) {
        snprintf(why, TB_CONFIG_WHY,
                 "spool_limits.max_bytes is %" PRIu64 "; it must be 1048576 (1 MiB) to "
                 "1099511627776 (1 TiB)",
                 c->max_bytes);
        return -EINVAL;
    }
    if (c->store_max_bytes != 0 &&
        (c->store_max_bytes < MAX_BYTES_LOW || c->store_max_bytes > UINT64_C(1) << 40)) {
        snprintf(why, TB_CONFIG_WHY,
                 "store.max_bytes is %" PRIu64 "; it must be 0 (no bound), or 1048576 (1 MiB) to "
                 "1099511627776 (1 TiB)",
                 c->store_max_bytes);
        return -EINVAL;
    }
    if ((err = check_number("spool_limits.max_percent", c->max_percent, 1, 100, why)) ||
        (err = check_number("spool_limits.keep_free_percent", c->keep_free_percent, 0, 90, why)) ||
        (err = check_number("spool_limits.uid_percent", c->uid_percent, 1, 100, why)))
        return err;
    for (int i = 0; i < TB_N_CLASSES && !err; i++)
        err = check_number(ages[i], c->max_age_hours[i], 1, HOURS_HIGH, why);
    return err;
}

static int check_folders(const char *key, char *const *folders, size_t n, char why[TB_CONFIG_WHY])
{
    for (size_t i = 0; i < n; i++) {
        if (folders[i][0] == '/' && strchr(folders[i], '\n') == NULL)
            continue;
        snprintf(why, TB_CONFIG_WHY, "%s: \"%s\" is not an absolute path", key, folders[i]);
        return -EINVAL;
    }
    return 0;
}

static int check_patterns(const char *key, char *const *patterns, size_t n, char why[TB_CONFIG_WHY])
{
    if (n > TB_INAPP_PATTERNS_MAX) {
        snprintf(why, TB_CONFIG_WHY, "%s has %zu patterns; it may have %d", key, n,
                 TB_INAPP_PATTERNS_MAX);
        return -EINVAL;
    }
    for (size_t i = 0; i < n; i++) {
        size_t len = strlen(patterns[i]);
        if (len > 0 && len <= TB_INAPP_PATTERN_BYTES && strchr(patterns[i], '\n') == NULL)
            continue;
        snprintf(why, TB_CONFIG_WHY,
                 "%s: \"%.100s\" is no pattern for a path: one line of 1 to %d bytes, like "
                 "\"/opt/app/*\"",
                 key, patterns[i], TB_INAPP_PATTERN_BYTES);
        return -EINVAL;
    }
    return 0;
}

/* The path must end in "/item" or "/item/": elsewhere Rollbar answers 404, and its front page's
 * address is what people put here first. */
static int ends_in_item(const char *url)
{
    size_t len = strcspn(url, "?#");
    if (len > 0 && url[len - 1] == '/')
        len--;
    return len >= 5 && memcmp(url + len - 5, "/item", 5) == 0;
}

static int check_endpoint(const struct tb_config *c, char why[TB_CONFIG_WHY])
{
    int is_url =
        strncmp(c->endpoint, "http://", 7) == 0 || strncmp(c->endpoint, "https://", 8) == 0;
    if (is_url && ends_in_item(c->endpoint))
        return 0;
    char shown[TB_STATUS_URL];
    tb_status_url(c->endpoint, shown);
    snprintf(why, TB_CONFIG_WHY,
             "rollbar.endpoint (ROLLBAR_ENDPOINT) \"%.200s\" %s; it is the full item URL, "
             "like " TB_CONFIG_ENDPOINT,
             shown, is_url ? "does not end in /item/" : "is no URL");
    return -EINVAL;
}

/* http:// or https:// and a host, with nothing behind that the request would be added to. */
static int is_server(const char *url)
{
    size_t scheme_len = strncmp(url, "http://", 7) == 0 ? 7 : 8;
    if (scheme_len == 8 && strncmp(url, "https://", 8) != 0)
        return 0;
    for (const char *c = url; *c != '\0'; c++)
        if (*c <= ' ' || *c == 0x7f || *c == '?' || *c == '#')
            return 0;
    return url[scheme_len] != '\0' && url[scheme_len] != '/' && strlen(url) <= 1000;
}

static int check_servers(const struct tb_config *c, char why[TB_CONFIG_WHY])
{
    char shown[TB_STATUS_URL];
    if (c->n_debuginfod > TB_DEBUGINFOD_SERVERS) {
        snprintf(why, TB_CONFIG_WHY, "symbols.debuginfod has %zu servers; it may have %d",
                 c->n_debuginfod, TB_DEBUGINFOD_SERVERS);
        return -EINVAL;
    }
    for (size_t i = 0; i < c->n_debuginfod; i++) {
        if (is_server(c->debuginfod[i]))
            continue;
        tb_status_url(c->debuginfod[i], shown);
        snprintf(why, TB_CONFIG_WHY,
                 "symbols.debuginfod: \"%.200s\" is no server's URL; try "
                 "https://debuginfod.debian.net",
                 shown);
        return -EINVAL;
    }
    return check_number("symbols.debuginfod_timeout_ms", c->debuginfod_timeout_ms, 100, 60000, why);
}

static int check_log_format(const struct tb_config *c, char why[TB_CONFIG_WHY])
{
    if (strcmp(c->log_format, "text") == 0 || strcmp(c->log_format, "json") == 0)
        return 0;
    snprintf(why, TB_CONFIG_WHY, "log_format \"%.100s\" is neither \"text\" nor \"json\"",
             c->log_format);
    return -EINVAL;
}

static int check_scrub(const struct tb_config *c, char why[TB_CONFIG_WHY])
{
    char what[TB_SCRUB_WHY];
    if (c->n_scrub_patterns > TB_SCRUB_PATTERNS) {
        snprintf(why, TB_CONFIG_WHY, "scrub.patterns has %zu patterns; it may have %d",
                 c->n_scrub_patterns, TB_SCRUB_PATTERNS);
        return -EINVAL;
    }
    for (size_t i = 0; i < c->n_scrub_patterns; i++) {
        int err = tb_scrub_pattern_check(c->scrub_patterns[i], what);
        if (err) {
            snprintf(why, TB_CONFIG_WHY, "scrub.patterns: %s", what);
            return err;
        }
    }
    return 0;
}

static int check_rates(const struct tb_config *c, char why[TB_CONFIG_WHY])
{
    int err;
    if ((err =
             check_number("limits.item_per_minute", c->item_per_minute, 0, PER_MINUTE_HIGH, why)) ||
        (err = check_number("limits.service_per_minute", c->service_per_minute, 0, PER_MINUTE_HIGH,
                            why)) ||
        (err = check_number("limits.token_per_minute", c->token_per_minute, 0, PER_MINUTE_HIGH,
                            why)) ||
        (err = check_number("limits.sender_per_minute", c->sender_per_minute, 0, PER_MINUTE_HIGH,
                            why)))
        return err;
    return check_number("limits.burst_minutes", c->burst_minutes, 1, 1440, why);
}

/* What libcurl takes for a proxy, and nothing that ends a line. */
static int check_proxy(const struct tb_config *c, char why[TB_CONFIG_WHY])
{
    static const char *const schemes[] = {"http://",    "https://",  "socks4://",
                                          "socks4a://", "socks5://", "socks5h://"};
    int is_url = c->proxy[0] == '\0';
    for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]) && !is_url; i++)
        is_url = strncmp(c->proxy, schemes[i], strlen(schemes[i])) == 0 &&
                 c->proxy[strlen(schemes[i])] != '\0';
    for (const char *p = c->proxy; *p != '\0' && is_url; p++)
        is_url = *p > ' ' && *p < 0x7f;
    if (is_url && strlen(c->proxy) <= 1000)
        return 0;
    snprintf(
        why, TB_CONFIG_WHY,
        "rollbar.proxy is no URL of a proxy; it is like http://proxy.example:3128, and may have "
        "user:password@ before the host");
    return -EINVAL;
}

static int check_projects(const struct tb_config *c, char why[TB_CONFIG_WHY])
{
    for (size_t i = 0; i < c->n_projects; i++) {
        if (strlen(c->projects[i].service) <= 255 && strlen(c->projects[i].environment) <= 255)
            continue;
        snprintf(why, TB_CONFIG_WHY,
                 "projects: service and environment are patterns of at most 255 bytes, like "
                 "\"feedd*\"");
        return -EINVAL;
    }
    return 0;
}

static int check_ca_file(const struct tb_config *c, char why[TB_CONFIG_WHY])
{
    struct tb_buf text;
    char fault[128] = "";
    if (c->ca_file[0] == '\0')
        return 0;
    tb_buf_init(&text, AUTHORITIES_MAX_BYTES);
    int err = c->ca_file[0] == '/' ? tb_fd_slurp(AT_FDCWD, c->ca_file, &text) : 0;
    if (c->ca_file[0] != '/')
        snprintf(fault, sizeof(fault), "is not an absolute path");
    else if (err)
        snprintf(fault, sizeof(fault), "cannot be read: %s", strerror(-err));
    else if (strstr(tb_buf_str(&text), "-----BEGIN CERTIFICATE-----") == NULL)
        snprintf(fault, sizeof(fault), "holds no certificate");
    tb_buf_done(&text);
    if (fault[0] == '\0')
        return 0;
    snprintf(why, TB_CONFIG_WHY,
             "rollbar.ca_file \"%.200s\" %s; it holds the authorities in PEM form, and the agent's "
             "user must be able to read it",
             c->ca_file, fault);
    return -EINVAL;
}

static int check_files(const struct tb_config *c, char why[TB_CONFIG_WHY])
{
    if (c->n_rollbar_files > FILES_MAX) {
        snprintf(why, TB_CONFIG_WHY, "rollbar_files.paths has %zu paths; it may have %d",
                 c->n_rollbar_files, FILES_MAX);
        return -EINVAL;
    }
    return check_folders("rollbar_files.paths", c->rollbar_files, c->n_rollbar_files, why);
}

static int check_log(const struct tb_config_log *log, char why[TB_CONFIG_WHY])
{
    struct tb_log_rule *rule = NULL;
    char said[TB_LOG_WHY];
    char *const path = log->path;
    int err = check_folders("log_files: path", &path, 1, why);
    if (err)
        return err;
    if (log->level[0] != '\0' && tb_log_severity(log->level, strlen(log->level)) < 0) {
        snprintf(
            why, TB_CONFIG_WHY,
            "log_files %.100s: level \"%.50s\" is none of debug, info, warning, error, critical",
            log->path, log->level);
        return -EINVAL;
    }
    if (strlen(log->service) > 255 || strlen(log->environment) > 255 ||
        strlen(log->framework) > 255) {
        snprintf(why, TB_CONFIG_WHY,
                 "log_files %.100s: service, environment and framework may have 255 bytes",
                 log->path);
        return -EINVAL;
    }
    err = tb_log_rule_new(log->pattern, &rule, said);
    tb_log_rule_free(rule);
    if (err)
        snprintf(why, TB_CONFIG_WHY, "log_files %.60s: pattern: %.390s", log->path,
                 err == -EINVAL ? said : strerror(-err));
    return err;
}

static int check_logs(const struct tb_config *c, char why[TB_CONFIG_WHY])
{
    if (c->n_logs > FILES_MAX) {
        snprintf(why, TB_CONFIG_WHY, "log_files has %zu entries; it may have %d", c->n_logs,
                 FILES_MAX);
        return -EINVAL;
    }
    for (size_t i = 0; i < c->n_logs; i++) {
        int err = check_log(&c->logs[i], why);
        if (err)
            return err;
    }
    return 0;
}

int tb_config_check(const struct tb_config *c, char why[TB_CONFIG_WHY])
{
    int err;
    if (strlen(c->endpoint) > 1000 || strlen(c->environment) > 255) {
        snprintf(why, TB_CONFIG_WHY, "rollbar.endpoint may have 1000 bytes, environment 255");
        return -EINVAL;
    }
    if ((err = check_endpoint(c, why)) || (err = check_listen(c, why)) ||
        (err = check_vanished(c, why)) || (err = check_log_format(c, why)) ||
        (err = check_rates(c, why)) || (err = check_scrub(c, why)) || (err = check_proxy(c, why)) ||
        (err = check_projects(c, why)) || (err = check_ca_file(c, why)) ||
        (err = check_files(c, why)) || (err = check_logs(c, why)) ||
        (err = check_folders("symbols.source_roots", c->source_roots, c->n_source_roots, why)) ||
        (err = check_folders("symbols.debug_dirs", c->debug_dirs, c->n_debug_dirs, why)) ||
        (err = check_patterns("symbols.in_app", c->rules.in_app, c->rules.n_in_app, why)) ||
        (err = check_patterns("symbols.library", c->rules.library, c->rules.n_library, why)) ||
        (err = check_number("rollbar.timeout_ms", c->timeout_ms, 100, 600000, why)) ||
        (err = check_number("rollbar.retry_min_ms", c->retry_min_ms, 1, 3600000, why)) ||
        (err = check_number("rollbar.retry_max_ms", c->retry_max_ms, c->retry_min_ms, 86400000,
                            why)) ||
        (err = check_number("rollbar.connections", c->connections, 1, 64, why)) ||
        (err = check_number("symbols.context_lines", c->context_lines, 0, 20, why)) ||
        (err = check_cache(c, why)) || (err = check_servers(c, why)) ||
        (err = check_limits(c, why)))
        return err;
    return 0;
}
