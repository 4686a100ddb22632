/* filter.c - see filter.h. */
#include "cli/filter.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { SHOWN_BYTES = 512 };

/* The expression in one line, with a mark below the column. */
static void mark(const char *text, size_t column)
{
    char line[SHOWN_BYTES];
    size_t at = 0;
    for (size_t i = 0; text[i] != '\0' && at + 1 < sizeof(line); i++)
        line[at++] = (unsigned char)text[i] < ' ' || text[i] == 0x7f ? ' ' : text[i];
    line[at] = '\0';
    if (column == 0 || column > sizeof(line) || strlen(text) >= sizeof(line))
        return;
    fprintf(stderr, "    %s\n    %*s\n", line, (int)column, "^");
}

int tb_cli_filter_init(struct tb_cli_filter *filter, const struct tb_cli *cli,
                       const struct tb_config *config)
{
    static const struct tb_search_limits none;
    char why[TB_CONFIG_WHY] = "";
    char fault[TB_FILTER_WHY] = "out of memory";
    memset(filter, 0, sizeof(*filter));
    if (cli->filter == NULL)
        return TB_EXIT_WELL;
    if (tb_groups_new(config, &filter->groups, why) < 0) {
        fprintf(stderr, "towbar: %s\n", why);
        return TB_EXIT_WRONG;
    }
    filter->settings.groups = tb_groups_list(filter->groups, &filter->settings.n_groups);
    filter->xray = (struct tb_sink_settings){.name_pattern = config->sinks.xray.name_pattern,
                                             .name = config->sinks.xray.name,
                                             .origin = config->sinks.xray.origin};
    filter->settings.xray = &filter->xray;
    int err = tb_search_new(cli->filter, &filter->settings, &none, &filter->search, fault);
    if (err == 0)
        return TB_EXIT_WELL;
    fprintf(stderr, "towbar: --filter: %s\n", fault);
    mark(cli->filter, err == -EINVAL ? tb_filter_column(fault) : 0);
    if (config->lacks_sinks)
        fprintf(stderr, "towbar: no group is known, as the settings have a mistake: %s\n",
                config->warning);
    return err == -EINVAL ? TB_EXIT_USAGE : TB_EXIT_WRONG;
}

void tb_cli_filter_done(struct tb_cli_filter *filter)
{
    tb_search_free(filter->search);
    tb_groups_free(filter->groups);
    memset(filter, 0, sizeof(*filter));
}

bool tb_cli_filter_match(struct tb_cli_filter *filter, struct tb_store *store,
                         const struct tb_occurrence_row *occurrence)
{
    if (filter->search == NULL)
        return true;
    const struct tb_search_row row = {.uuid = occurrence->uuid,
                                      .trace_id = occurrence->trace_id,
                                      .xray_trace_id = occurrence->xray_trace_id,
                                      .data = occurrence->data,
                                      .len = occurrence->data_len};
    int result = tb_search_match(filter->search, store, &row);
    filter->err = result < 0 ? result : 0;
    return result > 0;
}

/* What is asked while rows of items are given out. */
struct question {
    struct tb_cli_filter *filter;
    struct tb_store *store;
    bool is_match;
};

static int ask(void *arg, const struct tb_occurrence_row *occurrence)
{
    struct question *question = arg;
    question->is_match = tb_cli_filter_match(question->filter, question->store, occurrence);
    return 0;
}

bool tb_cli_filter_match_item(struct tb_cli_filter *filter, struct tb_store *store, int64_t number)
{
    const struct tb_occurrence_filter latest = {.item = number, .newest_first = 1, .max = 1};
    struct question question = {.filter = filter, .store = store, .is_match = false};
    if (filter->search == NULL)
        return true;
    int err = tb_store_occurrences(store, &latest, ask, &question);
    if (err < 0)
        filter->err = err;
    return err >= 0 && question.is_match;
}
