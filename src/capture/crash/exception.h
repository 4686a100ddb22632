/* exception.h - the C++ exception that a thread dies of, found without running any of its code.
 * Signal-safe.
 *
 * What is relied on: the Itanium C++ ABI, as libstdc++ and libc++abi have it (headers of
 * exceptions, std::type_info, the first member of std::runtime_error and std::logic_error), and how
 * the C library keeps the storage of threads. Each step must look as it should, or there is no
 * exception. */
#ifndef TB_CAPTURE_EXCEPTION_H
#define TB_CAPTURE_EXCEPTION_H

#include <stddef.h>
#include <stdint.h>

#include "capture/crash/memory.h"
#include "capture/modules/dynsym.h"
#include "record/crash.h"

struct tb_exception {
    size_t type_len, what_len; /* 0: not known */
    char type[TB_CRASH_TYPE_MAX + 1];
    char what[TB_CRASH_WHAT_MAX + 1];
};

/* Where the C++ runtime of that module keeps the exceptions of the calling thread: its
 * __cxa_eh_globals. 0, or -ENOENT when it is no such module, or the thread has none. */
int tb_exception_globals(const struct tb_dynsym *runtime, uint64_t *address);
/* The exception that the calling thread handles now, which is the one that std::terminate was
 * called for: 0, or -ENOENT. */
int tb_exception_find(const struct tb_dynsym *runtime, struct tb_exception *out);

#endif
