/* modules.h - the modules of a process, opened when they are first needed. What was worked out from
 * their files stays in the cache; who may read them is asked anew for each answer.
 *
 * A module is taken from disk only when the file is the one that ran: the same build id; where
 * neither has one, not changed after the tick of the clock (10 ms) in which the process was
 * started. */
#ifndef TB_SYMBOL_MODULES_H
#define TB_SYMBOL_MODULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "record/process.h"
#include "symbol/files/cache.h"
#include "symbol/index/index.h"
#include "symbol/worker.h"

enum tb_symbol_status {
    TB_SYMBOLS_UNTRIED,
    TB_SYMBOLS_DEBUG,      /* DWARF data */
    TB_SYMBOLS_SYMTAB,     /* a symbol table */
    TB_SYMBOLS_EXPORTED,   /* exported names */
    TB_SYMBOLS_NONE,       /* the file has no names */
    TB_SYMBOLS_UNREADABLE, /* no file, or not one that the reporter may read */
    TB_SYMBOLS_CHANGED     /* another file is there now */
};

struct tb_symbol_module {
    const struct tb_module *info; /* borrowed from the process */
    enum tb_symbol_status status;
    struct tb_symbol_image *image;       /* the file, held in the cache; NULL: not to be had */
    const struct tb_symbol_index *index; /* its names; NULL: none, see below */
    struct tb_symbol_shelved *shelved;   /* that index is in, held on the shelf */
    const char *note;                    /* what stood in the way, a sentence; or NULL */
    bool has_index;                      /* looked for, as below */
    bool uses_table;                     /* without an index: names from the file's table */
    bool has_table;
    bool has_debug;
    struct tb_symbol_image *debug;       /* the separate debug file, where one was needed */
    struct tb_symbol_image *alternate;   /* the file that dwz made beside it, if it is there */
    const struct tb_symbol_table *table; /* NULL: none */
    uint8_t missing[TB_BUILD_ID_BYTES];  /* build id of the file dwz made, which is not there */
    uint32_t missing_len;                /* 0: none is missing */
};

struct tb_symbol_modules {
    struct tb_symbol_cache *cache;
    const struct tb_symbol_config *config;
    const struct tb_process *process;
    struct tb_symbol_module *items; /* one for each of the process, in its order */
    bool takes_any;                 /* files as they are now, whatever ran */
    uint64_t index_ns;              /* time that was spent on building indexes */
};

/* Borrows its arguments. 0 or -ENOMEM. */
int tb_symbol_modules_init(struct tb_symbol_cache *cache, const struct tb_symbol_config *config,
                           const struct tb_process *process, struct tb_symbol_modules *out);
void tb_symbol_modules_done(struct tb_symbol_modules *modules);
/* The module that holds address, with its ELF file open if it can be had; or NULL. */
struct tb_symbol_module *tb_symbol_modules_find(struct tb_symbol_modules *modules,
                                                uint64_t address);
/* The separate debug file, or NULL. */
struct tb_symbol_image *tb_symbol_module_debug(const struct tb_symbol_modules *modules,
                                               struct tb_symbol_module *module);
/* The file that dwz made beside image, the module's or its debug file's, or NULL: it needs none, or
 * it is not there, which is noted. */
struct tb_symbol_image *tb_symbol_module_alternate(const struct tb_symbol_modules *modules,
                                                   struct tb_symbol_module *module,
                                                   const struct tb_symbol_image *image);
/* Of a module that gave no debug data: notes that zstd has compressed them, or that the file that
 * should have them is damaged, if that is so. */
void tb_symbol_module_note_no_debug(struct tb_symbol_module *module);
/* Of one that gave debug data: is the file that has them damaged? */
bool tb_symbol_module_is_partial(const struct tb_symbol_module *module);
/* Makes the names of a module ready that module_index.h has no index of. */
void tb_symbol_module_load_table(const struct tb_symbol_modules *modules,
                                 struct tb_symbol_module *module);
/* When the file was made: of one that is gone its debug file, else no later than the process. {0}:
 * not known. */
struct timespec tb_symbol_module_built(const struct tb_symbol_modules *modules,
                                       const struct tb_symbol_module *module);
/* The word for the status that answers have. */
const char *tb_symbol_status_word(enum tb_symbol_status status);
/* The last part of the path of a module. */
const char *tb_symbol_module_name(const struct tb_symbol_module *module);

#endif
