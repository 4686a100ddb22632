/* cmd_occurrences.c - occurrences: single errors, the latest first. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "cli/print.h"
#include "cli/reading.h"
#include "cli/show.h"
#include "cli/verb.h"

enum { SHOWN_MAX = 100, UUID_BYTES = 64 /* 36 are stored */, COLUMNS = 102 /* beside the title */ };

struct lines {
    int64_t n;
    size_t title_cap;
};

/* The data object exactly as it is sent (but see tb_print_json); made one line if a sender put
 * newlines between values (inside of strings JSON has none). */
static int occurrence_json(void *arg, const struct tb_occurrence_row *occurrence)
{
    const char *at = occurrence->data;
    const char *end = at + occurrence->data_len;
    (void)arg;
    while (at < end) {
        size_t len = 0;
        while (at + len < end && at[len] != '\n' && at[len] != '\r')
            len++;
        tb_print_json(at, len);
        at += len < (size_t)(end - at) ? len + 1 : len;
    }
    putchar('\n');
    return 0;
}

static int occurrence_line(void *arg, const struct tb_occurrence_row *occurrence)
{
    struct lines *lines = arg;
    char stamp[TB_STAMP_TEXT];
    char level[16];
    char title[TB_READING_TITLE];
    char trace[TB_SHORT_ID_TEXT + 4];
    char uuid[UUID_BYTES];
    if (lines->n++ == 0)
        printf("%s%-23s  %6s  %-8s  %-18s  %-36s  %s%s\n", tb_ink(TB_INK_DIM), "time", "item",
               "level", "trace", "uuid", "title", tb_ink(TB_INK_NONE));
    tb_print_clean(occurrence->level, level, sizeof(level));
    printf("%s  %6" PRId64 "  %s%-8s%s  %-18s  %-36s  %s\n",
           tb_print_stamp((int64_t)(occurrence->occurred_ns / TB_NS_PER_MS), stamp),
           occurrence->item, tb_ink(tb_ink_of(level)), level, tb_ink(TB_INK_NONE),
           tb_print_short_id(occurrence->trace_id, trace),
           tb_print_clean(occurrence->uuid, uuid, sizeof(uuid)),
           tb_print_clean(occurrence->title, title, lines->title_cap));
    return 0;
}

/* Of the occurrences that are asked for those that match. */
struct matching {
    struct tb_reading *reading;
    int (*show)(void *arg, const struct tb_occurrence_row *occurrence);
    struct lines *lines;
    size_t n, max;
};

static int show_matching(void *arg, const struct tb_occurrence_row *occurrence)
{
    struct matching *m = arg;
    if (!tb_cli_filter_match(&m->reading->filter, m->reading->store, occurrence))
        return m->reading->filter.err;
    m->n++;
    int stop = m->show(m->lines, occurrence);
    return stop != 0 ? stop : m->n == m->max;
}

int tb_cmd_occurrences(struct tb_cli *cli)
{
    struct tb_reading reading;
    struct lines lines = {.title_cap = tb_reading_title(COLUMNS)};
    struct matching m = {.reading = &reading,
                         .show = cli->json ? occurrence_json : occurrence_line,
                         .lines = &lines};
    char id[TB_SHOW_ID_TEXT];
    struct tb_occurrence_filter filter = {.item = cli->item, .newest_first = 1};
    int code;
    /* Whole bodies for a program are not cut behind its back; lines for people are. */
    m.max = cli->max > 0 ? (size_t)cli->max : cli->json ? INT32_MAX : SHOWN_MAX;
    filter.max = cli->filter != NULL ? 0 : m.max;
    if (cli->trace != NULL && tb_show_trace_id(cli->trace, id) < 0)
        return TB_EXIT_USAGE;
    filter.trace_id = cli->trace != NULL ? id : NULL;
    if (tb_reading_open(cli, &reading, &code))
        return code;
    int err = tb_store_occurrences(reading.store, &filter, show_matching, &m);
    if (err >= 0 && reading.filter.err >= 0 && !cli->json && lines.n == 0)
        printf("No occurrences%s.\n",
               cli->item || cli->trace || cli->filter ? " that match" : " yet");
    return tb_reading_done(&reading, err);
}
