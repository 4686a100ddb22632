/* name.c - see name.h. libiberty is called from here alone. */
#include "symbol/answer/name.h"

#include <libiberty/demangle.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    RAW_BYTES_MAX = 4096, /* longer ones are not demangled: time and memory grow faster than they */
    NAME_BYTES_MAX = 512,
};

/* Is this the "." of a clone's suffix? */
static bool is_clone_suffix(const char *dot)
{
    static const char *const words[] = {".part", ".isra",     ".constprop", ".cold",
                                        ".llvm", ".lto_priv", ".localalias"};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        size_t len = strlen(words[i]);
        if (strncmp(dot, words[i], len) == 0 && (dot[len] == '.' || dot[len] == '\0'))
            return true;
    }
    return false;
}

static void cut_suffixes(char *name)
{
    char *version = strchr(name, '@');
    if (version && version != name)
        *version = '\0';
    for (char *dot = strchr(name, '.'); dot; dot = strchr(dot + 1, '.')) {
        if (dot != name && is_clone_suffix(dot)) {
            *dot = '\0';
            return;
        }
    }
}

static char *demangle(const char *name)
{
    if (name[0] != '_' || (name[1] != 'Z' && name[1] != 'R') || strlen(name) >= RAW_BYTES_MAX)
        return NULL;
    char *found = rust_demangle(name, DMGL_NO_OPTS);
    return found ? found : cplus_demangle_v3(name, DMGL_NO_OPTS);
}

/* A leading "*" marks a name that is compared by address. */
char *tb_symbol_type_name(const char *raw)
{
    static const char prefix[] = "typeinfo name for ";
    char mangled[RAW_BYTES_MAX];
    raw += raw[0] == '*';
    int n = snprintf(mangled, sizeof(mangled), "_ZTS%s", raw);
    if (raw[0] == '\0' || n < 0 || (size_t)n >= sizeof(mangled))
        return NULL;
    char *name = cplus_demangle_v3(mangled, DMGL_NO_OPTS);
    if (!name || strncmp(name, prefix, strlen(prefix)) != 0) {
        free(name);
        return NULL;
    }
    memmove(name, name + strlen(prefix), strlen(name + strlen(prefix)) + 1);
    if (strlen(name) > NAME_BYTES_MAX)
        name[NAME_BYTES_MAX] = '\0';
    return name;
}

char *tb_symbol_name_clean(const char *raw)
{
    char *name = strndup(raw, RAW_BYTES_MAX);
    if (!name)
        return NULL;
    cut_suffixes(name);
    char *readable = demangle(name);
    if (readable) {
        free(name);
        name = readable;
    }
    if (name[0] == '\0') {
        free(name);
        return NULL;
    }
    if (strlen(name) > NAME_BYTES_MAX)
        name[NAME_BYTES_MAX] = '\0';
    return name;
}
