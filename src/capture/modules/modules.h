/* modules.h - the table of what is loaded where, and the process record made from it.
 *
 * 1. A table never changes once it can be seen. Whoever uses one takes it and gives it back.
 * 2. The loader's list, which is under a lock, is read by load alone. A module that came or changed
 *    since is noticed when a stack leads into it (late.h), and added by extend. A fork child
 *    would hang on that lock if another thread had it, and so would a handler.
 * 3. Each table has a generation of its own; 1 is the first.
 * 4. All but load is signal-safe. */
#ifndef TB_CAPTURE_MODULES_H
#define TB_CAPTURE_MODULES_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "record/process.h"

/* The process record's cap: what fits the smaller area of a crash slot. */
enum { TB_PROCESS_RECORD_MAX = (60 << 10) - 56, TB_LATE_MAX = 16 };

/* What the process record has no room for. */
struct tb_code {
    uint64_t low, high;   /* the executable part of a module */
    uint64_t build_id_at; /* where its build ID is in memory; 0: it has none */
    const void *map;      /* the loader's own of it (loader.h); NULL: not known */
    int is_late;          /* came after the first table: others may take its place */
};

/* Users of a table are counted in several places, each in a line of its own, so that threads do
 * not wait for each other: the thread that takes a table gives it back. */
enum { TB_MODULES_COUNTS = 8, TB_MODULES_LINE = 64 };
struct tb_modules_count {
    _Alignas(TB_MODULES_LINE) atomic_uint n;
};

struct tb_modules {
    struct tb_modules_count users[TB_MODULES_COUNTS];
    struct tb_process process; /* modules sorted by lo */
    struct tb_code *code;      /* beside process.modules */
    uint8_t *record;           /* process, packed */
    size_t record_len;
    struct tb_module *spare; /* room for all modules and TB_LATE_MAX more, for a crash handler */
    _Atomic(void *) map;     /* holds all of it; NULL while it is being exchanged */
    size_t map_bytes;
    _Atomic uint64_t mark; /* of unload.h: as long as it holds, all modules are what they were */
    char *text;            /* where the next path goes */
    size_t text_left;
};

/* Makes the first table, and any that is to be complete. about: all but generation and modules; its
 * texts are borrowed for good. 0 or a negative errno. */
int tb_modules_load(const struct tb_process *about);
/* Makes a new table of the current one without what the n added overlap, nor what may have been
 * replaced since its mark, and of those added, which were found after mark. With n 0: of another
 * process. 0 or a negative errno: then the table of before stays. */
int tb_modules_extend(const struct tb_process *about, const struct tb_module *added,
                      const struct tb_code *code, size_t n, uint64_t mark);
/* After something was unloaded: lets the current table hold again if all of its modules are the
 * same, else makes one without the others. 0 or a negative errno. */
int tb_modules_confirm(const struct tb_process *about);
/* The current table, or NULL before the first. */
struct tb_modules *tb_modules_take(void);
void tb_modules_give(struct tb_modules *modules);
/* Which module holds address: its place in process.modules, or -1. */
long tb_modules_find(const struct tb_modules *modules, uint64_t address);
/* A number that no process record had yet. */
uint64_t tb_modules_next_generation(void);
/* Does the module share addresses with one of the n others? */
int tb_modules_overlap(const struct tb_module *module, const struct tb_module *others, size_t n);
/* Finds the build ID in a note segment of len bytes; returns its offset there, or 0. */
size_t tb_modules_build_id(const uint8_t *notes, size_t len, struct tb_module *out);
/* In a fork child, where the other threads that used tables are not. */
void tb_modules_forked(void);

#endif
