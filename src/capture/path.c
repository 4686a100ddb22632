/* path.c - see path.h. */
#include "capture/path.h"

#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "capture/crash/quiet.h"
#include "capture/text.h"

/* Has it parts that whole ones have not, or does it count from somewhere? */
static int is_rough(const char *name)
{
    if (!strchr(name, '/'))
        return 0;
    return name[0] != '/' || strstr(name, "/.") || strstr(name, "//");
}

/* Where relative names count from, in out without a slash at its end: the length, 0 for the root;
 * or -1. */
static long find_folder(char *out, size_t cap)
{
    if (tb_quiet_is_expected())
        return -1;
    long len = syscall(SYS_getcwd, out, cap); /* with its NUL */
    if (len < 2 || (size_t)len > cap || out[0] != '/')
        return -1; /* "(unreachable)" among others */
    return len == 2 ? 0 : len - 1;
}

/* Adds the part of n bytes to what is len long: the new length, or -1 when there is no room. */
static long add_part(char *out, size_t cap, long len, const char *part, size_t n)
{
    if (n == 0 || (n == 1 && part[0] == '.'))
        return len;
    if (n == 2 && memcmp(part, "..", 2) == 0) {
        while (len > 0 && out[--len] != '/') {
        }
        return len;
    }
    if ((size_t)len + 1 + n >= cap)
        return -1;
    out[len] = '/';
    memcpy(out + len + 1, part, n);
    return len + 1 + (long)n;
}

size_t tb_path_make_whole(const char *name, char *out, size_t cap)
{
    const char *part = name;
    if (!is_rough(name))
        return tb_text_copy(out, cap, name);
    long len = name[0] == '/' ? 0 : find_folder(out, cap);
    while (len >= 0 && *part != '\0') {
        size_t n = strcspn(part, "/");
        len = add_part(out, cap, len, part, n);
        part += n;
        part += *part == '/';
    }
    if (len <= 0)
        return tb_text_copy(out, cap, name);
    out[len] = '\0';
    return (size_t)len;
}

int tb_path_is_of(const char *whole, const char *name)
{
    if (strcmp(whole, name) == 0)
        return 1;
    const char *last = strrchr(whole, '/');
    return last && is_rough(name) && strcmp(last, strrchr(name, '/')) == 0;
}
