/* library.h - what is a library's and not the program's own, told by names alone: the modules of
 * the run-time system, and the folders where packages are installed. Pure. */
#ifndef TB_BASE_LIBRARY_H
#define TB_BASE_LIBRARY_H

#include <stdbool.h>
#include <stddef.h>

enum { TB_LIBRARY_NAME = 64 };

/* A module, by its path or base name: the C library, the loader, the C++ and compiler runtimes,
 * libunwind, libtowbar, what the kernel maps. */
bool tb_library_is_runtime(const char *module);
/* A source file, or a module, below a folder where packages are installed: site-packages,
 * node_modules, .cargo/registry and the like. The first own_len bytes of the path are known to be
 * the program's: of them "vendor" and "third_party" say nothing. */
bool tb_library_is_package(const char *path, size_t own_len);
/* Which library people would say that a frame is of: "flask" for
 * ".../site-packages/flask/app.py", else "libc" for the module "libc.so.6", else the base name of
 * file. Either may be "". Returns out, which is "" when there is nothing to say. */
const char *tb_library_name(const char *module, const char *file, char out[TB_LIBRARY_NAME]);

#endif
