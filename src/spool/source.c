/* source.c - see source.h. */
#include "spool/source.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/pack.h"
#include "spool/more_read.h"

/* A producer needs microseconds from creating to the header; after this it will not come. */
enum { YOUNG_S = 5 };

struct tb_source *tb_source_new(const char *name, int class_, int kind, uint64_t now_ns)
{
    struct tb_source *source = calloc(1, sizeof(*source));
    if (!source)
        return NULL;
    source->name = strdup(name);
    if (!source->name) {
        free(source);
        return NULL;
    }
    source->class_ = class_;
    source->is_slot = kind == TB_FILE_SLOT;
    source->is_more = kind == TB_FILE_MORE;
    source->first_seen_ns = now_ns;
    source->pos = TB_FILE_HEADER_BYTES;
    return source;
}

void tb_source_free(struct tb_source *source)
{
    if (!source)
        return;
    free(source->name);
    free(source->marks);
    free(source->kinds);
    free(source);
}

/* Beneath the folder, no link, no mount: as strict as this kernel can be. */
static int open_strictly(int dirfd, const char *name)
{
    struct open_how how = {.flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC,
                           .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV};
    long fd = syscall(SYS_openat2, dirfd, name, &how, sizeof(how));
    if (fd < 0 && (errno == ENOSYS || errno == EPERM)) /* older kernels, seccomp */
        fd = openat(dirfd, name, (int)how.flags);
    return fd < 0 ? -errno : (int)fd;
}

/* 0 for a file that a producer could have made. */
static int check_kind(const struct stat *st)
{
    return S_ISREG(st->st_mode) && st->st_nlink == 1 ? 0 : -EPERM;
}

int tb_source_open(int dirfd, const char *name, struct stat *st)
{
    /* Asked before opening, since to open a device may already do something. */
    if (fstatat(dirfd, name, st, AT_SYMLINK_NOFOLLOW) < 0)
        return -errno;
    int err = check_kind(st);
    if (err < 0)
        return err;
    int fd = open_strictly(dirfd, name);
    if (fd < 0)
        return fd;
    if (fstat(fd, st) < 0)
        err = -errno;
    else
        err = check_kind(st);
    if (err < 0)
        tb_fd_close(&fd);
    return err < 0 ? err : fd;
}

int tb_source_unlink(const struct tb_source *source, int in_fd)
{
    char more[TB_SPOOL_NAME];
    if (unlinkat(in_fd, source->name, 0) < 0)
        return -errno;
    /* Second, so that no crash is ever there without its threads; alone it goes by age. */
    if (source->is_slot && tb_spool_name_beside(source->name, "more", more) == 0)
        (void)unlinkat(in_fd, more, 0);
    return 0;
}

static bool is_locked(int fd)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 1};
    if (fcntl(fd, F_OFD_GETLK, &lock) < 0)
        return true; /* where it cannot be known, the owner lives */
    return lock.l_type != F_UNLCK;
}

static void forget(struct tb_source *source)
{
    struct tb_source fresh = {.name = source->name,
                              .class_ = source->class_,
                              .is_slot = source->is_slot,
                              .is_more = source->is_more,
                              .listed = source->listed,
                              .first_seen_ns = tb_clock_mono_ns(),
                              .pos = TB_FILE_HEADER_BYTES,
                              .tally = source->tally,
                              /* Under this id it is still filed. */
                              .id = source->id,
                              .has_id = source->has_id,
                              .next_name = source->next_name,
                              .next_id = source->next_id,
                              .at = source->at,
                              .heap_at = source->heap_at,
                              .order_class = source->order_class,
                              .line = source->line,
                              .order_ns = source->order_ns};
    free(source->marks);
    free(source->kinds);
    *source = fresh;
}

/* Has it an owner, and how long is it? 0, or -EAGAIN. */
static int measure(struct tb_source *source, int fd, struct tb_visit *visit)
{
    struct stat st;
    visit->alive = source->alive = is_locked(fd);
    /* Measured after the lock was asked for: without an owner it can only be all of it. */
    if (fstat(fd, &st) < 0)
        return -EAGAIN;
    source->bytes = (uint64_t)st.st_blocks * 512;
    tb_more_measure(source, visit->dirfd);
    visit->now_ns = tb_clock_mono_ns();
    visit->is_oversize = st.st_size > TB_SEGMENT_BYTES; /* a host wrote to a stolen descriptor */
    visit->size = visit->is_oversize ? TB_SEGMENT_BYTES : (uint64_t)st.st_size;
    visit->mtime_ns = (uint64_t)st.st_mtim.tv_sec * TB_NS_PER_S + (uint64_t)st.st_mtim.tv_nsec;
    source->mtime_ns = visit->mtime_ns;
    if (visit->alive)
        source->gone_since_ns = 0;
    else if (source->gone_since_ns == 0)
        source->gone_since_ns = visit->now_ns;
    return 0;
}

int tb_source_enter(struct tb_source *source, int in_fd, struct tb_visit *visit)
{
    struct stat st;
    int fd = tb_source_open(in_fd, source->name, &st);
    if (fd == -ENOENT)
        return fd;
    if (fd == -EIO || fd == -EMFILE || fd == -ENFILE || fd == -ENOMEM || fd == -EINTR)
        return -EAGAIN;
    if (fd < 0) {
        source->state = TB_SOURCE_REFUSED;
        source->is_odd = true;
        return -EPERM;
    }
    if (source->ino != 0 && (source->ino != st.st_ino || source->dev != st.st_dev))
        forget(source); /* another file under the same name */
    if (source->state == TB_SOURCE_REFUSED)
        source->state = TB_SOURCE_NEW;
    source->is_odd = false;
    source->dev = st.st_dev;
    source->ino = st.st_ino;
    source->uid = st.st_uid;
    visit->dirfd = in_fd;
    int err = measure(source, fd, visit);
    if (err < 0) {
        tb_fd_close(&fd);
        return err;
    }
    tb_scan_begin(&visit->scan, fd, source->header.salt, visit->size);
    return 0;
}

void tb_source_leave(struct tb_visit *visit)
{
    tb_fd_close(&visit->scan.fd);
}

/* May the owner still be between creating the file and writing its header? */
static bool is_young(const struct tb_source *source, const struct tb_visit *visit)
{
    uint64_t wall_ns = tb_clock_wall_ns();
    uint64_t limit_ns = (uint64_t)YOUNG_S * TB_NS_PER_S;
    if (visit->alive)
        return true;
    if (visit->now_ns - source->first_seen_ns >= limit_ns)
        return false;
    return visit->mtime_ns + limit_ns > wall_ns;
}

static bool all_zero(const uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (bytes[i] != 0)
            return false;
    }
    return true;
}

/* Is there any byte in what has no header? 1, 0, or an error of reading. */
static int has_content(struct tb_scan *scan)
{
    enum { PART = 64 << 10 };
    for (uint64_t at = 0; at < scan->end; at += PART) {
        const uint8_t *bytes;
        size_t len = scan->end - at < PART ? (size_t)(scan->end - at) : PART;
        int err = tb_scan_bytes(scan, at, len, &bytes);
        if (err == -ENODATA)
            break; /* cut since it was measured */
        if (err < 0)
            return err;
        if (!all_zero(bytes, len))
            return 1;
    }
    return 0;
}

static int kind_of(const struct tb_source *source)
{
    if (source->is_more)
        return TB_FILE_MORE;
    return source->is_slot ? TB_FILE_SLOT : TB_FILE_SEGMENT;
}

int tb_source_attach(struct tb_source *source, struct tb_visit *visit, uint64_t *n_damaged)
{
    uint8_t image[TB_FILE_HEADER_BYTES] = {0};
    ssize_t n = tb_fd_pread_all(visit->scan.fd, image, sizeof(image), 0);
    if (n < 0)
        return (int)n;
    int err = tb_file_header_unpack(image, &source->header);
    if (err == -EPROTONOSUPPORT)
        return err;
    if (err < 0 && tb_file_header_mend(image) == 0) {
        err = tb_file_header_unpack(image, &source->header);
        (*n_damaged)++;
    }
    if (err < 0 && visit->is_oversize)
        return -EPERM;
    if (err < 0 && is_young(source, visit))
        return -EAGAIN;
    if (err < 0) {
        err = has_content(&visit->scan);
        if (err >= 0)
            err = err > 0 ? -EBADMSG : -ENODATA;
        return err;
    }
    if (source->header.kind != kind_of(source))
        return -EBADMSG;
    source->class_ = source->header.class_;
    source->id = tb_get64(source->header.id);
    /* The lock comes before the header; when it was asked for, neither may have been there. */
    if (!visit->alive && (err = measure(source, visit->scan.fd, visit)))
        return err;
    tb_scan_begin(&visit->scan, visit->scan.fd, source->header.salt, visit->size);
    source->state = TB_SOURCE_READY;
    return 0;
}

int tb_source_claim(struct tb_visit *visit)
{
    struct stat st;
    struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 1};
    if (fcntl(visit->scan.fd, F_OFD_SETLK, &lock) < 0)
        return -errno;
    if (fstat(visit->scan.fd, &st) < 0)
        return -errno;
    /* It had not been locked when it was looked at. */
    tb_scan_begin(&visit->scan, visit->scan.fd, 0, (uint64_t)st.st_size);
    int err = has_content(&visit->scan);
    return err > 0 ? -EAGAIN : err;
}

/* Index of the first mark at off8 or behind it. */
static size_t lower_bound(const struct tb_source *source, uint32_t off8)
{
    size_t low = 0;
    size_t high = source->n_marks;
    /* Records are mostly found in order: then this one goes behind the last. */
    if (high > 0 && (source->marks[high - 1] & TB_MARK_OFF8) < off8)
        return high;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if ((source->marks[middle] & TB_MARK_OFF8) < off8)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

uint32_t *tb_source_find(const struct tb_source *source, uint32_t off8)
{
    size_t at = lower_bound(source, off8);
    if (at == source->n_marks || (source->marks[at] & TB_MARK_OFF8) != off8)
        return NULL;
    return &source->marks[at];
}

uint32_t *tb_source_mark(struct tb_source *source, uint32_t off8)
{
    size_t at = lower_bound(source, off8);
    if (at < source->n_marks && (source->marks[at] & TB_MARK_OFF8) == off8)
        return &source->marks[at];
    if (source->n_marks == source->cap_marks) {
        size_t cap = source->cap_marks ? 2 * source->cap_marks : 32;
        uint32_t *grown = realloc(source->marks, cap * sizeof(*grown));
        if (!grown)
            return NULL;
        source->marks = grown;
        source->cap_marks = cap;
    }
    memmove(source->marks + at + 1, source->marks + at,
            (source->n_marks - at) * sizeof(*source->marks));
    source->n_marks++;
    source->marks[at] = off8;
    return &source->marks[at];
}

int tb_source_load(struct tb_source *source, const struct tb_ack *acks, size_t n_acks)
{
    for (size_t i = 0; i < n_acks; i++) {
        if (acks[i].off8 > TB_MARK_OFF8)
            continue;
        uint32_t *mark = tb_source_mark(source, acks[i].off8);
        if (!mark)
            return -ENOMEM;
        *mark |= TB_MARK_ACKED;
        if (acks[i].status == TB_ACK_QUARANTINED)
            *mark |= TB_MARK_QUARANTINED;
    }
    return 0;
}

void tb_source_unread(struct tb_source *source, uint32_t off8)
{
    uint32_t *mark = tb_source_find(source, off8);
    if (!mark || !(*mark & TB_MARK_RECORD) || (*mark & TB_MARK_ACKED))
        return;
    *mark &= ~(uint32_t)(TB_MARK_RECORD | TB_MARK_FOUND);
    source->n_found--;
    source->n_pending--;
    if (!source->is_slot && off8 * (uint64_t)8 < source->pos)
        source->pos = off8 * (uint64_t)8;
    source->final = false;
    source->quiet_size = 0;
}

void tb_source_rewind(struct tb_source *source)
{
    for (size_t i = 0; i < source->n_marks; i++) {
        uint32_t *mark = &source->marks[i];
        if ((*mark & TB_MARK_RECORD) && !(*mark & TB_MARK_ACKED)) {
            *mark &= ~(uint32_t)(TB_MARK_RECORD | TB_MARK_FOUND);
            source->n_found--;
        }
    }
    source->n_pending = 0;
    source->pos = TB_FILE_HEADER_BYTES;
    source->hole = 0;
    source->final = false;
    source->quiet_size = 0;
}
