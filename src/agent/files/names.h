/* names.h - which files a path of the settings means: all of a folder that end so, or those that a
 * pattern with "*" and "?" fits. docs/rollbar-files.md, "Which files".
 *
 * 1. Wildcards stand for nothing that crosses a "/" nor for a dot at the beginning of a name.
 * 2. Symbolic links are followed in the folders before the first wildcard only; the files
 *    themselves are not looked at here.
 * 3. At most TB_NAMES_FOLDERS folders and TB_NAMES_ENTRIES names of each are visited in one walk.
 */
#ifndef TB_AGENT_FILES_NAMES_H
#define TB_AGENT_FILES_NAMES_H

#include <stdbool.h>
#include <stdint.h>

enum { TB_NAMES_FOLDERS = 256, TB_NAMES_ENTRIES = 100000, TB_NAMES_PATH = 4096 };

/* One name of a folder that was visited; borrowed for the call. */
struct tb_names_entry {
    int dirfd;
    const char *folder; /* its path, without "/" at the end */
    const char *name;
    uint64_t ino; /* as the folder has it */
    bool fits;
};

struct tb_names_walk {
    const char *const *suffixes; /* of files of a folder; ended by NULL */
    void (*folder)(void *arg, int dirfd, const char *path); /* before its entries; may be NULL */
    void (*entry)(void *arg, const struct tb_names_entry *entry);
    void *arg;
    unsigned n_folders; /* visited so far; more walks may share the count */
};

/* Does pattern fit the whole of name? No character is special but "*" and "?". */
bool tb_names_fit(const char *pattern, const char *name);
/* Visits what path means. 0, also when nothing fits; or why its first folder cannot be read:
 * -ENOENT, -EACCES, ... */
int tb_names_walk(const char *path, struct tb_names_walk *walk);

#endif
