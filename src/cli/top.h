/* top.h - what the parts of `towbar top` share: data, picture, terminal.
 *
 * top_data.c asks the database and the agent; top_view.c makes text of it, pure; top_term.c owns
 * the terminal and gives it back in every case; cmd_top.c is the loop. */
#ifndef TB_CLI_TOP_H
#define TB_CLI_TOP_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/json.h"
#include "cli/agent.h"

enum {
    TB_TOP_ROWS = 200,       /* items that are looked at: those that were last seen */
    TB_TOP_BUCKETS = 12,     /* of the last minute */
    TB_TOP_BUCKET_MS = 5000, /* each */
    TB_TOP_SEEN = 20000,     /* occurrences that are counted for the first picture */
    TB_TOP_WHY = 512
};

enum tb_top_sort {
    TB_TOP_BY_RATE,
    TB_TOP_BY_TOTAL,
    TB_TOP_BY_LAST,
    TB_TOP_BY_LEVEL,
    TB_TOP_BY_SERVICE,
    TB_TOP_N_SORTS
};
/* "rate" and so on; the first letter is the key, but 'v' for level. */
extern const char *const tb_top_sorts[TB_TOP_N_SORTS];
extern const char tb_top_keys[TB_TOP_N_SORTS + 1];

/* One item, or all items of one service. */
struct tb_top_row {
    int64_t number; /* 0 for a service */
    int64_t n_items;
    int64_t total, last_ms;
    int64_t buckets[TB_TOP_BUCKETS]; /* the latest last */
    int64_t per_minute;              /* their sum */
    char level[12], service[48], environment[48], title[256];
};

/* What the agent says of itself. */
struct tb_top_agent {
    int is_up, has_counts;
    char version[32], state[160]; /* of the delivery, in words */
    double received_per_s;        /* below 0: not known yet */
    int64_t received, queued, sent, dropped;
};

struct tb_top {
    int64_t now_ms;
    struct tb_top_row rows[TB_TOP_ROWS];
    size_t n;
    int has_rows; /* 0: the database could not be read; why says so */
    char why[TB_TOP_WHY];
    struct tb_top_agent agent;
    /* What was seen the last time: storms are counted without occurrences, so totals are compared.
     */
    struct {
        int64_t number, total;
        int64_t buckets[TB_TOP_BUCKETS];
    } seen[TB_TOP_ROWS];
    size_t n_seen;
    int64_t seen_bucket; /* 0: nothing yet */
    int64_t seen_received, seen_ms;
};

/* Looks again, at the wall clock now_ms. */
void tb_top_look(struct tb_top *top, const struct tb_config *config, int64_t now_ms);
/* What the agent's /status says; json may be NULL. */
void tb_top_take_agent(struct tb_top *top, const cJSON *json);

struct tb_top_form {
    enum tb_top_sort sort;
    int by_service, is_paused;
    int is_live; /* with the line of keys */
    int is_utf8; /* blocks for the last minute, else signs of ASCII */
    int has_colour;
    int columns, lines; /* 0: no end */
};
/* Sorts a copy, by service if asked: how many rows. */
size_t tb_top_arrange(const struct tb_top *top, const struct tb_top_form *form,
                      struct tb_top_row out[TB_TOP_ROWS]);
/* The picture, lines that end in "\n", no longer and no more than fit. */
void tb_top_draw(const struct tb_top *top, const struct tb_top_form *form, struct tb_buf *out);
/* The same as one object. */
void tb_top_json(const struct tb_top *top, const struct tb_top_form *form, struct tb_json *j);

/* ---- the terminal ---- */

enum tb_top_event { TB_TOP_TIME, TB_TOP_KEY, TB_TOP_RESIZED, TB_TOP_END };

/* Takes the terminal: other screen, no echo, no cursor. It is given back by tb_top_term_end, and by
 * SIGINT, SIGTERM, SIGHUP, SIGTSTP and the signals of a crash. 0 or a negative errno. */
int tb_top_term_begin(void);
void tb_top_term_end(void);
/* Waits at most ms. *key is what was typed. */
enum tb_top_event tb_top_term_wait(int64_t ms, int *key);
/* Shows a picture. 0 or a negative errno. */
int tb_top_term_show(const struct tb_buf *picture);
void tb_top_term_size(int *columns, int *lines);

#endif
