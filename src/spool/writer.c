/* writer.c - see writer.h. Which file is current, who may still use an older one, and rotation;
 * what is written into a file is writer_file.c's. */
#include "spool/writer.h"

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "spool/sys.h"
#include "spool/writer_file.h"

enum {
    CLOSING = -1,
    OPENING = -2,
    FIRST = 0, /* lanes */
    SECOND = 1,
    N_ROUNDS = 8,  /* files that may fill up under one append */
    N_YIELDS = 16, /* then sleeps, for a rotation that meets a slow disk: */
    N_SLEEPS = 16, /* 1.6 ms altogether, and the caller counts a drop */
    SLEEP_NS = 100000,
    STUCK_S = 1,  /* one who opens a file for longer is not waited for any more */
    RENEW_S = 10, /* before another try to replace a file that is only old, or at a second */
};

static void set_dir(struct tb_writer *writer, int dirfd)
{
    struct stat st;
    int is_known = tb_sys_fstat(dirfd, &st) == 0;
    atomic_store(&writer->dirfd, dirfd);
    atomic_store(&writer->dir_dev, is_known ? st.st_dev : 0);
    atomic_store(&writer->dir_ino, is_known ? st.st_ino : 0);
}

void tb_writer_init(struct tb_writer *writer, int class_, int dirfd)
{
    memset(writer, 0, sizeof(*writer));
    writer->class_ = class_;
    set_dir(writer, dirfd);
    for (int i = 0; i < TB_WRITER_FILES; i++)
        writer->files[i].fd = -1;
}

static void release(struct tb_writer_file *file)
{
    int refs = atomic_load(&file->refs);
    while (!atomic_compare_exchange_weak(&file->refs, &refs, refs > 1 ? refs - 1 : CLOSING))
        continue;
    if (refs > 1)
        return;
    tb_writer_file_end(file);
    atomic_store(&file->refs, 0);
}

/* The current file of the lane with a reference for this append, or NULL when there is none. */
static struct tb_writer_file *acquire(struct tb_writer *writer, int lane)
{
    for (;;) {
        struct tb_writer_file *file = atomic_load(&writer->current[lane]);
        if (!file)
            return NULL;
        int refs = atomic_load(&file->refs);
        while (refs > 0 && !atomic_compare_exchange_weak(&file->refs, &refs, refs + 1))
            continue;
        if (refs <= 0)
            continue; /* retired since: another one, or NULL, is current by now */
        if (atomic_load(&writer->current[lane]) == file)
            return file;
        release(file);
    }
}

/* ---- the next file ---- */

/* Has the one who holds rotating been at it for too long? It may have left by siglongjmp, or been a
 * vfork child that was killed. */
static int is_stuck(struct tb_writer *writer)
{
    uint64_t since = atomic_load(&writer->rotating_since_ns);
    return tb_clock_mono_ns() - since >= (uint64_t)STUCK_S * TB_NS_PER_S;
}

static int try_rotation(struct tb_writer *writer, int self)
{
    int holder = 0;
    if (!atomic_compare_exchange_strong(&writer->rotating, &holder, self)) {
        if (holder != self && !is_stuck(writer))
            return -EAGAIN;
        if (!atomic_compare_exchange_strong(&writer->rotating, &holder, self))
            return -EAGAIN;
    }
    atomic_store(&writer->rotating_since_ns, tb_clock_mono_ns());
    return 0;
}

/* 0, or -EAGAIN when another thread keeps it for longer than n_tries. A thread that has it already
 * is a handler which interrupted itself there, or left it by siglongjmp: it goes ahead. Two at once
 * harm nobody: each fills a file of its own, and one of them becomes the current one. */
static int lock_rotation(struct tb_writer *writer, int n_tries)
{
    const struct timespec pause = {0, SLEEP_NS};
    int self = tb_sys_gettid();
    for (int i = 0; i < n_tries; i++) {
        if (try_rotation(writer, self) == 0)
            return 0;
        if (i + 1 == n_tries)
            break;
        if (i < N_YIELDS)
            (void)syscall(SYS_sched_yield);
        else
            (void)syscall(SYS_nanosleep, &pause, NULL);
    }
    return -EAGAIN;
}

static void unlock_rotation(struct tb_writer *writer)
{
    int self = tb_sys_gettid();
    (void)atomic_compare_exchange_strong(&writer->rotating, &self, 0); /* unless it was taken */
}

/* A free file, which is the caller's now; or NULL. */
static struct tb_writer_file *claim_file(struct tb_writer *writer)
{
    for (int i = 0; i < TB_WRITER_FILES; i++) {
        int refs = 0;
        if (atomic_compare_exchange_strong(&writer->files[i].refs, &refs, OPENING))
            return &writer->files[i];
    }
    return NULL;
}

/* Opens a file in place of old (NULL: there is none), which the caller has a reference to. A file
 * stays current when the next cannot be opened, so that nobody forgets to try again. */
static int open_next(struct tb_writer *writer, int lane, struct tb_writer_file *old,
                     const struct tb_append *record)
{
    struct tb_writer_file *current = old;
    struct tb_writer_file *next = claim_file(writer);
    if (!next)
        return -EAGAIN;
    int err = tb_writer_file_open(next, writer, record);
    if (err < 0) {
        atomic_store(&next->refs, 0);
        return err;
    }
    atomic_store(&next->refs, 1);
    if (!atomic_compare_exchange_strong(&writer->current[lane], &current, next))
        old = next; /* somebody else was quicker: this one ends unused */
    if (old) {
        tb_writer_file_seal(old);
        release(old); /* its reference for being current */
    }
    return 0;
}

/* Of the second nobody waits for one who opens it: there is the first. */
static int rotate(struct tb_writer *writer, int lane, struct tb_writer_file *old,
                  const struct tb_append *record, int n_tries)
{
    int err = lock_rotation(writer, lane == FIRST ? n_tries : 1);
    if (err < 0)
        return err;
    if (atomic_load(&writer->current[lane]) == old)
        err = open_next(writer, lane, old, record);
    unlock_rotation(writer);
    return err;
}

static void end_lane(struct tb_writer *writer, int lane)
{
    struct tb_writer_file *file = atomic_exchange(&writer->current[lane], NULL);
    if (!file)
        return;
    tb_writer_file_seal(file);
    release(file);
}

static int is_old(const struct tb_writer_file *file, uint64_t now)
{
    return now >= atomic_load_explicit(&file->renew_at_ns, memory_order_relaxed);
}

/* Replaces a first file that is only old, if that can be done at once; else it is used for a while
 * yet, since a full disk or a folder that is gone must not cost the room that is left in it. */
static void renew(struct tb_writer *writer, struct tb_writer_file *file,
                  const struct tb_append *record)
{
    uint64_t now = tb_clock_tick_ns();
    if (!is_old(file, now))
        return;
    if (rotate(writer, FIRST, file, record, 1) < 0)
        atomic_store(&file->renew_at_ns, now + (uint64_t)RENEW_S * TB_NS_PER_S);
}

int tb_writer_move(struct tb_writer *writer, int dirfd)
{
    int err = lock_rotation(writer, N_YIELDS + N_SLEEPS);
    if (err < 0)
        return err;
    set_dir(writer, dirfd);
    unlock_rotation(writer);
    return 0;
}

/* ---- append ---- */

/* Into file, which is NULL when there is none yet: as tb_writer_append, or -EXFULL to try again. */
static int append_to(struct tb_writer *writer, int lane, struct tb_writer_file *file,
                     const struct tb_append *record)
{
    int err = file ? tb_writer_file_append(file, writer->class_, record) : -EXFULL;
    if (err == 0 && record->synced)
        *record->synced = tb_writer_file_sync(file, writer);
    if (err != -EXFULL && (err != -EBADF || lane == SECOND))
        return err;
    err = rotate(writer, lane, file, record, N_YIELDS + N_SLEEPS);
    return err == 0 ? -EXFULL : err;
}

static int append_in(struct tb_writer *writer, int lane, const struct tb_append *record)
{
    for (int i = 0; i < N_ROUNDS; i++) {
        struct tb_writer_file *file = acquire(writer, lane);
        if (file && lane == FIRST)
            renew(writer, file, record);
        int err = append_to(writer, lane, file, record);
        if (file)
            release(file);
        if (err != -EXFULL)
            return err;
    }
    return -EAGAIN;
}

/* Into the second file, which ends when it cannot take the record: what is left of its room goes
 * back to the disk, for the first. */
static int append_second(struct tb_writer *writer, const struct tb_append *record)
{
    int err = append_in(writer, SECOND, record);
    if (err == 0 || err == -EAGAIN)
        return err;
    atomic_store(&writer->second_at_ns, tb_clock_tick_ns() + (uint64_t)RENEW_S * TB_NS_PER_S);
    end_lane(writer, SECOND);
    return err;
}

/* Is somebody in that current file, who holds a reference beside the one for being current? */
static int is_busy(const struct tb_writer_file *file)
{
    return file && atomic_load_explicit(&file->refs, memory_order_relaxed) > 1;
}

/* Threads that met once keep apart from then on: each has its file in the cache of its processor.
 */
static int choose_of_two(struct tb_writer *writer, const struct tb_writer_file *first,
                         const struct tb_writer_file *second)
{
    uint64_t now = tb_clock_tick_ns();
    uintptr_t self = (uintptr_t)&errno; /* each thread has another */
    if (second && is_old(second, now)) {
        end_lane(writer, SECOND);
        return FIRST;
    }
    if (second && atomic_load(&writer->second_owner) == self)
        return is_busy(second) ? FIRST : SECOND;
    if (!is_busy(first) || is_old(first, now) || now < atomic_load(&writer->second_at_ns))
        return FIRST;
    atomic_store(&writer->second_owner, self);
    return SECOND;
}

/* Mostly there is one thread, for which this must cost nothing. */
static int choose_lane(struct tb_writer *writer, const struct tb_append *record)
{
    const struct tb_writer_file *first = atomic_load(&writer->current[FIRST]);
    const struct tb_writer_file *second = atomic_load(&writer->current[SECOND]);
    if (record->synced || (!second && !is_busy(first)))
        return FIRST;
    return choose_of_two(writer, first, second);
}

int tb_writer_append(struct tb_writer *writer, const struct tb_append *record)
{
    if (record->len > TB_PAYLOAD_MAX_BYTES)
        return -EMSGSIZE;
    if (record->context && record->context_len > TB_PAYLOAD_MAX_BYTES)
        return -EMSGSIZE;
    if (choose_lane(writer, record) == SECOND && append_second(writer, record) == 0)
        return 0;
    int err = append_in(writer, FIRST, record);
    if (err < 0 && atomic_load(&writer->current[SECOND]) && append_second(writer, record) == 0)
        return 0; /* there was room in it yet */
    return err;
}

void tb_writer_close(struct tb_writer *writer)
{
    for (int lane = 0; lane < TB_WRITER_LANES; lane++)
        end_lane(writer, lane);
}

void tb_writer_forget(struct tb_writer *writer)
{
    for (int lane = 0; lane < TB_WRITER_LANES; lane++)
        atomic_store(&writer->current[lane], NULL);
    for (int i = 0; i < TB_WRITER_FILES; i++) {
        tb_writer_file_close(&writer->files[i]);
        atomic_store(&writer->files[i].refs, 0);
    }
    atomic_store(&writer->rotating, 0);
    atomic_store(&writer->second_at_ns, 0);
}

int tb_writer_fd(const struct tb_writer *writer)
{
    const struct tb_writer_file *file = atomic_load(&writer->current[FIRST]);
    return file ? file->fd : -1;
}
