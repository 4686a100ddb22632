/* writer.c - see writer.h. Which file is current, who may still use an older one, and rotation;
 * what is written into a file is writer_file.c's. */
#include "spool/writer.h"

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <time.h>

#include "spool/sys.h"
#include "spool/writer_file.h"

enum {
    CLOSING = -1,
    N_ROUNDS = 8,  /* files that may fill up under one append */
    N_YIELDS = 16, /* then sleeps, for a rotation that meets a slow disk: */
    N_SLEEPS = 16, /* 1.6 ms altogether, and the caller counts a drop */
    SLEEP_NS = 100000,
};

static void set_dir(struct tb_writer *writer, int dirfd)
{
    struct stat st;
    int is_known = tb_sys_fstat(dirfd, &st) == 0;
    writer->dirfd = dirfd;
    writer->dir_dev = is_known ? st.st_dev : 0;
    writer->dir_ino = is_known ? st.st_ino : 0;
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
    tb_writer_file_close(file);
    atomic_store(&file->refs, 0);
}

/* The current file with a reference for this append, or NULL when there is none. */
static struct tb_writer_file *acquire(struct tb_writer *writer)
{
    for (;;) {
        struct tb_writer_file *file = atomic_load(&writer->file);
        if (!file)
            return NULL;
        int refs = atomic_load(&file->refs);
        while (refs > 0 && !atomic_compare_exchange_weak(&file->refs, &refs, refs + 1))
            continue;
        if (refs <= 0)
            continue; /* retired since: another one, or NULL, is current by now */
        if (atomic_load(&writer->file) == file)
            return file;
        release(file);
    }
}

/* 0, or -EAGAIN when another thread, or the code that this handler interrupted, keeps the lock. */
static int lock_rotation(struct tb_writer *writer)
{
    const struct timespec pause = {0, SLEEP_NS};
    int self = tb_sys_gettid();
    for (int i = 0; i < N_YIELDS + N_SLEEPS; i++) {
        int holder = 0;
        if (atomic_compare_exchange_strong(&writer->rotating, &holder, self))
            return 0;
        if (holder == self)
            return -EAGAIN;
        if (i < N_YIELDS)
            (void)syscall(SYS_sched_yield);
        else
            (void)syscall(SYS_nanosleep, &pause, NULL);
    }
    return -EAGAIN;
}

/* Opens a file in place of old (NULL: there is none). A file that is full stays current when the
 * next cannot be opened, so that nobody forgets to try again. */
static int open_next(struct tb_writer *writer, struct tb_writer_file *old,
                     const struct tb_append *record)
{
    struct tb_writer_file *next = NULL;
    for (int i = 0; i < TB_WRITER_FILES && !next; i++) {
        if (atomic_load(&writer->files[i].refs) == 0)
            next = &writer->files[i];
    }
    if (!next)
        return -EAGAIN;
    int err = tb_writer_file_open(next, writer, record);
    if (err < 0)
        return err;
    atomic_store(&next->refs, 1);
    atomic_store(&writer->file, next);
    if (old)
        release(old); /* its reference for being current */
    return 0;
}

static int rotate(struct tb_writer *writer, struct tb_writer_file *old,
                  const struct tb_append *record)
{
    int err = lock_rotation(writer);
    if (err < 0)
        return err;
    if (atomic_load(&writer->file) == old)
        err = open_next(writer, old, record);
    atomic_store(&writer->rotating, 0);
    return err;
}

int tb_writer_move(struct tb_writer *writer, int dirfd)
{
    int err = lock_rotation(writer);
    if (err < 0)
        return err;
    set_dir(writer, dirfd);
    atomic_store(&writer->rotating, 0);
    return 0;
}

int tb_writer_append(struct tb_writer *writer, const struct tb_append *record)
{
    if (record->len > TB_PAYLOAD_MAX_BYTES)
        return -EMSGSIZE;
    if (record->context && record->context_len > TB_PAYLOAD_MAX_BYTES)
        return -EMSGSIZE;
    for (int i = 0; i < N_ROUNDS; i++) {
        struct tb_writer_file *file = acquire(writer);
        int err = file ? tb_writer_file_append(file, writer->class_, record) : -EXFULL;
        if (err == -EXFULL || err == -EBADF) {
            err = rotate(writer, file, record);
            err = err == 0 ? -EXFULL : err;
        }
        if (file)
            release(file);
        if (err != -EXFULL)
            return err;
    }
    return -EAGAIN;
}

void tb_writer_close(struct tb_writer *writer)
{
    struct tb_writer_file *file = atomic_exchange(&writer->file, NULL);
    if (!file)
        return;
    tb_writer_file_seal(file);
    release(file);
}

void tb_writer_forget(struct tb_writer *writer)
{
    atomic_store(&writer->file, NULL);
    for (int i = 0; i < TB_WRITER_FILES; i++) {
        tb_writer_file_close(&writer->files[i]);
        atomic_store(&writer->files[i].refs, 0);
    }
    atomic_store(&writer->rotating, 0);
}

int tb_writer_fd(const struct tb_writer *writer)
{
    const struct tb_writer_file *file = atomic_load(&writer->file);
    return file ? file->fd : -1;
}
