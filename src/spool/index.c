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

static uint64_t hash_uid(const struct tb_index *index, uid_t uid)
{
    uint64_t hash = (uid ^ index->secret) * index->secret;
    hash = (hash ^ (hash >> 32)) * index->secret;
    return hash >> 32;
}

int tb_index_init(struct tb_index *index)
{
    memset(index, 0, sizeof(*index));
    tb_id_random(&index->secret, sizeof(index->secret));
    index->secret |= 1;
    for (int i = 0; i < TB_INDEX_LINES; i++)
        index->lines[i].uid = (uid_t)-1;
    index->n_buckets = FIRST_BUCKETS;
    index->by_name = calloc(FIRST_BUCKETS, sizeof(struct tb_source *));
    index->by_id = calloc(FIRST_BUCKETS, sizeof(struct tb_source *));
    return index->by_name && index->by_id ? 0 : -ENOMEM;
}

void tb_index_done(struct tb_index *index)
{
    free(index->by_name);
    free(index->by_id);
    for (int i = 0; i < TB_INDEX_LINES; i++)
        free(index->lines[i].heap);
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

/* Room for every source that may come into it, so that pushing cannot fail. */
static int reserve(struct tb_index_line *line)
{
    if (line->n_seated + 2 <= line->cap)
        return 0;
    size_t cap = line->cap ? 2 * line->cap : FIRST_HEAP;
    struct tb_source **heap = realloc(line->heap, cap * sizeof(*heap));
    if (!heap)
        return -ENOMEM;
    line->heap = heap;
    line->cap = cap;
    return 0;
}

int tb_index_add(struct tb_index *index, struct tb_source *source)
{
    int err = reserve(&index->lines[0]);
    if (err < 0)
        return err;
    if (index->n_names >= index->n_buckets && (err = grow(index)) < 0)
        return err;
    link_name(index, source);
    index->lines[0].n_seated++;
    source->line = 0;
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
    index->lines[source->line].n_seated--;
    index->n_names--;
}

/* ---- the order in a line: a binary heap; a source knows its place in it ---- */

static bool comes_before(const struct tb_source *a, const struct tb_source *b)
{
    if (a->order_class != b->order_class)
        return a->order_class < b->order_class;
    return a->order_ns < b->order_ns;
}

static void put(struct tb_index_line *line, size_t at, struct tb_source *source)
{
    line->heap[at] = source;
    source->heap_at = at;
}

static void sift_up(struct tb_index_line *line, size_t at)
{
    struct tb_source *source = line->heap[at];
    for (; at > 1 && comes_before(source, line->heap[at / 2]); at /= 2)
        put(line, at, line->heap[at / 2]);
    put(line, at, source);
}

static void sift_down(struct tb_index_line *line, size_t at)
{
    struct tb_source *source = line->heap[at];
    for (size_t child; (child = 2 * at) <= line->n; at = child) {
        if (child < line->n && comes_before(line->heap[child + 1], line->heap[child]))
            child++;
        if (!comes_before(line->heap[child], source))
            break;
        put(line, at, line->heap[child]);
    }
    put(line, at, source);
}

static void push(struct tb_index *index, struct tb_source *source, int order_class)
{
    struct tb_index_line *line = &index->lines[source->line];
    source->order_class = order_class;
    source->order_ns = source->header.created_wall_ns;
    line->heap[++line->n] = source;
    sift_up(line, line->n);
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

void tb_index_drop(struct tb_index *index, struct tb_source *source)
{
    struct tb_index_line *line = &index->lines[source->line];
    size_t at = source->heap_at;
    if (at == 0)
        return;
    struct tb_source *last = line->heap[line->n--];
    source->heap_at = 0;
    if (last == source)
        return;
    put(line, at, last);
    sift_up(line, at);
    sift_down(line, last->heap_at);
}

/* ---- whose turn it is ---- */

static bool is_fair_turn(const struct tb_index *index)
{
    return index->turn % TB_INDEX_FAIR_EVERY == TB_INDEX_FAIR_EVERY - 1;
}

struct tb_source *tb_index_first(const struct tb_index *index)
{
    struct tb_source *best = index->lines[0].n > 0 ? index->lines[0].heap[1] : NULL;
    if (best)
        return best;
    bool is_fair = is_fair_turn(index);
    for (int i = 1; i < TB_INDEX_LINES; i++) {
        const struct tb_index_line *line = &index->lines[i];
        struct tb_source *top = line->n > 0 ? line->heap[1] : NULL;
        if (!top)
            continue;
        bool is_other_class = best && !is_fair && top->order_class != best->order_class;
        if (!best || (is_other_class ? top->order_class < best->order_class
                                     : line->turn < index->lines[best->line].turn))
            best = top;
    }
    return best;
}

void tb_index_take_turn(struct tb_index *index, const struct tb_source *source)
{
    index->lines[source->line].turn = ++index->turn;
}

bool tb_index_must_yield(const struct tb_index *index, const struct tb_source *source)
{
    const struct tb_source *first = tb_index_first(index);
    if (!first || first->line == 0 || first->class_ < source->class_)
        return first;
    return first->line != source->line && (first->class_ == source->class_ || is_fair_turn(index));
}

/* The line he has, or had last; else the one that was free longest, and its turn is what he has
 * waited. Where none is free he shares one. */
static int line_of(const struct tb_index *index, uid_t uid)
{
    int free_line = 0;
    for (int i = 1; i < TB_INDEX_LINES; i++) {
        const struct tb_index_line *line = &index->lines[i];
        if (line->uid == uid)
            return i;
        if (line->n_seated == 0 && (free_line == 0 || line->turn < index->lines[free_line].turn))
            free_line = i;
    }
    return free_line ? free_line : 1 + (int)(hash_uid(index, uid) % (TB_INDEX_LINES - 1));
}

void tb_index_seat(struct tb_index *index, struct tb_source *source, uid_t uid)
{
    if (source->line != 0 && index->lines[source->line].uid == uid)
        return;
    int at = line_of(index, uid);
    struct tb_index_line *line = &index->lines[at];
    if (at == source->line || reserve(line) < 0)
        return;
    if (line->n_seated == 0)
        line->uid = uid;
    index->lines[source->line].n_seated--;
    line->n_seated++;
    source->line = at;
}
