/* index.h - the files of a spool by name, by id, and in the order in which they are to be read.
 *
 * 1. Finding takes constant time and the next file logarithmic time, whatever strangers put into
 *    the folder: names and ids are hashed with a secret.
 * 2. Each user has a line of his own, in which files stand by class and age; of those whose first
 *    files are of the most urgent class the one comes next that has waited longest. Each eighth
 *    turn is that of who has waited longest, whatever the class: nobody's crashes hold up all that
 *    others have. New files, of which nobody knows yet whose they are, come before all (line 0):
 *    they are asked, and take their places. Only of more than 256 users who have files at a time do
 *    some share a line; a secret hash of their numbers says who.
 * 3. Owns the lists, not the sources. */
#ifndef TB_SPOOL_INDEX_H
#define TB_SPOOL_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "spool/source.h"

enum { TB_INDEX_LINES = 257, TB_INDEX_FAIR_EVERY = 8 };

/* Its heap holds the dirty ones; heap[1] comes first. */
struct tb_index_line {
    struct tb_source **heap;
    size_t n, cap;
    size_t n_seated; /* sources that may come into it: there is room for them */
    uid_t uid;       /* whose it is, and stays until it is free and another needs it */
    uint64_t turn;   /* when it had one last */
};

struct tb_index {
    struct tb_source **by_name, **by_id; /* n_buckets chains each, a power of two */
    size_t n_buckets, n_names;
    struct tb_index_line lines[TB_INDEX_LINES];
    uint64_t turn;   /* counts up */
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
/* The one that comes next, or NULL; it stays. The same until a turn is taken or something changes.
 */
struct tb_source *tb_index_first(const struct tb_index *index);
/* source, or the next part of it, is read now. */
void tb_index_take_turn(struct tb_index *index, const struct tb_source *source);
/* Is it time to leave source, which is being read and not in its line, for the first one? */
bool tb_index_must_yield(const struct tb_index *index, const struct tb_source *source);
/* Puts a source that is not in its line now into that of uid; (uid_t)-1: whose it is cannot be
 * told.
 */
void tb_index_seat(struct tb_index *index, struct tb_source *source, uid_t uid);
void tb_index_drop(struct tb_index *index, struct tb_source *source);

#endif
