/* interpose.h - what the shared library puts in front of the C library's own functions.
 *
 * The names have no version (libtowbar.map), so that the loader binds every caller's to them: the
 * program's, the C++ runtime's, other libraries'. That needs libtowbar.so among what the program
 * was linked with or preloaded; one that comes by dlopen, and the archive, change nothing. Calls
 * inside the C library are not seen.
 *
 * 1. Where the library is off, a call costs one relaxed load and goes on to the C library.
 * 2. A function of the same name that stands behind this library (a sanitizer's, a preloaded one)
 *    is called as if this were not there. */
#ifndef TB_CAPTURE_INTERPOSE_H
#define TB_CAPTURE_INTERPOSE_H

#include <stdint.h>

/* The host's function of a new thread, and its argument. */
struct tb_interpose_start {
    uintptr_t run;
    void *arg;
};

/* Called by the first instructions of a new thread, which then jump to what it returns. */
struct tb_interpose_start tb_interpose_begin(void *block);

#endif
