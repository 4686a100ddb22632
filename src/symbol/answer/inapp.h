/* inapp.h - is a frame of the program's own code, or of a library? docs/symbols.md 6. Pure: names
 * and paths decide. */
#ifndef TB_SYMBOL_INAPP_H
#define TB_SYMBOL_INAPP_H

#include <stdbool.h>
#include <stddef.h>

#include "record/process.h"

enum { TB_INAPP_PATTERNS_MAX = 64, TB_INAPP_PATTERN_BYTES = 255 };

/* Patterns of the settings (fnmatch; "*" matches "/"), matched against the path of a frame's module
 * and the path of its source. */
struct tb_inapp_rules {
    char **in_app;
    size_t n_in_app;
    char **library;
    size_t n_library;
};

/* Borrows all of it. */
struct tb_inapp_program {
    const char *path;                   /* of the main program; "" unknown */
    const char *root;                   /* of its sources; "" unknown */
    const struct tb_inapp_rules *rules; /* NULL: none */
};

struct tb_inapp_frame {
    const struct tb_module *module; /* NULL: in none, which is nobody's code */
    const char *file;               /* of the source, normalised; NULL unknown */
    const char *function;           /* without decorations; NULL unknown */
};

/* The program of a process record. */
struct tb_inapp_program tb_inapp_program_of(const struct tb_process *process,
                                            const struct tb_inapp_rules *rules);
bool tb_inapp_is_own(const struct tb_inapp_program *program, const struct tb_inapp_frame *frame);

#endif
