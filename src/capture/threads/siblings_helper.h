/* siblings_helper.h - the process that stops the other threads, and what it shares with the thread
 * that it helps (siblings.c). */
#ifndef TB_CAPTURE_SIBLINGS_HELPER_H
#define TB_CAPTURE_SIBLINGS_HELPER_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>

#include "record/crash.h"
#include "spool/slot_more.h"
#include "spool/sys.h"

enum {
    TB_SIBLINGS_STACK_MAX = 16 << 10, /* of one thread; less where there are many */
    TB_SIBLINGS_SLOT_MAX = 96 << 10,  /* chunks for the slot */
};

/* How it stands with the helper; the kernel stores ENDED. */
enum tb_helper_word { TB_HELPER_ENDED, TB_HELPER_RUNS, TB_HELPER_ASKS, TB_HELPER_GOES_ON };

enum tb_sibling_state {
    TB_SIBLING_KNOWN,
    TB_SIBLING_SEIZED,  /* it will stop */
    TB_SIBLING_STUCK,   /* it would be waited for in vain */
    TB_SIBLING_STOPPED, /* until it is released */
    TB_SIBLING_OVER     /* released, gone, or not to be had */
};

struct tb_sibling {
    uint32_t tid;
    uint8_t state;  /* enum tb_sibling_state */
    uint8_t signal; /* to be passed on at the release, or 0 */
};

struct tb_siblings_job {
    /* For the helper. */
    struct tb_sibling threads[TB_CRASH_THREADS_MAX];
    size_t n_threads;
    uint32_t n_there; /* those beyond the table too */
    int task_fd;      /* /proc/self/task, or -1 */
    uint64_t until_ns;
    size_t stack_bytes;      /* of each thread, in the file */
    size_t slot_stack_bytes; /* of each thread, in the slot */
    size_t slot_bytes;       /* of chunks, at most */
    struct tb_slot_more more;
    int is_file_full; /* or gone: the rest goes into the slot */
    /* By the one that it helps: RLIMIT_NOFILE as it was. */
    struct tb_sys_files files;
    /* By both: a futex. The helper asks to be let trace (PR_SET_PTRACER). */
    _Atomic uint32_t word;
    /* By the helper; read when it has ended. */
    volatile int err;                 /* why not all of them: the first reason, or 0 */
    volatile int is_done;             /* it ended by itself */
    volatile int is_dumpable_changed; /* from 0 to 1 */
    volatile uint32_t n_captured;
    volatile uint32_t n_gone; /* of n_there, those that are none any more */
    volatile uint64_t stopped_ns, released_ns;
    volatile size_t len; /* of the whole chunks in bytes, which belong into the slot */
    uint8_t bytes[TB_SIBLINGS_SLOT_MAX];
};

/* The helper's main function; arg is the job. It has the memory, the descriptors and even the
 * thread storage (errno) of the thread that waits for it, which must not use that meanwhile. */
int tb_siblings_help(void *arg);

#endif
