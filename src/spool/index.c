/* index.c - see index.h. */
#include "spool/index.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/id.h"

enum { FIRST_BUCKETS = 1024, FIRST_HEAP = 256, URGENT = -1 /* before the first class */ };

/* Two rounds of multiply and fold: each bit of the hash, and of the secret, reaches each bit of the
 * bucket. With one, ids that differ in high bits alone would share one whatever the secret is. */
static size_t bucket(const struct tb_index *index, uint64_t hash)
{
    hash ^= index->secret;
    for (int i = 0; i < 2; i++) {
        hash ^= hash >> 32;
        hash *= index->secret;
    }
    hash ^= hash >> 32;
    return (size_t)hash & (index->n_buckets - 1);
}

static uint64_t hash_name(const struct tb_index *index, const char *name)
{
    uint64_t hash = index->secret;
    for (; *name != '\0'; name++)
        hash = (hash ^ (uint8_t)*name) * (index->secret ^ (hash >> 29) * 2);
    return hash;
}

int tb_index_init(struct tb_index *index)
{
    memset(index, 0, sizeof(*index));
    tb_id_random(&index->secret, sizeof(index->secret));
    index->secret |= 1;
    index->n_buckets = FIRST_BUCKETS;
    index->by_name = calloc(FIRST_BUCKETS, sizeof(struct tb_source *));
    index->by_id = calloc(FIRST_BUCKETS, sizeof(struct tb_source *));
    return index->by_name && index->by_id ? 0 : -ENOMEM;
}

void tb_index_done(struct tb_index *index)
{
    free(index->by_name);
    free(index->by_id);
    free(index->heap);
    memset(index, 0, sizeof(*index));
}

static void link_name(struct tb_index *index, struct tb_source *source)
{
    struct tb_source **head = &index->by_name[bucket(index, hash_name(index, source->name))];
    source->next_name = *head;
    *head = source;
}

void tb_index_add_id(struct tb_index *index, struct tb_source *source)
{
    struct tb_source **head = &index->by_id[bucket(index, source->id)];
    source->next_id = *head;
    source->has_id = true;
    *head = source;
}

/* Twice the buckets: chains stay short. */
static int grow(struct tb_index *index)
{
    struct tb_index old = *index;
    index->n_buckets *= 2;
    index->by_name = calloc(index->n_buckets, sizeof(struct tb_source *));
    index->by_id = calloc(index->n_buckets, sizeof(struct tb_source *));
    if (!index->by_name || !index->by_id) {
        free(index->by_name);
        free(index->by_id);
        *index = old;
        return -ENOMEM;
    }
    for (size_t i = 0; i < old.n_buckets; i++) {
        for (struct tb_source *next, *at = old.by_name[i]; at; at = next) {
            next = at->next_name;
            link_name(index, at);
        }
        for (struct tb_source *next, *at = old.by_id[i]; at; at = next) {
            next = at->next_id;
            tb_index_add_id(index, at);
        }
    }
    free(old.by_name);
    free(old.by_id);
    return 0;
}

/* Room for every known source, so that pushing cannot fail. */
static int grow_heap(struct tb_index *index)
{
    size_t cap = index->cap_heap ? 2 * index->cap_heap : FIRST_HEAP;
    struct tb_source **heap = realloc(index->heap, cap * sizeof(*heap));
    if (!heap)
        return -ENOMEM;
    index->heap = heap;
    index->cap_heap = cap;
    return 0;
}

int tb_index_add(struct tb_index *index, struct tb_source *source)
{
    int err = 0;
    if (index->n_names + 2 > index->cap_heap && (err = grow_heap(index)) < 0)
        return err;
    if (index->n_names >= index->n_buckets && (err = grow(index)) < 0)
        return err;
    link_name(index, source);
    index->n_names++;
    return 0;
}

struct tb_source *tb_index_name(const struct tb_index *index, const char *name)
{
    struct tb_source *at = index->by_name[bucket(index, hash_name(index, name))];
    while (at && strcmp(at->name, name) != 0)
        at = at->next_name;
    return at;
}

struct tb_source *tb_index_id(const struct tb_index *index, uint64_t id)
{
    struct tb_source *at = index->by_id[bucket(index, id)];
    while (at && at->id != id)
        at = at->next_id;
    return at;
}

void tb_index_remove_id(struct tb_index *index, struct tb_source *source)
{
    if (!source->has_id)
        return;
    struct tb_source **at = &index->by_id[bucket(index, source->id)];
    while (*at && *at != source)
        at = &(*at)->next_id;
    if (*at)
        *at = source->next_id;
    source->has_id = false;
}

void tb_index_remove(struct tb_index *index, struct tb_source *source)
{
    tb_index_drop(index, source);
    tb_index_remove_id(index, source);
    struct tb_source **at = &index->by_name[bucket(index, hash_name(index, source->name))];
    while (*at && *at != source)
        at = &(*at)->next_name;
    if (!*at)
        return;
    *at = source->next_name;
    index->n_names--;
}

/* ---- the order: a binary heap; a source knows its place in it ---- */

static bool comes_before(const struct tb_source *a, const struct tb_source *b)
{
    if (a->order_class != b->order_class)
        return a->order_class < b->order_class;
    return a->order_ns < b->order_ns;
}

static void put(struct tb_index *index, size_t at, struct tb_source *source)
{
    index->heap[at] = source;
    source->heap_at = at;
}

static void sift_up(struct tb_index *index, size_t at)
{
    struct tb_source *source = index->heap[at];
    for (; at > 1 && comes_before(source, index->heap[at / 2]); at /= 2)
        put(index, at, index->heap[at / 2]);
    put(index, at, source);
}

static void sift_down(struct tb_index *index, size_t at)
{
    struct tb_source *source = index->heap[at];
    for (size_t child; (child = 2 * at) <= index->n_heap; at = child) {
        if (child < index->n_heap && comes_before(index->heap[child + 1], index->heap[child]))
            child++;
        if (!comes_before(index->heap[child], source))
            break;
        put(index, at, index->heap[child]);
    }
    put(index, at, source);
}

static void push(struct tb_index *index, struct tb_source *source, int order_class)
{
    source->order_class = order_class;
    source->order_ns = source->header.created_wall_ns;
    index->heap[++index->n_heap] = source;
    sift_up(index, index->n_heap);
}

void tb_index_push(struct tb_index *index, struct tb_source *source)
{
    if (source->heap_at == 0)
        push(index, source, source->class_);
}

void tb_index_urge(struct tb_index *index, struct tb_source *source)
{
    tb_index_drop(index, source);
    push(index, source, URGENT);
}

struct tb_source *tb_index_first(const struct tb_index *index)
{
    return index->n_heap > 0 ? index->heap[1] : NULL;
}

void tb_index_drop(struct tb_index *index, struct tb_source *source)
{
    size_t at = source->heap_at;
    if (at == 0)
        return;
    struct tb_source *last = index->heap[index->n_heap--];
    source->heap_at = 0;
    if (last == source)
        return;
    put(index, at, last);
    sift_up(index, at);
    sift_down(index, last->heap_at);
}
