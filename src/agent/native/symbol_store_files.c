/* symbol_store_files.c - see symbol_store_files.h. */
#include "agent/native/symbol_store_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"

enum { N_SUBFOLDERS = 256, STAT_BLOCK_BYTES = 512 };

uint64_t tb_symbol_file_bytes(const struct stat *st)
{
    uint64_t len = (uint64_t)st->st_size;
    uint64_t blocks = (uint64_t)st->st_blocks * STAT_BLOCK_BYTES;
    return blocks > len ? blocks : len;
}

static int add(struct tb_symbol_files *files, const char *path, const struct stat *st)
{
    files->n++;
    files->bytes += tb_symbol_file_bytes(st);
    if (files->n_listed == TB_SYMBOL_FILES_LISTED)
        return 0;
    if (files->n_listed == files->cap) {
        size_t cap = files->cap > 0 ? files->cap * 2 : 64;
        struct tb_symbol_file *more = realloc(files->items, cap * sizeof(*more));
        if (more == NULL)
            return -ENOMEM;
        files->items = more;
        files->cap = cap;
    }
    struct tb_symbol_file *item = &files->items[files->n_listed];
    item->path = strdup(path);
    if (item->path == NULL)
        return -ENOMEM;
    item->bytes = tb_symbol_file_bytes(st);
    item->used_ns =
        (int64_t)st->st_mtim.tv_sec * (int64_t)TB_NS_PER_S + (int64_t)st->st_mtim.tv_nsec;
    files->n_listed++;
    return 0;
}

static int is_index(const char *name)
{
    size_t len = strlen(name);
    return len > strlen(".tbx") && strcmp(name + len - strlen(".tbx"), ".tbx") == 0;
}

static int list_subfolder(int folder_fd, const char *name, struct tb_symbol_files *out)
{
    char path[TB_SYMBOL_FILE_PATH];
    int fd = openat(folder_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (dir == NULL) {
        int err = -errno;
        if (fd >= 0)
            close(fd);
        return err == -ENOENT || err == -ENOTDIR || err == -ELOOP ? 0 : err;
    }
    int err = 0;
    for (const struct dirent *e = readdir(dir); e != NULL && !err; e = readdir(dir)) {
        struct stat st;
        int len = snprintf(path, sizeof(path), "%s/%s", name, e->d_name);
        if (!is_index(e->d_name) || len < 0 || (size_t)len >= sizeof(path))
            continue;
        if (fstatat(fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode))
            err = add(out, path, &st);
    }
    closedir(dir);
    return err;
}

static int by_use(const void *a, const void *b)
{
    const struct tb_symbol_file *left = a;
    const struct tb_symbol_file *right = b;
    if (left->used_ns != right->used_ns)
        return left->used_ns < right->used_ns ? -1 : 1;
    return strcmp(left->path, right->path);
}

int tb_symbol_files_list(int folder_fd, struct tb_symbol_files *out)
{
    char name[3];
    struct tb_symbol_files files = {0};
    int err = 0;
    for (unsigned i = 0; i < N_SUBFOLDERS && !err; i++) {
        (void)snprintf(name, sizeof(name), "%02x", i);
        err = list_subfolder(folder_fd, name, &files);
    }
    if (err) {
        tb_symbol_files_done(&files);
        return err;
    }
    if (files.n_listed > 0)
        qsort(files.items, files.n_listed, sizeof(*files.items), by_use);
    *out = files;
    return 0;
}

void tb_symbol_files_done(struct tb_symbol_files *files)
{
    for (size_t i = 0; i < files->n_listed; i++)
        free(files->items[i].path);
    free(files->items);
    *files = (struct tb_symbol_files){0};
}

void tb_symbol_files_remove(int folder_fd, struct tb_symbol_files *files, size_t i)
{
    if (unlinkat(folder_fd, files->items[i].path, 0) < 0 && errno != ENOENT)
        return;
    files->n--;
    files->bytes -= files->items[i].bytes;
}
