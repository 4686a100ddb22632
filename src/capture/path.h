/* path.h - names of modules that others can open: the loader gives the name that it opened, which
 * may count from the working directory (dlopen("./x.so"), LD_LIBRARY_PATH=.). */
#ifndef TB_CAPTURE_PATH_H
#define TB_CAPTURE_PATH_H

#include <stddef.h>

/* Writes name from the root on, without "." and ".." parts; as it is, where that does not fit, the
 * working directory is not known or may not be asked for (quiet.h), or name has no slash, so that
 * it is none of a file (linux-vdso.so.1). Always NUL-terminated; returns the length. Signal-safe.
 */
size_t tb_path_make_whole(const char *name, char *out, size_t cap);
/* Can whole have been made of name, as far as can be told without the working directory of then?
 * Signal-safe. */
int tb_path_is_of(const char *whole, const char *name);

#endif
