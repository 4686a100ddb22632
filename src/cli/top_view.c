/* top_view.c - towbar top: the picture. Pure. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/print.h"
#include "cli/top.h"

enum {
    LINE_BYTES = 1024,
    BESIDE_TITLE = 66, /* columns of a line that the title has not */
    TITLE_LEAST = 12,
    FRAME_LINES = 4, /* head, line of the agent, head of the table, keys */
    HEIGHTS = 8
};

const char *const tb_top_sorts[TB_TOP_N_SORTS] = {"rate", "total", "last", "level", "service"};
const char tb_top_keys[TB_TOP_N_SORTS + 1] = "rtlvs";

/* ---- order ---- */

static int rank(const char *level)
{
    static const char *const levels[] = {"debug", "info", "warning", "error", "critical"};
    for (int i = 0; i < 5; i++)
        if (strcmp(level, levels[i]) == 0)
            return i;
    return 0;
}

static int down(int64_t a, int64_t b)
{
    return a > b ? -1 : a < b;
}

static int compare(const struct tb_top_row *a, const struct tb_top_row *b, enum tb_top_sort sort)
{
    switch (sort) {
    case TB_TOP_BY_TOTAL:
        return down(a->total, b->total);
    case TB_TOP_BY_LEVEL:
        return rank(b->level) - rank(a->level);
    case TB_TOP_BY_SERVICE:
        return strcmp(a->service, b->service);
    case TB_TOP_BY_RATE:
        return down(a->per_minute, b->per_minute);
    case TB_TOP_BY_LAST:
    case TB_TOP_N_SORTS:
    default:
        return 0;
    }
}

/* qsort has no room for an argument. */
static enum tb_top_sort sorted_by;

static int by_sort(const void *left, const void *right)
{
    const struct tb_top_row *a = left;
    const struct tb_top_row *b = right;
    int order = compare(a, b, sorted_by);
    if (order == 0)
        order = down(a->last_ms, b->last_ms);
    return order != 0 ? order : down(b->number, a->number);
}

static void join(struct tb_top_row *into, const struct tb_top_row *row)
{
    into->n_items += row->n_items;
    into->total += row->total;
    into->per_minute += row->per_minute;
    for (int b = 0; b < TB_TOP_BUCKETS; b++)
        into->buckets[b] += row->buckets[b];
    if (row->last_ms > into->last_ms)
        into->last_ms = row->last_ms;
    if (rank(row->level) > rank(into->level))
        memcpy(into->level, row->level, sizeof(into->level));
}

static size_t by_service(const struct tb_top *top, struct tb_top_row out[TB_TOP_ROWS])
{
    size_t n = 0;
    for (size_t i = 0; i < top->n; i++) {
        size_t at = 0;
        while (at < n && strcmp(out[at].service, top->rows[i].service) != 0)
            at++;
        if (at < n) {
            join(&out[at], &top->rows[i]);
            continue;
        }
        out[n] = top->rows[i];
        out[n].number = 0;
        out[n].environment[0] = '\0';
        n++;
    }
    for (size_t i = 0; i < n; i++)
        snprintf(out[i].title, sizeof(out[i].title), "%" PRId64 " item%s", out[i].n_items,
                 out[i].n_items == 1 ? "" : "s");
    return n;
}

size_t tb_top_arrange(const struct tb_top *top, const struct tb_top_form *form,
                      struct tb_top_row out[TB_TOP_ROWS])
{
    size_t n = top->n;
    if (form->by_service)
        n = by_service(top, out);
    else
        memcpy(out, top->rows, n * sizeof(out[0]));
    sorted_by = form->sort;
    qsort(out, n, sizeof(out[0]), by_sort);
    return n;
}

/* ---- text ---- */

static void add_line(struct tb_buf *out, const struct tb_top_form *form, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* One line, cut between characters where the terminal ends. */
static void add_line(struct tb_buf *out, const struct tb_top_form *form, const char *format, ...)
{
    char text[LINE_BYTES];
    char clean[LINE_BYTES];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    size_t cap =
        form->columns > 0 && form->columns < LINE_BYTES ? (size_t)form->columns + 1 : sizeof(clean);
    tb_buf_adds(out, tb_print_clean(text, clean, cap));
    tb_buf_adds(out, "\n");
}

static void spark(const struct tb_top_row *row, int is_utf8, char *out, size_t cap)
{
    static const char *const blocks[HEIGHTS] = {"\xe2\x96\x81", "\xe2\x96\x82", "\xe2\x96\x83",
                                                "\xe2\x96\x84", "\xe2\x96\x85", "\xe2\x96\x86",
                                                "\xe2\x96\x87", "\xe2\x96\x88"};
    static const char *const signs[HEIGHTS] = {".", ":", "-", "=", "+", "*", "%", "#"};
    int64_t most = 1;
    size_t len = 0;
    out[0] = '\0';
    for (int b = 0; b < TB_TOP_BUCKETS; b++)
        if (row->buckets[b] > most)
            most = row->buckets[b];
    for (int b = 0; b < TB_TOP_BUCKETS && len + 4 < cap; b++) {
        int64_t height = (row->buckets[b] * (HEIGHTS - 1) + most - 1) / most;
        const char *sign = row->buckets[b] == 0 ? " " : is_utf8 ? blocks[height] : signs[height];
        len += (size_t)snprintf(out + len, cap - len, "%s", sign);
    }
}

static const char *ink(const struct tb_top_form *form, const char *level)
{
    static const char *const escapes[] = {
        [TB_INK_NONE] = "",          [TB_INK_DIM] = "\x1b[2m",     [TB_INK_RED] = "\x1b[31m",
        [TB_INK_GREEN] = "\x1b[32m", [TB_INK_YELLOW] = "\x1b[33m", [TB_INK_BOLD] = "\x1b[1m"};
    return form->has_colour ? escapes[tb_ink_of(level)] : "";
}

static void draw_agent(const struct tb_top *top, const struct tb_top_form *form, struct tb_buf *out)
{
    const struct tb_top_agent *agent = &top->agent;
    char rate[32] = "";
    if (!agent->is_up) {
        add_line(out, form, "agent: towbard is not running; what comes in waits in the spool");
        return;
    }
    if (agent->received_per_s >= 0)
        snprintf(rate, sizeof(rate), " (%.1f/s)", agent->received_per_s);
    add_line(out, form,
             "agent: in %" PRId64 "%s, queued %" PRId64 ", sent %" PRId64 ", dropped %" PRId64
             "; %s",
             agent->received, rate, agent->queued, agent->sent, agent->dropped, agent->state);
}

static void draw_row(const struct tb_top *top, const struct tb_top_form *form,
                     const struct tb_top_row *row, struct tb_buf *out)
{
    char last[TB_AGE_TEXT];
    char number[24] = "-";
    char line[TB_TOP_BUCKETS * 3 + 8];
    char service[11];
    char title[256];
    int room = form->columns > 0 ? form->columns - BESIDE_TITLE : (int)sizeof(title) - 1;
    if (room < TITLE_LEAST)
        room = TITLE_LEAST;
    if (room > (int)sizeof(title) - 1)
        room = (int)sizeof(title) - 1;
    if (row->number > 0)
        snprintf(number, sizeof(number), "%" PRId64, row->number);
    spark(row, form->is_utf8, line, sizeof(line));
    (void)tb_print_clean(row->service, service, sizeof(service));
    (void)tb_print_clean(row->title, title, (size_t)room + 1);
    tb_buf_addf(out, "%6.6s %s%-8.8s%s %6" PRId64 " %s %7" PRId64 " %-10.10s %-10s %s\n", number,
                ink(form, row->level), row->level, *ink(form, row->level) ? "\x1b[0m" : "",
                row->per_minute, line, row->total, tb_print_age(top->now_ms, row->last_ms, last),
                service, title);
}

void tb_top_draw(const struct tb_top *top, const struct tb_top_form *form, struct tb_buf *out)
{
    static struct tb_top_row rows[TB_TOP_ROWS];
    char stamp[TB_STAMP_TEXT];
    size_t n = tb_top_arrange(top, form, rows);
    size_t room = form->lines > FRAME_LINES ? (size_t)(form->lines - FRAME_LINES) : 1;
    add_line(out, form, "towbar top  %s  by %s%s%s", tb_print_stamp(top->now_ms, stamp),
             form->by_service ? "service, " : "", tb_top_sorts[form->sort],
             form->is_paused ? "  PAUSED" : "");
    draw_agent(top, form, out);
    add_line(out, form, "%6s %-8s %6s %-12s %7s %-10s %-10s %s", "item", "level", "/min",
             "last minute", "total", "last", "service", "title");
    if (!top->has_rows)
        add_line(out, form, "%s", top->why);
    else if (n == 0)
        add_line(out, form, "nothing came in yet");
    for (size_t i = 0; i < n && (form->lines == 0 || i < room); i++)
        draw_row(top, form, &rows[i], out);
    if (form->is_live)
        add_line(
            out, form,
            "q quit  p pause  g by service  sort: r rate  t total  l last  v level  s service");
}

/* ---- JSON ---- */

static void row_json(const struct tb_top_row *row, struct tb_json *j)
{
    tb_json_object(j);
    if (row->number > 0) {
        tb_json_kint(j, "number", row->number);
        tb_json_kstr(j, "title", row->title);
        tb_json_kstr(j, "environment", row->environment);
    }
    tb_json_kstr(j, "service", row->service);
    tb_json_kstr(j, "level", row->level);
    tb_json_kint(j, "items", row->n_items);
    tb_json_kint(j, "per_minute", row->per_minute);
    tb_json_key(j, "last_minute");
    tb_json_array(j);
    for (int b = 0; b < TB_TOP_BUCKETS; b++)
        tb_json_int(j, row->buckets[b]);
    tb_json_end(j);
    tb_json_kint(j, "total", row->total);
    tb_json_kint(j, "last", row->last_ms / 1000);
    tb_json_end(j);
}

void tb_top_json(const struct tb_top *top, const struct tb_top_form *form, struct tb_json *j)
{
    static struct tb_top_row rows[TB_TOP_ROWS];
    const struct tb_top_agent *agent = &top->agent;
    size_t n = tb_top_arrange(top, form, rows);
    tb_json_object(j);
    tb_json_kint(j, "at", top->now_ms / 1000);
    tb_json_kstr(j, "agent", agent->is_up ? "up" : "down");
    if (agent->is_up) {
        tb_json_kint(j, "received", agent->received);
        if (agent->received_per_s >= 0)
            tb_json_kint(j, "received_per_minute", (int64_t)(agent->received_per_s * 60));
        tb_json_kint(j, "queued", agent->queued);
        tb_json_kint(j, "sent", agent->sent);
        tb_json_kint(j, "dropped", agent->dropped);
        tb_json_kstr(j, "delivery", agent->state);
    }
    tb_json_kopt(j, "why", top->why);
    tb_json_key(j, "rows");
    tb_json_array(j);
    for (size_t i = 0; i < n; i++)
        row_json(&rows[i], j);
    tb_json_end(j);
    tb_json_end(j);
}
