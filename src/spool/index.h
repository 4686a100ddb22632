/* index.h - the files of a spool by name, by id, and in the order in which they are to be read.
 *
 * 1. Finding takes constant time and the next file logarithmic time, whatever strangers put into
 *    the folder: names and ids are hashed with a secret.
 * 2. Owns the lists, not the sources. */
#ifndef TB_SPOOL_INDEX_H
#define TB_SPOOL_INDEX_H

#include <stddef.h>
#include <stdint.h>

#include "spool/source.h"

struct tb_index {
    struct tb_source **by_name, **by_id; /* n_buckets chains each, a power of two */
    size_t n_buckets, n_names;
    struct tb_source **heap; /* the dirty ones; heap[1] is read next */
    size_t n_heap, cap_heap;
    uint64_t secret; /* odd */
};

/* 0 or -ENOMEM. */
int tb_index_init(struct tb_index *index);
void tb_index_done(struct tb_index *index);
/* Files source under its name. 0 or -ENOMEM. */
int tb_index_add(struct tb_index *index, struct tb_source *source);
/* Files it under its id too. */
void tb_index_add_id(struct tb_index *index, struct tb_source *source);
/* Forgets all about it; one that is not there is fine. */
void tb_index_remove(struct tb_index *index, struct tb_source *source);
void tb_index_remove_id(struct tb_index *index, struct tb_source *source);
struct tb_source *tb_index_name(const struct tb_index *index, const char *name);
struct tb_source *tb_index_id(const struct tb_index *index, uint64_t id);

/* source is worth a visit; its place in the order is that of its class and age now. */
void tb_index_push(struct tb_index *index, struct tb_source *source);
/* The same, before all that nobody urges. */
void tb_index_urge(struct tb_index *index, struct tb_source *source);
/* The one that comes first, or NULL; it stays. */
struct tb_source *tb_index_first(const struct tb_index *index);
void tb_index_drop(struct tb_index *index, struct tb_source *source);

#endif
