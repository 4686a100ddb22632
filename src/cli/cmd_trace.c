/* cmd_trace.c - every error of one trace, in order. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "agent/config/config_links.h"
#include "base/clock.h"
#include "base/json.h"
#include "cli/print.h"
#include "cli/show.h"
#include "cli/verb.h"
#include "trace/trace.h"

enum { TRACE_MAX = 1000, LINE_BYTES = 64 << 10 };

struct story {
    struct tb_links links;
    char trace_id[TB_SHOW_ID_TEXT], xray_trace_id[TB_SHOW_ID_TEXT]; /* of the first with one */
    int64_t first_ns, last_ns;
    int64_t n;
};

static int story_json(void *arg, const struct tb_occurrence_row *occurrence)
{
    struct story *story = arg;
    char line[LINE_BYTES];
    char xray[TB_XRAY_ID_TEXT];
    struct tb_json j;
    story->n++;
    tb_json_init(&j, line, sizeof(line));
    tb_json_object(&j);
    tb_json_kstr(&j, "trace_id", occurrence->trace_id);
    tb_json_kopt(&j, "xray_trace_id", tb_xray_id_of(occurrence->xray_trace_id, xray));
    tb_json_kopt(&j, "span_id", occurrence->span_id);
    tb_json_kint(&j, "item", occurrence->item);
    tb_json_kstr(&j, "uuid", occurrence->uuid);
    tb_json_kstr(&j, "service", occurrence->service);
    tb_json_kstr(&j, "level", occurrence->level);
    tb_json_kstr(&j, "title", occurrence->title);
    tb_json_kint(&j, "timestamp_ms", occurrence->occurred_ns / TB_NS_PER_MS);
    tb_show_links_json(&story->links, occurrence, &j);
    tb_json_end(&j);
    if (tb_json_finish(&j) < 0)
        return -EMSGSIZE;
    puts(line);
    return 0;
}

static void note_id(const char *id, char out[TB_SHOW_ID_TEXT])
{
    if (out[0] == '\0')
        snprintf(out, TB_SHOW_ID_TEXT, "%s", id);
}

static int story_line(void *arg, const struct tb_occurrence_row *occurrence)
{
    struct story *story = arg;
    char stamp[TB_STAMP_TEXT];
    char level[16];
    char service[24];
    char title[160];
    if (story->n++ == 0) {
        story->first_ns = occurrence->occurred_ns;
        tb_show_trace("Trace ", occurrence->trace_id, occurrence->xray_trace_id);
        printf("%s\n\n", tb_print_stamp(occurrence->occurred_ns / TB_NS_PER_MS, stamp));
    }
    story->last_ns = occurrence->occurred_ns;
    note_id(occurrence->trace_id, story->trace_id);
    note_id(occurrence->xray_trace_id, story->xray_trace_id);
    tb_print_clean(occurrence->level, level, sizeof(level));
    printf("  %+9.1f ms  %-14s  %s%-8s%s  %s   item %" PRId64 "\n",
           (double)(occurrence->occurred_ns - story->first_ns) / 1e6,
           tb_print_clean(occurrence->service, service, sizeof(service)), tb_ink(tb_ink_of(level)),
           level, tb_ink(TB_INK_NONE), tb_print_clean(occurrence->title, title, sizeof(title)),
           occurrence->item);
    return 0;
}

static void show_links(const struct story *story)
{
    const struct tb_show_span span = {story->trace_id, story->xray_trace_id, story->first_ns,
                                      story->last_ns};
    tb_show_links(&story->links, &span, NULL);
}

int tb_cmd_trace(struct tb_cli *cli)
{
    char id[TB_SHOW_ID_TEXT];
    struct tb_config config;
    struct tb_store *store = NULL;
    struct story story = {.n = 0};
    struct tb_occurrence_filter filter = {.trace_id = id, .max = TRACE_MAX};
    if (tb_show_trace_id(cli->words[0], id) < 0)
        return TB_EXIT_USAGE;
    if (tb_cli_config_to_read(cli, &config) < 0)
        return TB_EXIT_WRONG;
    int err = tb_cli_store(&config, &store);
    tb_config_links(&config, &story.links);
    tb_config_done(&config);
    if (err < 0 && err != -ENOENT)
        return TB_EXIT_WRONG;
    if (err == 0 && (err = tb_store_occurrences(store, &filter, cli->json ? story_json : story_line,
                                                &story)) < 0)
        fprintf(stderr, "towbar: cannot read the database: %s\n", tb_store_error(store));
    else if (story.n == 0)
        fprintf(stderr, "towbar: no error of trace %s is known here\n", id);
    else if (!cli->json)
        show_links(&story);
    tb_links_done(&story.links);
    tb_store_close(store);
    return story.n > 0 && err >= 0 ? TB_EXIT_WELL : TB_EXIT_WRONG;
}
