/* gone.h - which libraries were unloaded: the last TB_GONE_MAX, and where they were.
 *
 * They are noted when a library that is closed turns out to have gone (dlclose, in the shared
 * library), and when a module table is made anew without one of the table before. One is lost when
 * TB_GONE_MAX others are noted at that moment, or by a thread that is not there in a fork child. */
#ifndef TB_CAPTURE_GONE_H
#define TB_CAPTURE_GONE_H

#include <stdint.h>

#include "capture/modules/modules.h"

enum { TB_GONE_MAX = 16, TB_GONE_PATH = 256 };

struct tb_gone {
    struct tb_module module; /* its path is that below; lo and hi 0: none */
    struct tb_code code;
    char path[TB_GONE_PATH];
};

/* Before a dlclose: what the handle is of; what cannot be told is none. The caller has a reference
 * to it, as dlclose asks for: so the loader's own of it is loaded directly, and no system call
 * made, but getcwd for a relative name. With a C library of before 2.36 without build ID. */
void tb_gone_look(void *handle, struct tb_gone *out);
/* After it: notes what tb_gone_look saw, if it is gone, and a file by its path (the kernel's own
 * are never unloaded). Makes no system call. Signal-safe. */
void tb_gone_note(const struct tb_gone *library);
/* The same for one of a module table; what has its place now is asked for its name. Signal-safe. */
void tb_gone_note_module(const struct tb_module *module, const struct tb_code *code);
/* The one noted back places before the last, 0 to TB_GONE_MAX - 1. 0; -ENOENT when there is none,
 * when it is being noted, or when it is there again. Signal-safe. */
int tb_gone_get(unsigned back, struct tb_gone *out);
/* The last one that had the address: 0 or -ENOENT. Signal-safe. */
int tb_gone_find(uint64_t address, struct tb_gone *out);

#endif
