/* source.c - see source.h. */
#include "symbol/answer/source.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/utf8.h"
#include "symbol/files/file.h"
#include "symbol/answer/path.h"

enum { NO_TIME_S = 1 /* systems built to be equal bit by bit have 0 or 1 at every file */ };

/* name below dirfd as an O_PATH descriptor, never outside of it. */
static int open_beneath(int dirfd, const char *name, uint64_t more_resolve)
{
    struct open_how how = {
        .flags = O_PATH | O_CLOEXEC,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | more_resolve,
    };
    long fd = syscall(SYS_openat2, dirfd, name, &how, sizeof(how));
    return fd < 0 ? -errno : (int)fd;
}

static int open_root(const char *root)
{
    int fd = tb_symbol_path_is_plain(root) ? open(root, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
    return fd < 0 ? -EACCES : fd;
}

/* name below a folder of the configuration. */
static int open_configured(const char *root, const char *name)
{
    int dirfd = open_root(root);
    if (dirfd < 0)
        return dirfd;
    int fd = open_beneath(dirfd, name, 0);
    close(dirfd);
    return fd < 0 ? fd : tb_symbol_file_reopen(fd, TB_SYMBOL_SOURCE_BYTES_MAX);
}

static bool is_owned(int fd, uint32_t uid, mode_t needed)
{
    struct stat st;
    return fstat(fd, &st) == 0 && (st.st_uid == uid || st.st_uid == 0) &&
           (st.st_mode & needed) == needed;
}

/* name below the folder that the process calls its root. */
static int open_of_process(const struct tb_process *process, const char *name)
{
    int dirfd = open_root(process->root);
    int fd = -EACCES;
    if (dirfd < 0)
        return dirfd;
    if (is_owned(dirfd, process->uid, 0))
        fd = open_beneath(dirfd, name, RESOLVE_NO_SYMLINKS);
    if (fd >= 0 &&
        (!is_owned(fd, process->uid, S_IROTH) || !tb_symbol_file_may_read(fd, process->uid))) {
        close(fd);
        fd = -EACCES;
    }
    close(dirfd);
    return fd < 0 ? fd : tb_symbol_file_reopen(fd, TB_SYMBOL_SOURCE_BYTES_MAX);
}

/* The part of path to be looked up below root: all of a relative one. NULL: not below. */
static const char *name_below(const char *path, const char *root)
{
    return path[0] == '/' ? tb_symbol_path_below(path, root) : path;
}

static int open_source(const struct tb_symbol_sources *sources, const char *path)
{
    const char *name = name_below(path, sources->process->root);
    int fd = -EACCES;
    if (name && sources->process->root[0] == '/')
        fd = open_of_process(sources->process, name);
    for (size_t i = 0; i < sources->config->n_source_roots && fd < 0; i++) {
        name = name_below(path, sources->config->source_roots[i]);
        if (name)
            fd = open_configured(sources->config->source_roots[i], name);
    }
    return fd;
}

/* As many bytes as the file said that it has, and no more. */
static void load(const struct tb_symbol_sources *sources, struct tb_symbol_source *out)
{
    struct stat st;
    char *text = NULL;
    ssize_t len = -1;
    int fd = open_source(sources, out->path);
    if (fd < 0)
        return;
    if (fstat(fd, &st) == 0 && st.st_size > 0 && st.st_size <= TB_SYMBOL_SOURCE_BYTES_MAX)
        text = malloc((size_t)st.st_size);
    if (text)
        len = tb_fd_pread_all(fd, text, (size_t)st.st_size, 0);
    if (len > 0) {
        out->text = text;
        out->len = (size_t)len;
        out->changed = st.st_mtim;
    } else {
        free(text);
    }
    close(fd);
}

static void forget(struct tb_symbol_source *source)
{
    free(source->path);
    free(source->text);
    *source = (struct tb_symbol_source){0};
}

void tb_symbol_sources_done(struct tb_symbol_sources *sources)
{
    if (!sources)
        return;
    for (size_t i = 0; i < TB_SYMBOL_SOURCES_KEPT; i++)
        forget(&sources->kept[i]);
}

static const struct tb_symbol_source *find(struct tb_symbol_sources *sources, const char *path)
{
    for (size_t i = 0; i < TB_SYMBOL_SOURCES_KEPT; i++) {
        if (sources->kept[i].path && strcmp(sources->kept[i].path, path) == 0)
            return &sources->kept[i];
    }
    struct tb_symbol_source *slot = &sources->kept[sources->next];
    sources->next = (sources->next + 1) % TB_SYMBOL_SOURCES_KEPT;
    forget(slot);
    slot->path = strdup(path);
    if (slot->path)
        load(sources, slot);
    return slot;
}

/* The line that starts at *at, which moves behind it. -ENOENT at the end of the text. One that is
 * no text comes out empty. */
static int next_line(const struct tb_symbol_source *source, size_t *at, struct tb_symbol_line *out)
{
    if (*at >= source->len)
        return -ENOENT;
    const char *text = source->text + *at;
    const char *end = memchr(text, '\n', source->len - *at);
    size_t len = end ? (size_t)(end - text) : source->len - *at;
    *at += len + (end ? 1 : 0);
    if (memchr(text, '\0', len))
        len = 0;
    while (len > 0 && (text[len - 1] == '\r' || text[len - 1] == ' ' || text[len - 1] == '\t'))
        len--;
    *out = (struct tb_symbol_line){text, tb_utf8_cut(text, len, TB_SYMBOL_LINE_BYTES_MAX)};
    return 0;
}

/* Moves *at over n lines. */
static int skip_lines(const struct tb_symbol_source *source, size_t *at, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        const char *end = memchr(source->text + *at, '\n', source->len - *at);
        if (!end)
            return -ENOENT;
        *at = (size_t)(end - source->text) + 1;
    }
    return 0;
}

/* Archives and some file systems keep whole seconds. */
static bool is_newer(const struct timespec *source, const struct timespec *built)
{
    if (built->tv_sec <= NO_TIME_S)
        return false;
    if (source->tv_sec != built->tv_sec)
        return source->tv_sec > built->tv_sec;
    return built->tv_nsec != 0 && source->tv_nsec > built->tv_nsec;
}

int tb_symbol_source_lines(struct tb_symbol_sources *sources,
                           const struct tb_symbol_source_place *place, size_t n_context,
                           struct tb_symbol_lines *out)
{
    const struct tb_symbol_source *source = find(sources, place->path);
    struct tb_symbol_lines lines = {0};
    uint32_t number = place->line;
    size_t at = 0;
    if (!source->text)
        return -EACCES;
    if (is_newer(&source->changed, &place->built))
        return -ESTALE;
    if (number == 0)
        return -ENOENT;
    if (n_context > TB_SYMBOL_CONTEXT_MAX)
        n_context = TB_SYMBOL_CONTEXT_MAX;
    lines.n_before = number - 1 < n_context ? number - 1 : n_context;
    int err = skip_lines(source, &at, number - 1 - (uint32_t)lines.n_before);
    for (size_t i = 0; i < lines.n_before && err == 0; i++)
        err = next_line(source, &at, &lines.before[i]);
    size_t start = at;
    if (err || (err = next_line(source, &at, &lines.line)))
        return err;
    if (memchr(source->text + start, '\0', at - start))
        return -ENOENT;
    while (lines.n_after < n_context && next_line(source, &at, &lines.after[lines.n_after]) == 0)
        lines.n_after++;
    *out = lines;
    return 0;
}
