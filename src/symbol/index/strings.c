/* strings.c - see strings.h. */
#include "symbol/index/strings.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { MAP_MAX = 64 << 20, SLOTS_MAX = 32 << 20, BYTES_MAX = 256 << 20, CAP_FIRST = 1 << 12 };

static uint64_t mix(uint64_t key)
{
    key *= UINT64_C(0x9e3779b97f4a7c15);
    return key ^ (key >> 32);
}

/* Where key is or belongs. There is always a free entry. */
static struct tb_symbol_map_entry *place_of(const struct tb_symbol_map *map, uint64_t key)
{
    size_t at = (size_t)mix(key) & (map->cap - 1);
    while (map->entries[at].key != 0 && map->entries[at].key != key)
        at = (at + 1) & (map->cap - 1);
    return &map->entries[at];
}

static int grow_map(struct tb_symbol_map *map)
{
    struct tb_symbol_map more = {.n = map->n, .cap = map->cap > 0 ? map->cap * 2 : CAP_FIRST};
    more.entries = more.cap > MAP_MAX ? NULL : calloc(more.cap, sizeof(*more.entries));
    if (!more.entries)
        return -ENOMEM;
    for (size_t i = 0; i < map->cap; i++) {
        if (map->entries[i].key != 0)
            *place_of(&more, map->entries[i].key) = map->entries[i];
    }
    free(map->entries);
    *map = more;
    return 0;
}

uint32_t *tb_symbol_map_at(struct tb_symbol_map *map, uint64_t key)
{
    if (map->n * 2 >= map->cap && grow_map(map) != 0)
        return NULL;
    struct tb_symbol_map_entry *entry = place_of(map, key);
    if (entry->key == 0) {
        entry->key = key;
        map->n++;
    }
    return &entry->value;
}

void tb_symbol_map_done(struct tb_symbol_map *map)
{
    free(map->entries);
    *map = (struct tb_symbol_map){0};
}

/* ---- texts ---- */

static uint64_t hash_of(const char *text, size_t len)
{
    uint64_t hash = len;
    uint64_t word;
    for (; len >= sizeof(word); len -= sizeof(word), text += sizeof(word)) {
        memcpy(&word, text, sizeof(word));
        hash = mix(hash ^ word);
    }
    word = 0;
    memcpy(&word, text, len);
    return mix(hash ^ word);
}

static int grow_slots(struct tb_symbol_strings *strings)
{
    size_t n_slots = strings->n_slots > 0 ? strings->n_slots * 2 : CAP_FIRST;
    uint32_t *slots = n_slots > SLOTS_MAX ? NULL : calloc(n_slots, sizeof(*slots));
    if (!slots)
        return -ENOMEM;
    for (size_t i = 0; i < strings->n_slots; i++) {
        if (strings->slots[i] == 0)
            continue;
        const char *text = strings->bytes + strings->slots[i];
        size_t at = (size_t)hash_of(text, strlen(text)) & (n_slots - 1);
        while (slots[at] != 0)
            at = (at + 1) & (n_slots - 1);
        slots[at] = strings->slots[i];
    }
    free(strings->slots);
    strings->slots = slots;
    strings->n_slots = n_slots;
    return 0;
}

static int reserve(struct tb_symbol_strings *strings, size_t len)
{
    size_t cap = strings->cap > 0 ? strings->cap : (size_t)CAP_FIRST * 16;
    if (len > BYTES_MAX || strings->len + len > BYTES_MAX)
        return -ENOMEM;
    while (cap - strings->len < len)
        cap *= 2;
    char *more = cap == strings->cap ? strings->bytes : realloc(strings->bytes, cap);
    if (!more)
        return -ENOMEM;
    strings->bytes = more;
    strings->cap = cap;
    return 0;
}

int tb_symbol_strings_add(struct tb_symbol_strings *strings, const char *text, uint32_t *out)
{
    int err;
    size_t len = text ? strlen(text) : 0;
    *out = 0;
    if (strings->n * 2 >= strings->n_slots && (err = grow_slots(strings)))
        return err;
    if ((err = reserve(strings, len + 2))) /* the first NUL, and the one after text */
        return err;
    if (strings->len == 0)
        strings->bytes[strings->len++] = '\0';
    if (len == 0)
        return 0;
    size_t at = (size_t)hash_of(text, len) & (strings->n_slots - 1);
    for (; strings->slots[at] != 0; at = (at + 1) & (strings->n_slots - 1)) {
        if (strcmp(strings->bytes + strings->slots[at], text) == 0) {
            *out = strings->slots[at];
            return 0;
        }
    }
    *out = (uint32_t)strings->len;
    memcpy(strings->bytes + strings->len, text, len + 1);
    strings->len += len + 1;
    strings->slots[at] = *out;
    strings->n++;
    return 0;
}

void tb_symbol_strings_done(struct tb_symbol_strings *strings)
{
    free(strings->bytes);
    free(strings->slots);
    *strings = (struct tb_symbol_strings){0};
}
