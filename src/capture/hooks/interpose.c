/* interpose.c - see interpose.h: threads that are created get an alternate signal stack, and
 * unloading is noticed. Where there is no room for a thread and its stack, the thread goes without.
 *
 * A new thread begins in tb_interpose_enter, which makes the block its own and then jumps to the
 * host's function with the stack as it found it: no frame of ours stays, whatever the compiler
 * does. Programs with a sanitizer are left alone: its runtime has alternate stacks of its own,
 * which it unmaps at the end of a thread whoever made them, and it does not know a thread yet whose
 * first instructions are ours. */
#include "capture/hooks/interpose.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <threads.h>

#include "capture/crash/block.h"
#include "capture/lib.h"
#include "capture/threads/thread.h"
#include "capture/modules/gone.h"
#include "capture/modules/unload.h"
#include "towbar/towbar.h"

typedef int (*create_call)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
typedef int (*thrd_create_call)(thrd_t *, thrd_start_t, void *);
typedef int (*dlclose_call)(void *);

static _Atomic uintptr_t real_create;
static _Atomic uintptr_t real_thrd_create;
static _Atomic uintptr_t real_dlclose;
static int has_sanitizer;

/* The first instructions of a new thread. The argument is its block; rax and rdx, or x0 and x1, are
 * what tb_interpose_begin returns. */
void *tb_interpose_enter(void *block);
#if defined(__x86_64__)
__asm__(".text\n"
        ".globl tb_interpose_enter\n"
        ".hidden tb_interpose_enter\n"
        ".type tb_interpose_enter, @function\n"
        "tb_interpose_enter:\n"
        "    .cfi_startproc\n"
        "    endbr64\n"
        "    subq $8, %rsp\n"
        "    .cfi_adjust_cfa_offset 8\n"
        "    call tb_interpose_begin\n"
        "    addq $8, %rsp\n"
        "    .cfi_adjust_cfa_offset -8\n"
        "    movq %rdx, %rdi\n"
        "    jmp *%rax\n"
        "    .cfi_endproc\n"
        ".size tb_interpose_enter, . - tb_interpose_enter\n");
#else
__asm__(".text\n"
        ".globl tb_interpose_enter\n"
        ".hidden tb_interpose_enter\n"
        ".type tb_interpose_enter, %function\n"
        "tb_interpose_enter:\n"
        "    .cfi_startproc\n"
        "    stp x29, x30, [sp, -16]!\n"
        "    .cfi_adjust_cfa_offset 16\n"
        "    .cfi_rel_offset x29, 0\n"
        "    .cfi_rel_offset x30, 8\n"
        "    bl tb_interpose_begin\n"
        "    ldp x29, x30, [sp], 16\n"
        "    .cfi_adjust_cfa_offset -16\n"
        "    .cfi_restore x29\n"
        "    .cfi_restore x30\n"
        "    mov x16, x0\n"
        "    mov x0, x1\n"
        "    br x16\n"
        "    .cfi_endproc\n"
        ".size tb_interpose_enter, . - tb_interpose_enter\n");
#endif

__attribute__((used)) struct tb_interpose_start tb_interpose_begin(void *block)
{
    struct tb_thread *thread = block;
    struct tb_interpose_start start = {thread->run, thread->arg};
    tb_thread_start(thread);
    return start;
}

/* The next of that name behind this library. Constructors of others may call before ours ran. */
static uintptr_t find(_Atomic uintptr_t *real, const char *name)
{
    uintptr_t found = atomic_load_explicit(real, memory_order_relaxed);
    if (found == 0) {
        found = (uintptr_t)dlsym(RTLD_NEXT, name);
        atomic_store_explicit(real, found, memory_order_relaxed);
    }
    return found;
}

__attribute__((constructor)) static void look_around(void)
{
    static const char *const runtimes[] = {"__asan_init", "__tsan_init", "__msan_init",
                                           "__hwasan_init"};
    (void)find(&real_create, "pthread_create");
    (void)find(&real_thrd_create, "thrd_create");
    (void)find(&real_dlclose, "dlclose");
    for (size_t i = 0; i < sizeof(runtimes) / sizeof(runtimes[0]); i++)
        has_sanitizer |= dlsym(RTLD_DEFAULT, runtimes[i]) != NULL;
}

static struct tb_thread *prepare(uintptr_t run, void *arg)
{
    struct tb_thread *thread = has_sanitizer ? NULL : tb_thread_prepare();
    if (thread) {
        thread->run = run;
        thread->arg = arg;
    }
    return thread;
}

TOWBAR_API int pthread_create(pthread_t *restrict out, const pthread_attr_t *restrict attr,
                              void *(*run)(void *), void *restrict arg)
{
    create_call real = (create_call)find(&real_create, "pthread_create");
    if (!real)
        return EAGAIN;
    struct tb_thread *thread = prepare((uintptr_t)run, arg);
    int err = thread ? real(out, attr, tb_interpose_enter, thread) : real(out, attr, run, arg);
    if (err == EAGAIN || err == ENOMEM)
        return tb_block_give_back(thread) > 0 ? real(out, attr, run, arg) : err;
    if (err != 0 && thread)
        tb_block_drop(thread);
    return err;
}

/* The C library's own makes its thread without pthread_create. What the function returns goes the
 * same way through tb_interpose_enter, which does not look at it. */
TOWBAR_API int thrd_create(thrd_t *out, thrd_start_t run, void *arg)
{
    thrd_create_call real = (thrd_create_call)find(&real_thrd_create, "thrd_create");
    if (!real)
        return thrd_error;
    struct tb_thread *thread = prepare((uintptr_t)run, arg);
    int result = thread ? real(out, (thrd_start_t)(uintptr_t)tb_interpose_enter, thread)
                        : real(out, run, arg);
    if (result != thrd_success && tb_block_give_back(thread) > 0)
        return real(out, run, arg); /* thrd_error may be EAGAIN */
    return result;
}

/* Unlike dlopen it does not ask who calls. One that began before the library was on is not watched:
 * the table was made after it, or is made while the loader is locked. */
TOWBAR_API int dlclose(void *handle)
{
    dlclose_call real = (dlclose_call)find(&real_dlclose, "dlclose");
    if (!real)
        return -1;
    if (atomic_load_explicit(&tb_lib.state, memory_order_relaxed) == TB_LIB_OFF)
        return real(handle);
    struct tb_gone library;
    tb_gone_look(handle, &library);
    tb_unload_begin();
    int result = real(handle);
    int err = errno;
    tb_unload_end(result == 0);
    tb_gone_note(&library);
    errno = err;
    return result;
}
