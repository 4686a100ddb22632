/* writer_file.c - see writer_file.h.
 *
 * 1. A place is reserved by one compare-and-swap of offset and sequence number together, so both
 *    grow in the same order and a gap in seq is a record that was reserved and never written.
 * 2. A reservation whose write took nothing is given back when nobody reserved behind it. One that
 *    took a part stays a hole: a reader may have seen whole frames in it. */
#include "spool/writer_file.h"

#include <string.h>

#include "base/clock.h"
#include "base/id.h"
#include "spool/dir.h"
#include "spool/sys.h"

enum {
    FIRST_BYTES = 256 << 10, /* preallocated: what an idle process costs; then as much again */
    SEQ_BITS = 24,           /* more than the 75000 smallest frames of a segment */
};
#define SEALED (UINT64_C(1) << 63)
#define MARK_MASK ((UINT64_C(1) << 40) - 1)
#define MARK_LEAST (UINT64_C(1) << 32)
static const uint8_t ZEROS[16]; /* padding, and the uuid of records that have none */

struct place {
    uint64_t offset, seq;
    uint64_t room; /* bytes */
    unsigned n_frames;
};

/* Is the descriptor still ours? We never read or write at the file position, so a random one set at
 * the start is a name that costs half of what fstat does. (On kernels with fine-grained times fstat
 * even makes the next write update the inode.) */
int tb_writer_file_is_ours(const struct tb_writer_file *file)
{
    if (file->mark != 0)
        return tb_sys_seek(file->fd, 0, SEEK_CUR) == file->mark;
    return tb_sys_is_same(file->fd, file->dev, file->ino);
}

static void set_mark(struct tb_writer_file *file)
{
    uint64_t random;
    tb_id_random(&random, sizeof(random));
    /* Far behind any place in use, below what every file system can seek to. */
    int64_t mark = (int64_t)((random & MARK_MASK) | MARK_LEAST);
    file->mark = tb_sys_seek(file->fd, mark, SEEK_SET) == mark ? mark : 0;
}

/* 0, or -EXFULL; the one who meets the end seals. */
static int reserve(struct tb_writer_file *file, struct place *place)
{
    uint64_t now = atomic_load(&file->cursor);
    do {
        place->offset = now >> SEQ_BITS;
        place->seq = now & ((1u << SEQ_BITS) - 1);
        if ((now & SEALED) || place->offset + place->room > file->limit) {
            tb_writer_file_seal(file);
            return -EXFULL;
        }
    } while (!atomic_compare_exchange_weak(&file->cursor, &now,
                                           now + (place->room << SEQ_BITS) + place->n_frames));
    return 0;
}

static void give_back(struct tb_writer_file *file, const struct place *place)
{
    uint64_t before = place->offset << SEQ_BITS | place->seq;
    uint64_t after = before + (place->room << SEQ_BITS) + place->n_frames;
    (void)atomic_compare_exchange_strong(&file->cursor, &after, before);
}

/* Best effort: without it the write itself says whether there is room. */
static void allocate(struct tb_writer_file *file, uint64_t end, uint64_t file_limit)
{
    uint64_t have = atomic_load(&file->allocated);
    while (have < end) {
        uint64_t want = 2 * have > FIRST_BYTES ? 2 * have : FIRST_BYTES;
        want = want > end ? want : end;
        uint64_t most = file->limit + TB_FRAME_HEADER_BYTES;
        most = most < file_limit ? most : file_limit;
        want = want < most ? want : most;
        if (want <= have)
            return;
        if (!atomic_compare_exchange_weak(&file->allocated, &have, want))
            continue;
        int err = tb_sys_fallocate(file->fd, have, want - have);
        /* Room may come back: ask again soon, but not each time, as the refusal can take long. */
        uint64_t again = (end + FIRST_BYTES - 1) / FIRST_BYTES * FIRST_BYTES;
        if ((err == -ENOSPC || err == -EDQUOT) && again < want)
            (void)atomic_compare_exchange_strong(&file->allocated, &want, again);
        return;
    }
}

static void add_part(struct iovec *parts, int *n_parts, const void *data, size_t len)
{
    if (len == 0)
        return;
    parts[*n_parts].iov_base = (void *)(uintptr_t)data; /* only ever read from */
    parts[*n_parts].iov_len = len;
    (*n_parts)++;
}

static void pack_context(uint8_t out[TB_FRAME_HEADER_BYTES], uint32_t salt, int class_,
                         const struct tb_append *record, uint64_t offset, uint64_t seq)
{
    struct tb_frame frame = {.len = (uint32_t)record->context_len,
                             .type = TB_FRAME_FULL,
                             .class_ = (uint8_t)class_,
                             .kind = TB_KIND_PROCESS,
                             .offset = offset,
                             .seq = seq,
                             .time_ns = record->time_ns};
    for (int i = 0; i < 8; i++)
        frame.uuid[i] = (uint8_t)(record->generation >> 8 * i);
    tb_frame_pack(&frame, salt, record->context, out);
}

static long parts_len(const struct iovec *parts, int n_parts)
{
    long sum = 0;
    for (int i = 0; i < n_parts; i++)
        sum += (long)parts[i].iov_len;
    return sum;
}

static int write_at(struct tb_writer_file *file, const struct place *place, int class_,
                    const struct tb_append *record, uint64_t context_room)
{
    uint8_t context_header[TB_FRAME_HEADER_BYTES];
    uint8_t header[TB_FRAME_HEADER_BYTES];
    struct iovec parts[5];
    int n_parts = 0;
    struct tb_frame frame = {.len = (uint32_t)record->len,
                             .type = TB_FRAME_FULL,
                             .class_ = (uint8_t)class_,
                             .kind = (uint8_t)record->kind,
                             .flags = (uint8_t)record->flags,
                             .offset = place->offset + context_room,
                             .seq = place->seq + place->n_frames - 1,
                             .time_ns = record->time_ns};
    if (context_room > 0) {
        pack_context(context_header, file->salt, class_, record, place->offset, place->seq);
        add_part(parts, &n_parts, context_header, sizeof(context_header));
        add_part(parts, &n_parts, record->context, record->context_len);
        add_part(parts, &n_parts, ZEROS,
                 context_room - TB_FRAME_HEADER_BYTES - record->context_len);
    }
    memcpy(frame.uuid, record->uuid ? record->uuid : ZEROS, sizeof(frame.uuid));
    tb_frame_pack(&frame, file->salt, record->data, header);
    add_part(parts, &n_parts, header, sizeof(header));
    add_part(parts, &n_parts, record->data, record->len);

    long n = tb_sys_pwritev(file->fd, parts, n_parts, place->offset);
    if (n <= 0)
        give_back(file, place);
    if (n < 0)
        return (int)n;
    return n == parts_len(parts, n_parts) ? 0 : -ENOSPC;
}

static void raise_generation(struct tb_writer_file *file, uint64_t to)
{
    uint64_t now = atomic_load(&file->generation);
    while (now < to && !atomic_compare_exchange_weak(&file->generation, &now, to))
        continue;
}

int tb_writer_file_append(struct tb_writer_file *file, int class_, const struct tb_append *record)
{
    if (!tb_writer_file_is_ours(file))
        return -EBADF;
    int needs_context = record->context && atomic_load(&file->generation) < record->generation + 1;
    uint64_t context_room = needs_context ? tb_frame_room(record->context_len) : 0;
    struct place place = {.room = context_room + tb_frame_room(record->len),
                          .n_frames = needs_context ? 2 : 1};
    int err = reserve(file, &place);
    if (err < 0)
        return err;
    uint64_t file_limit = tb_sys_file_limit();
    if (place.offset + place.room > file_limit) {
        give_back(file, &place);
        return -EFBIG;
    }
    allocate(file, place.offset + place.room, file_limit);
    err = write_at(file, &place, class_, record, context_room);
    if (err == 0 && needs_context)
        raise_generation(file, record->generation + 1);
    return err;
}

void tb_writer_file_seal(struct tb_writer_file *file)
{
    uint64_t now = atomic_load(&file->cursor);
    do {
        if (now & SEALED)
            return;
    } while (!atomic_compare_exchange_weak(&file->cursor, &now, now | SEALED));
    uint8_t header[TB_FRAME_HEADER_BYTES];
    struct tb_frame frame = {.type = TB_FRAME_SEAL,
                             .offset = now >> SEQ_BITS,
                             .seq = now & ((1u << SEQ_BITS) - 1),
                             .time_ns = tb_clock_wall_ns()};
    tb_frame_pack(&frame, file->salt, "", header);
    struct iovec part = {.iov_base = header, .iov_len = sizeof(header)};
    if (frame.offset + sizeof(header) > tb_sys_file_limit() || !tb_writer_file_is_ours(file))
        return;
    (void)tb_sys_pwritev(file->fd, &part, 1, frame.offset); /* a file without it is as readable */
}

void tb_writer_file_give_up(struct tb_writer_file *file)
{
    (void)atomic_fetch_or(&file->cursor, SEALED);
}

/* Beyond doubt, for what cannot be undone: a file that is gone may have left its number to one of
 * the host's, whose descriptor may have the number of ours. */
static int is_surely_ours(const struct tb_writer_file *file, struct stat *st)
{
    return file->ino != 0 && tb_sys_fstat(file->fd, st) == 0 && st->st_dev == file->dev &&
           st->st_ino == file->ino && tb_writer_file_is_ours(file);
}

void tb_writer_file_end(struct tb_writer_file *file)
{
    struct stat st;
    uint64_t cursor = atomic_load(&file->cursor);
    uint64_t end = ((cursor & ~SEALED) >> SEQ_BITS) + TB_FRAME_HEADER_BYTES;
    int is_ended = (cursor & SEALED) && atomic_load(&file->sync.failed) == 0;
    /* Only ever shorter: nothing that was written is cut, and RLIMIT_FSIZE is never met. */
    if (is_ended && is_surely_ours(file, &st) && (uint64_t)st.st_size > end)
        tb_sys_cut(file->fd, end);
    tb_writer_file_close(file);
}

void tb_writer_file_close(struct tb_writer_file *file)
{
    struct stat st;
    if (is_surely_ours(file, &st))
        tb_sys_close(file->fd);
    file->ino = 0;
    file->fd = -1;
}

/* The file header, and the process record right behind it, in one write. */
static int write_head(struct tb_writer_file *file, struct tb_writer *writer,
                      const struct tb_append *record)
{
    uint8_t image[TB_FILE_HEADER_BYTES];
    uint8_t context_header[TB_FRAME_HEADER_BYTES];
    struct iovec parts[4];
    int n_parts = 0;
    struct tb_file_header header = {.class_ = (uint8_t)writer->class_,
                                    .kind = TB_FILE_SEGMENT,
                                    .salt = file->salt,
                                    .pid = (uint32_t)syscall(SYS_getpid),
                                    .uid = (uint32_t)syscall(SYS_geteuid),
                                    .file_bytes = (uint32_t)(file->limit + TB_FRAME_HEADER_BYTES),
                                    .start_ticks = writer->start_ticks,
                                    .created_wall_ns = tb_clock_wall_ns(),
                                    .created_mono_ns = tb_clock_mono_ns()};
    tb_id_random(header.id, sizeof(header.id));
    memcpy(header.boot_id, writer->boot_id, sizeof(header.boot_id));
    tb_file_header_pack(&header, image);
    add_part(parts, &n_parts, image, sizeof(image));
    uint64_t end = TB_FILE_HEADER_BYTES;
    if (record->context) {
        pack_context(context_header, file->salt, writer->class_, record, end, 0);
        add_part(parts, &n_parts, context_header, sizeof(context_header));
        add_part(parts, &n_parts, record->context, record->context_len);
        end += tb_frame_room(record->context_len);
    }
    long n = tb_sys_pwritev(file->fd, parts, n_parts, 0);
    if (n < 0)
        return (int)n;
    if (n != parts_len(parts, n_parts))
        return -ENOSPC;
    atomic_store(&file->generation, record->context ? record->generation + 1 : 0);
    atomic_store(&file->cursor, end << SEQ_BITS | (record->context ? 1 : 0));
    return 0;
}

/* Bytes that the new file may have, or -EFBIG when not even this record fits. */
static int64_t choose_size(const struct tb_append *record)
{
    uint64_t file_limit = tb_sys_file_limit() & ~UINT64_C(7);
    uint64_t need = TB_FILE_HEADER_BYTES + tb_frame_room(record->len) + TB_FRAME_HEADER_BYTES;
    if (record->context)
        need += tb_frame_room(record->context_len);
    if (need > file_limit)
        return -EFBIG;
    return (int64_t)(file_limit < TB_SEGMENT_BYTES ? file_limit : TB_SEGMENT_BYTES);
}

/* Fills in what is known of a file just made, whose descriptor is file->fd and nobody else's yet.
 */
static int take_over(struct tb_writer_file *file)
{
    struct stat st = {0};
    /* Locked before the header is there: a file with a header and no lock has lost its owner. */
    int err = tb_sys_own(file->fd, &st);
    if (err < 0)
        return err;
    file->dev = st.st_dev;
    file->ino = st.st_ino;
    set_mark(file);
    tb_sys_share(file->fd);
    tb_id_random(&file->salt, sizeof(file->salt));
    atomic_store(&file->allocated, 0);
    atomic_store(&file->renew_at_ns,
                 tb_clock_mono_ns() + (uint64_t)TB_WRITER_FILE_AGE_S * TB_NS_PER_S);
    memset(&file->sync, 0, sizeof(file->sync));
    return 0;
}

static int open_once(struct tb_writer_file *file, struct tb_writer *writer, int dirfd, int64_t size,
                     const struct tb_append *record)
{
    char name[TB_SPOOL_NAME];
    tb_spool_name(writer->class_, writer->boot_id, atomic_fetch_add(&writer->n_files, 1), "seg",
                  name);
    file->fd = tb_sys_open_high(
        dirfd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY, 0640);
    if (file->fd < 0)
        return file->fd;
    file->limit = (uint64_t)size - TB_FRAME_HEADER_BYTES;
    int err = take_over(file);
    if (err < 0) {
        tb_sys_close(file->fd);
        file->fd = -1;
    } else {
        allocate(file, 1, (uint64_t)size);
        err = write_head(file, writer, record);
    }
    if (err < 0) {
        tb_sys_unlinkat(dirfd, name);
        tb_writer_file_close(file);
    }
    return err;
}

int tb_writer_file_open(struct tb_writer_file *file, struct tb_writer *writer,
                        const struct tb_append *record)
{
    enum { N_TRIES = 3 };
    int dirfd = atomic_load(&writer->dirfd);
    file->dir_dev = atomic_load(&writer->dir_dev);
    file->dir_ino = atomic_load(&writer->dir_ino);
    if (!tb_sys_is_same(dirfd, file->dir_dev, file->dir_ino))
        return -ESTALE;
    int64_t size = choose_size(record);
    if (size < 0)
        return (int)size;
    int err = -EAGAIN;
    for (int i = 0; i < N_TRIES && err == -EAGAIN; i++)
        err = open_once(file, writer, dirfd, size, record);
    return err;
}
