/* names.c - see names.h. */
#include "agent/files/names.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"

enum { FOLDER_FLAGS = O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NONBLOCK };

bool tb_names_fit(const char *pattern, const char *name)
{
    const char *star = NULL; /* behind the last "*" that was met */
    const char *again = NULL;
    if (name[0] == '.' && pattern[0] != '.')
        return false;
    while (*name != '\0') {
        if (*pattern == '*') {
            star = ++pattern;
            again = name;
        } else if (*pattern == '?' || *pattern == *name) {
            pattern++;
            name++;
        } else if (star != NULL) { /* the "*" takes one more; an earlier one need not be tried */
            pattern = star;
            name = ++again;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return *pattern == '\0';
}

static bool ends_so(const char *name, const char *const *suffixes)
{
    size_t len = strlen(name);
    for (; *suffixes != NULL; suffixes++) {
        size_t end = strlen(*suffixes);
        if (len > end && strcmp(name + len - end, *suffixes) == 0)
            return true;
    }
    return false;
}

static bool is_wild(const char *name)
{
    return strpbrk(name, "*?") != NULL;
}

/* A folder being visited, on its way down a pattern. */
struct step {
    struct tb_names_walk *walk;
    int dirfd; /* the step's own */
    char path[TB_NAMES_PATH];
};

/* Tells of each name in the folder; pattern NULL: those with a suffix fit. */
static void tell_entries(struct step *step, DIR *dir, const char *pattern)
{
    struct tb_names_walk *walk = step->walk;
    const struct dirent *found;
    for (int i = 0; i < TB_NAMES_ENTRIES && (found = readdir(dir)) != NULL; i++) {
        const char *name = found->d_name;
        if (found->d_type == DT_DIR || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
            continue;
        const struct tb_names_entry entry = {
            .dirfd = step->dirfd,
            .folder = step->path,
            .name = name,
            .ino = found->d_ino,
            .fits = pattern != NULL ? tb_names_fit(pattern, name) : ends_so(name, walk->suffixes)};
        walk->entry(walk->arg, &entry);
    }
}

static DIR *open_entries(int dirfd)
{
    int fd = fcntl(dirfd, F_DUPFD_CLOEXEC, 0);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (dir == NULL)
        tb_fd_close(&fd);
    return dir;
}

static void visit_folder(struct step *step, const char *pattern)
{
    struct tb_names_walk *walk = step->walk;
    if (walk->n_folders >= TB_NAMES_FOLDERS)
        return;
    DIR *dir = open_entries(step->dirfd);
    if (dir == NULL)
        return;
    walk->n_folders++;
    if (walk->folder != NULL)
        walk->folder(walk->arg, step->dirfd, step->path);
    tell_entries(step, dir, pattern);
    closedir(dir);
}

static void descend(struct step *from, const char *rest);

static void enter(struct step *from, const char *name, const char *rest)
{
    struct step step = {.walk = from->walk};
    int len = snprintf(step.path, sizeof(step.path), "%s/%s", from->path, name);
    if (len < 0 || (size_t)len >= sizeof(step.path))
        return;
    step.dirfd = openat(from->dirfd, name, FOLDER_FLAGS | O_NOFOLLOW);
    if (step.dirfd < 0)
        return;
    descend(&step, rest);
    tb_fd_close(&step.dirfd);
}

/* rest: what of the pattern is below the folder. */
static void descend(struct step *from, const char *rest)
{
    char name[NAME_MAX + 1];
    size_t len = strcspn(rest, "/");
    if (rest[len] == '\0') {
        visit_folder(from, rest);
        return;
    }
    if (len == 0) {
        descend(from, rest + 1);
        return;
    }
    if (len > NAME_MAX)
        return;
    memcpy(name, rest, len);
    name[len] = '\0';
    if (!is_wild(name)) {
        enter(from, name, rest + len + 1);
        return;
    }
    DIR *dir = open_entries(from->dirfd);
    const struct dirent *found;
    for (int i = 0; dir != NULL && i < TB_NAMES_ENTRIES && (found = readdir(dir)) != NULL; i++)
        if ((found->d_type == DT_DIR || found->d_type == DT_UNKNOWN) &&
            from->walk->n_folders < TB_NAMES_FOLDERS && tb_names_fit(name, found->d_name))
            enter(from, found->d_name, rest + len + 1);
    if (dir != NULL)
        closedir(dir);
}

/* Where the names begin that are looked for below a folder: behind the last "/" before the first
 * wildcard, or before the last name. */
static const char *split(const char *path)
{
    const char *wild = strpbrk(path, "*?");
    const char *end = wild != NULL ? wild : path + strlen(path);
    const char *slash = memrchr(path, '/', (size_t)(end - path));
    return slash != NULL ? slash + 1 : path;
}

int tb_names_walk(const char *path, struct tb_names_walk *walk)
{
    struct step step = {.walk = walk};
    const char *rest = split(path);
    size_t len = strlen(path);
    bool is_folder = false;
    if (len >= sizeof(step.path))
        return -ENAMETOOLONG;
    if (!is_wild(path)) {
        int fd = open(path, FOLDER_FLAGS);
        if (fd < 0 && errno != ENOTDIR && errno != ENOENT)
            return -errno;
        is_folder = fd >= 0;
        step.dirfd = fd;
    }
    if (!is_folder)
        len = (size_t)(rest - path);
    while (len > 1 && path[len - 1] == '/')
        len--;
    memcpy(step.path, path, len);
    step.path[len] = '\0';
    if (!is_folder)
        step.dirfd = open(step.path, FOLDER_FLAGS);
    if (step.dirfd < 0)
        return -errno;
    if (strcmp(step.path, "/") == 0)
        step.path[0] = '\0';
    if (is_folder)
        visit_folder(&step, NULL);
    else if (*rest != '\0')
        descend(&step, rest);
    tb_fd_close(&step.dirfd);
    return 0;
}
