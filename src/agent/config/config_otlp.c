/* config_otlp.c - OTLP's headers, the Honeycomb key and the addresses that follow from them; see
 * config_settings.h. No header's value and no key is ever part of a message. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/config/config_apply.h"
#include "agent/config/config_paths.h"
#include "agent/config/config_settings.h"
#include "agent/config/config_sinks_load.h"
#include "base/buf.h"
#include "base/fd.h"

#define HONEYCOMB "https://api.honeycomb.io"
#define LOGS "/v1/logs"
#define TRACES "/v1/traces"
#define TEAM "x-honeycomb-team"
#define DATASET "x-honeycomb-dataset"

enum { HEADERS_MAX = 32, HEADERS_BYTES = 5120, HEADER_BYTES = 4096, KEY_BYTES = 256 };

/* ---- the list ---- */

static bool is_token(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
              (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL)))
            return false;
    }
    return len > 0 && len <= 128;
}

static bool is_value(const char *text)
{
    for (const char *t = text; *t != '\0'; t++)
        if ((unsigned char)*t < ' ' || (unsigned char)*t >= 0x7f)
            return false;
    return strlen(text) <= HEADER_BYTES;
}

/* What the request says of itself. */
static bool is_ours(const char *name, size_t len)
{
    static const char *const ours[] = {"host",
                                       "content-type",
                                       "content-length",
                                       "connection",
                                       "transfer-encoding",
                                       "content-encoding",
                                       "expect",
                                       "te",
                                       "upgrade"};
    for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
        if (strlen(ours[i]) == len && strncasecmp(ours[i], name, len) == 0)
            return true;
    return false;
}

/* What is wrong with it, or NULL. One of the same name is replaced. */
static const char *add(struct tb_config_otlp *o, const char *name, size_t name_len,
                       const char *value)
{
    char line[HEADER_BYTES + 256];
    size_t total = 0;
    size_t at = o->n_headers;
    if (!is_token(name, name_len))
        return "has a name that no header may have";
    if (is_ours(name, name_len))
        return "names a header that is set by towbar itself; leave it out";
    if (!is_value(value))
        return "has a value with control characters, or with others than ASCII, or of over 4096 "
               "bytes";
    for (size_t i = 0; i < o->n_headers; i++) {
        if (strncasecmp(o->headers[i], name, name_len) == 0 && o->headers[i][name_len] == ':')
            at = i;
        else
            total += strlen(o->headers[i]) + 1;
    }
    if (at == HEADERS_MAX)
        return "is one too many: there may be 32";
    int len = snprintf(line, sizeof(line), "%.*s: %s", (int)name_len, name, value);
    if (total + (size_t)len > HEADERS_BYTES)
        return "makes them too long: all together may have 5120 bytes";
    tb_config_set(&o->headers[at], line);
    if (at == o->n_headers)
        o->n_headers++;
    return NULL;
}

const char *tb_config_otlp_header(const struct tb_config_otlp *o, const char *name)
{
    size_t len = strlen(name);
    for (size_t i = 0; i < o->n_headers; i++)
        if (strncasecmp(o->headers[i], name, len) == 0 && o->headers[i][len] == ':')
            return o->headers[i] + len + 2;
    return NULL;
}

/* ---- where headers are from ---- */

static int refuse(const struct tb_config *c, const char *variable, size_t place, const char *bad,
                  char why[TB_CONFIG_WHY])
{
    char fault[TB_SETTING_FAULT];
    snprintf(fault, sizeof(fault), "entry %zu %s", place, bad);
    tb_setting_explain(c, "otlp.headers", variable, fault, why);
    return -EINVAL;
}

static int from_file(struct tb_config *c, const struct tb_config_otlp_file *file,
                     char why[TB_CONFIG_WHY])
{
    for (size_t i = 0; file != NULL && i < file->headers_count; i++) {
        const char *line = file->headers[i];
        size_t len = strcspn(line, ":");
        const char *bad = "is not \"name: value\"";
        if (line[len] == ':')
            bad = add(&c->sinks.otlp, line, len, line + len + 1 + strspn(line + len + 1, " \t"));
        if (bad != NULL)
            return refuse(c, NULL, i + 1, bad, why);
    }
    return 0;
}

static int nibble(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* False for a "%" without two digits, for %00, and for what is too long. */
static bool decode(const char *text, size_t len, char out[HEADER_BYTES + 1])
{
    size_t n = 0;
    for (size_t i = 0; i < len && n < HEADER_BYTES; i++) {
        char c = text[i];
        if (c == '%') {
            int high = i + 2 < len ? nibble(text[i + 1]) : -1;
            int low = i + 2 < len ? nibble(text[i + 2]) : -1;
            if (high < 0 || low < 0 || high + low == 0)
                return false;
            c = (char)(high * 16 + low);
            i += 2;
        }
        out[n++] = c;
    }
    out[n] = '\0';
    return len <= (size_t)HEADER_BYTES * 3 && n < HEADER_BYTES;
}

static const char *add_pair(struct tb_config_otlp *o, const char *pair, size_t len)
{
    char value[HEADER_BYTES + 1];
    const char *equals = memchr(pair, '=', len);
    if (equals == NULL)
        return "is not key=value";
    size_t name_len = (size_t)(equals - pair);
    const char *from = equals + 1;
    size_t value_len = len - name_len - 1;
    while (name_len > 0 && (pair[name_len - 1] == ' ' || pair[name_len - 1] == '\t'))
        name_len--;
    while (value_len > 0 && (*from == ' ' || *from == '\t')) {
        from++;
        value_len--;
    }
    while (value_len > 0 && (from[value_len - 1] == ' ' || from[value_len - 1] == '\t'))
        value_len--;
    if (!decode(from, value_len, value))
        return "has a \"%\" without two hex digits behind it (a \"%\" itself is %25), or is too "
               "long";
    return add(o, pair, name_len, value);
}

/* "k=v,k2=v2", as baggage is written. */
static int from_variable(struct tb_config *c, const char *variable, const char *text,
                         char why[TB_CONFIG_WHY])
{
    size_t place = 0;
    while (*text != '\0') {
        text += strspn(text, " \t");
        size_t len = strcspn(text, ",");
        size_t end = len;
        while (end > 0 && (text[end - 1] == ' ' || text[end - 1] == '\t'))
            end--;
        place++;
        const char *bad = end > 0 ? add_pair(&c->sinks.otlp, text, end) : NULL;
        if (bad != NULL)
            return refuse(c, variable, place, bad, why);
        text += len + (text[len] == ',');
    }
    return 0;
}

static int from_environment(struct tb_config *c, const char **used, char why[TB_CONFIG_WHY])
{
    static const char *const variables[] = {"OTEL_EXPORTER_OTLP_LOGS_HEADERS",
                                            "OTEL_EXPORTER_OTLP_HEADERS"};
    for (size_t i = 0; i < 2; i++) {
        const char *text = getenv(variables[i]);
        if (text == NULL || text[0] == '\0')
            continue;
        *used = variables[i];
        return from_variable(c, variables[i], text, why);
    }
    return 0;
}

/* ---- the key ---- */

static void credential(char out[TB_CONFIG_PATH])
{
    const char *folder = getenv("CREDENTIALS_DIRECTORY");
    struct stat st;
    out[0] = '\0';
    if (folder == NULL || folder[0] != '/')
        return;
    int len = snprintf(out, TB_CONFIG_PATH, "%s/honeycomb_key", folder);
    if (len >= TB_CONFIG_PATH || stat(out, &st) < 0)
        out[0] = '\0';
}

static int read_key(struct tb_config *c, const char *path, const char *variable,
                    char key[KEY_BYTES], char why[TB_CONFIG_WHY])
{
    struct tb_buf text;
    struct stat st;
    char fault[TB_SETTING_FAULT];
    tb_buf_init(&text, HEADER_BYTES);
    int err = tb_fd_slurp(AT_FDCWD, path, &text);
    if (!err)
        snprintf(key, KEY_BYTES, "%.*s", (int)strcspn(tb_buf_str(&text), " \t\r\n"),
                 tb_buf_str(&text));
    if (text.data != NULL)
        explicit_bzero(text.data, text.len);
    tb_buf_done(&text);
    if (err || key[0] == '\0') {
        snprintf(fault, sizeof(fault),
                 "\"%.120s\" %s%s; it holds the key in its first line, mode 0600, owned by the "
                 "agent's user",
                 path, err ? "cannot be read: " : "is empty", err ? strerror(-err) : "");
        tb_setting_explain(c, "otlp.honeycomb_key_file", variable, fault, why);
        return err ? err : -EINVAL;
    }
    tb_config_set(&c->sinks.otlp.key_from, path);
    if (stat(path, &st) == 0 && (st.st_mode & S_IROTH) != 0)
        tb_config_warn(c, "%s holds the Honeycomb key and can be read by every user: chmod 600 %s",
                       path, path);
    return 0;
}

/* key is "" where there is none but one among the headers. */
static int find_key(struct tb_config *c, const struct tb_config_file *file, char key[KEY_BYTES],
                    char why[TB_CONFIG_WHY])
{
    struct tb_setting_value said;
    struct tb_setting_value said_file;
    char path[TB_CONFIG_PATH];
    key[0] = '\0';
    tb_setting_get("otlp.honeycomb_key", file, &said);
    tb_setting_get("otlp.honeycomb_key_file", file, &said_file);
    bool is_said = said.text[0] != '\0';
    bool file_wins = said_file.variable != NULL && said.variable == NULL;
    if (is_said && !file_wins) {
        snprintf(key, KEY_BYTES, "%.*s", KEY_BYTES - 1, said.text);
        tb_config_set(&c->sinks.otlp.key_from, said.variable == NULL ? c->file
                                               : said.variable[0] != '\0'
                                                   ? said.variable
                                                   : "TOWBAR_OTLP_HONEYCOMB_KEY");
        if (strlen(said.text) < KEY_BYTES)
            return 0;
        tb_setting_explain(c, "otlp.honeycomb_key", said.variable,
                           "is no key: it has over 255 bytes", why);
        return -EINVAL;
    }
    if (said_file.text[0] == '\0') {
        credential(path);
        return path[0] != '\0' ? read_key(c, path, NULL, key, why) : 0;
    }
    const char *bad = said_file.variable == NULL ? tb_config_path_fault(said_file.text) : NULL;
    if (bad != NULL || tb_config_absolute(said_file.text, path) != 0) {
        char fault[TB_SETTING_FAULT];
        snprintf(fault, sizeof(fault), "is \"%.80s\": %s", said_file.text,
                 bad != NULL ? bad : "this is no path");
        tb_setting_explain(c, "otlp.honeycomb_key_file", said_file.variable, fault, why);
        return -EINVAL;
    }
    return read_key(c, path, said_file.variable, key, why);
}

static int add_key(struct tb_config *c, const struct tb_config_file *file, const char *headers_from,
                   char why[TB_CONFIG_WHY])
{
    struct tb_config_otlp *o = &c->sinks.otlp;
    struct tb_setting_value dataset;
    char key[KEY_BYTES];
    int err = find_key(c, file, key, why);
    if (err)
        return err;
    const char *bad = NULL;
    for (const char *k = key; *k != '\0'; k++)
        if (*k <= ' ' || *k >= 0x7f)
            bad = "is no key: it has spaces or control characters";
    if (bad == NULL && key[0] != '\0')
        bad = add(o, TEAM, strlen(TEAM), key);
    explicit_bzero(key, sizeof(key));
    if (bad != NULL) {
        snprintf(why, TB_CONFIG_WHY, "the Honeycomb key from %s %s", o->key_from, bad);
        return -EINVAL;
    }
    if (o->key_from[0] == '\0' && tb_config_otlp_header(o, TEAM) != NULL)
        tb_config_set(&o->key_from, headers_from != NULL ? headers_from : c->file);
    tb_setting_get("otlp.dataset", file, &dataset);
    bad = dataset.text[0] != '\0' ? add(o, DATASET, strlen(DATASET), dataset.text) : NULL;
    if (bad == NULL)
        return 0;
    tb_setting_explain(c, "otlp.dataset", dataset.variable, bad, why);
    return -EINVAL;
}

/* ---- the addresses ---- */

static void follow_endpoint(struct tb_config_otlp *o)
{
    char url[1024];
    if (o->endpoint[0] == '\0' && tb_config_otlp_header(o, TEAM) != NULL)
        tb_config_set(&o->endpoint, HONEYCOMB LOGS);
    size_t len = strlen(o->endpoint);
    if (o->traces_endpoint[0] != '\0' || len < strlen(LOGS) ||
        strcmp(o->endpoint + len - strlen(LOGS), LOGS) != 0)
        return;
    snprintf(url, sizeof(url), "%.*s" TRACES, (int)(len - strlen(LOGS)), o->endpoint);
    tb_config_set(&o->traces_endpoint, url);
}

int tb_config_otlp_check(const struct tb_config *c, char why[TB_CONFIG_WHY])
{
    const struct tb_config_otlp *o = &c->sinks.otlp;
    const char *key = NULL;
    const char *fault = NULL;
    if (o->endpoint[0] == '\0')
        return 0;
    if ((o->client_cert_file[0] == '\0') != (o->client_key_file[0] == '\0')) {
        key = o->client_cert_file[0] == '\0' ? "otlp.client_key_file" : "otlp.client_cert_file";
        fault = "is alone: a certificate needs its key, and a key its certificate";
    } else if (o->form != TB_OTLP_LOG && o->traces_endpoint[0] == '\0') {
        key = "otlp.form";
        fault = "sends spans, and otlp.endpoint does not end in /v1/logs: say where with "
                "otlp.traces_endpoint (OTEL_EXPORTER_OTLP_TRACES_ENDPOINT)";
    }
    if (key == NULL)
        return 0;
    struct tb_setting_value value;
    tb_setting_get(key, NULL, &value);
    tb_setting_explain(c, key, value.variable, fault, why);
    return -EINVAL;
}

int tb_config_otlp_finish(struct tb_config *c, const struct tb_config_file *file,
                          char why[TB_CONFIG_WHY])
{
    struct tb_config_otlp *o = &c->sinks.otlp;
    const char *headers_from = NULL;
    const char *disabled = getenv("OTEL_SDK_DISABLED");
    o->headers = calloc(HEADERS_MAX, sizeof(*o->headers));
    if (o->headers == NULL)
        abort();
    tb_config_set(&o->key_from, "");
    int err = from_file(c, file != NULL ? file->otlp : NULL, why);
    if (!err)
        err = from_environment(c, &headers_from, why);
    if (!err)
        err = add_key(c, file, headers_from, why);
    if (err)
        return err;
    follow_endpoint(o);
    if (disabled != NULL && strcasecmp(disabled, "true") == 0) {
        tb_config_set(&o->endpoint, "");
        tb_config_set(&o->traces_endpoint, "");
    }
    if (o->endpoint[0] != '\0')
        tb_config_otlp_warn(c);
    return 0;
}
