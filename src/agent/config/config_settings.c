/* config_settings.c - see config_settings.h: the table, and where values are found. */
#include "agent/config/config_settings.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/config/config_apply.h"
#include "agent/config/config_paths.h"
#include "agent/config/config_sinks_load.h"
#include "base/buf.h"
#include "sampling/sampling.h"

enum { WARNINGS_BYTES = 64 << 10 };

static const char *const forms[] = {"log", "span", "both", NULL};
static const char *const compressions[] = {"gzip", "none", NULL};
static const char *const modes[] = {"off", "daemon", "api", NULL};
static const char *const unsampled[] = {"drop", "send", NULL};
static const char *const old[] = {"send", "drop", NULL};
static const char *const certificate[] = {"-----BEGIN CERTIFICATE-----", NULL};
static const char *const private_key[] = {"PRIVATE KEY-----", NULL};
static const char *const of_segment[] = {" _.:/%&#=+\\-@", NULL};
static const char *const of_pattern[] = {" _.:/%&#=+\\-@*?", NULL};
static const char *const of_origin[] = {":", NULL};
static const char *const of_group[] = {"-", NULL};
static const char *const of_region[] = {"-", NULL};
static const char *const of_log_group[] = {".-_/#", NULL};

#define FIELD(name) .field = offsetof(struct tb_config_sinks, name)
#define OTLP(name)                                                                                 \
    .key = "otlp." #name, .section = offsetof(struct tb_config_file, otlp),                        \
    .member = offsetof(struct tb_config_otlp_file, name)
#define XRAY(name)                                                                                 \
    .key = "xray." #name, .section = offsetof(struct tb_config_file, xray),                        \
    .member = offsetof(struct tb_config_xray_file, name)
#define CLOUDWATCH(name)                                                                           \
    .key = "cloudwatch." #name, .section = offsetof(struct tb_config_file, cloudwatch),            \
    .member = offsetof(struct tb_config_cloudwatch_file, name)
#define AWS(name)                                                                                  \
    .key = "aws." #name, .section = offsetof(struct tb_config_file, aws),                          \
    .member = offsetof(struct tb_config_aws_file, name)
#define TIMEOUT .initial = "10000", .take = tb_take_number, .low = 100, .high = 600000

const struct tb_setting tb_settings[] = {
    {OTLP(endpoint), FIELD(otlp.endpoint), .take = tb_take_otlp,
     .variables = {"OTEL_EXPORTER_OTLP_LOGS_ENDPOINT"},
     .bases = {"OTEL_EXPORTER_OTLP_ENDPOINT", "HONEYCOMB_API_ENDPOINT"}, .suffix = "/v1/logs"},
    {OTLP(traces_endpoint), FIELD(otlp.traces_endpoint), .take = tb_take_otlp,
     .variables = {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"},
     .bases = {"OTEL_EXPORTER_OTLP_ENDPOINT", "HONEYCOMB_API_ENDPOINT"}, .suffix = "/v1/traces"},
    {OTLP(honeycomb_key), .variables = {"HONEYCOMB_API_KEY"}, .take = tb_take_nothing},
    {OTLP(honeycomb_key_file), .take = tb_take_nothing},
    {OTLP(dataset), .variables = {"HONEYCOMB_DATASET"}, .take = tb_take_nothing},
    {OTLP(honeycomb_team), FIELD(otlp.honeycomb_team), .take = tb_take_text, .high = 128},
    {OTLP(honeycomb_environment), FIELD(otlp.honeycomb_environment), .take = tb_take_text,
     .high = 128},
    {OTLP(form), FIELD(otlp.form), .initial = "log", .take = tb_take_word, .words = forms},
    {OTLP(compression), FIELD(otlp.is_plain), .initial = "gzip", .take = tb_take_either,
     .words = compressions,
     .variables = {"OTEL_EXPORTER_OTLP_LOGS_COMPRESSION", "OTEL_EXPORTER_OTLP_COMPRESSION"}},
    {OTLP(timeout_ms), FIELD(otlp.timeout_ms), TIMEOUT,
     .variables = {"OTEL_EXPORTER_OTLP_LOGS_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT"}},
    {OTLP(ca_file), FIELD(otlp.ca_file), .take = tb_take_pem, .words = certificate,
     .variables = {"OTEL_EXPORTER_OTLP_LOGS_CERTIFICATE", "OTEL_EXPORTER_OTLP_CERTIFICATE"}},
    {OTLP(client_cert_file), FIELD(otlp.client_cert_file), .take = tb_take_pem,
     .words = certificate,
     .variables = {"OTEL_EXPORTER_OTLP_LOGS_CLIENT_CERTIFICATE",
                   "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE"}},
    {OTLP(client_key_file), FIELD(otlp.client_key_file), .take = tb_take_pem, .words = private_key,
     .variables = {"OTEL_EXPORTER_OTLP_LOGS_CLIENT_KEY", "OTEL_EXPORTER_OTLP_CLIENT_KEY"}},
    {OTLP(group), FIELD(otlp.group), .take = tb_take_name, .high = 32, .words = of_group},

    {XRAY(mode), FIELD(xray.mode), .take = tb_take_word, .words = modes},
    {XRAY(address), .variables = {"AWS_XRAY_DAEMON_ADDRESS"}, .take = tb_take_address},
    {XRAY(endpoint), FIELD(xray.endpoint), .take = tb_take_url,
     .variables = {"AWS_ENDPOINT_URL_XRAY", "AWS_ENDPOINT_URL"}},
    {XRAY(timeout_ms), FIELD(xray.timeout_ms), TIMEOUT},
    {XRAY(name), FIELD(xray.name), .variables = {"AWS_XRAY_TRACING_NAME"}, .take = tb_take_name,
     .high = 200, .words = of_segment},
    {XRAY(name_pattern), FIELD(xray.name_pattern), .variables = {"AWS_XRAY_URL"},
     .take = tb_take_name, .high = 250, .words = of_pattern},
    {XRAY(origin), FIELD(xray.origin), .take = tb_take_name, .high = 64, .words = of_origin},
    {XRAY(unsampled), FIELD(xray.sends_unsampled), .initial = "drop", .take = tb_take_either,
     .words = unsampled},
    {XRAY(sampling_rules), FIELD(xray.sampling_rules), .take = tb_take_rules,
     .high = TB_SAMPLING_BYTES},
    {XRAY(central_sampling), FIELD(xray.asks_daemon), .initial = "true", .take = tb_take_flag},
    {XRAY(group), FIELD(xray.group), .take = tb_take_name, .high = 32, .words = of_group},

    {CLOUDWATCH(log_group), FIELD(cloudwatch.log_group), .take = tb_take_name, .high = 512,
     .words = of_log_group},
    {CLOUDWATCH(log_stream), FIELD(cloudwatch.log_stream), .initial = "{host}/{service}",
     .take = tb_take_stream, .high = 512},
    {CLOUDWATCH(endpoint), FIELD(cloudwatch.endpoint), .take = tb_take_url,
     .variables = {"AWS_ENDPOINT_URL_CLOUDWATCH_LOGS", "AWS_ENDPOINT_URL"}},
    {CLOUDWATCH(timeout_ms), FIELD(cloudwatch.timeout_ms), TIMEOUT},
    {CLOUDWATCH(retention_days), FIELD(cloudwatch.retention_days), .initial = "0",
     .take = tb_take_days},
    {CLOUDWATCH(old), FIELD(cloudwatch.drops_old), .initial = "send", .take = tb_take_either,
     .words = old},
    {CLOUDWATCH(metrics), FIELD(cloudwatch.has_metrics), .initial = "false", .take = tb_take_flag},
    {CLOUDWATCH(group), FIELD(cloudwatch.group), .take = tb_take_name, .high = 32,
     .words = of_group},

    {AWS(region), FIELD(aws.region), .variables = {"AWS_REGION", "AWS_DEFAULT_REGION"},
     .take = tb_take_name, .high = 40, .words = of_region},
    {AWS(profile), FIELD(aws.profile), .variables = {"AWS_PROFILE", "AWS_DEFAULT_PROFILE"},
     .take = tb_take_text, .high = 128},
};
const size_t tb_n_settings = sizeof(tb_settings) / sizeof(tb_settings[0]);

void tb_setting_variable(const char *key, char out[80])
{
    snprintf(out, 80, "TOWBAR_%s", key);
    for (char *c = out; *c != '\0'; c++)
        *c = *c == '.' ? '_' : *c >= 'a' && *c <= 'z' ? (char)(*c - 'a' + 'A') : *c;
}

/* ---- where values are found ---- */

static const char *from_variables(const struct tb_setting *s, const char **variable)
{
    char own[80];
    tb_setting_variable(s->key, own);
    const char *text = getenv(own);
    /* The name must outlive this call: it is made again where it is told. */
    *variable = "";
    for (size_t i = 0; (text == NULL || text[0] == '\0') && i < 2 && s->variables[i] != NULL; i++) {
        text = getenv(s->variables[i]);
        *variable = s->variables[i];
    }
    return text != NULL && text[0] != '\0' ? text : NULL;
}

static const char *from_file(const struct tb_setting *s, const struct tb_config_file *file)
{
    if (file == NULL)
        return NULL;
    const char *section = *(const char *const *)(const void *)((const char *)file + s->section);
    if (section == NULL)
        return NULL;
    const char *text = *(const char *const *)(const void *)(section + s->member);
    return text != NULL && text[0] != '\0' ? text : NULL;
}

/* The base's path and ours meet at one slash. */
static int from_bases(const struct tb_setting *s, struct tb_setting_value *out)
{
    for (size_t i = 0; i < 2 && s->bases[i] != NULL; i++) {
        const char *text = getenv(s->bases[i]);
        if (text == NULL || text[0] == '\0')
            continue;
        size_t len = strlen(text);
        while (len > 0 && text[len - 1] == '/')
            len--;
        snprintf(out->text, sizeof(out->text), "%.*s%s", (int)(len < 2048 ? len : 2048), text,
                 s->suffix);
        out->variable = s->bases[i];
        return 1;
    }
    return 0;
}

void tb_setting_find(const struct tb_setting *s, const struct tb_config_file *file,
                     struct tb_setting_value *out)
{
    const char *text = from_variables(s, &out->variable);
    out->is_set = true;
    if (text == NULL && from_bases(s, out))
        return;
    if (text == NULL) {
        out->variable = NULL;
        text = from_file(s, file);
    }
    if (text == NULL) {
        out->is_set = false;
        text = s->initial != NULL ? s->initial : "";
    }
    snprintf(out->text, sizeof(out->text), "%s", text);
}

void tb_setting_get(const char *key, const struct tb_config_file *file,
                    struct tb_setting_value *out)
{
    for (size_t i = 0; i < tb_n_settings; i++)
        if (strcmp(tb_settings[i].key, key) == 0)
            tb_setting_find(&tb_settings[i], file, out);
}

const char *tb_config_sink_from(const struct tb_config *config, const char *section, char room[80])
{
    static const struct {
        const char *section, *key;
    } switches[] = {{"otlp", "otlp.endpoint"},
                    {"xray", "xray.mode"},
                    {"xray", "xray.address"},
                    {"cloudwatch", "cloudwatch.log_group"}};
    struct tb_setting_value value = {.variable = NULL};
    bool is_known = false;
    for (size_t i = 0; i < sizeof(switches) / sizeof(switches[0]); i++) {
        if (strcmp(switches[i].section, section) != 0)
            continue;
        is_known = true;
        tb_setting_get(switches[i].key, NULL, &value);
        if (value.variable != NULL && value.variable[0] != '\0')
            return value.variable;
        tb_setting_variable(switches[i].key, room);
        if (value.variable != NULL)
            return room;
    }
    /* A Honeycomb key is enough, and then where it stands is what counts. */
    if (strcmp(section, "otlp") == 0 && config->sinks.otlp.key_from[0] != '\0')
        return config->sinks.otlp.key_from;
    return is_known ? config->file : "";
}

/* ---- what is said ---- */

static void split_key(const char *key, char section[64], const char **name)
{
    size_t len = strcspn(key, ".");
    snprintf(section, 64, "%.*s", (int)(len < 63 ? len : 63), key);
    *name = key[len] == '.' ? key + len + 1 : "";
}

/* Words of the file may be part of it. */
static void make_one_line(char *text)
{
    for (; *text != '\0'; text++)
        *text = (unsigned char)*text < ' ' || *text == 0x7f ? '?' : *text;
}

void tb_setting_explain(const struct tb_config *config, const char *key, const char *variable,
                        const char *fault, char why[TB_CONFIG_WHY])
{
    char section[64];
    char own[80];
    const char *name;
    if (variable != NULL) {
        tb_setting_variable(key, own);
        snprintf(why, TB_CONFIG_WHY, "%s (%s) %s", variable[0] != '\0' ? variable : own, key,
                 fault);
        make_one_line(why);
        return;
    }
    split_key(key, section, &name);
    unsigned line = config->file != NULL && config->file[0] != '\0'
                        ? tb_config_file_line(config->file, section, name)
                        : 0;
    if (line > 0)
        snprintf(why, TB_CONFIG_WHY, "%.150s:%u: %s %s", config->file, line, key, fault);
    else
        snprintf(why, TB_CONFIG_WHY, "%s %s", key, fault);
    make_one_line(why);
}

void tb_config_warn(struct tb_config *config, const char *format, ...)
{
    struct tb_buf text;
    char sentence[2 * TB_CONFIG_PATH + TB_CONFIG_WHY];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(sentence, sizeof(sentence), format, args);
    va_end(args);
    tb_buf_init(&text, WARNINGS_BYTES);
    if (config->warning != NULL && config->warning[0] != '\0')
        tb_buf_addf(&text, "%s; ", config->warning);
    tb_buf_adds(&text, sentence);
    if (text.err == 0)
        tb_config_set(&config->warning, tb_buf_str(&text));
    tb_buf_done(&text);
}
