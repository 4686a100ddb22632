/* thread.c - see thread.h.
 *
 * An alternate stack that the host set stays: it may know better, and its handlers may count on
 * it. Size: 64 KiB, or what the processor's registers need and 32 KiB more. */
#include "capture/thread.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "capture/context.h"
#include "capture/lib.h"
#include "capture/text.h"
#include "towbar/towbar.h"

enum { STACK_LEAST_BYTES = 64 << 10, STACK_OURS_BYTES = 32 << 10, NAME_BYTES = 16 };

static struct {
    pthread_key_t key;
    int is_made;
} end_of_thread;

static void leave_thread(void *block)
{
    struct tb_thread *thread = block;
    stack_t now;
    /* A handler of this thread must not meet what is taken away here. */
    tb_context()->thread = NULL;
    if (thread->stack && sigaltstack(NULL, &now) == 0 && !(now.ss_flags & SS_ONSTACK)) {
        char *ours = thread->stack;
        if ((char *)now.ss_sp >= ours && (char *)now.ss_sp < ours + thread->stack_bytes)
            (void)sigaltstack(&(stack_t){.ss_flags = SS_DISABLE}, NULL);
        (void)munmap(thread->stack, thread->stack_bytes);
    }
    (void)munmap(thread, sizeof(*thread));
}

__attribute__((constructor)) static void make_key(void)
{
    end_of_thread.is_made = pthread_key_create(&end_of_thread.key, leave_thread) == 0;
}

struct tb_thread *tb_thread_self(int create)
{
    struct tb_context *context = tb_context();
    if (context->thread || !create)
        return context->thread;
    struct tb_thread *thread =
        mmap(NULL, sizeof(*thread), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (thread == MAP_FAILED)
        return NULL;
    if (end_of_thread.is_made)
        (void)pthread_setspecific(end_of_thread.key, thread); /* else it is lost at the end */
    context->thread = thread;
    return thread;
}

int tb_thread_stack(void)
{
    stack_t now;
    struct tb_thread *thread = tb_thread_self(1);
    if (!thread)
        return -ENOMEM;
    if (sigaltstack(NULL, &now) != 0)
        return -errno;
    if (!(now.ss_flags & SS_DISABLE))
        return 0;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t bytes = getauxval(AT_MINSIGSTKSZ) + STACK_OURS_BYTES;
    if (bytes < STACK_LEAST_BYTES)
        bytes = STACK_LEAST_BYTES;
    bytes = (bytes + page - 1) / page * page;
    char *map =
        mmap(NULL, bytes + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED)
        return -errno;
    stack_t ours = {.ss_sp = map + page, .ss_size = bytes};
    if (mprotect(map, page, PROT_NONE) != 0 || sigaltstack(&ours, NULL) != 0) {
        int err = -errno;
        (void)munmap(map, bytes + page);
        return err;
    }
    thread->stack = map;
    thread->stack_bytes = bytes + page;
    return 0;
}

int towbar_thread_enter(const char *name_format, ...)
{
    int kept = errno;
    tb_lib_touch();
    if (name_format) {
        char name[NAME_BYTES];
        va_list args;
        va_start(args, name_format);
        (void)tb_text_format(name, sizeof(name), name_format, args);
        va_end(args);
        (void)prctl(PR_SET_NAME, name);
    }
    int err = tb_thread_stack();
    errno = kept;
    return err;
}

/* ---- tags ---- */

int towbar_scope_push(const char *key, const char *format, ...)
{
    int kept = errno;
    tb_lib_touch();
    struct tb_thread *thread = tb_thread_self(1);
    if (!thread) {
        errno = kept;
        return 0;
    }
    int before = thread->depth;
    if (key && before < TB_SCOPES_MAX) {
        struct tb_scope *scope = &thread->scopes[before];
        va_list args;
        va_start(args, format);
        (void)tb_text_copy(scope->key, sizeof(scope->key), key);
        errno = kept; /* for %m */
        (void)tb_text_format(scope->value, sizeof(scope->value), format, args);
        va_end(args);
    }
    atomic_signal_fence(memory_order_seq_cst); /* a handler sees it whole or not at all */
    if (key && before < INT_MAX)
        thread->depth = before + 1;
    errno = kept;
    return before;
}

void towbar_scope_pop(int depth)
{
    struct tb_thread *thread = tb_thread_self(0);
    if (thread && depth >= 0 && depth < thread->depth)
        thread->depth = depth;
}

size_t tb_thread_scopes(char *out, size_t cap)
{
    const struct tb_thread *thread = tb_thread_self(0);
    size_t len = 0;
    if (!thread)
        return 0;
    for (int i = 0; i < thread->depth && i < TB_SCOPES_MAX; i++) {
        const struct tb_scope *scope = &thread->scopes[i];
        size_t key_len = strnlen(scope->key, TB_SCOPE_KEY - 1) + 1;
        size_t value_len = strnlen(scope->value, TB_SCOPE_VALUE - 1) + 1;
        if (key_len + value_len > cap - len)
            break;
        memcpy(out + len, scope->key, key_len);
        memcpy(out + len + key_len, scope->value, value_len);
        len += key_len + value_len;
    }
    return len;
}
