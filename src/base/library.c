/* library.c - see library.h. */
#include "base/library.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/path.h"

#define N(table) (sizeof(table) / sizeof((table)[0]))

/* with is not empty: most differ in their first letter. */
static bool begins(const char *text, const char *with)
{
    return text[0] == with[0] && strncmp(text, with, strlen(with)) == 0;
}

/* ---- modules ---- */

/* Of a library "lib" has been taken off. */
static bool is_runtime_stem(const char *stem)
{
    /* Followed by ".so", or by "-" and a digit: libc-client.so is somebody else's. */
    static const char *const names[] = {"c",      "m",      "mvec",    "pthread", "rt",     "dl",
                                        "resolv", "anl",    "stdc++",  "c++",     "c++abi", "gcc_s",
                                        "gomp",   "atomic", "asan",    "ubsan",   "tsan",   "lsan",
                                        "itm",    "ssp",    "quadmath"};
    static const char *const beginnings[] = {"c.musl-", "nss_", "unwind", "towbar", "clang_rt."};
    for (size_t i = 0; i < N(beginnings); i++) {
        if (begins(stem, beginnings[i]))
            return true;
    }
    for (size_t i = 0; i < N(names); i++) {
        if (!begins(stem, names[i]))
            continue;
        const char *rest = stem + strlen(names[i]);
        if (begins(rest, ".so") || (rest[0] == '-' && isdigit((unsigned char)rest[1])))
            return true;
    }
    return false;
}

bool tb_library_is_runtime(const char *module)
{
    static const char *const beginnings[] = {"ld-linux", "ld-musl-",   "ld.so",      "ld-2",
                                             "[vdso]",   "[vsyscall]", "linux-vdso", "linux-gate"};
    const char *name = tb_path_base(module);
    if (begins(name, "lib"))
        return is_runtime_stem(name + strlen("lib"));
    for (size_t i = 0; i < N(beginnings); i++) {
        if (begins(name, beginnings[i]))
            return true;
    }
    return false;
}

/* ---- paths ---- */

/* Folders of packages. */
struct row {
    const char *folder; /* where a part of the path begins */
    const char *ending; /* of the file; "": any */
    int name;           /* the part that names the library, counted from behind folder; -1: none */
    bool is_weak;       /* says nothing where it is a part of the program's own folder */
};

static const struct row rows[] = {
    {"site-packages/", "", 0, false},
    {"dist-packages/", "", 0, false},
    {"node_modules/", "", 0, false},
    {"gems/", "", 0, false},
    {"lib/ruby/", "", -1, false},
    {"lib/python3", "", -1, false},
    {"<frozen ", "", -1, false},
    {"node:", "", -1, false},
    {"go/pkg/mod/", "", 2, false},
    {"usr/local/go/src/", "", 0, false},
    {"rustc/", ".rs", 2, false},
    {".cargo/registry/src/", "", 1, false},
    {".cargo/git/checkouts/", "", 0, false},
    {"include/c++/", "", -1, false},
    {"lib/std/", ".zig", -1, false},
    {"vendor/", "", 0, true},
    {"third_party/", "", 0, true},
};

static bool ends(const char *text, const char *with)
{
    size_t len = strlen(text);
    size_t n = strlen(with);
    return len >= n && strcmp(text + len - n, with) == 0;
}

/* The row that begins at a part of the path, or NULL. */
static const struct row *row_at(const char *path, const char *part, size_t own_len)
{
    for (size_t i = 0; i < N(rows); i++) {
        if (begins(part, rows[i].folder) && ends(path, rows[i].ending) &&
            !(rows[i].is_weak && (size_t)(part - path) < own_len))
            return &rows[i];
    }
    return NULL;
}

/* "" behind the last one. */
static const char *next_part(const char *part)
{
    size_t len = strcspn(part, "/");
    return part + len + (part[len] == '/');
}

/* "name@v1.2.3/": a module of Go, wherever it lies. */
static bool has_go_version(const char *path)
{
    for (const char *at = strstr(path, "@v"); at; at = strstr(at + 2, "@v")) {
        if (isdigit((unsigned char)at[2]) && strchr(at, '/'))
            return true;
    }
    return false;
}

bool tb_library_is_package(const char *path, size_t own_len)
{
    for (const char *part = path; *part != '\0'; part = next_part(part)) {
        if (row_at(path, part, own_len))
            return true;
    }
    return has_go_version(path);
}

/* ---- names ---- */

/* "serde-1.0.9/...", "gin@v1.9.1/..." */
static const char *versioned_in(const char *path)
{
    const char *slash = strchr(path, '/');
    for (const char *at = path; slash && at < slash; at++) {
        if (*at == '-' && at > path && isdigit((unsigned char)at[1]))
            return path;
    }
    const char *version = strstr(path, "@v");
    while (version && version > path && version[-1] != '/')
        version--;
    return version;
}

/* The part of the path that the innermost row points at; NULL: none. */
static const char *package_in(const char *path)
{
    const char *found = NULL;
    for (const char *part = path; *part != '\0'; part = next_part(part)) {
        const struct row *row = row_at(path, part, 0);
        if (!row || row->name < 0)
            continue;
        const char *name = part + strlen(row->folder);
        for (int i = 0; i < row->name; i++)
            name = next_part(name);
        found = *name != '\0' ? name : found;
    }
    /* What is shown of .cargo/registry and /go/pkg/mod. */
    if (!found && (ends(path, ".rs") || ends(path, ".go")))
        found = versioned_in(path);
    /* What is left of /rustc/HASH/library/core/src/option.rs on the page. */
    if (!found && begins(path, "library/") && ends(path, ".rs"))
        found = path + strlen("library/");
    return found;
}

/* Of a package's folder: "flask"; "@scope/name"; "six" for the file six.py. */
static size_t package_len(const char *name)
{
    size_t len = strcspn(name, "/");
    if (name[0] == '@' && name[len] == '/')
        len += 1 + strcspn(name + len + 1, "/");
    if (name[len] == '\0') {
        const char *dot = memchr(name, '.', len);
        return dot && dot > name ? (size_t)(dot - name) : len;
    }
    const char *version = memchr(name + 1, '@', len - 1);
    return version ? (size_t)(version - name) : len;
}

/* Headers are inlined into whatever module: that says less than their own name. */
static const char *header_name(const char *file)
{
    if (strstr(file, "include/c++/v1/"))
        return "libc++";
    if (strstr(file, "include/c++/"))
        return "libstdc++";
    return begins(file, "/usr/include/") || begins(file, "/usr/local/include/") ||
                   begins(file, "/usr/lib/gcc/")
               ? tb_path_base(file)
               : NULL;
}

const char *tb_library_name(const char *module, const char *file, char out[TB_LIBRARY_NAME])
{
    const char *name = package_in(file);
    size_t len = 0;
    if (name) {
        len = package_len(name);
    } else if ((name = header_name(file)) != NULL) {
        len = strlen(name);
    } else {
        name = tb_path_base(*module != '\0' ? module : file);
        const char *so = strstr(name, ".so");
        len = so && so > name ? (size_t)(so - name) : strlen(name);
    }
    snprintf(out, TB_LIBRARY_NAME, "%.*s", (int)(len < TB_LIBRARY_NAME ? len : TB_LIBRARY_NAME - 1),
             name);
    return out;
}
