/* config.c - what the symbolizer may read, as text (see worker.h). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "symbol/worker.h"

enum { DIRS_MAX = 65 /* the agent adds one of its own */, CONTEXT_LINES_DEFAULT = 3 };

static int add_text(char ***list, size_t *n, size_t max, const char *value)
{
    if (*n == max)
        return -EINVAL;
    char **more = realloc(*list, (*n + 1) * sizeof(*more));
    if (!more)
        return -ENOMEM;
    *list = more;
    more[*n] = strdup(value);
    if (!more[*n])
        return -ENOMEM;
    (*n)++;
    return 0;
}

static int set_dir(char **dir, const char *value)
{
    if (value[0] != '/')
        return -EINVAL;
    char *copy = strdup(value);
    if (!copy)
        return -ENOMEM;
    free(*dir);
    *dir = copy;
    return 0;
}

static int add_dir(char ***dirs, size_t *n_dirs, const char *value)
{
    return value[0] == '/' ? add_text(dirs, n_dirs, DIRS_MAX, value) : -EINVAL;
}

static int add_pattern(char ***patterns, size_t *n, const char *value)
{
    size_t len = strlen(value);
    return len > 0 && len <= TB_INAPP_PATTERN_BYTES
               ? add_text(patterns, n, TB_INAPP_PATTERNS_MAX, value)
               : -EINVAL;
}

static int read_count(const char *value, int *out)
{
    char *end;
    errno = 0;
    long n = strtol(value, &end, 10);
    if (errno != 0 || end == value || *end != '\0' || n < 0 || n > TB_SYMBOL_CONTEXT_MAX)
        return -EINVAL;
    *out = (int)n;
    return 0;
}

static int read_setting(const char *key, const char *value, struct tb_symbol_config *config)
{
    if (strcmp(key, "source_root") == 0)
        return add_dir(&config->source_roots, &config->n_source_roots, value);
    if (strcmp(key, "debug_dir") == 0)
        return add_dir(&config->debug_dirs, &config->n_debug_dirs, value);
    if (strcmp(key, "index_dir") == 0)
        return set_dir(&config->index_dir, value);
    if (strcmp(key, "in_app") == 0)
        return add_pattern(&config->rules.in_app, &config->rules.n_in_app, value);
    if (strcmp(key, "library") == 0)
        return add_pattern(&config->rules.library, &config->rules.n_library, value);
    if (strcmp(key, "context_lines") == 0)
        return read_count(value, &config->context_lines);
    return -EINVAL;
}

static int read_settings(char *text, struct tb_symbol_config *config)
{
    char *rest = NULL;
    for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        char *value = strchr(line, '=');
        if (!value)
            return -EINVAL;
        *value++ = '\0';
        int err = read_setting(line, value, config);
        if (err)
            return err;
    }
    return 0;
}

int tb_symbol_config_read(const char *text, size_t len, struct tb_symbol_config *out)
{
    struct tb_symbol_config config = {.context_lines = CONTEXT_LINES_DEFAULT};
    if (len > 0 && memchr(text, '\0', len))
        return -EINVAL;
    char *copy = strndup(len > 0 ? text : "", len);
    if (!copy)
        return -ENOMEM;
    int err = read_settings(copy, &config);
    free(copy);
    if (err == 0 && config.n_debug_dirs == 0)
        err = add_dir(&config.debug_dirs, &config.n_debug_dirs, TB_SYMBOL_DEBUG_DIR);
    if (err) {
        tb_symbol_config_done(&config);
        return err;
    }
    *out = config;
    return 0;
}

static void free_list(char **list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        free(list[i]);
    free(list);
}

void tb_symbol_config_done(struct tb_symbol_config *config)
{
    if (!config)
        return;
    free_list(config->source_roots, config->n_source_roots);
    free_list(config->debug_dirs, config->n_debug_dirs);
    free_list(config->rules.in_app, config->rules.n_in_app);
    free_list(config->rules.library, config->rules.n_library);
    free(config->index_dir);
    *config = (struct tb_symbol_config){0};
}
