/* table.c - see table.h. */
#include "agent/files/table.h"

#include <stdlib.h>
#include <string.h>

#include "base/fd.h"

static size_t bucket_of(uint64_t ino)
{
    return (ino ^ ino >> 10 ^ ino >> 20) % TB_TABLE_BUCKETS;
}

struct tb_tail *tb_table_find(const struct tb_table *table, uint64_t dev, uint64_t ino)
{
    for (struct tb_tail *t = table->buckets[bucket_of(ino)]; t != NULL; t = t->next)
        if (t->place.ino == ino && t->place.dev == dev)
            return t;
    return NULL;
}

struct tb_tail *tb_table_find_moved(const struct tb_table *table, const struct tb_tail_facts *facts,
                                    const char *path)
{
    for (struct tb_tail *t = table->buckets[bucket_of(facts->ino)]; t != NULL; t = t->next)
        if (t->place.ino == facts->ino && !t->is_checked && t->fd < 0 && t->has_begun &&
            (t->place.born_ns != 0 ? t->place.born_ns == facts->born_ns
                                   : strcmp(t->place.path, path) == 0))
            return t;
    return NULL;
}

bool tb_table_has_inode(const struct tb_table *table, uint64_t ino)
{
    for (const struct tb_tail *t = table->buckets[bucket_of(ino)]; t != NULL; t = t->next)
        if (t->place.ino == ino)
            return true;
    return false;
}

struct tb_tail *tb_table_add(struct tb_table *table, uint64_t dev, uint64_t ino, const char *path)
{
    if (table->n >= TB_PLACES_MAX)
        return NULL;
    struct tb_tail *tail = calloc(1, sizeof(*tail));
    if (tail == NULL || (tail->place.path = strdup(path)) == NULL)
        abort();
    struct tb_tail **bucket = &table->buckets[bucket_of(ino)];
    tail->place.dev = dev;
    tail->place.ino = ino;
    tail->fd = -1;
    tail->next = *bucket;
    *bucket = tail;
    table->n++;
    return tail;
}

static void free_tail(struct tb_tail *tail)
{
    tb_fd_close(&tail->fd);
    free(tail->place.path);
    free(tail);
}

void tb_table_remove(struct tb_table *table, struct tb_tail *tail)
{
    struct tb_tail **at = &table->buckets[bucket_of(tail->place.ino)];
    while (*at != tail)
        at = &(*at)->next;
    *at = tail->next;
    table->n--;
    free_tail(tail);
}

size_t tb_table_list(const struct tb_table *table, struct tb_tail **out)
{
    size_t n = 0;
    for (size_t i = 0; i < TB_TABLE_BUCKETS; i++)
        for (struct tb_tail *t = table->buckets[i]; t != NULL; t = t->next)
            out[n++] = t;
    return n;
}

void tb_table_clear(struct tb_table *table)
{
    for (size_t i = 0; i < TB_TABLE_BUCKETS; i++) {
        struct tb_tail *next;
        for (struct tb_tail *t = table->buckets[i]; t != NULL; t = next) {
            next = t->next;
            free_tail(t);
        }
    }
    memset(table, 0, sizeof(*table));
}
