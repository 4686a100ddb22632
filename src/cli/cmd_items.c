/* cmd_items.c - items and item N: the dashboard in the terminal. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/config/config_links.h"
#include "base/clock.h"
#include "base/json.h"
#include "cli/print.h"
#include "cli/reading.h"
#include "cli/show.h"
#include "cli/verb.h"

enum {
    ITEMS_MAX = 100,
    LINE_BYTES = 112 << 10,
    ITEM_COLUMNS = 54, /* of a line, beside the title */
};

static int64_t now_ms(void)
{
    return (int64_t)(tb_clock_wall_ns() / TB_NS_PER_MS);
}

/* ---- items ---- */

static void write_item(struct tb_json *j, const struct tb_item_row *item)
{
    tb_json_kint(j, "number", item->number);
    tb_json_kstr(j, "title", item->title);
    tb_json_kstr(j, "level", item->level);
    tb_json_kstr(j, "environment", item->environment);
    tb_json_kstr(j, "service", item->service);
    tb_json_kstr(j, "status", item->status);
    tb_json_kint(j, "first", item->first_ms / 1000);
    tb_json_kint(j, "last", item->last_ms / 1000);
    tb_json_kint(j, "total", item->total);
    tb_json_kstr(j, "fingerprint", item->fingerprint);
}

static int item_json(void *arg, const struct tb_item_row *item)
{
    char line[LINE_BYTES];
    struct tb_json j;
    (void)arg;
    tb_json_init(&j, line, sizeof(line));
    tb_json_object(&j);
    write_item(&j, item);
    tb_json_end(&j);
    if (tb_json_finish(&j) < 0)
        return -EMSGSIZE;
    tb_print_json(line, strlen(line));
    putchar('\n');
    return 0;
}

struct list {
    int64_t now_ms;
    int64_t n;
    size_t title_cap;
    uint64_t *titles; /* hashes, in order; owned */
    size_t n_titles, cap_titles;
};

/* FNV-1a */
static uint64_t hash_of(const char *text)
{
    uint64_t hash = 0xcbf29ce484222325;
    for (; *text != '\0'; text++)
        hash = (hash ^ (unsigned char)*text) * 0x100000001b3;
    return hash;
}

/* Without memory titles are only not told apart. */
static int item_title(void *arg, const struct tb_item_row *item)
{
    struct list *list = arg;
    if (list->n_titles == list->cap_titles) {
        size_t cap = list->cap_titles > 0 ? list->cap_titles * 2 : ITEMS_MAX;
        uint64_t *more = realloc(list->titles, cap * sizeof(*more));
        if (more == NULL)
            return 0;
        list->titles = more;
        list->cap_titles = cap;
    }
    list->titles[list->n_titles++] = hash_of(item->title);
    return 0;
}

static int by_value(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a;
    uint64_t right = *(const uint64_t *)b;
    return left < right ? -1 : left > right;
}

static int has_twin(const struct list *list, const char *title)
{
    uint64_t hash = hash_of(title);
    const uint64_t *found = list->n_titles > 1 ? bsearch(&hash, list->titles, list->n_titles,
                                                         sizeof(*list->titles), by_value)
                                               : NULL;
    return found != NULL && ((found > list->titles && found[-1] == hash) ||
                             (found + 1 < list->titles + list->n_titles && found[1] == hash));
}

/* The title, and the caller of its function where another in the list has the same: "SIGSEGV in
 * pop < users". */
static const char *title_of(const struct list *list, const struct tb_item_row *item,
                            char out[TB_READING_TITLE])
{
    char clean[TB_READING_TITLE];
    char text[TB_READING_TITLE * 2];
    cJSON *inputs = has_twin(list, item->title) ? cJSON_Parse(item->group_inputs) : NULL;
    const char *caller = cJSON_GetStringValue(
        cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(inputs, "functions"), 1));
    snprintf(text, sizeof(text), "%s%s%s", tb_print_clean(item->title, clean, sizeof(clean)),
             caller != NULL ? " < " : "", caller != NULL ? caller : "");
    cJSON_Delete(inputs);
    return tb_print_clean(text, out, list->title_cap);
}

static int item_line(void *arg, const struct tb_item_row *item)
{
    struct list *list = arg;
    char title[TB_READING_TITLE];
    char level[9];
    char service[15];
    char age[TB_AGE_TEXT];
    int width = list->title_cap < TB_READING_TITLE ? (int)list->title_cap - 1 : 52;
    if (list->n++ == 0)
        printf("%s%6s  %-8s  %-*s  %-14s %7s  %s%s\n", tb_ink(TB_INK_DIM), "item", "level", width,
               "title", "service", "count", "last", tb_ink(TB_INK_NONE));
    tb_print_clean(item->level, level, sizeof(level));
    printf("%6" PRId64 "  %s%-8s%s  %-*s  %-14s %7" PRId64 "  %s\n", item->number,
           tb_ink(tb_ink_of(level)), level, tb_ink(TB_INK_NONE), width, title_of(list, item, title),
           tb_print_clean(item->service, service, sizeof(service)), item->total,
           tb_print_age(list->now_ms, item->last_ms, age));
    return 0;
}

/* Those that match, in their order: what a filter has to read is read once. */
struct chosen {
    struct tb_reading *reading;
    int64_t *numbers; /* owned */
    size_t n, cap, max;
    size_t at; /* the next one to be shown */
    int (*show)(void *arg, const struct tb_item_row *item);
    void *arg;
};

static int choose_item(void *arg, const struct tb_item_row *item)
{
    struct chosen *chosen = arg;
    struct tb_cli_filter *filter = &chosen->reading->filter;
    if (!tb_cli_filter_match_item(filter, chosen->reading->store, item->number))
        return filter->err;
    if (chosen->n == chosen->cap) {
        size_t cap = chosen->cap > 0 ? 2 * chosen->cap : ITEMS_MAX;
        int64_t *more = realloc(chosen->numbers, cap * sizeof(*more));
        if (more == NULL) {
            filter->err = -ENOMEM;
            return filter->err;
        }
        chosen->numbers = more;
        chosen->cap = cap;
    }
    chosen->numbers[chosen->n++] = item->number;
    return chosen->n == chosen->max;
}

static int show_chosen(void *arg, const struct tb_item_row *item)
{
    struct chosen *chosen = arg;
    if (chosen->at == chosen->n)
        return 1;
    if (item->number != chosen->numbers[chosen->at])
        return 0;
    chosen->at++;
    return chosen->show(chosen->arg, item);
}

/* As tb_store_items, of those that match. */
static int give_items(struct chosen *chosen, int (*show)(void *arg, const struct tb_item_row *item),
                      void *arg)
{
    struct tb_store *store = chosen->reading->store;
    chosen->at = 0;
    chosen->show = show;
    chosen->arg = arg;
    if (chosen->reading->filter.search == NULL)
        return tb_store_items(store, chosen->max, show, arg);
    return tb_store_items(store, 0, show_chosen, chosen);
}

static int list_items(struct tb_cli *cli, struct chosen *chosen, struct list *list)
{
    struct tb_store *store = chosen->reading->store;
    int err = 0;
    if (chosen->reading->filter.search != NULL &&
        ((err = tb_store_items(store, 0, choose_item, chosen)) < 0 ||
         (err = chosen->reading->filter.err) < 0))
        return err;
    if (!cli->json)
        err = give_items(chosen, item_title, list);
    if (list->n_titles > 1)
        qsort(list->titles, list->n_titles, sizeof(*list->titles), by_value);
    return err < 0 ? err : give_items(chosen, cli->json ? item_json : item_line, list);
}

int tb_cmd_items(struct tb_cli *cli)
{
    struct tb_reading reading;
    struct list list = {.now_ms = now_ms(), .title_cap = tb_reading_title(ITEM_COLUMNS)};
    struct chosen chosen = {.reading = &reading,
                            .max = cli->max > 0 ? (size_t)cli->max : ITEMS_MAX};
    int code;
    if (tb_reading_open(cli, &reading, &code))
        return code;
    /* So that both looks see the same. */
    int err = cli->filter != NULL ? tb_store_begin_read(reading.store) : 0;
    if (err >= 0)
        err = list_items(cli, &chosen, &list);
    if (err >= 0 && !cli->json && list.n == 0 && cli->filter != NULL)
        printf("No items that match.\n");
    else if (err >= 0 && !cli->json && list.n == 0)
        tb_show_empty(cli, NULL);
    else if (err >= 0 && !cli->json && list.n == (int64_t)chosen.max)
        printf("The latest %zu; --max N shows more.\n", chosen.max);
    free(chosen.numbers);
    free(list.titles);
    return tb_reading_done(&reading, err);
}

/* ---- item N ---- */

struct one {
    const struct tb_cli *cli;
    struct tb_store *store;
    struct tb_links links;
    int64_t n;
    struct tb_shown shown;
    int err;
};

static int item_newest(void *arg, const struct tb_occurrence_row *occurrence)
{
    struct one *one = arg;
    one->shown = tb_show_occurrence(one->cli, occurrence);
    tb_show_links(&one->links, NULL, occurrence);
    return 0;
}

struct latest {
    const struct tb_links *links;
    struct tb_json *json;
};

/* The latest occurrence, as the member of the item's object. */
static int latest_json(void *arg, const struct tb_occurrence_row *occurrence)
{
    const struct latest *latest = arg;
    struct tb_json *j = latest->json;
    cJSON *data = cJSON_ParseWithLength(occurrence->data, occurrence->data_len);
    tb_json_key(j, "latest");
    tb_json_object(j);
    tb_json_kstr(j, "uuid", occurrence->uuid);
    tb_json_kopt(j, "meaning", tb_print_meaning(data));
    tb_json_kint(j, "occurred_at", (int64_t)(occurrence->occurred_ns / TB_NS_PER_S));
    tb_show_links_json(latest->links, occurrence, j);
    tb_json_end(j);
    cJSON_Delete(data);
    return 0;
}

static int item_full_json(const struct one *one, const struct tb_item_row *item)
{
    char line[LINE_BYTES];
    struct tb_json j;
    struct latest latest = {.links = &one->links, .json = &j};
    struct tb_occurrence_filter newest = {.item = item->number, .newest_first = 1, .max = 1};
    cJSON *inputs = cJSON_Parse(item->group_inputs);
    char *group = cJSON_IsObject(inputs) ? cJSON_PrintUnformatted(inputs) : NULL;
    tb_json_init(&j, line, sizeof(line));
    tb_json_object(&j);
    write_item(&j, item);
    if (group != NULL) {
        tb_json_key(&j, "group");
        tb_json_raw(&j, group, strlen(group));
    }
    int err = tb_store_occurrences(one->store, &newest, latest_json, &latest);
    tb_json_end(&j);
    cJSON_free(group);
    cJSON_Delete(inputs);
    if (err < 0)
        return err;
    if (tb_json_finish(&j) < 0)
        return -EMSGSIZE;
    tb_print_json(line, strlen(line));
    putchar('\n');
    return 0;
}

static int item_full(void *arg, const struct tb_item_row *item)
{
    struct one *one = arg;
    char command[TB_CLI_COMMAND];
    char verb[64];
    struct tb_occurrence_filter newest = {.item = item->number, .newest_first = 1, .max = 1};
    one->n++;
    if (one->cli->json)
        return one->err = item_full_json(one, item);
    tb_show_item(item, now_ms());
    one->err = tb_store_occurrences(one->store, &newest, item_newest, one);
    snprintf(verb, sizeof(verb), "item %" PRId64 " --all", item->number);
    if (one->err >= 0 && one->shown.n_stacks > 0 && !one->cli->all && !one->cli->all_frames)
        printf("\nWith the stacks of all threads: %s", tb_cli_command(one->cli, verb, command));
    snprintf(verb, sizeof(verb), "item %" PRId64 " --all-frames", item->number);
    if (one->err >= 0 && one->shown.n_folded > 0)
        printf("\nWith the frames that are folded: %s", tb_cli_command(one->cli, verb, command));
    snprintf(verb, sizeof(verb), "occurrences --json --item %" PRId64, item->number);
    if (one->err >= 0)
        printf("\nWith every detail: %s\n", tb_cli_command(one->cli, verb, command));
    return one->err < 0 ? one->err : 0;
}

int tb_cmd_item(struct tb_cli *cli)
{
    struct tb_reading reading;
    struct one one = {.cli = cli};
    int64_t number;
    int code;
    if (tb_cli_number(cli->words[0], &number) < 0) {
        fprintf(stderr, "towbar: an item has a number, '%s' is none; '%s items' lists them\n",
                cli->words[0], cli->self);
        return TB_EXIT_USAGE;
    }
    if (tb_reading_open(cli, &reading, &code))
        return TB_EXIT_WRONG;
    one.store = reading.store;
    tb_config_links(&reading.config, &one.links);
    int err = tb_store_item(one.store, number, item_full, &one);
    tb_links_done(&one.links);
    if (err >= 0 && one.err < 0)
        err = one.err;
    if ((err >= 0 || err == -ENOENT) && one.n == 0) {
        fprintf(stderr, "towbar: there is no item %" PRId64 "; '%s items' lists them\n", number,
                cli->self);
        tb_reading_close(&reading);
        return TB_EXIT_WRONG;
    }
    return tb_reading_done(&reading, err);
}
