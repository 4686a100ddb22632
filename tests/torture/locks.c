/* locks.c - crashes where the loader, malloc or stdio hold a lock, here or in another thread; in
 * libraries that were loaded and unloaded; in C++; at the end of the program. */
#include "torture.h"

#include <dlfcn.h>
#include <limits.h>
#include <link.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <towbar/towbar.h>

enum { LARGE = 5000, TRY_STEPS = 200 };

static atomic_int is_held;
static atomic_int n_tries;
static void *kept_library;

static void wait_until_held(void)
{
    while (!is_held)
        usleep(100);
}

static void *load(const char *name)
{
    char path[PATH_MAX];
    snprintf(path, sizeof(path), "%s/%s", program_folder, name);
    void *library = dlopen(path, RTLD_NOW);
    if (!library)
        say("%s\n", dlerror());
    kept_library = library;
    return library;
}

static void call(const char *library, const char *name)
{
    void *found = dlsym(load(library), name);
    if (!found)
        say("no %s\n", name);
    else
        ((void (*)(void))found)();
    sink++;
}

/* ---- malloc ---- */

static void one_arena(void)
{
    mallopt(M_ARENA_MAX, 1);
}

/* A free block that leads to a wild one: malloc faults with the lock of its arena. */
KEEP static void crash_in_malloc(void)
{
    char *volatile blocks[16];
    for (int i = 0; i < 16; i++)
        blocks[i] = malloc(LARGE);
    free(blocks[13]);
    ((volatile uintptr_t *)(uintptr_t)blocks[13])[1] = 0x41414140;
    for (int i = 0; i < 16; i++)
        blocks[i] = malloc(LARGE - 1000);
    sink++;
}

static void *take_and_give(void *arg)
{
    (void)arg;
    for (;;) {
        void *volatile block = malloc(LARGE);
        free(block);
    }
    return NULL;
}

static void stay(int signo)
{
    (void)signo;
    is_held = 1;
    while (is_held)
        usleep(100);
}

static void *try_malloc(void *arg)
{
    (void)arg;
    for (;;) {
        void *volatile block = malloc(LARGE * 2);
        free(block);
        n_tries++;
        usleep(100);
    }
    return NULL;
}

static int is_malloc_stuck(void)
{
    int before = n_tries;
    for (int i = 0; i < TRY_STEPS && n_tries - before < 2; i++)
        usleep(100);
    return n_tries - before < 2;
}

/* Another thread is stopped at random until it stops with the lock. */
KEEP static void crash_while_malloc_is_held(void)
{
    pthread_t thread;
    catch_with(SIGUSR1, stay, 0);
    spawn(try_malloc, NULL);
    pthread_create(&thread, NULL, take_and_give, NULL);
    for (int i = 0; i < 10000; i++) {
        usleep((useconds_t)(50 + i % 37));
        pthread_kill(thread, SIGUSR1);
        wait_until_held();
        if (is_malloc_stuck())
            break;
        is_held = 0;
    }
    null_write();
}

KEEP static void crash_among_mallocs(void)
{
    for (int i = 0; i < 4; i++)
        spawn(take_and_give, NULL);
    usleep(2000);
    null_write();
}

/* ---- stdio ---- */

static ssize_t crash_in_write(void *cookie, const char *bytes, size_t len)
{
    (void)cookie;
    (void)bytes;
    chain(null_write);
    return (ssize_t)len;
}

KEEP static void crash_in_stdio(void)
{
    const cookie_io_functions_t functions = {.write = crash_in_write};
    FILE *file = fopencookie(NULL, "w", functions);
    fprintf(file, "text\n");
    fflush(file);
    sink++;
}

static void *hold_stdio(void *arg)
{
    (void)arg;
    flockfile(stdout);
    flockfile(stderr);
    is_held = 1;
    wait_forever();
    return NULL;
}

KEEP static void crash_while_stdio_is_held(void)
{
    spawn(hold_stdio, NULL);
    wait_until_held();
    null_write();
}

/* ---- the loader ---- */

static int crash_in_list(struct dl_phdr_info *info, size_t bytes, void *arg)
{
    (void)info;
    (void)bytes;
    (void)arg;
    chain(null_write);
    return 0;
}

KEEP static void crash_holding_loader(void)
{
    dl_iterate_phdr(crash_in_list, NULL);
    sink++;
}

static int stay_in_list(struct dl_phdr_info *info, size_t bytes, void *arg)
{
    (void)info;
    (void)bytes;
    (void)arg;
    is_held = 1;
    wait_forever();
    return 0;
}

static void *hold_loader(void *arg)
{
    (void)arg;
    dl_iterate_phdr(stay_in_list, NULL);
    return NULL;
}

KEEP static void crash_while_loader_is_held(void)
{
    spawn(hold_loader, NULL);
    wait_until_held();
    null_write();
}

KEEP static void crash_in_constructor(void)
{
    setenv("TORTURE_IN_CONSTRUCTOR", "1", 1);
    load("torture_plugin.so");
    sink++;
}

KEEP static void crash_in_unloading(void)
{
    void *library = load("torture_plugin.so");
    setenv("TORTURE_IN_DESTRUCTOR", "1", 1);
    dlclose(library);
    sink++;
}

static void *load_and_unload(void *arg)
{
    char path[PATH_MAX];
    (void)arg;
    snprintf(path, sizeof(path), "%s/torture_plugin.so", program_folder);
    for (;;) {
        void *library = dlopen(path, RTLD_NOW);
        is_held = 1;
        dlclose(library);
    }
    return NULL;
}

KEEP static void crash_among_loading(void)
{
    spawn(load_and_unload, NULL);
    wait_until_held();
    null_write();
}

KEEP static void crash_in_plugin(void)
{
    call("torture_plugin.so", "plugin_crash");
}

KEEP static void crash_in_stripped(void)
{
    call("torture_stripped.so", "plugin_crash");
}

KEEP static void crash_behind_plugin(void)
{
    void *found = dlsym(load("torture_plugin.so"), "plugin_call");
    ((void (*)(void (*)(void)))found)(null_write);
    sink++;
}

KEEP static void call_unloaded(void)
{
    void (*volatile deed)(void);
    void *library = load("torture_plugin.so");
    deed = (void (*)(void))dlsym(library, "plugin_crash");
    dlclose(library);
    deed();
    sink++;
}

KEEP static void crash_where_another_was(void)
{
    void *library = load("torture_stripped.so");
    dlclose(library);
    call("torture_plugin.so", "plugin_crash");
}

/* ---- C++ ---- */

#define THROWS(function, name)                                                                     \
    KEEP static void function(void)                                                                \
    {                                                                                              \
        call("torture_thrower.so", name);                                                          \
    }

THROWS(cxx_throw, "throw_uncaught")
THROWS(cxx_noexcept, "throw_through_noexcept")
THROWS(cxx_terminate, "call_terminate")
THROWS(cxx_pure, "call_pure_virtual")
THROWS(cxx_destructor, "throw_while_unwinding")
THROWS(cxx_memory, "run_out_of_memory")
THROWS(cxx_range, "index_out_of_range")
THROWS(cxx_thread, "throw_in_thread")
THROWS(cxx_caught, "catch_and_go_on")
THROWS(cxx_catch, "crash_in_catch")

/* ---- at the end of the program ---- */

static void crash_at_exit(void)
{
    chain(null_write);
}

static void exit_with_handler(void)
{
    atexit(crash_at_exit);
    exit(0);
}

static void exit_with_earlier_handler(void)
{
    exit(0);
}

static void register_early(void)
{
    atexit(crash_at_exit);
}

static void *exit_slowly(void *arg)
{
    (void)arg;
    exit(5);
}

static void stay_at_exit(void)
{
    is_held = 1;
    wait_forever();
}

KEEP static void crash_during_exit(void)
{
    atexit(stay_at_exit);
    spawn(exit_slowly, NULL);
    wait_until_held();
    null_write();
}

static volatile int crashes_last;

__attribute__((destructor)) static void crash_last(void)
{
    if (crashes_last)
        chain(null_write);
}

static void exit_to_destructor(void)
{
    crashes_last = 1;
    exit(0);
}

static void crash_in_key(void *value)
{
    (void)value;
    chain(null_write);
}

static void *leave_with_key(void *arg)
{
    pthread_key_t key;
    (void)arg;
    push_trace();
    pthread_key_create(&key, crash_in_key);
    pthread_setspecific(key, &is_held);
    return NULL;
}

static void crash_at_end_of_thread(void)
{
    pthread_t thread;
    pthread_create(&thread, NULL, leave_with_key, NULL);
    pthread_join(thread, NULL);
}

KEEP static void crash_in_once(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, null_write);
    sink++;
}

/* ---- in our own calls, and around them ---- */

KEEP static void crash_in_report(void)
{
    const char *volatile text = (const char *)(uintptr_t)16;
    if (is_bare)
        sink = snprintf(NULL, 0, "%s", text);
    else
        towbar_error("%s", text);
    sink++;
}

KEEP static void crash_in_note(void)
{
    const char *volatile text = (const char *)(uintptr_t)16;
    if (is_bare)
        sink = snprintf(NULL, 0, "%s", text);
    else
        towbar_note(TOWBAR_INFO, "%s", text);
    sink++;
}

KEEP static void crash_after_shutdown(void)
{
    if (!is_bare)
        towbar_shutdown();
    null_write();
}

KEEP static void crash_after_second_init(void)
{
    if (!is_bare) {
        towbar_shutdown();
        (void)towbar_init(NULL);
    }
    null_write();
}

#define IN_CHAIN "null_write chain_here chain_middle"
#define PLUGIN "plugin_inner plugin_crash"

static const struct mode modes[] = {
    {.name = "in-malloc", .what = "inside malloc, its lock held here", .before = one_arena,
     UNDER(crash_in_malloc), .signal = SIGSEGV, .flags = SHORT | GLIBC_ONLY},
    {.name = "malloc-held", .what = "another thread stopped inside malloc", .before = one_arena,
     .run = crash_while_malloc_is_held, .frames = "null_write crash_while_malloc_is_held" CHAIN,
     .signal = SIGSEGV, .flags = GLIBC_ONLY},
    {.name = "malloc-storm", .what = "other threads hammer malloc", .before = one_arena,
     .run = crash_among_mallocs, .frames = "null_write crash_among_mallocs" CHAIN,
     .signal = SIGSEGV},
    {.name = "in-stdio", .what = "inside fflush, its lock held here", .run = crash_in_stdio,
     .frames = IN_CHAIN " chain_outer chain crash_in_write * crash_in_stdio", .signal = SIGSEGV},
    {.name = "stdio-held", .what = "another thread holds stdout and stderr",
     .run = crash_while_stdio_is_held, .frames = "null_write crash_while_stdio_is_held" CHAIN,
     .signal = SIGSEGV, .flags = SHORT},
    {.name = "in-loader", .what = "in a callback of dl_iterate_phdr, its lock held here",
     .run = crash_holding_loader,
     .frames = IN_CHAIN " chain_outer chain crash_in_list * crash_holding_loader", .signal = SIGSEGV},
    {.name = "loader-held", .what = "another thread holds the loader's lock",
     .run = crash_while_loader_is_held, .frames = "null_write crash_while_loader_is_held" CHAIN,
     .signal = SIGSEGV, .flags = SHORT},
    {.name = "constructor", .what = "in a constructor, under dlopen", .run = crash_in_constructor,
     .frames = PLUGIN " plugin_begin * load crash_in_constructor" CHAIN, .signal = SIGSEGV,
     .flags = SHORT},
    {.name = "unloading", .what = "in a destructor, under dlclose", .run = crash_in_unloading,
     .frames = PLUGIN " plugin_end * crash_in_unloading" CHAIN, .signal = SIGSEGV},
    {.name = "loading-storm", .what = "another thread in dlopen and dlclose",
     .run = crash_among_loading, .frames = "null_write crash_among_loading" CHAIN,
     .signal = SIGSEGV},
    {.name = "plugin", .what = "in a library loaded after init", .run = crash_in_plugin,
     .frames = PLUGIN " call crash_in_plugin" CHAIN, .signal = SIGSEGV, .flags = SHORT},
    {.name = "stripped", .what = "in a library without symbols", .run = crash_in_stripped,
     .frames = "? plugin_crash call crash_in_stripped" CHAIN, .signal = SIGSEGV, .flags = SHORT},
    {.name = "behind-plugin", .what = "called back by a library", .run = crash_behind_plugin,
     .frames = "null_write plugin_call crash_behind_plugin" CHAIN, .signal = SIGSEGV},
    {.name = "unloaded", .what = "call of a library that was unloaded", .run = call_unloaded,
     .frames = "? call_unloaded" CHAIN, .signal = SIGSEGV, .flags = SHORT},
    {.name = "replaced", .what = "in a library loaded where another was",
     .run = crash_where_another_was,
     .frames = PLUGIN " call crash_where_another_was" CHAIN, .signal = SIGSEGV},
    {.name = "cxx-throw", .what = "uncaught C++ exception", .run = cxx_throw,
     .frames = "* throw_uncaught call cxx_throw" CHAIN, .signal = SIGABRT, .flags = SHORT},
    {.name = "cxx-noexcept", .what = "exception out of a noexcept function", .run = cxx_noexcept,
     .frames = "* throw_uncaught ? throw_through_noexcept call cxx_noexcept", .signal = SIGABRT},
    {.name = "cxx-terminate", .what = "std::terminate", .run = cxx_terminate,
     .frames = "* call_terminate call cxx_terminate" CHAIN, .signal = SIGABRT},
    {.name = "cxx-pure", .what = "pure virtual call", .run = cxx_pure,
     .frames = "* call_pure_virtual call cxx_pure" CHAIN, .signal = SIGABRT},
    {.name = "cxx-destructor", .what = "exception out of a destructor while unwinding",
     .run = cxx_destructor, .frames = NULL, .signal = SIGABRT},
    {.name = "cxx-memory", .what = "std::bad_alloc", .run = cxx_memory,
     .frames = "* run_out_of_memory call cxx_memory" CHAIN, .signal = SIGABRT,
     .flags = GLIBC_ONLY},
    {.name = "cxx-range", .what = "std::out_of_range", .run = cxx_range,
     .frames = "* ? ? index_out_of_range call cxx_range" CHAIN, .signal = SIGABRT},
    {.name = "cxx-thread", .what = "exception out of a std::thread", .run = cxx_thread,
     .frames = "* throw_uncaught", .signal = SIGABRT, .flags = NO_TRACE},
    {.name = "cxx-caught", .what = "a caught exception: no death", .run = cxx_caught,
     .flags = NO_REPORT},
    {.name = "cxx-catch", .what = "a fault in a catch block", .run = cxx_catch,
     .frames = "crash_in_catch call cxx_catch" CHAIN, .signal = SIGSEGV},
    {.name = "at-exit", .what = "in an atexit handler", .run = exit_with_handler,
     .frames = IN_CHAIN, .signal = SIGSEGV, .flags = ALONE | SHORT},
    {.name = "at-exit-early", .what = "in one set before towbar_init", .before = register_early,
     .run = exit_with_earlier_handler, .frames = IN_CHAIN, .signal = SIGSEGV, .flags = ALONE},
    {.name = "during-exit", .what = "while another thread is in exit()", .run = crash_during_exit,
     .frames = "null_write crash_during_exit" CHAIN, .signal = SIGSEGV, .flags = SHORT},
    {.name = "destructor", .what = "in a destructor of the program", .run = exit_to_destructor,
     .frames = IN_CHAIN, .signal = SIGSEGV, .flags = ALONE},
    {.name = "thread-key", .what = "in a destructor of a thread's key",
     .run = crash_at_end_of_thread, .frames = IN_CHAIN, .signal = SIGSEGV, .flags = ALONE},
    {.name = "once", .what = "inside pthread_once", .run = crash_in_once,
     .frames = "null_write * crash_in_once" CHAIN, .signal = SIGSEGV},
    {.name = "in-report", .what = "a wild pointer given to towbar_error", UNDER(crash_in_report),
     .signal = SIGSEGV, .flags = SHORT},
    {.name = "in-note", .what = "a wild pointer given to towbar_note", UNDER(crash_in_note),
     .signal = SIGSEGV},
    {.name = "after-shutdown", .what = "after towbar_shutdown", .run = crash_after_shutdown,
     .flags = NO_REPORT},
    {.name = "second-init", .what = "after towbar_shutdown and towbar_init",
     .run = crash_after_second_init, .frames = "null_write crash_after_second_init" CHAIN,
     .signal = SIGSEGV},
};

const struct family locks = {"locks", modes, sizeof(modes) / sizeof(modes[0])};
