/* cmd_top.c - towbar top: what comes in now, live on a terminal, once in a pipe. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/suggest.h"
#include "cli/top.h"
#include "cli/verb.h"

enum { INTERVAL_S = 2, JSON_BYTES = 1 << 20, PICTURE_BYTES = 512 << 10 };

struct run {
    const struct tb_cli *cli;
    struct tb_config config;
    struct tb_top top;
    struct tb_top_form form;
    int64_t interval_ms;
};

static int64_t now_ms(void)
{
    return (int64_t)(tb_clock_wall_ns() / TB_NS_PER_MS);
}

static int speaks_utf8(void)
{
    static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        const char *value = getenv(names[i]);
        if (value != NULL && *value != '\0')
            return strcasestr(value, "utf-8") != NULL || strcasestr(value, "utf8") != NULL;
    }
    return 0;
}

static int has_colour(void)
{
    const char *no = getenv("NO_COLOR");
    return no == NULL || *no == '\0';
}

static int is_terminal(void)
{
    const char *term = getenv("TERM");
    return isatty(STDIN_FILENO) && isatty(STDOUT_FILENO) && term != NULL && *term != '\0' &&
           strcmp(term, "dumb") != 0;
}

/* ---- in a pipe ---- */

static int print_json(const struct run *run)
{
    struct tb_json j;
    char *mem = malloc(JSON_BYTES);
    if (mem == NULL)
        return -ENOMEM;
    tb_json_init(&j, mem, JSON_BYTES);
    tb_top_json(&run->top, &run->form, &j);
    (void)tb_json_finish(&j); /* what does not fit are the last rows */
    puts(mem);
    free(mem);
    return 0;
}

static int print_text(const struct run *run)
{
    struct tb_buf picture;
    tb_buf_init(&picture, PICTURE_BYTES);
    tb_top_draw(&run->top, &run->form, &picture);
    fputs(tb_buf_str(&picture), stdout);
    int err = picture.err;
    tb_buf_done(&picture);
    return err;
}

static int run_plain(struct run *run)
{
    int64_t n = run->cli->count > 0 ? run->cli->count : 1;
    const struct timespec wait = {.tv_sec = run->interval_ms / 1000};
    int err = 0;
    for (int64_t i = 0; i < n && err == 0; i++) {
        if (i > 0)
            (void)nanosleep(&wait, NULL);
        tb_top_look(&run->top, &run->config, now_ms());
        if (i > 0 && !run->cli->json)
            printf("\n");
        err = run->cli->json ? print_json(run) : print_text(run);
        if (fflush(stdout) != 0)
            err = -errno;
    }
    return err;
}

/* ---- on a terminal ---- */

static int show(struct run *run)
{
    struct tb_buf picture;
    tb_top_term_size(&run->form.columns, &run->form.lines);
    tb_buf_init(&picture, PICTURE_BYTES);
    tb_top_draw(&run->top, &run->form, &picture);
    int err = picture.err != 0 ? picture.err : tb_top_term_show(&picture);
    tb_buf_done(&picture);
    return err;
}

/* 1 when it is to end. */
static int press(struct run *run, int key)
{
    const char *at = key != 0 ? strchr(tb_top_keys, key) : NULL;
    if (key == 'q' || key == 'Q')
        return 1;
    if (key == 'p')
        run->form.is_paused = !run->form.is_paused;
    else if (key == 'g')
        run->form.by_service = !run->form.by_service;
    else if (at != NULL)
        run->form.sort = (enum tb_top_sort)(at - tb_top_keys);
    return 0;
}

static int run_live(struct run *run)
{
    int64_t n_looks = 0;
    uint64_t due_ns = 0;
    int is_over = 0;
    int err = tb_top_term_begin();
    while (err == 0 && !is_over) {
        int key = 0;
        uint64_t now_ns = tb_clock_mono_ns();
        if (now_ns >= due_ns && !run->form.is_paused) {
            tb_top_look(&run->top, &run->config, now_ms());
            n_looks++;
        }
        if (now_ns >= due_ns)
            due_ns = now_ns + (uint64_t)run->interval_ms * TB_NS_PER_MS;
        err = show(run);
        if (run->cli->count > 0 && n_looks >= run->cli->count)
            break;
        now_ns = tb_clock_mono_ns();
        switch (tb_top_term_wait(
            due_ns > now_ns ? (int64_t)((due_ns - now_ns) / TB_NS_PER_MS) + 1 : 0, &key)) {
        case TB_TOP_KEY:
            is_over = press(run, key);
            break;
        case TB_TOP_END:
            is_over = 1;
            break;
        case TB_TOP_TIME:
        case TB_TOP_RESIZED:
        default:
            break;
        }
    }
    tb_top_term_end();
    return err;
}

/* ---- the verb ---- */

static int read_sort(const char *text, enum tb_top_sort *out)
{
    if (text == NULL)
        return 0;
    for (int i = 0; i < TB_TOP_N_SORTS; i++)
        if (strcmp(text, tb_top_sorts[i]) == 0) {
            *out = (enum tb_top_sort)i;
            return 0;
        }
    const char *near = tb_suggest(text, tb_top_sorts, TB_TOP_N_SORTS);
    fprintf(stderr, "towbar: --sort is rate, total, last, level or service, not '%.64s'", text);
    if (near != NULL)
        fprintf(stderr, "; did you mean '%s'?", near);
    fprintf(stderr, "\n");
    return TB_EXIT_USAGE;
}

int tb_cmd_top(struct tb_cli *cli)
{
    enum { INTERVAL_MAX_S = 86400 };
    int is_live = !cli->once && !cli->json && is_terminal();
    struct run *run = calloc(1, sizeof(*run));
    if (run == NULL)
        return TB_EXIT_WRONG;
    run->cli = cli;
    run->form.is_live = is_live;
    run->form.is_utf8 = speaks_utf8();
    run->form.has_colour = is_live && has_colour();
    run->interval_ms = (cli->interval_s > 0 ? cli->interval_s : INTERVAL_S) * 1000;
    int code = read_sort(cli->sort, &run->form.sort);
    if (code == 0 && cli->interval_s > INTERVAL_MAX_S) {
        fprintf(stderr, "towbar: --interval is 1 to %d seconds\n", INTERVAL_MAX_S);
        code = TB_EXIT_USAGE;
    }
    if (code != 0 || tb_cli_config(cli, &run->config) < 0) {
        free(run);
        return code != 0 ? code : TB_EXIT_WRONG;
    }
    int err = is_live ? run_live(run) : run_plain(run);
    if (err < 0)
        fprintf(stderr, "towbar: cannot show it: %s\n", strerror(-err));
    code = err < 0 || (!run->top.has_rows && !run->top.agent.is_up) ? TB_EXIT_WRONG : TB_EXIT_WELL;
    tb_config_done(&run->config);
    free(run);
    return code;
}
