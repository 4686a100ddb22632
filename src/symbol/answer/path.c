/* path.c - see path.h. */
#include "symbol/answer/path.h"

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
