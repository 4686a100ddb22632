/* thread.c - see thread.h.
 *
 * An alternate stack that the host set stays: it may know better, and its handlers may count on
 * it. */
#include "capture/threads/thread.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "capture/crash/block.h"
#include "capture/report/context.h"
#include "capture/lib.h"
#include "capture/text.h"
#include "towbar/towbar.h"

enum {
    NAME_BYTES = 16,
    COVERED_MAX = 4096, /* two mappings each, of the 65530 that the kernel lets a process have */
};

static struct {
    pthread_key_t key;
    int is_made;
} end_of_thread;

static atomic_int is_covering;
static _Atomic uint32_t ids[TB_THREAD_IDS];

/* ---- the table of thread ids ---- */

static int enroll(void)
{
    uint32_t tid = (uint32_t)gettid();
    tb_context()->tid = (int)tid;
    for (uint32_t i = 0; tid <= INT_MAX && i < TB_THREAD_IDS; i++) {
        uint32_t place = (tid + i) % TB_THREAD_IDS;
        uint32_t none = 0;
        if (atomic_compare_exchange_strong(&ids[place], &none, tid))
            return (int)place + 1;
    }
    return 0;
}

static void strike_out(struct tb_thread *thread)
{
    if (thread->id_place > 0)
        atomic_store(&ids[thread->id_place - 1], 0);
    thread->id_place = 0;
}

size_t tb_thread_ids(uint32_t *out, size_t max)
{
    size_t n = 0;
    for (size_t i = 0; i < TB_THREAD_IDS && n < max; i++) {
        uint32_t tid = atomic_load_explicit(&ids[i], memory_order_relaxed);
        if (tid != 0)
            out[n++] = tid;
    }
    return n;
}

void tb_thread_forked(void)
{
    struct tb_thread *thread = tb_context()->thread;
    for (size_t i = 0; i < TB_THREAD_IDS; i++)
        atomic_store_explicit(&ids[i], 0, memory_order_relaxed);
    tb_block_forked();
    if (thread && thread->id_place > 0)
        thread->id_place = enroll();
}

/* ---- a thread's end ---- */

static void leave_thread(void *block)
{
    struct tb_thread *thread = block;
    stack_t now;
    char *here = __builtin_frame_address(0);
    /* A handler of this thread must not meet what is taken away here. */
    tb_context()->thread = NULL;
    strike_out(thread);
    thread->left_by = gettid();
    thread->is_on_stack = here >= thread->map && here < (char *)thread;
    if (!thread->is_on_stack && sigaltstack(NULL, &now) == 0 && now.ss_sp == tb_block_stack(thread))
        (void)sigaltstack(&(stack_t){.ss_flags = SS_DISABLE}, NULL);
    tb_block_drop(thread);
}

__attribute__((constructor)) static void make_key(void)
{
    end_of_thread.is_made = pthread_key_create(&end_of_thread.key, leave_thread) == 0;
}

/* ---- a thread's own ---- */

static int is_end_noticed(struct tb_thread *thread)
{
    return end_of_thread.is_made && pthread_setspecific(end_of_thread.key, thread) == 0;
}

struct tb_thread *tb_thread_self(int create)
{
    struct tb_context *context = tb_context();
    if (context->thread || !create)
        return context->thread;
    struct tb_thread *thread = tb_block_new();
    if (!thread)
        return NULL;
    if (is_end_noticed(thread)) /* else it is lost at the end */
        thread->id_place = enroll();
    context->thread = thread;
    return thread;
}

static int set_stack(struct tb_thread *thread)
{
    stack_t now;
    stack_t ours = {.ss_sp = tb_block_stack(thread)};
    ours.ss_size = (size_t)((char *)thread - (char *)ours.ss_sp);
    if (sigaltstack(NULL, &now) != 0)
        return -errno;
    if (!(now.ss_flags & SS_DISABLE))
        return 0;
    return sigaltstack(&ours, NULL) == 0 ? 0 : -errno;
}

int tb_thread_stack(void)
{
    struct tb_thread *thread = tb_thread_self(1);
    return thread ? set_stack(thread) : -ENOMEM;
}

/* ---- threads that are created ---- */

void tb_thread_cover(int is_wanted)
{
    atomic_store(&is_covering, is_wanted);
}

struct tb_thread *tb_thread_prepare(void)
{
    if (!atomic_load_explicit(&is_covering, memory_order_relaxed) || !end_of_thread.is_made ||
        tb_block_count() >= COVERED_MAX)
        return NULL;
    int kept = errno;
    struct tb_thread *thread = tb_block_new();
    errno = kept;
    return thread;
}

void tb_thread_start(struct tb_thread *thread)
{
    int kept = errno;
    if (is_end_noticed(thread)) {
        tb_context()->thread = thread;
        thread->id_place = enroll();
        (void)set_stack(thread);
    } else {
        tb_block_drop(thread);
    }
    errno = kept;
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
