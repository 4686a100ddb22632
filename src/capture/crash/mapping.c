/* mapping.c - see mapping.h. The form of a line is proc_pid_maps(5):
 *
 *     lo-hi rwxp offset device inode    path */
#include "capture/crash/mapping.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"

enum {
    MAPS_BYTES_MAX = 4 << 20,
    PAGE_BYTES = 4096, /* what the kernel gives at a time */
    TEXT_BYTES = 2 * PAGE_BYTES
};

/* ---- by ioctl: of the kernel, which its headers may not name yet ---- */

struct query {
    uint64_t size, flags, address;
    uint64_t lo, hi, rights, page_size, offset, inode;
    uint32_t major, minor, path_bytes, build_id_bytes;
    uint64_t path, build_id;
};
enum { COVERING_OR_NEXT = 0x10, STEPS_MAX = 128, PAGE_BITS = 12, ADDRESS_BITS = 64 };
#define QUERY_MAPPING _IOWR('f', 17, struct query)

/* The mapping at the address, or the nearest above it: 0; -ENOENT; -ENAMETOOLONG when path has no
 * room; or what says that the kernel has no such call. */
static int query(int fd, uint64_t address, struct tb_mapping *out)
{
    struct query q = {.size = sizeof(q),
                      .flags = COVERING_OR_NEXT,
                      .address = address,
                      .path_bytes = sizeof(out->path),
                      .path = (uint64_t)(uintptr_t)out->path};
    memset(out->path, 0, sizeof(out->path));
    if (syscall(SYS_ioctl, fd, QUERY_MAPPING, &q) != 0)
        return -errno;
    uint64_t rights = TB_MAPPING_READ | TB_MAPPING_WRITE | TB_MAPPING_EXEC | TB_MAPPING_SHARED;
    size_t len = q.path_bytes > 0 ? strnlen(out->path, sizeof(out->path) - 1) : 0;
    out->path[len] = '\0';
    out->about = (struct tb_crash_mapping){.lo = q.lo,
                                           .hi = q.hi,
                                           .rights = (uint32_t)(q.rights & rights),
                                           .offset = q.offset,
                                           .path = out->path,
                                           .len = len};
    return 0;
}

static int is_between(const struct tb_mapping *mapping, uint64_t low, uint64_t high)
{
    return mapping->about.lo >= low && mapping->about.hi <= high;
}

/* The mapping at the address or the nearest above it, if it ends at limit or before: 0, or a
 * negative errno. */
static int query_until(int fd, uint64_t address, uint64_t limit, struct tb_mapping *out)
{
    struct tb_mapping next;
    int err = query(fd, address, &next);
    if (err != 0 || !is_between(&next, 0, limit))
        return err ? err : -ENOENT;
    *out = next;
    out->about.path = out->path;
    return 0;
}

/* The last one that ends at limit or before: 0, or a negative errno. The kernel tells of what comes
 * next alone: so from further and further below, at last from 0; and then from the middle of what
 * is left, unless the next is none. */
static int query_below(int fd, uint64_t limit, struct tb_mapping *out)
{
    uint64_t high = limit; /* from there on there is none */
    int err = -ENOENT;
    for (int bit = PAGE_BITS; bit <= ADDRESS_BITS && err == -ENOENT; bit++) {
        uint64_t step = bit < ADDRESS_BITS ? (uint64_t)1 << bit : limit;
        uint64_t at = step < limit ? limit - step : 0;
        err = query_until(fd, at, limit, out);
        high = err == -ENOENT ? at : high;
    }
    for (int i = 0; err == 0 && i < STEPS_MAX; i++) {
        err = query_until(fd, out->about.hi, limit, out);
        if (err == -ENOENT)
            return 0;
        uint64_t middle = out->about.hi + (high - out->about.hi) / 2;
        if (err != 0 || out->about.hi >= high)
            continue;
        err = query_until(fd, middle, limit, out);
        high = err == -ENOENT ? middle : high;
        err = err == -ENOENT ? 0 : err;
    }
    return err ? err : -ENOENT;
}

static void move_down(struct tb_mappings *out, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        out->mappings[i] = out->mappings[i + 1];
        out->mappings[i].about.path = out->mappings[i].path;
    }
}

/* -ENOENT is no error: there is nothing more on that side. */
static int is_failure(int err)
{
    return err != 0 && err != -ENOENT;
}

int tb_mapping_ask(int fd, uint64_t address, struct tb_mappings *out)
{
    struct tb_mapping *next = &out->mappings[1];
    out->n = 0;
    int err = query(fd, address, next);
    if (is_failure(err))
        return err;
    int is_at = err == 0 && next->about.lo <= address;
    size_t n_above = err == 0;
    int err_below = query_below(fd, is_at ? next->about.lo : address, &out->mappings[0]);
    int err_above = is_at ? query(fd, next->about.hi, &out->mappings[2]) : -ENOENT;
    if (is_failure(err_below) || is_failure(err_above))
        return is_failure(err_below) ? err_below : err_above;
    n_above += err_above == 0;
    if (err_below != 0)
        move_down(out, n_above);
    out->n = (err_below == 0) + n_above;
    return 0;
}

/* ---- by reading ---- */

static int read_hex(const char **at, const char *end, char stop, uint64_t *out)
{
    uint64_t value = 0;
    const char *begin = *at;
    for (; *at < end && **at != stop; (*at)++) {
        char c = **at;
        int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
        if (digit < 0 || value >> 60 != 0)
            return 0;
        value = value << 4 | (uint64_t)digit;
    }
    if (*at == begin || *at == end)
        return 0;
    (*at)++;
    *out = value;
    return 1;
}

static const char *skip_word(const char *at, const char *end)
{
    while (at < end && *at != ' ')
        at++;
    while (at < end && *at == ' ')
        at++;
    return at;
}

int tb_mapping_parse(const char *line, size_t len, struct tb_mapping *out)
{
    static const char letters[] = "rwxs";
    const char *at = line;
    const char *end = line + len;
    struct tb_crash_mapping about = {.path = out->path};
    if (!read_hex(&at, end, '-', &about.lo) || !read_hex(&at, end, ' ', &about.hi) ||
        about.lo >= about.hi || end - at < 5)
        return 0;
    for (int i = 0; i < 4; i++)
        about.rights |= at[i] == letters[i] ? 1u << i : 0;
    at += 5;
    if (!read_hex(&at, end, ' ', &about.offset))
        return 0;
    at = skip_word(at, end); /* device */
    at = skip_word(at, end); /* inode */
    about.len = (size_t)(end - at) < sizeof(out->path) ? (size_t)(end - at) : sizeof(out->path) - 1;
    memcpy(out->path, at, about.len);
    out->path[about.len] = '\0';
    out->about = about;
    return 1;
}

/* Keeps what the line says: 1 when it is the last one of interest. Those below the address take
 * each other's place. */
static int take_line(const char *line, size_t len, uint64_t address, struct tb_mappings *out)
{
    struct tb_mapping found = {.about = {.lo = 0}};
    if (!tb_mapping_parse(line, len, &found))
        return 0;
    size_t place = found.about.hi <= address ? 0 : out->n;
    if (place == TB_CRASH_MAPPINGS_MAX)
        return 1;
    out->mappings[place] = found;
    out->mappings[place].about.path = out->mappings[place].path;
    out->n = place + 1;
    return found.about.lo > address;
}

/* The lines in text; what is left of the last one moves to the front: its length, or -1 when no
 * more is needed. */
static long take_lines(char *text, size_t len, uint64_t address, struct tb_mappings *out)
{
    char *line = text;
    char *end;
    while ((end = memchr(line, '\n', (size_t)(text + len - line)))) {
        if (take_line(line, (size_t)(end - line), address, out))
            return -1;
        line = end + 1;
    }
    size_t left = (size_t)(text + len - line);
    memmove(text, line, left);
    return (long)left;
}

int tb_mapping_read(int fd, uint64_t address, uint64_t until_ns, struct tb_mappings *out)
{
    static char text[TEXT_BYTES];
    long left = 0;
    out->n = 0;
    for (long total = 0; total < MAPS_BYTES_MAX && tb_clock_mono_ns() < until_ns;) {
        long n = syscall(SYS_read, fd, text + left, sizeof(text) - (size_t)left);
        if (n == 0)
            return 0;
        if (n < 0)
            break;
        total += n;
        left = take_lines(text, (size_t)(left + n), address, out);
        if (left < 0)
            return 0;
        if ((size_t)left == sizeof(text))
            break;
    }
    out->n = 0; /* the nearest were not reached */
    return -E2BIG;
}

int tb_mapping_find(uint64_t address, uint64_t until_ns, struct tb_mappings *out)
{
    int kept = errno;
    out->n = 0;
    int fd = (int)syscall(SYS_openat, AT_FDCWD, "/proc/self/maps", O_RDONLY | O_CLOEXEC, 0);
    int err = fd < 0 ? -errno : 0;
    if (fd >= 0) {
        err = tb_mapping_ask(fd, address, out);
        if (err)
            err = tb_mapping_read(fd, address, until_ns, out);
        (void)syscall(SYS_close, fd);
    }
    errno = kept;
    return err;
}
