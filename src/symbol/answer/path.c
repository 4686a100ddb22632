/* path.c - see path.h. */
#include "symbol/answer/path.h"

#include <ctype.h>
#include <string.h>

/* Takes the last part off out, unless there is none or is_absolute keeps its slash. */
static bool drop_part(char *out, size_t *len, bool is_absolute)
{
    size_t least = is_absolute ? 1 : 0;
    if (*len <= least)
        return false;
    while (*len > least && out[*len - 1] != '/')
        (*len)--;
    if (*len > least)
        (*len)--; /* the slash before it */
    return true;
}

static bool only_last_part(const char *path, char *out, size_t cap)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash && slash[1] != '\0' ? slash + 1 : "?";
    size_t len = strnlen(name, cap - 1);
    memcpy(out, name, len);
    out[len] = '\0';
    return false;
}

bool tb_symbol_path_normalise(const char *path, char *out, size_t cap)
{
    bool is_absolute = path[0] == '/';
    bool is_whole = true;
    size_t len = 0;
    if (strlen(path) + 2 > cap)
        return only_last_part(path, out, cap);
    if (is_absolute)
        out[len++] = '/';
    while (*path != '\0') {
        size_t n = strcspn(path, "/");
        if (n == 2 && memcmp(path, "..", 2) == 0) {
            is_whole = drop_part(out, &len, is_absolute) && is_whole;
        } else if (n > 0 && !(n == 1 && *path == '.')) {
            if (len > 0 && out[len - 1] != '/')
                out[len++] = '/';
            memcpy(out + len, path, n);
            len += n;
        }
        path += n;
        path += *path == '/' ? 1 : 0;
    }
    if (len == 0) {
        out[len++] = '?';
        is_whole = false;
    }
    out[len] = '\0';
    return is_whole;
}

bool tb_symbol_path_is_plain(const char *path)
{
    if (path[0] != '/')
        return false;
    for (const char *at = path; at; at = strchr(at + 1, '/')) {
        if (strncmp(at, "/..", 3) == 0 && (at[3] == '/' || at[3] == '\0'))
            return false;
    }
    return true;
}

const char *tb_symbol_path_below(const char *path, const char *root)
{
    size_t len = strlen(root);
    while (len > 0 && root[len - 1] == '/')
        len--;
    if (root[0] != '/' || strncmp(path, root, len) != 0 || path[len] != '/')
        return NULL;
    const char *rest = path + len;
    while (*rest == '/')
        rest++;
    return *rest != '\0' ? rest : NULL;
}

static const char *without_dot(const char *path)
{
    while (path[0] == '.' && path[1] == '/') {
        path += 2;
        path += strspn(path, "/");
    }
    return path;
}

bool tb_symbol_path_is_told_whole(const char *folder, const char *file)
{
    if (folder[0] != '.' || folder[1] != '/' || file[0] != '.' || file[1] != '/')
        return false;
    folder = without_dot(folder);
    file = without_dot(file);
    size_t len = strlen(folder);
    while (len > 0 && folder[len - 1] == '/')
        len--;
    return len > 0 && strncmp(folder, file, len) == 0 && file[len] == '/';
}

/* ---- what is shown ---- */

static bool starts_with(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* Behind the first part of path; NULL: it is the last one. */
static const char *behind_part(const char *path)
{
    const char *slash = strchr(path, '/');
    return slash && slash[1] != '\0' ? slash + 1 : NULL;
}

/* "nginx-1.22.1/..." */
static bool is_versioned(const char *path)
{
    size_t len = strcspn(path, "/");
    for (size_t i = 1; i + 1 < len; i++) {
        if (path[i] == '-' && isdigit((unsigned char)path[i + 1]))
            return true;
    }
    return false;
}

/* Takes parts with a version off, as long as something is left. */
static const char *without_versioned(const char *path)
{
    const char *rest;
    while (is_versioned(path) && (rest = behind_part(path)) != NULL)
        path = rest;
    return path;
}

/* Of /build/: what Debian, Nix and sbuild put there; a project may be built in /build, too. */
static const char *below_build(const char *rest, const char *path)
{
    const char *next = behind_part(rest);
    if (!next)
        return path;
    if (starts_with(rest, "source/"))
        return next;
    const char *last = behind_part(next);
    if (starts_with(rest, "reproducible-path/"))
        return last ? last : next;
    return last && is_versioned(next) ? last : path;
}

/* Of /usr/src/debug/: the package, and the folder with its sources. */
static const char *below_debug(const char *rest, const char *path)
{
    const char *next = behind_part(rest);
    if (!next)
        return path;
    size_t len = strcspn(rest, "/");
    const char *last = behind_part(next);
    if (last && strncmp(rest, next, len) == 0 && next[len] == '/')
        return last;
    return without_versioned(next);
}

/* Where a folder of packages is in path: what is behind it and n_more parts. */
static const char *behind_packages(const char *path, const char *folder, int n_more)
{
    const char *at = strstr(path, folder);
    const char *rest = at ? at + strlen(folder) : NULL;
    for (int i = 0; rest && i < n_more; i++)
        rest = behind_part(rest);
    return rest && *rest != '\0' ? rest : NULL;
}

const char *tb_symbol_path_shown(const char *path)
{
    static const struct {
        const char *folder;
        int n_more;
    } packages[] = {
        {"/.cargo/registry/src/", 1}, {"/.cargo/git/checkouts/", 0}, {"/go/pkg/mod/", 0}};
    for (size_t i = 0; i < sizeof(packages) / sizeof(packages[0]); i++) {
        const char *rest = behind_packages(path, packages[i].folder, packages[i].n_more);
        if (rest)
            return rest;
    }
    const char *rest = NULL;
    if (starts_with(path, "/build/"))
        return below_build(path + strlen("/build/"), path);
    if (starts_with(path, "/usr/src/debug/"))
        return below_debug(path + strlen("/usr/src/debug/"), path);
    if (starts_with(path, "/rustc/"))
        rest = behind_part(path + strlen("/rustc/"));
    else if (starts_with(path, "/proc/self/cwd/"))
        rest = path + strlen("/proc/self/cwd/");
    else if (starts_with(path, "build-tree/"))
        rest = path + strlen("build-tree/");
    else if (starts_with(path, "/builddir/build/BUILD/"))
        rest = without_versioned(path + strlen("/builddir/build/BUILD/"));
    else if (starts_with(path, "/usr/src/") && is_versioned(path + strlen("/usr/src/")))
        rest = without_versioned(path + strlen("/usr/src/"));
    return rest && *rest != '\0' ? rest : path;
}
