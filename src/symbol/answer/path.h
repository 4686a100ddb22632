/* path.h - file names as debug data have them, made plain. No I/O. */
#ifndef TB_SYMBOL_PATH_H
#define TB_SYMBOL_PATH_H

#include <stdbool.h>
#include <stddef.h>

/* Copies path without "//", "/./" and "x/..". What would climb above the root, or above where a
 * relative path starts, is dropped, and then the result is false: it names no file to be read. Also
 * false, with the last part alone as the result, when out is too small. out is never empty. */
bool tb_symbol_path_normalise(const char *path, char *out, size_t cap);
/* Absolute, and without a ".." part. */
bool tb_symbol_path_is_plain(const char *path);
/* What follows root (a plain absolute path, with or without a last slash) in path, or NULL when
 * path is not below root. */
const char *tb_symbol_path_below(const char *path, const char *root);
/* Is file, relative to folder, told from where folder is told from? -ffile-prefix-map leaves
 * "./nptl/pthread_create.c" in the folder "./nptl". */
bool tb_symbol_path_is_told_whole(const char *folder, const char *file);
/* The part of a normalised path that says something to people: without the folder that a package
 * was built in ("/build/reproducible-path/nginx-1.22.1/", "/usr/src/debug/PACKAGE/",
 * "/rustc/HASH/") or kept in ("/home/me/.cargo/registry/src/INDEX/"). Never empty; borrowed from
 * path. */
const char *tb_symbol_path_shown(const char *path);

#endif
