/* calls.h - syscall(2) of a test that lets single calls fail, or runs something in the middle of
 * them: include it in one program. All of src/spool's writer goes through it (spool/sys.h). */
#ifndef TEST_SPOOL_CALLS_H
#define TEST_SPOOL_CALLS_H

#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { N_ARGS = 6, FOR_EVER = 1 << 30 };

static atomic_long failing_call = -1;
static atomic_int failing_times; /* as often as this */
static atomic_int failing_error;
static atomic_long running_call = -1;
static _Atomic(void (*)(long call, long first)) running;
static atomic_ulong n_calls[512];
static atomic_uint n_waited; /* threads that have called futex, however often */
static _Thread_local int has_waited;

/* The next times calls of that number fail so. */
static inline void call_fails(long call, int times, int error)
{
    atomic_store(&failing_times, times);
    atomic_store(&failing_error, error);
    atomic_store(&failing_call, call);
}

/* Before each call of that number hook runs, with the call's first argument. */
static inline void call_runs(long call, void (*hook)(long call, long first))
{
    atomic_store(&running, hook);
    atomic_store(&running_call, call);
}

static inline void calls_work(void)
{
    atomic_store(&failing_call, -1);
    atomic_store(&running_call, -1);
}

/* It reads as many as there may be, like the C library's, however few were given. */
__attribute__((no_sanitize("address"))) long syscall(long call, ...)
{
    static _Atomic(long (*)(long, ...)) real;
    long a[N_ARGS];
    va_list args;
    va_start(args, call);
    for (int i = 0; i < N_ARGS; i++)
        a[i] = va_arg(args, long);
    va_end(args);
    if (call >= 0 && call < 512)
        atomic_fetch_add(&n_calls[call], 1);
    if (call == SYS_futex && !has_waited) {
        has_waited = 1;
        atomic_fetch_add(&n_waited, 1);
    }
    if (call == atomic_load(&running_call))
        atomic_load (&running)(call, a[0]);
    if (call == atomic_load(&failing_call) && atomic_fetch_sub(&failing_times, 1) > 0) {
        errno = atomic_load(&failing_error);
        return -1;
    }
    long (*next)(long, ...) = atomic_load(&real);
    if (!next) {
        *(void **)&next = dlsym(RTLD_NEXT, "syscall");
        atomic_store(&real, next);
    }
    return next(call, a[0], a[1], a[2], a[3], a[4], a[5]);
}

#endif
