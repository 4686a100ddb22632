/* source.h - the lines of source around a place in it, if they may be shown.
 *
 * DWARF data can name any file. Shown is a regular file of at most 8 MiB that is
 *   - below a folder that the configuration names as a source root, or
 *   - below the root of the process, when the owner of that folder and of the file is the reporter
 *     or root, everyone may read the file, and the reporter could get at it; no link is followed
 *     on the way from the root to it;
 * and that was not changed after the program was built: its lines would be others. */
#ifndef TB_SYMBOL_SOURCE_H
#define TB_SYMBOL_SOURCE_H

#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "record/process.h"
#include "symbol/worker.h"

enum { TB_SYMBOL_LINE_BYTES_MAX = 200, TB_SYMBOL_SOURCES_KEPT = 16 };

struct tb_symbol_line {
    const char *text; /* borrowed; no line end; at most TB_SYMBOL_LINE_BYTES_MAX */
    size_t len;
};

struct tb_symbol_lines {
    struct tb_symbol_line before[TB_SYMBOL_CONTEXT_MAX], line, after[TB_SYMBOL_CONTEXT_MAX];
    size_t n_before, n_after;
};

/* Reads files once for one answer. Borrows config and process. A zeroed one with both set is ready.
 */
struct tb_symbol_sources {
    const struct tb_symbol_config *config;
    const struct tb_process *process;
    struct tb_symbol_source {
        char *path; /* NULL: free */
        char *text; /* NULL: may not be shown */
        size_t len;
        struct timespec changed;
    } kept[TB_SYMBOL_SOURCES_KEPT];
    size_t next; /* the one to be replaced */
};

/* A place in a file of sources. */
struct tb_symbol_source_place {
    const char *path;      /* normalised */
    uint32_t line;         /* counted from 1 */
    struct timespec built; /* what was made of it: its time; {0}: not known */
};

/* The line with n_context lines on each side. 0; -EACCES when it may not be shown, -ESTALE when the
 * file is newer than what was built, -ENOENT when there is no such line or it is no text. Borrowed
 * until the next call. */
int tb_symbol_source_lines(struct tb_symbol_sources *sources,
                           const struct tb_symbol_source_place *place, size_t n_context,
                           struct tb_symbol_lines *out);
void tb_symbol_sources_done(struct tb_symbol_sources *sources);

#endif
