/* symbol_store.c - see symbol_store.h. */
#include "agent/native/symbol_store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/log.h"
#include "agent/native/symbol_store_files.h"
#include "base/fd.h"
#include "base/pack.h"
#include "symbol/index/layout.h"
#include "symbol/index/shelf_file.h"

/* One writer, so one temporary name is enough. */
#define HALF_WRITTEN "half-written"

enum { COPY_BYTES = 256 << 10, BLOCK_BYTES = 4096 };

struct tb_symbol_store {
    char *folder;
    int fd; /* of the folder */
    size_t max_files;
    uint64_t max_bytes;
    _Atomic int64_t files, bytes;
    int has_warned; /* of a folder that cannot be written, since it could be */
};

/* ---- room ---- */

static void take_count(struct tb_symbol_store *s, const struct tb_symbol_files *files)
{
    atomic_store(&s->files, (int64_t)files->n);
    atomic_store(&s->bytes, (int64_t)files->bytes);
}

static bool is_over(struct tb_symbol_store *s, size_t max_files, uint64_t max_bytes)
{
    return (size_t)atomic_load(&s->files) > max_files ||
           (uint64_t)atomic_load(&s->bytes) > max_bytes;
}

/* Counts what is there, and removes what was used longest ago until there is no more than that. */
static int trim(struct tb_symbol_store *s, size_t max_files, uint64_t max_bytes)
{
    size_t n_before;
    struct tb_symbol_files files;
    do { /* again where there are more than a list has */
        int err = tb_symbol_files_list(s->fd, &files);
        if (err)
            return err;
        n_before = files.n;
        for (size_t i = 0; i < files.n_listed && (files.n > max_files || files.bytes > max_bytes);
             i++)
            tb_symbol_files_remove(s->fd, &files, i);
        take_count(s, &files);
        tb_symbol_files_done(&files);
    } while (is_over(s, max_files, max_bytes) && (size_t)atomic_load(&s->files) < n_before);
    return 0;
}

/* For one more of so many bytes. Listing takes long: so it makes room for many. */
static int make_room(struct tb_symbol_store *s, uint64_t need)
{
    if (!is_over(s, s->max_files - 1, s->max_bytes - need))
        return 0;
    uint64_t low_bytes = s->max_bytes - s->max_bytes / 10;
    int err = trim(s, s->max_files - s->max_files / 10, low_bytes > need ? low_bytes - need : 0);
    if (!err && is_over(s, s->max_files - 1, s->max_bytes - need))
        err = -ENOSPC;
    return err;
}

/* ---- taking ---- */

/* Nobody can change or cut it while it is copied. */
static int check_sealed(int fd, uint64_t *len)
{
    const int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0 || (fcntl(fd, F_GET_SEALS) & seals) != seals ||
        fcntl(fd, F_GET_SEALS) < 0)
        return -EBADMSG;
    if (st.st_size < TB_SYMBOL_INDEX_HEADER_BYTES)
        return -EBADMSG;
    if (st.st_size > TB_SYMBOL_INDEX_BYTES_MAX)
        return -EFBIG;
    *len = (uint64_t)st.st_size;
    return 0;
}

static int check_header(const struct tb_symbol_news *news, int fd, uint64_t len)
{
    uint8_t head[TB_SYMBOL_INDEX_HEADER_BYTES];
    ssize_t n = tb_fd_pread_all(fd, head, sizeof(head), 0);
    if (n != (ssize_t)sizeof(head))
        return n < 0 ? (int)n : -EBADMSG;
    if (tb_get32(head + TB_SYMBOL_AT_MAGIC) != TB_SYMBOL_INDEX_MAGIC ||
        tb_get32(head + TB_SYMBOL_AT_VERSION) != TB_SYMBOL_INDEX_VERSION ||
        tb_get64(head + TB_SYMBOL_AT_LEN) != len ||
        tb_get32(head + TB_SYMBOL_AT_BUILD_ID_LEN) != news->build_id_len ||
        memcmp(head + TB_SYMBOL_AT_BUILD_ID, news->build_id, news->build_id_len) != 0)
        return -EBADMSG;
    return 0;
}

static int copy(int from, int to, uint64_t len)
{
    char *mem = malloc(COPY_BYTES);
    int err = mem != NULL ? 0 : -ENOMEM;
    for (uint64_t at = 0; !err && at < len;) {
        size_t part = len - at < COPY_BYTES ? (size_t)(len - at) : COPY_BYTES;
        ssize_t n = tb_fd_pread_all(from, mem, part, at);
        if (n != (ssize_t)part)
            err = n < 0 ? (int)n : -EBADMSG;
        else
            err = tb_fd_write_all(to, mem, part);
        at += part;
    }
    free(mem);
    return err;
}

/* The folder of the first two digits, which is made. */
static int open_subfolder(const struct tb_symbol_store *s, const char *name)
{
    if (mkdirat(s->fd, name, 0700) < 0 && errno != EEXIST)
        return -errno;
    int fd = openat(s->fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

/* The one in fd came, and older went, where it was one. */
static void count_one(struct tb_symbol_store *s, const struct stat *older, int fd)
{
    struct stat st;
    if (fstat(fd, &st) == 0) {
        atomic_fetch_add(&s->files, 1);
        atomic_fetch_add(&s->bytes, (int64_t)tb_symbol_file_bytes(&st));
    }
    if (S_ISREG(older->st_mode)) {
        atomic_fetch_sub(&s->files, 1);
        atomic_fetch_sub(&s->bytes, (int64_t)tb_symbol_file_bytes(older));
    }
}

static int write_file(struct tb_symbol_store *s, const struct tb_symbol_news *news, int from,
                      uint64_t len)
{
    char subfolder[TB_SYMBOL_SHELF_SUBFOLDER];
    char name[TB_SYMBOL_SHELF_NAME];
    int sub_fd = -1;
    struct stat older;
    int err =
        tb_symbol_shelf_file_name(news->build_id, news->build_id_len, news->uid, subfolder, name);
    if (err)
        return err;
    int fd =
        openat(s->fd, HALF_WRITTEN, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    if ((err = copy(from, fd, len)) || (err = tb_fd_sync(fd)))
        goto out;
    sub_fd = open_subfolder(s, subfolder);
    if (sub_fd < 0) {
        err = sub_fd;
        goto out;
    }
    if (fstatat(sub_fd, name, &older, AT_SYMLINK_NOFOLLOW) < 0)
        older.st_mode = 0;
    if (renameat(s->fd, HALF_WRITTEN, sub_fd, name) < 0) {
        err = -errno;
        goto out;
    }
    count_one(s, &older, fd);
    err = tb_fd_sync(sub_fd);
out:
    if (err)
        (void)unlinkat(s->fd, HALF_WRITTEN, 0);
    tb_fd_close(&sub_fd);
    tb_fd_close(&fd);
    return err;
}

static void warn_once(struct tb_symbol_store *s, int err)
{
    if (err && !s->has_warned)
        tb_log(TB_LOG_WARNING,
               "cannot keep an index of symbols in %s, it is built again when it "
               "is needed: %s",
               s->folder, strerror(-err));
    s->has_warned = err != 0;
}

static int take_new(struct tb_symbol_store *s, const struct tb_symbol_news *news, int fd)
{
    uint64_t len = 0;
    int err;
    if ((err = check_sealed(fd, &len)) || (err = check_header(news, fd, len)))
        return err;
    uint64_t need = (len + BLOCK_BYTES - 1) / BLOCK_BYTES * BLOCK_BYTES;
    if (need > s->max_bytes)
        return -EFBIG;
    err = make_room(s, need);
    if (!err)
        err = write_file(s, news, fd, len);
    warn_once(s, err);
    return err;
}

/* Its time says when it was used. One that is gone by now is none of our business. */
static void take_used(struct tb_symbol_store *s, const struct tb_symbol_news *news)
{
    char subfolder[TB_SYMBOL_SHELF_SUBFOLDER];
    char name[TB_SYMBOL_SHELF_NAME];
    char path[TB_SYMBOL_SHELF_SUBFOLDER + TB_SYMBOL_SHELF_NAME];
    if (tb_symbol_shelf_file_name(news->build_id, news->build_id_len, news->uid, subfolder, name))
        return;
    (void)snprintf(path, sizeof(path), "%s/%s", subfolder, name);
    (void)utimensat(s->fd, path, NULL, AT_SYMLINK_NOFOLLOW);
}

int tb_symbol_store_take(struct tb_symbol_store *s, const struct tb_symbol_news *news, int fd)
{
    if (s->max_bytes == 0)
        return -EFBIG;
    if (news->kind == TB_SYMBOL_NEWS_NEW)
        return take_new(s, news, fd);
    take_used(s, news);
    return 0;
}

/* ---- the folder ---- */

static int open_folder(struct tb_symbol_store *s)
{
    if (mkdir(s->folder, 0700) < 0 && errno != EEXIST)
        return -errno;
    s->fd = open(s->folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (s->fd < 0)
        return -errno;
    (void)unlinkat(s->fd, HALF_WRITTEN, 0);
    return trim(s, s->max_files, s->max_bytes);
}

int tb_symbol_store_open(const char *state_dir, uint64_t max_bytes, struct tb_symbol_store **out)
{
    size_t len = strlen(state_dir) + sizeof("/symbols");
    struct tb_symbol_store *s = calloc(1, sizeof(*s));
    if (s == NULL)
        return -ENOMEM;
    s->fd = -1;
    s->max_files = TB_SYMBOL_STORE_FILES;
    s->max_bytes = max_bytes;
    s->folder = malloc(len);
    int err = -ENOMEM;
    if (s->folder != NULL) {
        (void)snprintf(s->folder, len, "%s/symbols", state_dir);
        err = open_folder(s);
    }
    if (err) {
        tb_symbol_store_close(s);
        return err;
    }
    *out = s;
    return 0;
}

void tb_symbol_store_close(struct tb_symbol_store *s)
{
    if (s == NULL)
        return;
    tb_fd_close(&s->fd);
    free(s->folder);
    free(s);
}

void tb_symbol_store_limit(struct tb_symbol_store *s, size_t max_files)
{
    s->max_files = max_files;
}

const char *tb_symbol_store_folder(const struct tb_symbol_store *s)
{
    return s != NULL && s->max_bytes > 0 ? s->folder : NULL;
}

void tb_symbol_store_count(struct tb_symbol_store *s, struct tb_symbol_store_counts *out)
{
    out->files = s != NULL ? atomic_load(&s->files) : 0;
    out->bytes = s != NULL ? atomic_load(&s->bytes) : 0;
}
