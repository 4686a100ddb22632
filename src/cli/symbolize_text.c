/* symbolize_text.c - towbar symbolize FILE: a text, in which what is an address of a module is
 * replaced by what is there. All else is passed on as it is. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/symbolize.h"
#include "cli/symbolize_scan.h"

enum { LINE_BYTES = 64 << 10, JSON_BYTES = 64 << 10 };

/* The places of one line, and the files that they are in. */
struct line {
    const char *text;
    struct tb_symbolize_spot spots[TB_SYMBOLIZE_MODULES];
    char *paths[TB_SYMBOLIZE_MODULES]; /* one for each spot */
    size_t n;
};

/* The file that a text names; NULL when there is none. */
static char *find_file(const char *name, size_t len)
{
    char copy[PATH_MAX];
    struct stat st;
    if (len >= sizeof(copy))
        return NULL;
    memcpy(copy, name, len);
    copy[len] = '\0';
    return stat(copy, &st) == 0 && S_ISREG(st.st_mode) ? realpath(copy, NULL) : NULL;
}

static void read_line(const char *text, struct line *out)
{
    struct tb_symbolize_spot spot;
    size_t at = 0;
    *out = (struct line){.text = text};
    while (out->n < TB_SYMBOLIZE_MODULES && tb_symbolize_scan(text, &at, &spot)) {
        char *path = find_file(text + spot.from, spot.module_len);
        if (path == NULL)
            continue;
        out->paths[out->n] = path;
        out->spots[out->n++] = spot;
    }
}

static cJSON *ask(struct tb_symbolize *s, const struct line *line)
{
    struct tb_symbol_asked asked[TB_SYMBOLIZE_MODULES] = {{0}};
    for (size_t i = 0; i < line->n; i++) {
        const struct tb_symbolize_spot *spot = &line->spots[i];
        asked[i].address = tb_symbolize_base(i) + spot->offset;
        asked[i].name = line->text + spot->function;
        asked[i].name_len = spot->function_len;
    }
    return tb_symbolize_ask(s, (const char *const *)line->paths, line->n, asked, line->n);
}

static int print_line(const struct line *line, const cJSON *places)
{
    size_t at = 0;
    int n_named = 0;
    for (size_t i = 0; i < line->n; i++) {
        const struct tb_symbolize_spot *spot = &line->spots[i];
        const cJSON *place = cJSON_GetArrayItem(places, (int)i);
        if (!tb_symbolize_is_named(place))
            continue;
        fwrite(line->text + at, 1, spot->from + spot->module_len - at, stdout);
        printf(": ");
        tb_symbolize_print(place, " ");
        at = spot->to;
        if (line->text[at] == '[') /* as backtrace_symbols_fd glues it on */
            printf(" ");
        n_named++;
    }
    fputs(line->text + at, stdout);
    return n_named;
}

static int print_json(const struct line *line, unsigned long number, const cJSON *places)
{
    int n_named = 0;
    for (size_t i = 0; i < line->n; i++) {
        const struct tb_symbolize_spot *spot = &line->spots[i];
        const cJSON *place = cJSON_GetArrayItem(places, (int)i);
        char *frames = cJSON_PrintUnformatted(tb_json_at(place, "frames"));
        char out[JSON_BYTES];
        struct tb_json j;
        tb_json_init(&j, out, sizeof(out));
        tb_json_object(&j);
        tb_json_kint(&j, "line", (int64_t)number);
        tb_json_key(&j, "text");
        tb_json_strn(&j, line->text + spot->from, spot->to - spot->from);
        tb_json_kstr(&j, "path", line->paths[i]);
        if (frames != NULL) {
            tb_json_key(&j, "frames");
            tb_json_raw(&j, frames, strlen(frames));
        }
        tb_json_end(&j);
        if (tb_json_finish(&j) == 0)
            puts(out);
        free(frames);
        n_named += tb_symbolize_is_named(place);
    }
    return n_named;
}

/* Returns how many were named, or -1. */
static int do_line(struct tb_symbolize *s, const char *text, unsigned long number)
{
    struct line line;
    int n_named = 0;
    read_line(text, &line);
    cJSON *answer = line.n > 0 ? ask(s, &line) : NULL;
    const cJSON *places = tb_json_at(answer, "places");
    if (s->cli->json)
        n_named = print_json(&line, number, places);
    else
        n_named = print_line(&line, places);
    if (line.n > 0 && answer == NULL)
        n_named = -1;
    for (size_t i = 0; i < line.n; i++)
        free(line.paths[i]);
    cJSON_Delete(answer);
    return n_named;
}

/* A line, or a part of one: as much as there is room for, and up to a NUL, which ends it without
 * being in it. Returns how it ended: '\n', '\0', 1 for want of room, or EOF. */
static int read_piece(FILE *stream, char text[LINE_BYTES])
{
    size_t len = 0;
    int c = 1;
    while (len + 1 < LINE_BYTES && (c = getc(stream)) != EOF && c != '\0') {
        text[len++] = (char)c;
        if (c == '\n')
            break;
    }
    text[len] = '\0';
    return c == '\n' || c == '\0' || c == EOF ? c : 1;
}

/* Returns how many places were named, or -1. */
static int do_stream(struct tb_symbolize *s, FILE *stream, char text[LINE_BYTES])
{
    unsigned long number = 1;
    int n_named = 0;
    for (int end = 0; end != EOF;) {
        end = read_piece(stream, text);
        int n = do_line(s, text, number);
        if (n < 0)
            return -1;
        n_named += n;
        number += end == '\n';
        if (end == '\0' && !s->cli->json)
            putchar('\0');
        if (stream == stdin)
            fflush(stdout);
    }
    return n_named;
}

int tb_symbolize_text(struct tb_symbolize *s, const char *path)
{
    char *text = malloc(LINE_BYTES);
    bool is_stdin = strcmp(path, "-") == 0;
    FILE *stream = is_stdin ? stdin : fopen(path, "re");
    if (stream == NULL || text == NULL) {
        fprintf(stderr, "towbar: %s: %s\n", path, strerror(errno));
        free(text);
        return TB_EXIT_WRONG;
    }
    int n_named = do_stream(s, stream, text);
    int code = n_named > 0 ? TB_EXIT_WELL : TB_EXIT_WRONG;
    if (ferror(stream)) {
        fprintf(stderr, "towbar: %s: %s\n", path, strerror(errno));
        code = TB_EXIT_WRONG;
    }
    if (!is_stdin)
        fclose(stream);
    free(text);
    return code;
}
