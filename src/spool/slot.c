/* slot.c - see slot.h. The layout is that of docs/spool-format.md 7.
 *
 * The first word of a frame, its magic, is stored last and with release order: a process that is
 * killed in the middle leaves a frame that does not count, never one that lies. */
#include "spool/slot.h"

#include <stdatomic.h>
#include <string.h>

#include "base/clock.h"
#include "base/id.h"
#include "base/pack.h"
#include "spool/sys.h"

static uint8_t zero_page[TB_SLOT_PAGE]; /* only ever read from; const it would lie in the file */

/* Written once, so that a later store needs no room on the disk (on btrfs only in a folder that the
 * agent has prepared: dir.c, forbid_copy_on_write). */
static int fill(int fd, const uint8_t header[TB_FILE_HEADER_BYTES], enum tb_slot_state state)
{
    enum { N_PAGES = TB_SLOT_BYTES / TB_SLOT_PAGE };
    struct iovec pages[N_PAGES];
    uint8_t begin[TB_SLOT_STATE_AT + 4];
    if (tb_sys_file_limit() < TB_SLOT_BYTES)
        return -EFBIG;
    int err = tb_sys_fallocate(fd, 0, TB_SLOT_BYTES);
    if (err == -ENOSPC || err == -EDQUOT)
        return err;
    for (int i = 0; i < N_PAGES; i++) {
        pages[i].iov_base = zero_page;
        pages[i].iov_len = TB_SLOT_PAGE;
    }
    long n = tb_sys_pwritev(fd, pages, N_PAGES, 0);
    if (n != TB_SLOT_BYTES)
        return n < 0 ? (int)n : -ENOSPC;
    /* At once: a spare is never seen without its state, whenever its maker is killed. */
    memcpy(begin, header, TB_FILE_HEADER_BYTES);
    tb_put32(begin + TB_SLOT_STATE_AT, state);
    struct iovec part = {.iov_base = begin, .iov_len = sizeof(begin)};
    n = tb_sys_pwritev(fd, &part, 1, 0);
    if (n != (long)sizeof(begin))
        return n < 0 ? (int)n : -ENOSPC;
    return 0;
}

static void pack_header(struct tb_slot *slot, const uint8_t boot_id[16], uint64_t start_ticks)
{
    struct tb_file_header header = {.class_ = TB_CLASS_CRASH,
                                    .kind = TB_FILE_SLOT,
                                    .pid = (uint32_t)syscall(SYS_getpid),
                                    .uid = (uint32_t)syscall(SYS_geteuid),
                                    .file_bytes = TB_SLOT_BYTES,
                                    .start_ticks = start_ticks,
                                    .created_wall_ns = tb_clock_wall_ns(),
                                    .created_mono_ns = tb_clock_mono_ns()};
    tb_id_random(&header.salt, sizeof(header.salt));
    tb_id_random(header.id, sizeof(header.id));
    memcpy(header.boot_id, boot_id, sizeof(header.boot_id));
    tb_file_header_pack(&header, slot->header);
    slot->salt = header.salt;
}

static int map(struct tb_slot *slot)
{
    long at =
        syscall(SYS_mmap, NULL, TB_SLOT_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, slot->fd, 0L);
    if (at == -1)
        return -errno;
    slot->map = (uint8_t *)(uintptr_t)at;
    return 0;
}

static int open_once(struct tb_slot *slot, int dirfd, const uint8_t boot_id[16],
                     uint64_t start_ticks, enum tb_slot_state state)
{
    const char *name = slot->name;
    struct stat st = {0};
    memset(slot, 0, sizeof(*slot));
    pack_header(slot, boot_id, start_ticks);
    tb_spool_name(TB_CLASS_CRASH, boot_id, 0, "slot", slot->name);
    slot->fd = tb_sys_open_high(
        dirfd, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY, 0640);
    if (slot->fd < 0) {
        int err = slot->fd;
        slot->fd = -1;
        return err;
    }
    /* Locked before the header is there: a file with a header and no lock has lost its owner. */
    int err = tb_sys_own(slot->fd, &st);
    if (err < 0) {
        tb_sys_close(slot->fd); /* just opened: it cannot be anybody else's yet */
        goto out;
    }
    slot->dev = st.st_dev;
    slot->ino = st.st_ino;
    tb_sys_share(slot->fd);
    if ((err = fill(slot->fd, slot->header, state)) == 0)
        err = map(slot);
out:
    if (err < 0) {
        tb_sys_unlinkat(dirfd, name);
        tb_slot_close(slot, 0);
    }
    return err;
}

static int open_as(struct tb_slot *slot, int dirfd, const uint8_t boot_id[16], uint64_t start_ticks,
                   enum tb_slot_state state)
{
    enum { N_TRIES = 3 };
    int err = -EAGAIN;
    for (int i = 0; i < N_TRIES && err == -EAGAIN; i++)
        err = open_once(slot, dirfd, boot_id, start_ticks, state);
    return err;
}

int tb_slot_open(struct tb_slot *slot, int dirfd, const uint8_t boot_id[16], uint64_t start_ticks)
{
    return open_as(slot, dirfd, boot_id, start_ticks, TB_SLOT_ARMED);
}

int tb_slot_open_spare(struct tb_slot *slot, int dirfd, const uint8_t boot_id[16])
{
    return open_as(slot, dirfd, boot_id, TB_SLOT_SPARE, TB_SLOT_DONE);
}

/* All stores before it are visible to whoever sees this one. */
static void store_word(uint8_t *at, uint32_t value)
{
    uint32_t bytes;
    tb_put32(&bytes, value);
    _Atomic uint32_t *word = (void *)at; /* a multiple of 8 in a mapping */
    atomic_store_explicit(word, bytes, memory_order_release);
}

/* The header of the next process record, whose offset is that of the area not in use. */
static struct tb_frame next_context(const struct tb_slot *slot, uint64_t generation, size_t len)
{
    struct tb_frame frame = {.len = (uint32_t)len,
                             .type = TB_FRAME_FULL,
                             .class_ = TB_CLASS_CRASH,
                             .kind = TB_KIND_PROCESS,
                             .offset = slot->context_at == TB_SLOT_AREA_A ? TB_SLOT_AREA_B
                                                                          : TB_SLOT_AREA_A,
                             .seq = slot->seq,
                             .time_ns = tb_clock_wall_ns()};
    tb_put64(frame.uuid, generation);
    return frame;
}

static void store_frame(struct tb_slot *slot, uint32_t at, struct tb_frame *frame)
{
    uint8_t header[TB_FRAME_HEADER_BYTES];
    frame->offset = at;
    frame->seq = slot->seq++;
    tb_frame_pack(frame, slot->salt, slot->map + at + TB_FRAME_HEADER_BYTES, header);
    memcpy(slot->map + at + 4, header + 4, sizeof(header) - 4);
    store_word(slot->map + at, tb_get32(header));
}

int tb_slot_context(struct tb_slot *slot, uint64_t generation, const void *data, size_t len)
{
    if (!slot->map)
        return -EBADF;
    if (len > TB_SLOT_CONTEXT_MAX)
        return -EMSGSIZE;
    struct tb_frame frame = next_context(slot, generation, len);
    uint32_t at = (uint32_t)frame.offset;
    store_word(slot->map + at, 0);
    atomic_signal_fence(memory_order_seq_cst); /* the old frame ends before the new one begins */
    memcpy(slot->map + at + TB_FRAME_HEADER_BYTES, data, len);
    store_frame(slot, at, &frame);
    slot->context_at = at;
    return 0;
}

/* Writes what a store would, but by the kernel, which says so where the file ends too early. By
 * descriptor if that is still ours, since process_vm_writev may be forbidden (seccomp). 0 or a
 * negative errno. */
static int put(struct tb_slot *slot, uint32_t at, const void *data, size_t len)
{
    struct stat st;
    struct iovec from = {.iov_base = (void *)(uintptr_t)data, .iov_len = len}; /* only read from */
    struct iovec to = {.iov_base = slot->map + at, .iov_len = len};
    long n;
    if (tb_sys_fstat(slot->fd, &st) == 0 && st.st_dev == slot->dev && st.st_ino == slot->ino &&
        st.st_size >= TB_SLOT_BYTES && tb_sys_file_limit() >= TB_SLOT_BYTES) {
        n = tb_sys_pwritev(slot->fd, &from, 1, at);
    } else {
        n = syscall(SYS_process_vm_writev, (pid_t)syscall(SYS_getpid), &from, 1L, &to, 1L, 0L);
        n = n < 0 ? -errno : n;
    }
    if (n < 0)
        return (int)n;
    return (size_t)n == len ? 0 : -EFAULT;
}

int tb_slot_renew(struct tb_slot *slot, uint64_t generation, const void *data, size_t len)
{
    static const uint8_t none[4];
    uint8_t header[TB_FRAME_HEADER_BYTES];
    int err;
    if (!slot->map)
        return -EBADF;
    if (len > TB_SLOT_CONTEXT_MAX)
        return -EMSGSIZE;
    struct tb_frame frame = next_context(slot, generation, len);
    uint32_t at = (uint32_t)frame.offset;
    tb_frame_pack(&frame, slot->salt, data, header);
    /* In the order of the stores above: the magic last. */
    if ((err = put(slot, at, none, sizeof(none))) ||
        (err = put(slot, at + TB_FRAME_HEADER_BYTES, data, len)) ||
        (err = put(slot, at + 4, header + 4, sizeof(header) - 4)) ||
        (err = put(slot, at, header, 4)))
        return err;
    slot->seq++;
    slot->context_at = at;
    return 0;
}

void tb_slot_drops(struct tb_slot *slot, int class_, uint32_t n)
{
    uint8_t word[4];
    if (!slot->map || class_ < 0 || class_ >= TB_N_CLASSES)
        return;
    tb_put32(word, n);
    (void)put(slot, TB_SLOT_DROPS_AT + 4 * (uint32_t)class_, word, sizeof(word));
}

void tb_slot_notes(struct tb_slot *slot, const struct tb_slot_note *notes, size_t n)
{
    enum { AT_ONCE = 4 }; /* 1 KiB of a stack that may be small */
    uint8_t bytes[AT_ONCE * TB_SLOT_NOTE_BYTES];
    if (!slot->map)
        return;
    size_t i = n > TB_SLOT_NOTES_MAX ? n - TB_SLOT_NOTES_MAX : 0;
    while (i < n) {
        uint32_t place = (uint32_t)(notes[i].number % TB_SLOT_NOTES_MAX);
        size_t k = 0;
        for (; k < AT_ONCE && i < n && notes[i].number % TB_SLOT_NOTES_MAX == place + k; k++, i++)
            tb_slot_note_pack(&notes[i], slot->salt, bytes + k * TB_SLOT_NOTE_BYTES);
        (void)put(slot, TB_SLOT_NOTES_AT + place * TB_SLOT_NOTE_BYTES, bytes,
                  k * TB_SLOT_NOTE_BYTES);
    }
}

void tb_slot_done(struct tb_slot *slot)
{
    uint8_t word[4];
    if (!slot->map)
        return;
    tb_put32(word, TB_SLOT_DONE);
    (void)put(slot, TB_SLOT_STATE_AT, word, sizeof(word));
}

void tb_slot_state(struct tb_slot *slot, enum tb_slot_state state, uint32_t tid)
{
    if (!slot->map)
        return;
    tb_put32(slot->map + TB_SLOT_STATE_AT + 4, tid);
    store_word(slot->map + TB_SLOT_STATE_AT, state);
}

void tb_slot_begin(struct tb_slot *slot, const uint8_t uuid[16], uint64_t time_ns)
{
    if (!slot->map)
        return;
    memcpy(slot->map, slot->header, sizeof(slot->header));
    memset(slot->map + TB_SLOT_CRASH_AT, 0, TB_FRAME_HEADER_BYTES);
    memcpy(slot->uuid, uuid, sizeof(slot->uuid));
    slot->time_ns = time_ns;
    slot->page = 0;
    slot->filled = 0;
}

/* The last page always holds the LAST fragment: nothing can follow. */
static void end_fragment(struct tb_slot *slot, int is_last, int flags)
{
    int ends = is_last || slot->page == TB_SLOT_N_PAGES - 1;
    struct tb_frame frame = {.len = slot->filled,
                             .type = ends ? TB_FRAME_LAST : TB_FRAME_MID,
                             .class_ = TB_CLASS_CRASH,
                             .kind = TB_KIND_CRASH,
                             .flags = (uint8_t)flags,
                             .time_ns = slot->time_ns};
    if (slot->page == 0)
        frame.type = is_last ? TB_FRAME_FULL : TB_FRAME_FIRST;
    memcpy(frame.uuid, slot->uuid, sizeof(frame.uuid));
    store_frame(slot, TB_SLOT_CRASH_AT + slot->page * TB_SLOT_PAGE, &frame);
    slot->page = ends ? TB_SLOT_N_PAGES : slot->page + 1;
    slot->filled = 0;
}

int tb_slot_write(struct tb_slot *slot, const void *data, size_t len)
{
    const uint8_t *from = data;
    if (!slot->map)
        return -EBADF;
    while (len > 0) {
        if (slot->page == TB_SLOT_N_PAGES)
            return -ENOSPC;
        uint8_t *page = slot->map + TB_SLOT_CRASH_AT + (size_t)slot->page * TB_SLOT_PAGE;
        size_t part = TB_SLOT_FRAGMENT_MAX - slot->filled;
        part = part < len ? part : len;
        memcpy(page + TB_FRAME_HEADER_BYTES + slot->filled, from, part);
        slot->filled += (uint32_t)part;
        from += part;
        len -= part;
        /* The last page is kept open until it is known whether something had to be left out. */
        if (slot->filled < TB_SLOT_FRAGMENT_MAX)
            continue;
        if (slot->page < TB_SLOT_N_PAGES - 1)
            end_fragment(slot, 0, 0);
        else if (len > 0)
            end_fragment(slot, 1, TB_FRAME_TRUNCATED);
    }
    return 0;
}

size_t tb_slot_room(const struct tb_slot *slot)
{
    if (!slot->map)
        return 0;
    return (size_t)(TB_SLOT_N_PAGES - slot->page) * TB_SLOT_FRAGMENT_MAX - slot->filled;
}

void tb_slot_flush(struct tb_slot *slot)
{
    if (slot->map && slot->filled > 0)
        end_fragment(slot, 0, 0);
}

void tb_slot_end(struct tb_slot *slot)
{
    if (slot->map && slot->page < TB_SLOT_N_PAGES)
        end_fragment(slot, 1, 0);
}

void tb_slot_wake(struct tb_slot *slot)
{
    if (slot->map && tb_sys_is_same(slot->fd, slot->dev, slot->ino))
        (void)syscall(SYS_utimensat, slot->fd, NULL, NULL, 0); /* the agent polls as well */
}

void tb_slot_close(struct tb_slot *slot, int clean)
{
    if (!slot)
        return;
    if (clean)
        tb_slot_done(slot);
    /* Forgotten first: a child forked in between would unmap what another thread maps there. */
    uint8_t *map = atomic_exchange(&slot->map, NULL);
    if (map)
        (void)syscall(SYS_munmap, map, TB_SLOT_BYTES);
    if (slot->ino != 0 && tb_sys_is_same(slot->fd, slot->dev, slot->ino))
        tb_sys_close(slot->fd);
    slot->ino = 0;
    slot->fd = -1;
}
