/* modules.h - the table of what is loaded where, and the process record made from it.
 *
 * 1. A table never changes once it can be seen. Whoever uses one takes it and gives it back.
 * 2. It is made anew when the loader's counts of added and removed objects differ from those it was
 *    made at; each has a generation of its own, and 1 is the first.
 * 3. Taking, giving and looking up are signal-safe. Refreshing is not to be done in a crash
 *    handler: it asks the loader. */
#ifndef TB_CAPTURE_MODULES_H
#define TB_CAPTURE_MODULES_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "record/process.h"

/* The process record's cap: what fits the smaller area of a crash slot. */
enum { TB_PROCESS_RECORD_MAX = (60 << 10) - 56, TB_LATE_MAX = 16 };

struct tb_code {
    uint64_t low, high; /* the executable part of a module */
};

struct tb_modules {
    atomic_uint n_users;
    struct tb_process process; /* modules sorted by lo */
    struct tb_code *code;      /* beside process.modules */
    uint8_t *record;           /* process, packed */
    size_t record_len;
    struct tb_module *spare; /* room for all modules and TB_LATE_MAX more, for a crash handler */
    void *map;               /* holds all of it */
    size_t map_bytes;
};

/* Makes a new table from about (all but generation and modules; its texts are borrowed for good) if
 * the loader's counts changed, or in any case when force is set. 1 when a new one was published, 0
 * when not, or a negative errno: then the table of before stays. */
int tb_modules_refresh(const struct tb_process *about, int force);
/* The current table, or NULL before the first. */
struct tb_modules *tb_modules_take(void);
void tb_modules_give(struct tb_modules *modules);
/* Which module holds address: its place in process.modules, or -1. */
long tb_modules_find(const struct tb_modules *modules, uint64_t address);
/* A number that no process record had yet. Signal-safe. */
uint64_t tb_modules_next_generation(void);
/* Finds the build ID in a note segment of len bytes; without one out stays as it is. Signal-safe.
 */
void tb_modules_build_id(const uint8_t *notes, size_t len, struct tb_module *out);
/* In a fork child, where the other threads that used tables are not. */
void tb_modules_forked(void);

#endif
