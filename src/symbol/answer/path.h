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

#endif
