/* lines.c - see lines.h. */
#include "agent/files/lines.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"

enum { WINDOW_BYTES = 256 << 10 };

void tb_lines_init(struct tb_lines *lines)
{
    *lines = (struct tb_lines){.fd = -1};
}

void tb_lines_done(struct tb_lines *lines)
{
    free(lines->mem);
    tb_lines_init(lines);
}

void tb_lines_begin(struct tb_lines *lines, int fd, uint64_t budget)
{
    lines->fd = fd;
    lines->budget = budget;
    lines->len = 0;
    if (lines->cap > WINDOW_BYTES) { /* a long line was here: its memory goes */
        free(lines->mem);
        lines->mem = NULL;
        lines->cap = 0;
    }
}

/* Puts up to len bytes from at on into the memory. */
static int fill(struct tb_lines *lines, uint64_t at, size_t len)
{
    if (lines->cap < len) {
        free(lines->mem);
        lines->cap = lines->len = 0;
        lines->mem = malloc(len);
        if (lines->mem == NULL)
            return -ENOMEM;
        lines->cap = len;
    }
    ssize_t got = tb_fd_pread_all(lines->fd, lines->mem, len, at);
    lines->len = got > 0 ? (size_t)got : 0;
    lines->mem_at = at;
    return got < 0 ? (int)got : 0;
}

/* How many bytes from at on are in the memory. */
static size_t in_memory(const struct tb_lines *lines, uint64_t at)
{
    if (at < lines->mem_at || at >= lines->mem_at + lines->len)
        return 0;
    return (size_t)(lines->mem_at + lines->len - at);
}

/* The next window, as far as the budget goes: 0, -EAGAIN, or why not. */
static int fill_window(struct tb_lines *lines, uint64_t at)
{
    if (lines->budget < WINDOW_BYTES)
        return -EAGAIN;
    lines->budget -= WINDOW_BYTES;
    return fill(lines, at, WINDOW_BYTES);
}

/* Moves *at to where data are again, if there is a hole: a file of 8 EiB costs nothing. False when
 * the hole goes to the end. */
static bool leave_hole(const struct tb_lines *lines, uint64_t *at)
{
    off_t data = lseek(lines->fd, (off_t)*at, SEEK_DATA);
    if (data < 0 && errno == ENXIO)
        return false;
    if (data > (off_t)*at)
        *at = (uint64_t)data;
    return true;
}

/* Where the next "\n" is from at on: 1 with its place; 0, or -EAGAIN over the budget, and out says
 * how far was looked; or another error. */
static int find_end(struct tb_lines *lines, uint64_t at, uint64_t limit, uint64_t *out)
{
    for (;;) {
        size_t len = in_memory(lines, at);
        *out = at;
        if (len == 0) {
            int err = fill_window(lines, at);
            if (err)
                return err;
            len = lines->len;
        }
        const char *begin = lines->mem + (at - lines->mem_at);
        const char *end = len > 0 ? memchr(begin, '\n', len) : NULL;
        *out = at + (end != NULL ? (size_t)(end - begin) : len);
        if (end != NULL)
            return 1;
        if (len == 0 || *out > limit)
            return 0;
        at = *out;
    }
}

/* Passes over NULs: 1 when there is something else; 0 when there is nothing. */
static int skip_nuls(struct tb_lines *lines, struct tb_lines_place *place)
{
    for (;;) {
        size_t len = in_memory(lines, place->offset);
        if (len == 0) {
            if (!leave_hole(lines, &place->offset))
                return 0;
            int err = fill_window(lines, place->offset);
            if (err || lines->len == 0)
                return err;
            len = lines->len;
        }
        const char *begin = lines->mem + (place->offset - lines->mem_at);
        size_t n = 0;
        while (n < len && begin[n] == '\0')
            n++;
        place->offset += n;
        if (n < len)
            return 1;
    }
}

/* The rest of a line that is passed over: 1 when place is behind it. */
static int skip_rest(struct tb_lines *lines, struct tb_lines_place *place)
{
    for (;;) {
        uint64_t at = place->offset;
        uint64_t end = at;
        if (!leave_hole(lines, &at))
            return 0;
        int found = find_end(lines, at, at, &end);
        place->offset = end + (found == 1 ? 1 : 0);
        place->skips = found != 1;
        if (found != 0 || end == at)
            return found;
    }
}

static int give(struct tb_lines *lines, uint64_t at, uint64_t end, struct tb_line *out)
{
    size_t len = (size_t)(end - at);
    if (in_memory(lines, at) < len + 1) {
        int err = fill(lines, at, len + 1);
        if (err)
            return err;
        if (lines->len < len + 1)
            return 0; /* it was truncated meanwhile */
    }
    *out = (struct tb_line){.data = lines->mem + (at - lines->mem_at),
                            .len = len,
                            .at = at,
                            .next = {.offset = end + 1}};
    return 1;
}

int tb_lines_next(struct tb_lines *lines, struct tb_lines_place *place, struct tb_line *out)
{
    uint64_t end;
    int found;
    if (place->skips)
        place->scanned = 0;
    if (place->skips && (found = skip_rest(lines, place)) <= 0)
        return found;
    if (place->scanned == 0 && (found = skip_nuls(lines, place)) <= 0)
        return found;
    found = find_end(lines, place->offset + place->scanned, place->offset + TB_LINE_MAX, &end);
    if (found < 0) {
        place->scanned = found == -EAGAIN ? end - place->offset : place->scanned;
        return found;
    }
    if (end - place->offset > TB_LINE_MAX) {
        *out = (struct tb_line){.len = (size_t)(end - place->offset),
                                .at = place->offset,
                                .next = {.offset = end + (found ? 1 : 0), .skips = !found}};
        return 1;
    }
    if (!found) {
        place->scanned = end - place->offset;
        return 0;
    }
    return give(lines, place->offset, end, out);
}
