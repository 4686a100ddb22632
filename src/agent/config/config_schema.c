/* config_schema.c - see config_schema.h. */
#include "agent/config/config_schema.h"

#include "agent/config/config_file.h"

enum { LIST_MAX = 1000, TEXT_MAX = 4096 };

#define TEXT(key, type, member)                                                                    \
    CYAML_FIELD_STRING_PTR(key, OPTIONAL, struct type, member, 0, TEXT_MAX)
#define NUMBER(key, type, member) CYAML_FIELD_UINT_PTR(key, OPTIONAL, struct type, member)
#define LIST(key, type, member)                                                                    \
    CYAML_FIELD_SEQUENCE(key, OPTIONAL, struct type, member, &list_entry, 0, LIST_MAX)
#define SWITCH(key, type, member)                                                                  \
    CYAML_FIELD_ENUM_PTR(key, STRICT, struct type, member, switch_words,                           \
                         sizeof(switch_words) / sizeof(switch_words[0]))
#define ENTRIES(key, type, member, entry)                                                          \
    CYAML_FIELD_SEQUENCE(key, OPTIONAL, struct type, member, &(entry), 0, LIST_MAX)
#define SECTION(key, type, member, fields)                                                         \
    CYAML_FIELD_MAPPING_PTR(key, OPTIONAL, struct type, member, fields)

/* Any key may be left out or have no value: then its default counts. */
enum { OPTIONAL = CYAML_FLAG_OPTIONAL | CYAML_FLAG_POINTER_NULL_STR };
enum { STRICT = OPTIONAL | CYAML_FLAG_STRICT };

/* libcyaml's own truth values are no choice: "off" is true to it, and so is every typing error. */
static const cyaml_strval_t switch_words[] = {
    {"false", false}, {"true", true},   {"no", false},    {"yes", true},  {"off", false},
    {"on", true},     {"False", false}, {"True", true},   {"No", false},  {"Yes", true},
    {"Off", false},   {"On", true},     {"FALSE", false}, {"TRUE", true}, {"NO", false},
    {"YES", true},    {"OFF", false},   {"ON", true},     {"0", false},   {"1", true}};

static const cyaml_schema_value_t list_entry = {
    CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char, 1, TEXT_MAX)};

static const cyaml_schema_field_t rollbar_fields[] = {
    TEXT("access_token", tb_config_rollbar, access_token),
    TEXT("token_file", tb_config_rollbar, token_file),
    TEXT("endpoint", tb_config_rollbar, endpoint),
    TEXT("proxy", tb_config_rollbar, proxy),
    TEXT("ca_file", tb_config_rollbar, ca_file),
    SWITCH("force_token", tb_config_rollbar, force_token),
    NUMBER("timeout_ms", tb_config_rollbar, timeout_ms),
    NUMBER("retry_min_ms", tb_config_rollbar, retry_min_ms),
    NUMBER("retry_max_ms", tb_config_rollbar, retry_max_ms),
    NUMBER("connections", tb_config_rollbar, connections),
    CYAML_FIELD_END};
static const cyaml_schema_field_t project_fields[] = {
    TEXT("service", tb_config_project_file, service),
    TEXT("environment", tb_config_project_file, environment),
    TEXT("access_token", tb_config_project_file, access_token),
    TEXT("token_file", tb_config_project_file, token_file),
    TEXT("group", tb_config_project_file, group),
    CYAML_FIELD_END};
static const cyaml_schema_value_t project = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct tb_config_project_file, project_fields)};
static const cyaml_schema_field_t log_fields[] = {
    TEXT("path", tb_config_log_file, path),
    TEXT("pattern", tb_config_log_file, pattern),
    TEXT("level", tb_config_log_file, level),
    TEXT("service", tb_config_log_file, service),
    TEXT("environment", tb_config_log_file, environment),
    TEXT("framework", tb_config_log_file, framework),
    CYAML_FIELD_END};
static const cyaml_schema_value_t log_file = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct tb_config_log_file, log_fields)};
static const cyaml_schema_field_t rollbar_files_fields[] = {
    LIST("paths", tb_config_rollbar_files, paths),
    SWITCH("remove", tb_config_rollbar_files, remove), CYAML_FIELD_END};
static const cyaml_schema_field_t tls_fields[] = {TEXT("cert_file", tb_config_tls, cert_file),
                                                  TEXT("key_file", tb_config_tls, key_file),
                                                  CYAML_FIELD_END};
static const cyaml_schema_field_t ingest_fields[] = {
    TEXT("token_file", tb_config_ingest, token_file), CYAML_FIELD_END};
static const cyaml_schema_field_t limits_fields[] = {
    NUMBER("item_per_minute", tb_config_limits, item_per_minute),
    NUMBER("service_per_minute", tb_config_limits, service_per_minute),
    NUMBER("burst_minutes", tb_config_limits, burst_minutes),
    NUMBER("token_per_minute", tb_config_limits, token_per_minute),
    NUMBER("sender_per_minute", tb_config_limits, sender_per_minute),
    CYAML_FIELD_END};
static const cyaml_schema_field_t scrub_fields[] = {
    LIST("keys", tb_config_scrub, keys), LIST("patterns", tb_config_scrub, patterns),
    SWITCH("builtin_patterns", tb_config_scrub, builtin_patterns), CYAML_FIELD_END};
static const cyaml_schema_field_t symbols_fields[] = {
    LIST("source_roots", tb_config_symbols, source_roots),
    LIST("debug_dirs", tb_config_symbols, debug_dirs),
    LIST("debuginfod", tb_config_symbols, debuginfod),
    NUMBER("debuginfod_timeout_ms", tb_config_symbols, debuginfod_timeout_ms),
    NUMBER("context_lines", tb_config_symbols, context_lines),
    NUMBER("user_budget_ms", tb_config_symbols, user_budget_ms),
    NUMBER("cache_bytes", tb_config_symbols, cache_bytes),
    LIST("in_app", tb_config_symbols, in_app),
    LIST("library", tb_config_symbols, library),
    CYAML_FIELD_END};
static const cyaml_schema_field_t age_fields[] = {
    NUMBER("crash", tb_config_ages, crash), NUMBER("error", tb_config_ages, error),
    NUMBER("warning", tb_config_ages, warning), NUMBER("info", tb_config_ages, info),
    CYAML_FIELD_END};
static const cyaml_schema_field_t limit_fields[] = {
    NUMBER("max_bytes", tb_config_spool_limits, max_bytes),
    NUMBER("max_percent", tb_config_spool_limits, max_percent),
    NUMBER("keep_free_percent", tb_config_spool_limits, keep_free_percent),
    NUMBER("uid_percent", tb_config_spool_limits, uid_percent),
    SECTION("max_age_hours", tb_config_spool_limits, max_age_hours, age_fields),
    CYAML_FIELD_END};
static const cyaml_schema_field_t store_fields[] = {NUMBER("max_bytes", tb_config_store, max_bytes),
                                                    CYAML_FIELD_END};
/* Of the sinks every value is a text here; config_sinks_table.c says what it must be. */
static const cyaml_schema_field_t otlp_fields[] = {
    TEXT("endpoint", tb_config_otlp_file, endpoint),
    TEXT("traces_endpoint", tb_config_otlp_file, traces_endpoint),
    LIST("headers", tb_config_otlp_file, headers),
    TEXT("honeycomb_key", tb_config_otlp_file, honeycomb_key),
    TEXT("honeycomb_key_file", tb_config_otlp_file, honeycomb_key_file),
    TEXT("dataset", tb_config_otlp_file, dataset),
    TEXT("honeycomb_team", tb_config_otlp_file, honeycomb_team),
    TEXT("honeycomb_environment", tb_config_otlp_file, honeycomb_environment),
    TEXT("form", tb_config_otlp_file, form),
    TEXT("compression", tb_config_otlp_file, compression),
    TEXT("timeout_ms", tb_config_otlp_file, timeout_ms),
    TEXT("ca_file", tb_config_otlp_file, ca_file),
    TEXT("client_cert_file", tb_config_otlp_file, client_cert_file),
    TEXT("client_key_file", tb_config_otlp_file, client_key_file),
    TEXT("group", tb_config_otlp_file, group),
    LIST("omit", tb_config_otlp_file, omit),
    CYAML_FIELD_END};
static const cyaml_schema_field_t xray_fields[] = {
    TEXT("mode", tb_config_xray_file, mode),
    TEXT("address", tb_config_xray_file, address),
    TEXT("endpoint", tb_config_xray_file, endpoint),
    TEXT("timeout_ms", tb_config_xray_file, timeout_ms),
    TEXT("name", tb_config_xray_file, name),
    TEXT("name_pattern", tb_config_xray_file, name_pattern),
    TEXT("origin", tb_config_xray_file, origin),
    TEXT("unsampled", tb_config_xray_file, unsampled),
    TEXT("sampling_rules", tb_config_xray_file, sampling_rules),
    TEXT("central_sampling", tb_config_xray_file, central_sampling),
    TEXT("group", tb_config_xray_file, group),
    LIST("omit", tb_config_xray_file, omit),
    CYAML_FIELD_END};
static const cyaml_schema_field_t cloudwatch_fields[] = {
    TEXT("log_group", tb_config_cloudwatch_file, log_group),
    TEXT("log_stream", tb_config_cloudwatch_file, log_stream),
    TEXT("endpoint", tb_config_cloudwatch_file, endpoint),
    TEXT("timeout_ms", tb_config_cloudwatch_file, timeout_ms),
    TEXT("retention_days", tb_config_cloudwatch_file, retention_days),
    TEXT("old", tb_config_cloudwatch_file, old),
    TEXT("metrics", tb_config_cloudwatch_file, metrics),
    TEXT("group", tb_config_cloudwatch_file, group),
    LIST("omit", tb_config_cloudwatch_file, omit),
    CYAML_FIELD_END};
static const cyaml_schema_field_t aws_fields[] = {TEXT("region", tb_config_aws_file, region),
                                                  TEXT("profile", tb_config_aws_file, profile),
                                                  CYAML_FIELD_END};
static const cyaml_schema_field_t group_fields[] = {TEXT("name", tb_config_group_file, name),
                                                    TEXT("filter", tb_config_group_file, filter),
                                                    CYAML_FIELD_END};
static const cyaml_schema_value_t group = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct tb_config_group_file, group_fields)};
static const cyaml_schema_field_t link_fields[] = {TEXT("name", tb_config_link_file, name),
                                                   TEXT("url", tb_config_link_file, url),
                                                   CYAML_FIELD_END};
static const cyaml_schema_value_t link_entry = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct tb_config_link_file, link_fields)};
static const cyaml_schema_field_t top_fields[] = {
    TEXT("environment", tb_config_file, environment),
    TEXT("spool", tb_config_file, spool),
    TEXT("state_dir", tb_config_file, state_dir),
    TEXT("socket", tb_config_file, socket),
    TEXT("listen", tb_config_file, listen),
    TEXT("vanished", tb_config_file, vanished),
    TEXT("log_format", tb_config_file, log_format),
    SECTION("tls", tb_config_file, tls, tls_fields),
    SECTION("ingest", tb_config_file, ingest, ingest_fields),
    SECTION("rollbar", tb_config_file, rollbar, rollbar_fields),
    ENTRIES("projects", tb_config_file, projects, project),
    SECTION("rollbar_files", tb_config_file, rollbar_files, rollbar_files_fields),
    ENTRIES("log_files", tb_config_file, log_files, log_file),
    SECTION("limits", tb_config_file, limits, limits_fields),
    SECTION("scrub", tb_config_file, scrub, scrub_fields),
    SECTION("symbols", tb_config_file, symbols, symbols_fields),
    SECTION("spool_limits", tb_config_file, spool_limits, limit_fields),
    SECTION("store", tb_config_file, store, store_fields),
    SECTION("otlp", tb_config_file, otlp, otlp_fields),
    SECTION("xray", tb_config_file, xray, xray_fields),
    SECTION("cloudwatch", tb_config_file, cloudwatch, cloudwatch_fields),
    SECTION("aws", tb_config_file, aws, aws_fields),
    ENTRIES("groups", tb_config_file, groups, group),
    ENTRIES("links", tb_config_file, links, link_entry),
    CYAML_FIELD_END};
const cyaml_schema_value_t tb_config_schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct tb_config_file, top_fields)};

/* ---- the sections by name, for "did you mean" ---- */

const struct tb_config_section tb_config_sections[] = {{"", top_fields},
                                                       {"rollbar", rollbar_fields},
                                                       {"projects", project_fields},
                                                       {"rollbar_files", rollbar_files_fields},
                                                       {"log_files", log_fields},
                                                       {"tls", tls_fields},
                                                       {"ingest", ingest_fields},
                                                       {"limits", limits_fields},
                                                       {"scrub", scrub_fields},
                                                       {"symbols", symbols_fields},
                                                       {"spool_limits", limit_fields},
                                                       {"store", store_fields},
                                                       {"spool_limits.max_age_hours", age_fields},
                                                       {"otlp", otlp_fields},
                                                       {"xray", xray_fields},
                                                       {"cloudwatch", cloudwatch_fields},
                                                       {"aws", aws_fields},
                                                       {"groups", group_fields},
                                                       {"links", link_fields}};
const size_t tb_config_n_sections = sizeof(tb_config_sections) / sizeof(tb_config_sections[0]);
