/* interpose_prctl.c - the shared library's own prctl, which passes everything on, and remembers
 * that a seccomp filter may be there from now on (quiet.h). libseccomp and others that use
 * seccomp(2) itself ask for PR_SET_NO_NEW_PRIVS before. libtowbar.a has none of it.
 *
 * It is exported without a version, as those of interpose.c are. After the filter is set it makes
 * no call of its own. */
#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "capture/lib.h"
#include "capture/crash/quiet.h"
#include "towbar/towbar.h"

typedef unsigned long word;
typedef int prctl_call(int option, ...);

static prctl_call *next_prctl;

__attribute__((constructor)) static void look_up(void)
{
    /* A function's address by way of an object pointer: POSIX has dlsym give it so. */
    *(void **)&next_prctl = dlsym(RTLD_NEXT, "prctl");
}

static int pass_on(int option, const word args[4])
{
    if (next_prctl)
        return next_prctl(option, args[0], args[1], args[2], args[3]);
    return (int)syscall(SYS_prctl, option, args[0], args[1], args[2], args[3]);
}

/* A child by vfork does it to itself; the memory is its parent's. */
static int is_borrower(void)
{
    return atomic_load(&tb_lib.state) == TB_LIB_ON && atomic_load(&tb_lib.pid) != getpid();
}

TOWBAR_API int prctl(int option, ...)
{
    word args[4];
    va_list list;
    va_start(list, option);
    for (size_t i = 0; i < sizeof(args) / sizeof(args[0]); i++)
        args[i] = va_arg(list, word); /* as the C library does, however many there are */
    va_end(list);
    if (option != PR_SET_SECCOMP && option != PR_SET_NO_NEW_PRIVS)
        return pass_on(option, args);
    int kept = errno;
    int is_own = tb_quiet_is_expected() || !is_borrower();
    if (is_own)
        tb_quiet_look();
    errno = kept;
    int result = pass_on(option, args);
    if (result == 0 && is_own)
        tb_quiet_expect();
    return result;
}
