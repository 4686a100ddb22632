/* table.c - what is called through tables and by the C library's qsort and bsearch. */
#include "relayd.h"

#include <stdlib.h>
#include <string.h>

struct row {
    const char *name;
    int cost, n;
};

static int by_name(const void *a, const void *b)
{
    const struct row *x = a;
    const struct row *y = b;
    return strcmp(x->name, y->name);
}

static int by_price(const void *a, const void *b)
{
    const struct row *x = a;
    const struct row *y = b;
    return x->cost / x->n - y->cost / y->n;
}

static void sort_names(void)
{
    struct row rows[3] = {{"b", 2, 1}, {setting("unnamed"), 1, 1}, {"a", 3, 1}};
    qsort(rows, 3, sizeof(rows[0]), by_name);
    exit(rows[0].cost);
}

static void sort_prices(void)
{
    struct row rows[3] = {{"b", 2, 1}, {"c", 1, 0}, {"a", 3, 1}};
    qsort(rows, 3, sizeof(rows[0]), by_price);
    exit(rows[0].cost);
}

static void search_name(void)
{
    struct row rows[3] = {{"a", 2, 1}, {setting("unnamed"), 1, 1}, {"c", 3, 1}};
    struct row key = {"b", 0, 0};
    exit(bsearch(&key, rows, 3, sizeof(rows[0]), by_name) != NULL);
}

/* ---- a hash table without room ---- */

struct table {
    struct row *rows;
    size_t n_slots;
};

static size_t slot_of(const struct table *table, const char *name)
{
    size_t hash = 5381;
    while (*name != '\0')
        hash = hash * 33 + (unsigned char)*name++;
    return hash % table->n_slots;
}

struct row *table_find(const struct table *table, const char *name)
{
    struct row *row = &table->rows[slot_of(table, name)];
    return row->name != NULL && strcmp(row->name, name) == 0 ? row : NULL;
}

static void find_in_empty(void)
{
    struct table table = {NULL, 0};
    exit(table_find(&table, "key") != NULL);
}

static void find_in_unallocated(void)
{
    struct table table = {NULL, (size_t)setting_number("port")};
    exit(table_find(&table, "key") != NULL);
}

/* ---- commands ---- */

static int run_status(const char *arg)
{
    return (int)strlen(arg);
}

static int run_kick(const char *arg)
{
    struct session *session = session_find(atoi(arg));
    return --session->n_streams;
}

static int run_split(const char *arg)
{
    return setting_number("port") / atoi(arg);
}

static const struct command {
    const char *name;
    int (*run)(const char *arg);
} commands[] = {{"status", run_status}, {"kick", run_kick}, {"split", run_split}, {"reload", NULL}};

int dispatch(const char *name, const char *arg)
{
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
        if (strcmp(commands[i].name, name) == 0)
            return commands[i].run(arg);
    return -1;
}

static void command_kick(void)
{
    exit(dispatch("kick", "4711"));
}

static void command_split(void)
{
    exit(dispatch("split", "0"));
}

static void command_status(void)
{
    exit(dispatch("status", setting("arg")));
}

static void command_reload(void)
{
    exit(dispatch("reload", ""));
}

/* ---- a walk with a callback, as deep as the run is late ---- */

struct place {
    struct place *below;
    struct session *session;
};

static int walk(const struct place *place, int (*visit)(const struct place *))
{
    int n = 0;
    if (place->below != NULL)
        n = walk(place->below, visit);
    return n + visit(place);
}

static int count_streams(const struct place *place)
{
    return place->session->n_streams;
}

static int count_names(const struct place *place)
{
    return place->session != NULL && place->session->label != NULL;
}

static void walk_places(void)
{
    struct place *places = NULL;
    for (int i = 0; i < 2 + run_number; i++) {
        struct place *place = calloc(1, sizeof(*place));
        if (place == NULL)
            die("no memory");
        place->below = places;
        places = place;
    }
    if (walk(places, count_names) == 0)
        exit(walk(places, count_streams));
}

const struct fault table_faults[] = {{"sort-name", NULL, sort_names},
                                     {"sort-price", NULL, sort_prices},
                                     {"search-name", NULL, search_name},
                                     {"table-empty", NULL, find_in_empty},
                                     {"table-unallocated", NULL, find_in_unallocated},
                                     {"command-kick", NULL, command_kick},
                                     {"command-split", NULL, command_split},
                                     {"command-status", NULL, command_status},
                                     {"command-reload", NULL, command_reload},
                                     {"walk-place", NULL, walk_places},
                                     {NULL, NULL, NULL}};
