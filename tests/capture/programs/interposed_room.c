/* interposed_room.c - interposed.c's ways with little room: for a handler, in memory, for the
 * loader's lock. */
#include <dlfcn.h>
#include <link.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <threads.h>
#include <unistd.h>

#include "interposed.h"

/* ---- dlclose ---- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static atomic_int is_inside;
static atomic_int is_locked;

static int wait_inside(struct dl_phdr_info *info, size_t size, void *arg)
{
    (void)info;
    (void)size;
    atomic_store(&is_inside, 1);
    while (!atomic_load(&is_locked))
        sched_yield();
    pthread_mutex_lock(&lock);
    pthread_mutex_unlock(&lock);
    return arg != NULL;
}

static void *iterate(void *arg)
{
    (void)dl_iterate_phdr(wait_inside, &bad);
    return arg;
}

/* With a lock that a callback of dl_iterate_phdr waits for; it unloads nothing. */
void dlclose_beside(void)
{
    pthread_t thread;
    void *first = dlopen("libm.so.6", RTLD_NOW);
    void *second = dlopen("libm.so.6", RTLD_NOW);
    EXPECT(first && first == second);
    alarm(20); /* what ends it when it waits for ever */
    EXPECT(pthread_create(&thread, NULL, iterate, NULL) == 0);
    while (!atomic_load(&is_inside))
        sched_yield();
    pthread_mutex_lock(&lock);
    atomic_store(&is_locked, 1);
    EXPECT(dlclose(second) == 0);
    pthread_mutex_unlock(&lock);
    EXPECT(pthread_join(thread, NULL) == 0);
}

/* ---- handlers that need much stack ---- */

enum { MUCH_BYTES = 200 << 10, TOO_MUCH_BYTES = 300 << 10 };

/* The lower end first, as a function does that fills a buffer. */
__attribute__((noinline)) static void need(volatile char *room, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        room[i] = 1;
}

static void need_much(int signo)
{
    char room[MUCH_BYTES];
    need(room, sizeof(room));
    sink += signo;
}

static void need_too_much(int signo)
{
    char room[TOO_MUCH_BYTES];
    need(room, 1000);
    sink += signo;
}

static void in_both(void (*handler)(int))
{
    pthread_t thread;
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_ONSTACK};
    sigaction(SIGUSR1, &action, NULL);
    EXPECT(pthread_create(&thread, NULL, raise_in_thread, NULL) == 0);
    EXPECT(pthread_join(thread, NULL) == 0);
    raise(SIGUSR1);
}

void much_stack(void)
{
    in_both(need_much);
}

void too_much_stack(void)
{
    in_both(need_too_much);
}

/* ---- limits ---- */

enum { CANNOT = 77 };

static void *count_resident(void *arg)
{
    unsigned char pages[1024] = {0};
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    stack_t now;
    EXPECT(sigaltstack(NULL, &now) == 0 && now.ss_size >= MUCH_BYTES);
    size_t n = now.ss_size / page;
    EXPECT(n < sizeof(pages) && mincore(now.ss_sp, n * page, pages) == 0);
    for (size_t i = 0; i < n; i++)
        *(size_t *)arg += pages[i] & 1;
    return arg;
}

void locked(void)
{
    pthread_attr_t attr;
    pthread_t thread;
    size_t n_pages = 0;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, 2 * (size_t)PTHREAD_STACK_MIN);
    if (mlockall(MCL_FUTURE) != 0)
        exit(CANNOT);
    EXPECT(pthread_create(&thread, &attr, count_resident, &n_pages) == 0);
    EXPECT(pthread_join(thread, NULL) == 0);
    EXPECT(n_pages <= 1);
    pthread_attr_destroy(&attr);
}

static size_t mapped_bytes(void)
{
    unsigned long n = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file) {
        EXPECT(fscanf(file, "%lu", &n) == 1);
        fclose(file);
    }
    return n * (size_t)sysconf(_SC_PAGESIZE);
}

static void *say_stack(void *arg)
{
    *(size_t *)arg = stack_bytes();
    return arg;
}

static int say_stack_c11(void *arg)
{
    (void)say_stack(arg);
    return 0;
}

/* For a thread's stack there is room, but not for an alternate one beside it. */
static void leave_room(size_t bytes)
{
    struct rlimit limit = {RLIM_INFINITY, RLIM_INFINITY};
    limit.rlim_cur = mapped_bytes() + bytes + (128 << 10);
    EXPECT(setrlimit(RLIMIT_AS, &limit) == 0);
}

void no_room(void)
{
    pthread_attr_t attr;
    pthread_t thread;
    size_t bytes = (size_t)1 << 20;
    size_t said = 1;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, bytes);
    leave_room(bytes);
    EXPECT(pthread_create(&thread, &attr, say_stack, &said) == 0);
    EXPECT(pthread_join(thread, NULL) == 0);
    EXPECT(said == 0);
    pthread_attr_destroy(&attr);
}

void no_room_c11(void)
{
    pthread_attr_t attr;
    thrd_t thread;
    size_t bytes = 0;
    size_t said = 1;
    pthread_attr_init(&attr);
    pthread_attr_getstacksize(&attr, &bytes);
    pthread_attr_destroy(&attr);
    leave_room(bytes);
    EXPECT(thrd_create(&thread, say_stack_c11, &said) == thrd_success);
    EXPECT(thrd_join(thread, NULL) == thrd_success);
    EXPECT(said == 0);
}
