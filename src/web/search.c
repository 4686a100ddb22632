/* search.c - see search.h. */
#include "web/search.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/suggest.h"

enum {
    TRACE_MAX_BYTES = 16 << 20, /* of bodies of one trace, beside the one that is asked about */
    GROUPS_MAX = 64
};

struct tb_search {
    const struct tb_search_settings *settings;
    struct tb_search_limits limits;
    struct tb_filter *own;          /* owned, or NULL: it is a group's */
    const struct tb_filter *filter; /* which counts */
    size_t n_asked, n_bytes;
};

/* The occurrences of a trace. */
struct gathered {
    struct tb_search *search;
    struct tb_filter_item items[TB_FILTER_ITEMS];
    char *copies[TB_FILTER_ITEMS]; /* of uuid and data; owned */
    size_t n, bytes;
    int err;
};

/* ---- what is looked for ---- */

struct naming {
    const struct tb_search_settings *settings;
    char *why;
};

static const struct tb_filter *find(const struct tb_search_settings *settings, const char *name)
{
    for (size_t i = 0; i < settings->n_groups; i++) {
        if (strcmp(settings->groups[i].name, name) == 0)
            return settings->groups[i].filter;
    }
    return NULL;
}

/* A misspelt group would match nothing in silence. */
static int is_there(void *arg, const char *name)
{
    const struct naming *naming = arg;
    if (strncmp(name, "arn:", 4) == 0 || find(naming->settings, name) != NULL)
        return 0;
    (void)snprintf(naming->why, TB_FILTER_WHY, "the settings have no group \"%.40s\"", name);
    return -EINVAL;
}

/* What is no expression may have been meant for a group. */
static void add_group(const char *text, const struct tb_search_settings *settings,
                      char why[TB_FILTER_WHY])
{
    static const char names[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-";
    const char *known[GROUPS_MAX];
    size_t len = strlen(text);
    size_t n = settings->n_groups < GROUPS_MAX ? settings->n_groups : GROUPS_MAX;
    if (len == 0 || len > 32 || strspn(text, names) != len || strstr(why, "did you mean"))
        return;
    for (size_t i = 0; i < n; i++)
        known[i] = settings->groups[i].name;
    const char *near = tb_suggest(text, known, n);
    size_t at = strlen(why);
    (void)snprintf(why + at, TB_FILTER_WHY - at, "; nor is there a group of that name");
    at = strlen(why);
    if (near)
        (void)snprintf(why + at, TB_FILTER_WHY - at, ": did you mean \"%s\"?", near);
}

int tb_search_new(const char *text, const struct tb_search_settings *settings,
                  const struct tb_search_limits *limits, struct tb_search **out,
                  char why[TB_FILTER_WHY])
{
    struct tb_search *search = calloc(1, sizeof(*search));
    struct naming naming = {.settings = settings, .why = why};
    int err = 0;
    if (search == NULL)
        return -ENOMEM;
    search->settings = settings;
    search->limits = *limits;
    search->filter = find(settings, text);
    if (search->filter == NULL) {
        err = tb_filter_parse(text, strlen(text), &search->own, why);
        if (err == -EINVAL)
            add_group(text, settings, why);
        search->filter = search->own;
        if (!err)
            err = tb_filter_named_groups(search->own, is_there, &naming);
    }
    if (err) {
        tb_search_free(search);
        return err;
    }
    *out = search;
    return 0;
}

void tb_search_free(struct tb_search *search)
{
    if (search == NULL)
        return;
    tb_filter_free(search->own);
    free(search);
}

/* ---- the trace ---- */

static bool is_among(const struct gathered *g, const char *uuid)
{
    for (size_t i = 0; i < g->n; i++) {
        if (strcmp(g->items[i].uuid, uuid) == 0)
            return true;
    }
    return false;
}

static int take_other(void *arg, const struct tb_occurrence_row *row)
{
    struct gathered *g = arg;
    if (is_among(g, row->uuid))
        return 0;
    if (g->n == TB_FILTER_ITEMS || g->bytes + row->data_len > TRACE_MAX_BYTES)
        return 1;
    size_t uuid_len = strlen(row->uuid) + 1;
    char *copy = malloc(uuid_len + row->data_len + 1);
    if (copy == NULL) {
        g->err = -ENOMEM;
        return 1;
    }
    memcpy(copy, row->uuid, uuid_len);
    memcpy(copy + uuid_len, row->data, row->data_len);
    copy[uuid_len + row->data_len] = '\0';
    g->copies[g->n] = copy;
    g->items[g->n++] =
        (struct tb_filter_item){.uuid = copy, .data = copy + uuid_len, .len = row->data_len};
    g->bytes += row->data_len;
    return 0;
}

static int gather(struct gathered *g, struct tb_store *store, const struct tb_search_row *row)
{
    const char *const ids[] = {row->trace_id, row->xray_trace_id};
    int err = 0;
    for (size_t i = 0; i < 2 && !err; i++) {
        const struct tb_occurrence_filter filter = {
            .trace_id = ids[i], .by_arrival = 1, .max = TB_FILTER_ITEMS};
        if (ids[i][0] != '\0' && (i == 0 || strcmp(ids[0], ids[1]) != 0))
            err = tb_store_occurrences(store, &filter, take_other, g);
    }
    return err ? err : g->err;
}

static int match(struct tb_search *search, const struct gathered *g)
{
    const struct tb_search_settings *settings = search->settings;
    struct tb_filter_trace *trace = NULL;
    int err = tb_filter_trace_new(g->items, g->n, settings->xray, &trace);
    if (err)
        return err;
    bool is_match = tb_filter_match(search->filter, settings->groups, settings->n_groups,
                                    tb_filter_trace_view(trace));
    tb_filter_trace_free(trace);
    return is_match;
}

int tb_search_match(struct tb_search *search, struct tb_store *store,
                    const struct tb_search_row *row)
{
    if (tb_search_is_full(search))
        return 0;
    struct gathered *g = calloc(1, sizeof(*g));
    if (g == NULL)
        return -ENOMEM;
    search->n_asked++;
    g->items[0] = (struct tb_filter_item){.uuid = row->uuid, .data = row->data, .len = row->len};
    g->n = 1;
    int result = gather(g, store, row);
    if (result == 0)
        result = match(search, g);
    search->n_bytes += row->len + g->bytes;
    for (size_t i = 1; i < g->n; i++)
        free(g->copies[i]);
    free(g);
    return result;
}

bool tb_search_is_full(const struct tb_search *search)
{
    const struct tb_search_limits *limits = &search->limits;
    return (limits->occurrences > 0 && search->n_asked >= limits->occurrences) ||
           (limits->bytes > 0 && search->n_bytes >= limits->bytes);
}

size_t tb_search_asked(const struct tb_search *search)
{
    return search->n_asked;
}
