/* debuginfod_store.c - see debuginfod_store.h. */
#include "agent/native/debuginfod_store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"

#define TMP_NAME "fetch.tmp"
#define IDS ".build-id"

enum { NAME_BYTES = 96, TOUCH_EVERY_S = 3600, FOLDER = O_RDONLY | O_DIRECTORY | O_CLOEXEC };

/* ---- one file ---- */

static void name_of(const char *hex, char out[NAME_BYTES])
{
    snprintf(out, NAME_BYTES, IDS "/%.2s/%s.debug", hex, hex + 2);
}

int tb_debuginfod_store_open(const char *path)
{
    char *copy = strdup(path);
    if (copy == NULL)
        return -ENOMEM;
    for (char *slash = strchr(copy + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        (void)mkdir(copy, 0700);
        *slash = '/';
    }
    (void)mkdir(copy, 0700);
    free(copy);
    int dirfd = open(path, FOLDER | O_NOFOLLOW);
    if (dirfd < 0)
        return -errno;
    if (mkdirat(dirfd, IDS, 0700) < 0 && errno != EEXIST) {
        int err = -errno;
        close(dirfd);
        return err;
    }
    (void)unlinkat(dirfd, TMP_NAME, 0); /* of an agent that died */
    return dirfd;
}

int tb_debuginfod_store_has(int dirfd, const char *hex)
{
    char name[NAME_BYTES];
    name_of(hex, name);
    return faccessat(dirfd, name, F_OK, 0) == 0;
}

uint64_t tb_debuginfod_store_room(int dirfd, uint64_t cache_bytes)
{
    struct statvfs fs;
    uint64_t room = TB_DEBUGINFOD_FILE_BYTES_MAX;
    if (cache_bytes < room)
        room = cache_bytes;
    if (fstatvfs(dirfd, &fs) < 0)
        return room;
    uint64_t free_bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
    uint64_t spare =
        free_bytes > TB_DEBUGINFOD_KEEP_FREE_BYTES ? free_bytes - TB_DEBUGINFOD_KEEP_FREE_BYTES : 0;
    return spare < room ? spare : room;
}

int tb_debuginfod_store_begin(int dirfd)
{
    int fd = openat(dirfd, TMP_NAME, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    return fd < 0 ? -errno : fd;
}

static int put_in_place(int dirfd, int fd, const char *hex)
{
    char folder[NAME_BYTES];
    char name[NAME_BYTES];
    /* The kernel's own time is that of its last tick: of two files it would not tell the newer. */
    uint64_t now_ns = tb_clock_wall_ns();
    const struct timespec times[2] = {
        {.tv_sec = (time_t)(now_ns / TB_NS_PER_S), .tv_nsec = (long)(now_ns % TB_NS_PER_S)},
        {.tv_nsec = UTIME_OMIT}};
    (void)futimens(fd, times);
    int err = tb_fd_sync(fd);
    if (err)
        return err;
    snprintf(folder, sizeof(folder), IDS "/%.2s", hex);
    name_of(hex, name);
    (void)mkdirat(dirfd, folder, 0700);
    if (renameat(dirfd, TMP_NAME, dirfd, name) < 0)
        return -errno;
    int folder_fd = openat(dirfd, folder, FOLDER | O_NOFOLLOW);
    if (folder_fd < 0)
        return -errno;
    err = tb_fd_sync(folder_fd);
    close(folder_fd);
    return err;
}

int tb_debuginfod_store_end(int dirfd, int fd, const char *hex)
{
    int err = hex != NULL ? put_in_place(dirfd, fd, hex) : 0;
    if (err || hex == NULL)
        (void)unlinkat(dirfd, TMP_NAME, 0);
    close(fd);
    return err;
}

void tb_debuginfod_store_remove(int dirfd, const char *hex)
{
    char name[NAME_BYTES];
    name_of(hex, name);
    (void)unlinkat(dirfd, name, 0);
}

void tb_debuginfod_store_touch(int dirfd, const char *hex)
{
    struct stat st;
    char name[NAME_BYTES];
    const struct timespec times[2] = {{.tv_nsec = UTIME_NOW}, {.tv_nsec = UTIME_OMIT}};
    name_of(hex, name);
    if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
        time(NULL) - st.st_atim.tv_sec >= TOUCH_EVERY_S)
        (void)utimensat(dirfd, name, times, AT_SYMLINK_NOFOLLOW);
}

/* ---- all of them ---- */

/* The entries of a folder below dirfd, but those that begin with a dot. */
static void each_entry(int dirfd, const char *name, tb_debuginfod_visit *visit, void *arg)
{
    int fd = openat(dirfd, name, FOLDER | O_NOFOLLOW);
    DIR *folder = fd >= 0 ? fdopendir(fd) : NULL;
    if (folder == NULL) {
        tb_fd_close(&fd);
        return;
    }
    for (const struct dirent *e = readdir(folder); e != NULL; e = readdir(folder)) {
        struct stat st;
        if (e->d_name[0] != '.' && fstatat(fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0)
            visit(arg, fd, e->d_name, &st);
    }
    closedir(folder);
}

struct walk {
    tb_debuginfod_visit *visit;
    void *arg;
};

static void visit_file(void *arg, int folder_fd, const char *name, const struct stat *st)
{
    const struct walk *walk = arg;
    if (S_ISREG(st->st_mode))
        walk->visit(walk->arg, folder_fd, name, st);
}

static void visit_folder(void *arg, int ids_fd, const char *name, const struct stat *st)
{
    if (S_ISDIR(st->st_mode))
        each_entry(ids_fd, name, visit_file, arg);
}

void tb_debuginfod_store_each(int dirfd, tb_debuginfod_visit *visit, void *arg)
{
    struct walk walk = {.visit = visit, .arg = arg};
    each_entry(dirfd, IDS, visit_folder, &walk);
}

/* What may go. */
struct age {
    struct timespec used;
    uint64_t bytes;
};

struct ages {
    struct age *items;
    size_t n, cap;
    uint64_t bytes;
};

static uint64_t disk_bytes(const struct stat *st)
{
    return (uint64_t)st->st_blocks * 512;
}

static void add_age(void *arg, int folder_fd, const char *name, const struct stat *st)
{
    struct ages *ages = arg;
    (void)folder_fd;
    (void)name;
    ages->bytes += disk_bytes(st);
    if (ages->n == ages->cap) {
        size_t cap = ages->cap > 0 ? ages->cap * 2 : 64;
        struct age *more = realloc(ages->items, cap * sizeof(*more));
        if (more == NULL) /* the others will do for once */
            return;
        ages->items = more;
        ages->cap = cap;
    }
    ages->items[ages->n++] = (struct age){.used = st->st_atim, .bytes = disk_bytes(st)};
}

static int is_before(const struct timespec *a, const struct timespec *b)
{
    return a->tv_sec != b->tv_sec ? a->tv_sec < b->tv_sec : a->tv_nsec < b->tv_nsec;
}

static int by_use(const void *a, const void *b)
{
    const struct age *left = a;
    const struct age *right = b;
    return is_before(&right->used, &left->used) - is_before(&left->used, &right->used);
}

struct removal {
    struct timespec until; /* used then or before */
    uint64_t bytes;        /* still to go */
    uint64_t gone;
};

static void remove_old(void *arg, int folder_fd, const char *name, const struct stat *st)
{
    struct removal *removal = arg;
    if (removal->bytes == 0 || is_before(&removal->until, &st->st_atim) ||
        unlinkat(folder_fd, name, 0) < 0)
        return;
    uint64_t bytes = disk_bytes(st);
    removal->bytes -= bytes < removal->bytes ? bytes : removal->bytes;
    removal->gone += bytes;
}

uint64_t tb_debuginfod_store_trim(int dirfd, uint64_t max_bytes)
{
    struct ages ages = {0};
    struct removal removal = {0};
    tb_debuginfod_store_each(dirfd, add_age, &ages);
    if (ages.bytes > max_bytes && ages.n > 0) {
        uint64_t gone = 0;
        size_t i = 0;
        removal.bytes = ages.bytes - max_bytes;
        qsort(ages.items, ages.n, sizeof(*ages.items), by_use);
        for (; i < ages.n && gone < removal.bytes; i++)
            gone += ages.items[i].bytes;
        removal.until = ages.items[i - 1].used;
        tb_debuginfod_store_each(dirfd, remove_old, &removal);
    }
    free(ages.items);
    return ages.bytes - removal.gone;
}
