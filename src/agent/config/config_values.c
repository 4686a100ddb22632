/* config_values.c - what the values of the sinks' settings may be; see config_settings.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/config/config_apply.h"
#include "agent/config/config_paths.h"
#include "agent/config/config_settings.h"
#include "agent/serve/status.h"
#include "base/buf.h"
#include "base/fd.h"
#include "sampling/sampling.h"

enum { URL_BYTES = 1000, PEM_BYTES = 8 << 20, SHOWN = 60 };

static int wrong(char fault[TB_SETTING_FAULT], const char *text, const char *what)
{
    char shown[SHOWN + 1];
    snprintf(shown, sizeof(shown), "%.*s", SHOWN, text);
    for (char *c = shown; *c != '\0'; c++)
        *c = *c < ' ' || *c == 0x7f ? '?' : *c;
    snprintf(fault, TB_SETTING_FAULT, "is \"%s%s\": %s", shown, strlen(text) > SHOWN ? "..." : "",
             what);
    return -EINVAL;
}

static bool is_one_line(const char *text)
{
    for (; *text != '\0'; text++)
        if ((unsigned char)*text < ' ' || *text == 0x7f)
            return false;
    return true;
}

static bool is_alnum(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

int tb_take_text(const struct tb_setting *s, const struct tb_setting_value *value, void *field,
                 char fault[TB_SETTING_FAULT])
{
    char what[64];
    snprintf(what, sizeof(what), "it must be one line of at most %u bytes", s->high);
    if (strlen(value->text) > s->high || !is_one_line(value->text))
        return wrong(fault, value->text, what);
    tb_config_set(field, value->text);
    return 0;
}

int tb_take_name(const struct tb_setting *s, const struct tb_setting_value *value, void *field,
                 char fault[TB_SETTING_FAULT])
{
    char what[160];
    snprintf(what, sizeof(what), "it may have %u letters of A-Z, a-z, 0-9 and \"%s\"", s->high,
             s->words[0]);
    for (const char *t = value->text; *t != '\0'; t++)
        if (!is_alnum(*t) && strchr(s->words[0], *t) == NULL)
            return wrong(fault, value->text, what);
    if (strlen(value->text) > s->high)
        return wrong(fault, value->text, what);
    if (strcmp(s->key, "cloudwatch.log_group") == 0 && strncmp(value->text, "aws/", 4) == 0)
        return wrong(fault, value->text, "it must not begin with \"aws/\", which is Amazon's");
    tb_config_set(field, value->text);
    return 0;
}

static bool number(const char *text, unsigned *out)
{
    char *end = NULL;
    errno = 0;
    unsigned long value = strtoul(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || errno != 0 || *end != '\0' || value > 4000000000UL)
        return false;
    *out = (unsigned)value;
    return true;
}

int tb_take_number(const struct tb_setting *s, const struct tb_setting_value *value, void *field,
                   char fault[TB_SETTING_FAULT])
{
    char what[96];
    unsigned n = 0;
    size_t len = strlen(s->key);
    bool is_ms = len > 3 && strcmp(s->key + len - 3, "_ms") == 0;
    snprintf(what, sizeof(what), "it must be a whole number%s without a unit, %u to %u",
             is_ms ? " of milliseconds" : "", s->low, s->high);
    if (!number(value->text, &n) || n < s->low || n > s->high)
        return wrong(fault, value->text, what);
    *(unsigned *)field = n;
    return 0;
}

int tb_take_days(const struct tb_setting *s, const struct tb_setting_value *value, void *field,
                 char fault[TB_SETTING_FAULT])
{
    static const unsigned days[] = {0,    1,    3,    5,    7,    14,   30,  60,
                                    90,   120,  150,  180,  365,  400,  545, 731,
                                    1096, 1827, 2192, 2557, 2922, 3288, 3653};
    unsigned n = 0;
    bool is_number = number(value->text, &n);
    (void)s;
    for (size_t i = 0; i < sizeof(days) / sizeof(days[0]) && is_number; i++) {
        if (days[i] != n)
            continue;
        *(unsigned *)field = n;
        return 0;
    }
    return wrong(fault, value->text,
                 "CloudWatch Logs takes 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, "
                 "731, 1096, 1827, 2192, 2557, 2922, 3288 or 3653; 0 leaves it alone");
}

int tb_take_flag(const struct tb_setting *s, const struct tb_setting_value *value, void *field,
                 char fault[TB_SETTING_FAULT])
{
    static const char *const words[] = {"false", "true", "no", "yes", "off", "on", "0", "1"};
    (void)s;
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcasecmp(value->text, words[i]) != 0)
            continue;
        *(bool *)field = i % 2 == 1;
        return 0;
    }
    return wrong(fault, value->text, "it must be true or false");
}

/* The place in words, or -EINVAL. */
static int place_of(const struct tb_setting *s, const char *text, char fault[TB_SETTING_FAULT])
{
    char what[96] = "it must be";
    for (int i = 0; s->words[i] != NULL; i++) {
        if (strcmp(text, s->words[i]) == 0)
            return i;
        size_t len = strlen(what);
        snprintf(what + len, sizeof(what) - len, "%s \"%s\"",
                 i == 0                    ? ""
                 : s->words[i + 1] == NULL ? " or"
                                           : ",",
                 s->words[i]);
    }
    return wrong(fault, text, what);
}

int tb_take_word(const struct tb_setting *s, const struct tb_setting_value *value, void *field,
                 char fault[TB_SETTING_FAULT])
{
    int place = value->text[0] != '\0' ? place_of(s, value->text, fault) : 0;
    if (place >= 0)
        *(unsigned *)field = (unsigned)place;
    return place < 0 ? place : 0;
}

int tb_take_either(const struct tb_setting *s, const struct tb_setting_value *value, void *field,
                   char fault[TB_SETTING_FAULT])
{
    int place = place_of(s, value->text, fault);
    if (place >= 0)
        *(bool *)field = place == 1;
    return place < 0 ? place : 0;
}

/* What a password in it would be is not shown. */
static int wrong_url(char fault[TB_SETTING_FAULT], const char *url, const char *what)
{
    char shown[TB_STATUS_URL];
    tb_status_url(url, shown);
    return wrong(fault, shown, what);
}

int tb_take_url(const struct tb_setting *s, const struct tb_setting_value *value, void *field,
                char fault[TB_SETTING_FAULT])
{
    const char *url = value->text;
    size_t scheme = strncmp(url, "https://", 8) == 0 ? 8 : strncmp(url, "http://", 7) == 0 ? 7 : 0;
    (void)s;
    if (url[0] == '\0') {
        tb_config_set(field, "");
        return 0;
    }
    for (const char *c = url; *c != '\0'; c++)
        if (*c <= ' ' || *c >= 0x7f || *c == '#')
            return wrong_url(fault, url, "an address has no spaces, no \"#\" and only ASCII");
    size_t len = strcspn(url + scheme, "/?");
    const char *at = memrchr(url + scheme, '@', len);
    const char *host = at != NULL ? at + 1 : url + scheme;
    if (scheme == 0 || host == url + scheme + len || *host == ':' || url[scheme] == '@')
        return wrong_url(fault, url, "it is no address: http:// or https://, and a host");
    if (strlen(url) > URL_BYTES)
        return wrong_url(fault, url, "it is longer than 1000 bytes");
    tb_config_set(field, url);
    return 0;
}

int tb_take_otlp(const struct tb_setting *s, const struct tb_setting_value *value, void *field,
                 char fault[TB_SETTING_FAULT])
{
    char url[TB_SETTING_BYTES + 1];
    char what[160];
    int err = tb_take_url(s, value, field, fault);
    if (err || value->text[0] == '\0')
        return err;
    const char *host = strstr(value->text, "//") + 2;
    const char *path = host + strcspn(host, "/?");
    bool is_base = value->variable != NULL && value->variable[0] != '\0' &&
                   strcmp(value->variable, s->variables[0]) != 0;
    if (is_base && strchr(value->text, '?') != NULL)
        return wrong_url(fault, value->text,
                         "it has a \"?\", and a path cannot be added to that; use the variable of "
                         "the signal, with the whole address");
    if (*path == '/')
        return 0;
    /* OpenTelemetry's own variable is taken as it is, and its path is then the root. */
    if (value->variable != NULL && value->variable[0] != '\0') {
        snprintf(url, sizeof(url), "%.*s/%s", (int)(path - value->text), value->text, path);
        tb_config_set(field, url);
        return 0;
    }
    snprintf(what, sizeof(what), "it has no path, and is the whole address here; add %s",
             s->suffix);
    return wrong_url(fault, value->text, what);
}

/* ---- the X-Ray daemon's ---- */

static bool is_host_and_port(const char *text, size_t len)
{
    const char *colon = memrchr(text, ':', len);
    unsigned port = 0;
    char digits[8];
    if (colon == NULL || colon == text || len > 255)
        return false;
    snprintf(digits, sizeof(digits), "%.*s", (int)(len - (size_t)(colon + 1 - text)), colon + 1);
    if (!number(digits, &port) || port == 0 || port > 65535 ||
        strlen(digits) != len - (size_t)(colon + 1 - text))
        return false;
    size_t host_len = (size_t)(colon - text);
    bool is_v6 = host_len > 2 && text[0] == '[' && text[host_len - 1] == ']';
    for (size_t i = is_v6; i < host_len - is_v6; i++)
        if (!is_alnum(text[i]) && strchr(is_v6 ? ":.%" : "-._", text[i]) == NULL)
            return false;
    return true;
}

static void set_part(char **field, const char *text, size_t len)
{
    char part[256];
    snprintf(part, sizeof(part), "%.*s", (int)len, text);
    tb_config_set(field, part);
}

int tb_setting_addresses(const char *text, char **udp, char **tcp)
{
    unsigned n_udp = 0;
    unsigned n_tcp = 0;
    for (text += strspn(text, " "); *text != '\0'; text += strspn(text, " ")) {
        size_t len = strcspn(text, " ");
        bool is_udp = strncasecmp(text, "udp:", 4) == 0;
        bool is_tcp = strncasecmp(text, "tcp:", 4) == 0;
        /* "udp:2000" is a host of that name, as for the SDKs. */
        size_t skip = (is_udp || is_tcp) && memchr(text + 4, ':', len - 4) != NULL ? 4 : 0;
        if (!is_host_and_port(text + skip, len - skip))
            return -EINVAL;
        if (skip == 0 || is_udp) {
            set_part(udp, text + skip, len - skip);
            n_udp++;
        }
        if (skip == 0 || is_tcp) {
            set_part(tcp, text + skip, len - skip);
            n_tcp++;
        }
        text += len;
    }
    return n_udp == 1 && n_tcp == 1 ? 0 : -EINVAL;
}

int tb_take_address(const struct tb_setting *s, const struct tb_setting_value *value, void *field,
                    char fault[TB_SETTING_FAULT])
{
    char *udp = NULL;
    char *tcp = NULL;
    (void)s;
    (void)field;
    int err = value->text[0] != '\0' ? tb_setting_addresses(value->text, &udp, &tcp) : 0;
    free(udp);
    free(tcp);
    return err ? wrong(fault, value->text,
                       "it is no address of a daemon; it is like \"127.0.0.1:2000\" or "
                       "\"tcp:127.0.0.1:2000 udp:127.0.0.1:2000\"")
               : 0;
}

/* ---- files ---- */

/* The file's text into text; its path, from / on, into *field. */
static int take_file(const struct tb_setting_value *value, void *field, struct tb_buf *text,
                     char fault[TB_SETTING_FAULT])
{
    char path[TB_CONFIG_PATH];
    const char *bad = value->variable == NULL ? tb_config_path_fault(value->text) : NULL;
    if (bad != NULL || tb_config_absolute(value->text, path) != 0)
        return wrong(fault, value->text, bad != NULL ? bad : "this is no path");
    int err = tb_fd_slurp(AT_FDCWD, path, text);
    if (err) {
        char what[128];
        snprintf(what, sizeof(what), "it cannot be read: %s; the agent's user must be able to",
                 err == -EMSGSIZE ? "it is too large" : strerror(-err));
        return wrong(fault, path, what);
    }
    tb_config_set(field, path);
    return 0;
}

int tb_take_pem(const struct tb_setting *s, const struct tb_setting_value *value, void *field,
                char fault[TB_SETTING_FAULT])
{
    struct tb_buf text;
    int err = 0;
    tb_config_set(field, "");
    if (value->text[0] == '\0')
        return 0;
    tb_buf_init(&text, PEM_BYTES);
    err = take_file(value, field, &text, fault);
    if (!err && strstr(tb_buf_str(&text), s->words[0]) == NULL)
        err = wrong(fault, value->text,
                    s->words[0][0] == '-' ? "it holds no certificate in PEM form"
                                          : "it holds no private key in PEM form");
    if (text.data != NULL)
        explicit_bzero(text.data, text.len);
    tb_buf_done(&text);
    return err;
}

/* Rules that are wrong are said before anything starts, and by --check-config. */
static int check_rules(const char *path, const struct tb_buf *text, char fault[TB_SETTING_FAULT])
{
    char why[TB_SAMPLING_WHY] = "";
    struct tb_sampling *sampling = NULL;
    int err = tb_sampling_new(&sampling);
    if (!err)
        err = tb_sampling_rules(sampling, tb_buf_str(text), text->len, 0, why);
    tb_sampling_free(sampling);
    return err == -EINVAL || err == -EMSGSIZE ? wrong(fault, path, why) : err;
}

int tb_take_rules(const struct tb_setting *s, const struct tb_setting_value *value, void *field,
                  char fault[TB_SETTING_FAULT])
{
    struct tb_buf text;
    tb_config_set(field, "");
    if (value->text[0] == '\0')
        return 0;
    tb_buf_init(&text, s->high);
    int err = take_file(value, field, &text, fault);
    if (!err)
        err = check_rules(value->text, &text, fault);
    tb_buf_done(&text);
    return err;
}

/* ---- others ---- */

int tb_take_stream(const struct tb_setting *s, const struct tb_setting_value *value, void *field,
                   char fault[TB_SETTING_FAULT])
{
    static const char *const places[] = {"{host}",    "{service}", "{environment}",
                                         "{version}", "{pid}",     "{date}"};
    for (const char *t = value->text; *t != '\0'; t++) {
        size_t len = 0;
        if (*t == ':' || *t == '*' || (unsigned char)*t < ' ' || *t == 0x7f)
            return wrong(fault, value->text,
                         "the name of a log stream has no \":\", no \"*\" and no control "
                         "characters");
        if (*t != '{' && *t != '}')
            continue;
        for (size_t i = 0; i < sizeof(places) / sizeof(places[0]) && len == 0; i++)
            if (strncmp(t, places[i], strlen(places[i])) == 0)
                len = strlen(places[i]);
        if (len == 0)
            return wrong(fault, value->text,
                         "in braces it may have {host}, {service}, {environment}, {version}, "
                         "{pid} and {date}");
        t += len - 1;
    }
    if (value->text[0] == '\0' || strlen(value->text) > s->high)
        return wrong(fault, value->text, "it has 1 to 512 bytes");
    tb_config_set(field, value->text);
    return 0;
}

int tb_take_nothing(const struct tb_setting *s, const struct tb_setting_value *value, void *field,
                    char fault[TB_SETTING_FAULT])
{
    (void)s;
    (void)value;
    (void)field;
    (void)fault;
    return 0;
}
