/* table.h - the files that are known, by device and inode: at most TB_PLACES_MAX. */
#ifndef TB_AGENT_FILES_TABLE_H
#define TB_AGENT_FILES_TABLE_H

#include <stddef.h>

#include "agent/files/tail.h"

enum { TB_TABLE_BUCKETS = 1024 };

struct tb_table {
    struct tb_tail *buckets[TB_TABLE_BUCKETS];
    size_t n;
};

struct tb_tail *tb_table_find(const struct tb_table *table, uint64_t dev, uint64_t ino);
/* The file that has had this inode on another device, which has its number only since this boot: it
 * was not looked at since the agent began, and born_ns or path is the same. NULL for none. */
struct tb_tail *tb_table_find_moved(const struct tb_table *table, const struct tb_tail_facts *facts,
                                    const char *path);
/* Is a file with that inode known, on whatever device? */
bool tb_table_has_inode(const struct tb_table *table, uint64_t ino);
/* NULL when the table is full. */
struct tb_tail *tb_table_add(struct tb_table *table, uint64_t dev, uint64_t ino, const char *path);
void tb_table_remove(struct tb_table *table, struct tb_tail *tail);
/* All of them in out, which has room for TB_PLACES_MAX; returns how many. */
size_t tb_table_list(const struct tb_table *table, struct tb_tail **out);
void tb_table_clear(struct tb_table *table);

#endif
