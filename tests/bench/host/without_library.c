/* without_library.c - towbar-bench-bare: the same program without the library.
 *
 * Its role handle dies with a handler that does the least that makes a crash readable: the
 * registers and 8 KiB of the stack, in a file that is mapped as a crash slot is. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/uio.h>
#include <ucontext.h>
#include <unistd.h>

#include "base/clock.h"
#include "deep.h"
#include "host.h"

enum { SLOT_BYTES = 256 << 10, STACK_AT = 4096, STACK_BYTES = 8 << 10, ALTERNATE_BYTES = 64 << 10 };

static uint8_t *slot;
static double *took_us;

int host_start(const char *spool)
{
    (void)spool;
    return 0;
}

int host_report(int n)
{
    (void)n;
    return 0;
}

static void save(int signo, siginfo_t *info, void *context)
{
    static uint8_t stack[STACK_BYTES];
    uint64_t start = tb_clock_mono_ns();
    const ucontext_t *at = context;
    struct iovec to = {stack, sizeof(stack)};
    struct iovec from = {(void *)(uintptr_t)at->uc_stack.ss_sp, sizeof(stack)};
    from.iov_base = __builtin_frame_address(0);
#if defined(__x86_64__)
    from.iov_base = (void *)(uintptr_t)at->uc_mcontext.gregs[REG_RSP];
#endif
    ssize_t n = process_vm_readv(getpid(), &to, 1, &from, 1, 0);
    memcpy(slot, info, sizeof(*info));
    memcpy(slot + sizeof(*info), &at->uc_mcontext, sizeof(at->uc_mcontext));
    if (n > 0)
        memcpy(slot + STACK_AT, stack, (size_t)n);
    *took_us = (double)(tb_clock_mono_ns() - start) / 1000;
    (void)signo; /* SA_RESETHAND: returning does it again, and dies */
}

static int map_slot(const char *folder)
{
    static const uint8_t zeros[SLOT_BYTES];
    char path[HOST_PATH];
    (void)snprintf(path, sizeof(path), "%s/bare.XXXXXX", folder);
    int fd = mkstemp(path);
    if (fd < 0)
        return -errno;
    int err = fallocate(fd, 0, 0, SLOT_BYTES) < 0 && errno != EOPNOTSUPP ? -errno : 0;
    if (err == 0 && pwrite(fd, zeros, SLOT_BYTES, 0) != SLOT_BYTES)
        err = -EIO;
    slot = mmap(NULL, SLOT_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (err == 0 && slot == MAP_FAILED)
        err = -errno;
    if (err == 0)
        slot[0] = 1; /* the state, at init */
    close(fd);
    return err;
}

static void fault(void *arg)
{
    static int *volatile nowhere;
    (void)arg;
    *nowhere = 1;
}

static int handle(const char *folder, int argument, double *results)
{
    static uint8_t alternate[ALTERNATE_BYTES];
    const struct rlimit no_core = {0, 0};
    const stack_t stack = {.ss_sp = alternate, .ss_size = sizeof(alternate)};
    struct sigaction action = {.sa_flags = (int)(SA_SIGINFO | SA_ONSTACK | SA_RESETHAND)};
    (void)argument;
    took_us = results;
    action.sa_sigaction = save;
    int err = map_slot(folder);
    if (err)
        return err;
    if (setrlimit(RLIMIT_CORE, &no_core) != 0 || sigaltstack(&stack, NULL) != 0 ||
        sigaction(SIGSEGV, &action, NULL) != 0)
        return -errno;
    (void)bench_deep(HOST_DEPTH, fault, NULL);
    return -EINVAL; /* it lives */
}

const struct host_role host_roles[] = {{"handle", handle}};
const size_t host_n_roles = sizeof(host_roles) / sizeof(host_roles[0]);
