/* interpose_exit.c - the shared library's own _exit, _Exit and daemon, which programs that are
 * linked to it call in place of libc's: they say good-bye, then do what libc's do. libtowbar.a has
 * none of them.
 *
 * 1. They are exported without a version: a reference to _exit@GLIBC_2.2.5 would not be bound to a
 *    symbol with another one.
 * 2. libc's own calls (exit, posix_spawn, the child of system) never come here.
 * 3. What comes after us in the order of the loader, libc or a sanitizer, is called as it would
 *    have been without us. */
#include <dlfcn.h>
#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "capture/crash/goodbye.h"
#include "towbar/towbar.h"

typedef void ending(int status);

static ending *next_exit, *next_Exit;
static int (*next_daemon)(int, int);

/* Looked up while that may allocate and lock; until then, and without libc's, the kernel's. */
__attribute__((constructor)) static void look_up(void)
{
    /* A function's address by way of an object pointer: POSIX has dlsym give it so. */
    *(void **)&next_exit = dlsym(RTLD_NEXT, "_exit");
    *(void **)&next_Exit = dlsym(RTLD_NEXT, "_Exit");
    *(void **)&next_daemon = dlsym(RTLD_NEXT, "daemon");
}

__attribute__((noreturn)) static void end(ending *next, int status)
{
    tb_goodbye();
    if (next)
        next(status);
    for (;;)
        (void)syscall(SYS_exit_group, status);
}

TOWBAR_API void _exit(int status)
{
    end(next_exit, status);
}

TOWBAR_API void _Exit(int status)
{
    end(next_Exit, status);
}

/* The parent ends inside it. Where it fails the program seldom goes on; if it does, only a death
 * that no handler sees would be missed. */
TOWBAR_API int daemon(int nochdir, int noclose)
{
    if (!next_daemon) /* a constructor of another library calls before ours ran */
        look_up();
    if (!next_daemon) {
        errno = ENOSYS;
        return -1;
    }
    tb_goodbye();
    return next_daemon(nochdir, noclose);
}
