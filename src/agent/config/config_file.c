/* config_file.c - see config_file.h. The only file that calls libcyaml; config_schema.c says what a
 * file may hold.
 *
 * libcyaml tells what is wrong through its log: the first line says what, the first line of its
 * backtrace says where. Both are caught and made into one sentence. */
#include "agent/config/config_file.h"

#include <cyaml/cyaml.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "agent/config/config_numbers.h"
#include "agent/config/config_paths.h"
#include "agent/config/config_schema.h"
#include "agent/config/config_words.h"
#include "base/buf.h"
#include "base/fd.h"

enum { FILE_MAX_BYTES = 256 << 10, LINE_MAX_BYTES = 256, PLACES_MAX = 4 };

#define UNKNOWN_KEY "Unexpected key: "

/* What libcyaml said: the complaint, then the places from the inside out. */
struct complaint {
    char what[LINE_MAX_BYTES];
    char places[PLACES_MAX][LINE_MAX_BYTES];
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
        if (said->n_places < PLACES_MAX)
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
    for (size_t s = 0; s < tb_config_n_sections; s++) {
        unsigned foreign = strcmp(tb_config_sections[s].name, section) != 0;
        for (const cyaml_schema_field_t *f = tb_config_sections[s].fields; f->key != NULL; f++) {
            unsigned score = distance(word, f->key) * 2 + foreign;
            if (score < best_score) {
                best_score = score;
                best = f->key;
                best_section = foreign ? tb_config_sections[s].name : "";
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

static const cyaml_config_t *cyaml_for(struct complaint *said, cyaml_config_t *out)
{
    *out = (cyaml_config_t){.log_fn = hear,
                            .log_ctx = said,
                            .mem_fn = cyaml_mem,
                            .log_level = CYAML_LOG_ERROR,
                            .flags = CYAML_CFG_NO_ALIAS};
    return out;
}

/* "rollbar.timeout_ms": the fields that the complaint is about, from the outside in. */
static void full_key(const struct complaint *said, char *out, size_t cap)
{
    size_t len = 0;
    out[0] = '\0';
    for (unsigned i = said->n_places; i-- > 0 && len < cap;) {
        char name[64];
        if (strncmp(said->places[i], "mapping field ", 14) != 0)
            continue;
        quoted(said->places[i], name, sizeof(name));
        len += (size_t)snprintf(out + len, cap - len, "%s%s", len > 0 ? "." : "", name);
    }
}

/* libcyaml keeps to itself where libyaml stumbled. The shortest beginning of the text that makes it
 * say the same ends there. */
static unsigned stumble_line(const char *text, const struct complaint *said)
{
    unsigned n_lines = 1;
    for (const char *at = text; (at = strchr(at, '\n')) != NULL && at[1] != '\0'; at++)
        n_lines++;
    unsigned good = 0;
    unsigned bad = n_lines;
    while (bad - good > 1) {
        unsigned middle = good + (bad - good) / 2;
        const char *end = text;
        for (unsigned i = 0; i < middle; i++)
            end = strchr(end, '\n') + 1;
        struct complaint again = {.n_places = 0};
        cyaml_config_t cyaml;
        cyaml_data_t *data = NULL;
        (void)cyaml_load_data((const uint8_t *)text, (size_t)(end - text),
                              cyaml_for(&again, &cyaml), &tb_config_schema, &data, NULL);
        if (data != NULL)
            (void)cyaml_free(&cyaml, &tb_config_schema, data, 0);
        if (strcmp(again.what, said->what) == 0)
            bad = middle;
        else
            good = middle;
    }
    return bad;
}

/* The commonest reasons of all. */
static const char *yaml_hint(const char *text, unsigned line)
{
    for (unsigned i = 1; i < line; i++) {
        text += strcspn(text, "\n");
        text += text[0] == '\n';
    }
    if (memchr(text, '\t', strspn(text, " \t")) != NULL)
        return "; use spaces, not a tab";
    return memmem(text, strcspn(text, "\n"), "filter:", 7) != NULL ? "; put the filter in '...'"
                                                                   : "";
}

static void explain_unknown(const char *where, const struct complaint *said,
                            char why[TB_CONFIG_WHY])
{
    char hint[128] = "";
    char section[64];
    const char *word = said->what + strlen(UNKNOWN_KEY);
    full_key(said, section, sizeof(section));
    suggest(word, section, hint, sizeof(hint));
    snprintf(why, TB_CONFIG_WHY, "%s: unknown key \"%s\"%s%s%s%s", where, word,
             section[0] != '\0' ? " in section " : "", section, hint,
             hint[0] != '\0' ? "" : "; docs/config.md lists all keys");
}

static void explain(const char *path, const char *text, const struct complaint *said,
                    cyaml_err_t err, char why[TB_CONFIG_WHY])
{
    char where[TB_CONFIG_WHY / 2];
    char words[TB_CONFIG_WHY / 2 - 32];
    char key[128];
    unsigned line = line_of(said);
    int is_unknown = strncmp(said->what, UNKNOWN_KEY, strlen(UNKNOWN_KEY)) == 0;
    int is_no_yaml = strncmp(said->what, "libyaml: ", 9) == 0;
    if (is_unknown)
        line = key_line(text, line, said->what + strlen(UNKNOWN_KEY));
    else if (is_no_yaml)
        line = stumble_line(text, said);
    if (line > 0)
        snprintf(where, sizeof(where), "%.200s:%u", path, line);
    else
        snprintf(where, sizeof(where), "%.200s", path);
    if (is_unknown) {
        explain_unknown(where, said, why);
        return;
    }
    full_key(said, key, sizeof(key));
    if (err == CYAML_ERR_ALIAS)
        snprintf(words, sizeof(words), "%s: anchors and aliases (&name, *name) are not taken", key);
    else
        tb_config_words(key, said->what[0] != '\0' ? said->what : cyaml_strerror(err), words,
                        sizeof(words));
    snprintf(why, TB_CONFIG_WHY, "%s: %s%s", where, words, is_no_yaml ? yaml_hint(text, line) : "");
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
        {"tls.", "cert_file", file->tls != NULL ? file->tls->cert_file : NULL},
        {"tls.", "key_file", file->tls != NULL ? file->tls->key_file : NULL},
        {"ingest.", "token_file", file->ingest != NULL ? file->ingest->token_file : NULL},
        {"rollbar.", "ca_file", file->rollbar != NULL ? file->rollbar->ca_file : NULL},
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

unsigned tb_config_file_line(const char *path, const char *section, const char *key)
{
    struct tb_buf text;
    unsigned line = 0;
    tb_buf_init(&text, FILE_MAX_BYTES);
    if (tb_fd_slurp(AT_FDCWD, path, &text) == 0) {
        const char *at = tb_buf_str(&text);
        line = key_line(at, 0, section);
        if (line > 0 && key[0] != '\0')
            line = key_line(at, line, key);
    }
    tb_buf_done(&text);
    return line;
}

void tb_config_file_free(struct tb_config_file *file)
{
    struct complaint said = {.n_places = 0};
    cyaml_config_t cyaml;
    if (file != NULL)
        (void)cyaml_free(cyaml_for(&said, &cyaml), &tb_config_schema, file, 0);
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
                                      cyaml_for(&said, &cyaml), &tb_config_schema, &data, NULL);
    if (bad != CYAML_OK) {
        explain(path, tb_buf_str(&text), &said, bad, why);
        err = -EINVAL;
    } else if (data != NULL) {
        err = check_paths(path, tb_buf_str(&text), data, why);
        if (!err)
            err = tb_config_numbers(path, tb_buf_str(&text), data, why);
    }
    if (!err)
        *out = data;
    else
        tb_config_file_free(data);
    tb_buf_done(&text);
    return err;
}
