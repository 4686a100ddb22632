/* config_file.c - see config_file.h. The only file that calls libcyaml.
 *
 * libcyaml tells what is wrong through its log: the first line says what, the first line of its
 * backtrace says where. Both are caught and made into one sentence. */
#include "agent/config_file.h"

#include <cyaml/cyaml.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "agent/config_paths.h"
#include "base/buf.h"
#include "base/fd.h"

enum { FILE_MAX_BYTES = 256 << 10, LIST_MAX = 1000, TEXT_MAX = 4096, LINE_MAX_BYTES = 256 };

#define TEXT(key, type, member)                                                                    \
    CYAML_FIELD_STRING_PTR(key, OPTIONAL, struct type, member, 0, TEXT_MAX)
#define NUMBER(key, type, member) CYAML_FIELD_UINT_PTR(key, OPTIONAL, struct type, member)
#define LIST(key, type, member)                                                                    \
    CYAML_FIELD_SEQUENCE(key, OPTIONAL, struct type, member, &list_entry, 0, LIST_MAX)
#define SECTION(key, type, member, fields)                                                         \
    CYAML_FIELD_MAPPING_PTR(key, OPTIONAL, struct type, member, fields)

/* Any key may be left out or have no value: then its default counts. */
enum { OPTIONAL = CYAML_FLAG_OPTIONAL | CYAML_FLAG_POINTER_NULL_STR };

static const cyaml_schema_value_t list_entry = {
    CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char, 1, TEXT_MAX)};

static const cyaml_schema_field_t rollbar_fields[] = {
    TEXT("access_token", tb_config_rollbar, access_token),
    TEXT("token_file", tb_config_rollbar, token_file),
    TEXT("endpoint", tb_config_rollbar, endpoint),
    NUMBER("timeout_ms", tb_config_rollbar, timeout_ms),
    NUMBER("retry_min_ms", tb_config_rollbar, retry_min_ms),
    NUMBER("retry_max_ms", tb_config_rollbar, retry_max_ms),
    NUMBER("connections", tb_config_rollbar, connections),
    CYAML_FIELD_END};
static const cyaml_schema_field_t scrub_fields[] = {LIST("keys", tb_config_scrub, keys),
                                                    CYAML_FIELD_END};
static const cyaml_schema_field_t symbols_fields[] = {
    LIST("source_roots", tb_config_symbols, source_roots),
    LIST("debug_dirs", tb_config_symbols, debug_dirs),
    NUMBER("context_lines", tb_config_symbols, context_lines), CYAML_FIELD_END};
static const cyaml_schema_field_t top_fields[] = {
    TEXT("environment", tb_config_file, environment),
    TEXT("spool", tb_config_file, spool),
    TEXT("state_dir", tb_config_file, state_dir),
    TEXT("socket", tb_config_file, socket),
    TEXT("listen", tb_config_file, listen),
    SECTION("rollbar", tb_config_file, rollbar, rollbar_fields),
    SECTION("scrub", tb_config_file, scrub, scrub_fields),
    SECTION("symbols", tb_config_file, symbols, symbols_fields),
    CYAML_FIELD_END};
static const cyaml_schema_value_t top = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct tb_config_file, top_fields)};

/* The sections by name, for "did you mean". */
static const struct {
    const char *name;
    const cyaml_schema_field_t *fields;
} sections[] = {{"", top_fields},
                {"rollbar", rollbar_fields},
                {"scrub", scrub_fields},
                {"symbols", symbols_fields}};
enum { N_SECTIONS = sizeof(sections) / sizeof(sections[0]) };

/* What libcyaml said: the complaint, then the places from the inside out. */
struct complaint {
    char what[LINE_MAX_BYTES];
    char places[2][LINE_MAX_BYTES];
    unsigned n_places;
};

static void hear(cyaml_log_t level, void *arg, const char *format, va_list args)
    __attribute__((format(printf, 3, 0)));
static void hear(cyaml_log_t level, void *arg, const char *format, va_list args)
{
    struct complaint *said = arg;
    char line[LINE_MAX_BYTES];
    if (level < CYAML_LOG_ERROR || vsnprintf(line, sizeof(line), format, args) < 0)
        return;
    line[strcspn(line, "\n")] = '\0';
    if (strncmp(line, "  in ", 5) == 0) {
        if (said->n_places < 2)
            snprintf(said->places[said->n_places++], LINE_MAX_BYTES, "%s", line + 5);
    } else if (said->what[0] == '\0') {
        const char *text = strncmp(line, "Load: ", 6) == 0 ? line + 6 : line;
        snprintf(said->what, sizeof(said->what), "%s", text);
    }
}

/* How many single letters must change, come or go; capped by the lengths used here. */
static unsigned distance(const char *a, const char *b)
{
    enum { LONGEST = 32 };
    size_t a_len = strnlen(a, LONGEST);
    size_t b_len = strnlen(b, LONGEST);
    unsigned row[LONGEST + 1];
    for (size_t j = 0; j <= b_len; j++)
        row[j] = (unsigned)j;
    for (size_t i = 1; i <= a_len; i++) {
        unsigned diagonal = row[0];
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= b_len; j++) {
            unsigned best = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            if (row[j] + 1 < best)
                best = row[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            row[j] = best;
        }
    }
    return row[b_len];
}

/* The known key nearest to word: looks in its own section first, then in the others. */
static void suggest(const char *word, const char *section, char *out, size_t cap)
{
    const char *best_section = "";
    const char *best = NULL;
    unsigned best_score = 6; /* two letters wrong, or one in another section */
    for (size_t s = 0; s < N_SECTIONS; s++) {
        unsigned foreign = strcmp(sections[s].name, section) != 0;
        for (const cyaml_schema_field_t *f = sections[s].fields; f->key != NULL; f++) {
            unsigned score = distance(word, f->key) * 2 + foreign;
            if (score < best_score) {
                best_score = score;
                best = f->key;
                best_section = foreign ? sections[s].name : "";
            }
        }
    }
    out[0] = '\0';
    if (best != NULL)
        snprintf(out, cap, "; did you mean \"%s%s%s\"?", best_section,
                 best_section[0] != '\0' ? "." : "", best);
}

/* The text between the quotes of "mapping field 'rollbar' (line: ...". */
static void quoted(const char *place, char *out, size_t cap)
{
    const char *from = strchr(place, '\'');
    const char *to = from != NULL ? strchr(from + 1, '\'') : NULL;
    out[0] = '\0';
    if (to != NULL)
        snprintf(out, cap, "%.*s", (int)(to - from - 1), from + 1);
}

static unsigned line_of(const struct complaint *said)
{
    unsigned line = 0;
    const char *at = strstr(said->places[0], "(line: ");
    for (at = at != NULL ? at + 7 : ""; *at >= '0' && *at <= '9' && line < 1000000; at++)
        line = line * 10 + (unsigned)(*at - '0');
    return line;
}

/* Does the line, outside its comment, hold key as a key: a whole word with a colon after it? */
static int holds_key(const char *line, size_t len, const char *key)
{
    size_t key_len = strlen(key);
    for (size_t i = 0; i < len && line[i] != '#'; i++) {
        if (i + key_len >= len || memcmp(line + i, key, key_len) != 0)
            continue;
        size_t after = i + key_len;
        after += strspn(line + after, "'\" \t");
        if (after < len && line[after] == ':' &&
            (i == 0 || strchr(" \t{,'\"", line[i - 1]) != NULL))
            return 1;
    }
    return 0;
}

/* libcyaml knows only where the mapping with the key begins: the first line from there on that
 * holds the key is the one. */
static unsigned key_line(const char *text, unsigned from, const char *key)
{
    unsigned line = 1;
    for (const char *at = text; *at != '\0'; line++) {
        size_t len = strcspn(at, "\n");
        if (line >= from && holds_key(at, len, key))
            return line;
        at += len + (at[len] == '\n');
    }
    return from;
}

static void explain(const char *path, const char *text, const struct complaint *said,
                    cyaml_err_t err, char why[TB_CONFIG_WHY])
{
    char where[32] = "";
    char hint[128] = "";
    char key[64];
    unsigned line = line_of(said);
    int is_unknown = err == CYAML_ERR_INVALID_KEY && !strncmp(said->what, "Unexpected key: ", 16);
    if (is_unknown)
        line = key_line(text, line, said->what + 16);
    if (line > 0)
        snprintf(where, sizeof(where), ":%u", line);
    if (is_unknown) {
        quoted(said->places[1], key, sizeof(key));
        suggest(said->what + 16, key, hint, sizeof(hint));
        snprintf(why, TB_CONFIG_WHY, "%s%s: unknown key \"%s\"%s%s%s%s", path, where,
                 said->what + 16, key[0] != '\0' ? " in section " : "", key, hint,
                 hint[0] != '\0' ? "" : "; docs/config.md lists all keys");
        return;
    }
    quoted(said->places[0], key, sizeof(key));
    /* A value may be a secret: what follows the colon stays here for these two. */
    int hide = strcmp(key, "access_token") == 0 || strncmp(said->what, "STRING", 6) == 0;
    int what_len = (int)(hide ? strcspn(said->what, ":'") : strlen(said->what));
    snprintf(why, TB_CONFIG_WHY, "%s%s: %s%s%s%.*s", path, where,
             key[0] != '\0' ? "bad value for \"" : "", key, key[0] != '\0' ? "\": " : "", what_len,
             said->what[0] != '\0' ? said->what : cyaml_strerror(err));
}

/* A path of the file would count from wherever the agent was started. */
static int check_paths(const char *path, const char *text, const struct tb_config_file *file,
                       char why[TB_CONFIG_WHY])
{
    const struct {
        const char *section, *key;
        const char *value;
    } paths[] = {
        {"", "spool", file->spool},
        {"", "state_dir", file->state_dir},
        {"", "socket", file->socket},
        {"rollbar.", "token_file", file->rollbar != NULL ? file->rollbar->token_file : NULL}};
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        const char *value = paths[i].value;
        const char *fault = value != NULL && value[0] != '\0' ? tb_config_path_fault(value) : NULL;
        if (fault == NULL)
            continue;
        snprintf(why, TB_CONFIG_WHY, "%s:%u: %s%s \"%.200s\": %s", path,
                 key_line(text, 1, paths[i].key), paths[i].section, paths[i].key, value, fault);
        return -EINVAL;
    }
    return 0;
}

static const cyaml_config_t *cyaml_for(struct complaint *said, cyaml_config_t *out)
{
    *out = (cyaml_config_t){.log_fn = hear,
                            .log_ctx = said,
                            .mem_fn = cyaml_mem,
                            .log_level = CYAML_LOG_ERROR,
                            .flags = CYAML_CFG_NO_ALIAS};
    return out;
}

void tb_config_file_free(struct tb_config_file *file)
{
    struct complaint said = {.n_places = 0};
    cyaml_config_t cyaml;
    if (file != NULL)
        (void)cyaml_free(cyaml_for(&said, &cyaml), &top, file, 0);
}

int tb_config_file_read(const char *path, struct tb_config_file **out, char why[TB_CONFIG_WHY])
{
    struct tb_buf text;
    tb_buf_init(&text, FILE_MAX_BYTES);
    int err = tb_fd_slurp(AT_FDCWD, path, &text);
    if (err) {
        snprintf(why, TB_CONFIG_WHY, "cannot read the configuration %s: %s", path, strerror(-err));
        tb_buf_done(&text);
        return err;
    }
    struct complaint said = {.n_places = 0};
    cyaml_config_t cyaml;
    cyaml_data_t *data = NULL;
    cyaml_err_t bad = cyaml_load_data((const uint8_t *)tb_buf_str(&text), text.len,
                                      cyaml_for(&said, &cyaml), &top, &data, NULL);
    if (bad != CYAML_OK) {
        explain(path, tb_buf_str(&text), &said, bad, why);
        err = -EINVAL;
    } else if (data != NULL) {
        err = check_paths(path, tb_buf_str(&text), data, why);
    }
    if (!err)
        *out = data;
    else
        tb_config_file_free(data);
    tb_buf_done(&text);
    return err;
}
