/* waits.c - see waits.h. */
#include "symbol/answer/waits.h"

#include <stdio.h>
#include <string.h>

#include "base/library.h"

#define N(table) (sizeof(table) / sizeof((table)[0]))

enum { INNERMOST = 16, NAME_BYTES = 64 };

/* A function of the C library, without decorations. */
struct row {
    const char *name, *call;
    const char *api; /* what programs call; NULL: the same name; "": no name of its own */
};

static const struct row rows[] = {
    {"pthread_cond_wait", "futex", NULL},
    {"pthread_cond_timedwait", "futex", NULL},
    {"pthread_cond_clockwait", "futex", NULL},
    {"pthread_mutex_lock", "futex", NULL},
    {"pthread_mutex_lock_full", "futex", "pthread_mutex_lock"},
    {"pthread_mutex_timedlock", "futex", NULL},
    {"pthread_mutex_clocklock", "futex", NULL},
    {"pthread_mutex_cond_lock", "futex", ""},
    {"pthread_rwlock_rdlock", "futex", NULL},
    {"pthread_rwlock_wrlock", "futex", NULL},
    {"pthread_rwlock_timedrdlock", "futex", NULL},
    {"pthread_rwlock_timedwrlock", "futex", NULL},
    {"pthread_barrier_wait", "futex", NULL},
    {"pthread_once", "futex", NULL},
    {"pthread_join", "futex", NULL},
    {"pthread_clockjoin_ex", "futex", "pthread_join"},
    {"pthread_timedjoin_np", "futex", NULL},
    {"sem_wait", "futex", NULL},
    {"sem_wait_slow", "futex", "sem_wait"},
    {"sem_timedwait", "futex", NULL},
    {"sem_clockwait", "futex", NULL},
    {"cnd_wait", "futex", NULL},
    {"cnd_timedwait", "futex", NULL},
    {"mtx_lock", "futex", NULL},
    {"mtx_timedlock", "futex", NULL},
    {"thrd_join", "futex", NULL},
    {"do_futex_wait", "futex", ""},
    {"timedwait", "futex", ""},
    {"timedwait_cp", "futex", ""},
    {"poll", "poll", NULL},
    {"ppoll", "ppoll", NULL},
    {"select", "select", NULL},
    {"pselect", "pselect", NULL},
    {"epoll_wait", "epoll_wait", NULL},
    {"epoll_pwait", "epoll_pwait", NULL},
    {"epoll_pwait2", "epoll_pwait2", NULL},
    {"read", "read", NULL},
    {"pread", "pread", NULL},
    {"readv", "readv", NULL},
    {"preadv", "preadv", NULL},
    {"preadv2", "preadv2", NULL},
    {"write", "write", NULL},
    {"pwrite", "pwrite", NULL},
    {"writev", "writev", NULL},
    {"pwritev", "pwritev", NULL},
    {"recv", "recv", NULL},
    {"recvfrom", "recvfrom", NULL},
    {"recvmsg", "recvmsg", NULL},
    {"recvmmsg", "recvmmsg", NULL},
    {"send", "send", NULL},
    {"sendto", "sendto", NULL},
    {"sendmsg", "sendmsg", NULL},
    {"sendfile", "sendfile", NULL},
    {"splice", "splice", NULL},
    {"accept", "accept", NULL},
    {"accept4", "accept4", NULL},
    {"connect", "connect", NULL},
    {"open", "open", NULL},
    {"openat", "openat", NULL},
    {"ioctl", "ioctl", NULL},
    {"fcntl", "fcntl", NULL},
    {"flock", "flock", NULL},
    {"fsync", "fsync", NULL},
    {"fdatasync", "fdatasync", NULL},
    {"clock_nanosleep", "nanosleep", NULL},
    {"nanosleep", "nanosleep", NULL},
    {"usleep", "nanosleep", NULL},
    {"sleep", "nanosleep", NULL},
    {"wait4", "wait4", NULL},
    {"wait", "wait4", NULL},
    {"wait3", "wait4", NULL},
    {"waitpid", "wait4", NULL},
    {"waitid", "waitid", NULL},
    {"sigwait", "sigtimedwait", NULL},
    {"sigwaitinfo", "sigtimedwait", NULL},
    {"sigtimedwait", "sigtimedwait", NULL},
    {"sigsuspend", "sigsuspend", NULL},
    {"pause", "pause", NULL},
    {"msgrcv", "msgrcv", NULL},
    {"msgsnd", "msgsnd", NULL},
    {"semop", "semop", NULL},
    {"semtimedop", "semtimedop", NULL},
    {"mq_receive", "mq_receive", NULL},
    {"mq_timedreceive", "mq_timedreceive", NULL},
    {"getrandom", "getrandom", NULL},
    {"io_getevents", "io_getevents", NULL},
    {"syscall", "syscall", NULL},
};

static bool begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

static void cut_end(char *name, const char *end)
{
    size_t len = strlen(name);
    size_t n = strlen(end);
    if (len > n && strcmp(name + len - n, end) == 0)
        name[len - n] = '\0';
}

/* "__GI___libc_read_nocancel" and "read" are the same. */
static const char *undecorated(const char *name, char out[NAME_BYTES])
{
    static const char *const beginnings[] = {"GI_", "libc_", "new_", "old_"};
    static const char *const endings[] = {"_nocancel", "_time64", "64", "_2"};
    size_t i = 0;
    while (i < N(beginnings)) {
        name += strspn(name, "_");
        if (begins(name, beginnings[i])) {
            name += strlen(beginnings[i]);
            i = 0;
        } else {
            i++;
        }
    }
    snprintf(out, NAME_BYTES, "%s", name);
    for (i = 0; i < N(endings); i++)
        cut_end(out, endings[i]);
    return out;
}

static const struct row *row_of(const char *name)
{
    static const struct row futex = {"futex", "futex", ""};
    if (begins(name, "futex_") || begins(name, "lll_lock_wait") || begins(name, "lll_mutex_lock"))
        return &futex;
    for (size_t i = 0; i < N(rows); i++) {
        if (strcmp(rows[i].name, name) == 0)
            return &rows[i];
    }
    return NULL;
}

/* Stands between a function and its system call, and says nothing. */
static bool is_between(const char *name)
{
    return begins(name, "syscall_c") || begins(name, "internal_syscall");
}

/* A name that programs know: what begins with "_" is the library's own. */
static bool is_public(const char *method)
{
    static const char *const starts[] = {"start_thread", "clone", "clone3"};
    for (size_t i = 0; i < N(starts); i++) {
        if (strcmp(method, starts[i]) == 0)
            return false;
    }
    return method[0] != '_';
}

/* Of the C library, or of a static program's part of it. */
static bool is_of_libc(const struct tb_symbol_frame *frame, const struct row *row)
{
    const char *name = frame->module ? tb_symbol_module_name(frame->module) : "";
    if (!tb_library_is_runtime(name))
        return row && !frame->file && frame->module &&
               (frame->module->info->flags & TB_MODULE_MAIN) != 0;
    return !begins(name, "libstdc++") && !begins(name, "libc++") && !begins(name, "libtowbar");
}

bool tb_symbol_waits_in(const struct tb_symbol_frame *frames, size_t n,
                        char out[TB_SYMBOL_WAIT_BYTES])
{
    const char *call = NULL;
    const char *api = NULL;
    for (size_t i = 0; i < n && i < INNERMOST; i++) {
        char name[NAME_BYTES];
        const char *method = frames[i].method ? frames[i].method : "";
        const struct row *row = row_of(undecorated(method, name));
        if (!is_of_libc(&frames[i], row))
            break;
        if (row && row->api)
            api = row->api[0] != '\0' ? row->api : api;
        else if (row)
            api = row->name;
        else if (call && method[0] != '\0' && is_public(method))
            api = method;
        else if (!call && method[0] != '\0' && !is_between(name))
            break; /* it works */
        if (row && !call)
            call = row->call;
    }
    if (!call)
        return false;
    if (!api || strcmp(api, call) == 0)
        snprintf(out, TB_SYMBOL_WAIT_BYTES, "%s", call);
    else
        snprintf(out, TB_SYMBOL_WAIT_BYTES, "%s (%.64s)", call, api);
    return true;
}
