/* lines.h - the lines of a file that grows: whole ones only, each with its place.
 *
 * 1. A line is what "\n" ends; what has no end yet is no line, and costs no memory.
 * 2. NULs before a line are none of it: a file that was truncated under a writer begins with them.
 * 3. One line of at most TB_LINE_MAX bytes is in memory; a longer one is told once, without its
 *    text, and passed over.
 * 4. Holes are passed over without reading them, and one call reads no more than its budget and one
 *    line. */
#ifndef TB_AGENT_FILES_LINES_H
#define TB_AGENT_FILES_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TB_LINE_MAX = 8 << 20 };

/* How far a file was read. */
struct tb_lines_place {
    uint64_t offset;  /* where the next line begins */
    uint64_t scanned; /* bytes from there on that are known to have no "\n" */
    bool skips;       /* what stands at offset belongs to a line that is passed over */
};

struct tb_line {
    const char *data; /* without "\n"; NULL: it was too long. Borrowed until the next call */
    size_t len;       /* of a line that was too long: how much of it was seen */
    uint64_t at;      /* where it begins */
    struct tb_lines_place next;
};

struct tb_lines {
    int fd; /* the caller's; where it stands is moved */
    char *mem;
    size_t cap, len; /* of mem */
    uint64_t mem_at; /* where in the file it begins */
    uint64_t budget; /* bytes that may still be looked through */
};

void tb_lines_init(struct tb_lines *lines);
void tb_lines_done(struct tb_lines *lines);
/* Begins to read another file, or this one anew: of budget bytes, 1 MiB or more. */
void tb_lines_begin(struct tb_lines *lines, int fd, uint64_t budget);
/* The line at place: 1, and the caller makes out->next the place when he is done with it; 0 when
 * there is no whole line; -EAGAIN when the budget is used up; or another negative errno. place
 * knows then what was looked through. */
int tb_lines_next(struct tb_lines *lines, struct tb_lines_place *place, struct tb_line *out);

#endif
