/* libraries.c - in libraries that are loaded and unloaded; what only C++ can do. */
#include "torture.h"

#include <dlfcn.h>
#include <limits.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static atomic_int is_loading;
static void *kept_library;

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
        is_loading = 1;
        dlclose(library);
    }
    return NULL;
}

KEEP static void crash_among_loading(void)
{
    spawn(load_and_unload, NULL);
    while (!is_loading)
        usleep(100);
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

/* Loaded before the library is started, so that it is in its table of modules. */
static void load_early(void)
{
    load("torture_plugin.so");
}

KEEP static void call_unloaded_early(void)
{
    void (*volatile deed)(void) = (void (*)(void))dlsym(kept_library, "plugin_crash");
    dlclose(kept_library);
    deed();
    sink++;
}

KEEP static void read_unloaded(void)
{
    const char *text = dlsym(load("torture_plugin.so"), "plugin_text");
    dlclose(kept_library);
    sink = *(const volatile char *)text;
}

KEEP static void close_plugin(void)
{
    dlclose(kept_library);
    sink++;
}

KEEP static void close_plugin_and_crash(void)
{
    dlclose(kept_library);
    null_write();
    sink++;
}

KEEP static void call_from_plugin(void (*back)(void))
{
    void *found = dlsym(load("torture_plugin.so"), "plugin_call");
    ((void (*)(void (*)(void)))found)(back);
    sink++;
}

KEEP static void return_to_unloaded(void)
{
    call_from_plugin(close_plugin);
    sink++;
}

KEEP static void crash_before_unloaded(void)
{
    call_from_plugin(close_plugin_and_crash);
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
THROWS(cxx_overflow, "overflow_std_thread")
THROWS(cxx_catch, "crash_in_catch")
THROWS(cxx_number, "throw_number")
THROWS(cxx_text, "throw_text")
THROWS(cxx_own, "throw_own_type")
THROWS(cxx_nested, "throw_nested")
THROWS(cxx_again, "throw_again")
THROWS(cxx_pointer, "throw_pointer")
THROWS(cxx_handler, "throw_with_handler")
THROWS(cxx_unwinding, "throw_on_the_way")
THROWS(cxx_afterwards, "terminate_afterwards")
THROWS(cxx_abort, "abort_in_catch")

#define PLUGIN "plugin_inner plugin_crash"

static const struct mode modes[] = {
    MODE("constructor", "in a constructor, under dlopen",
         SAYS("near-NULL write at 0x", "SIGSEGV in plugin_inner"), .run = crash_in_constructor,
         .frames = PLUGIN " plugin_begin * load crash_in_constructor" CHAIN, .signal = SIGSEGV,
         .flags = SHORT),
    MODE("unloading", "in a destructor, under dlclose",
         SAYS("near-NULL write at 0x", "SIGSEGV in plugin_inner"), .run = crash_in_unloading,
         .frames = PLUGIN " plugin_end * crash_in_unloading" CHAIN, .signal = SIGSEGV),
    MODE("loading-storm", "another thread in dlopen and dlclose", NULL_WRITE,
         .run = crash_among_loading, .frames = "null_write crash_among_loading" CHAIN,
         .signal = SIGSEGV),
    MODE("plugin", "in a library loaded after init",
         SAYS("near-NULL write at 0x", "SIGSEGV in plugin_inner"), .run = crash_in_plugin,
         .frames = PLUGIN " call crash_in_plugin" CHAIN, .signal = SIGSEGV, .flags = SHORT),
    MODE("stripped", "in a library without symbols",
         SAYS("near-NULL write at 0x", "SIGSEGV in torture_stripped.so"), .run = crash_in_stripped,
         .frames = "? plugin_crash call crash_in_stripped" CHAIN, .signal = SIGSEGV,
         .flags = SHORT),
    MODE("behind-plugin", "called back by a library", NULL_WRITE, .run = crash_behind_plugin,
         .frames = "null_write plugin_call crash_behind_plugin" CHAIN, .signal = SIGSEGV),
    MODE("unloaded", "call of a library that was unloaded",
         SAYS("jump to 0x.* in torture_plugin.so, which was unloaded",
              "SIGSEGV in unloaded torture_plugin.so"),
         .run = call_unloaded, .frames = "plugin_crash call_unloaded" CHAIN, .signal = SIGSEGV,
         .flags = SHORT),
    MODE("unloaded-early", "call of a library from before init that was unloaded",
         SAYS("jump to 0x.* in torture_plugin.so, which was unloaded",
              "SIGSEGV in unloaded torture_plugin.so"),
         .before = load_early, .run = call_unloaded_early,
         .frames = "plugin_crash call_unloaded_early" CHAIN, .signal = SIGSEGV),
    MODE("unloaded-data", "read of data of a library that was unloaded",
         SAYS("read of unmapped memory at 0x.*, in torture_plugin.so, which was unloaded",
              "SIGSEGV in read_unloaded"),
         AT(read_unloaded), .signal = SIGSEGV),
    MODE("unloaded-return", "return to a library that was unloaded",
         SAYS("jump to 0x.* in torture_plugin.so, which was unloaded",
              "SIGSEGV in unloaded torture_plugin.so"),
         .run = return_to_unloaded,
         .frames = "plugin_call call_from_plugin return_to_unloaded" CHAIN, .signal = SIGSEGV),
    MODE("unloaded-below", "called by a library that was unloaded",
         SAYS("near-NULL write at 0x.*called by code of torture_plugin.so, which was unloaded",
              "SIGSEGV in null_write"),
         .run = crash_before_unloaded,
         .frames =
             "null_write close_plugin_and_crash plugin_call call_from_plugin crash_before_unloaded",
         .signal = SIGSEGV),
    MODE("replaced", "in a library loaded where another was",
         SAYS("near-NULL write at 0x", "SIGSEGV in plugin_inner"), .run = crash_where_another_was,
         .frames = PLUGIN " call crash_where_another_was" CHAIN, .signal = SIGSEGV),
    MODE("cxx-throw", "uncaught C++ exception",
         SAYS("uncaught std::runtime_error: .the text of the exception.",
              "uncaught std::runtime_error in throw_uncaught"),
         .run = cxx_throw, .frames = "* throw_uncaught call cxx_throw" CHAIN, .signal = SIGABRT,
         .flags = SHORT),
    MODE("cxx-noexcept", "exception out of a noexcept function",
         SAYS("uncaught std::runtime_error: .the text of the exception., which met a function that "
              "lets none out",
              "uncaught std::runtime_error in throw_uncaught"),
         .run = cxx_noexcept,
         .frames = "* throw_uncaught ? throw_through_noexcept call cxx_noexcept",
         .signal = SIGABRT),
    MODE("cxx-number", "throw 42", SAYS("^uncaught int$", "uncaught int in throw_number"),
         .run = cxx_number, .frames = "* throw_number call cxx_number" CHAIN, .signal = SIGABRT),
    MODE("cxx-text", "throw \"text\"",
         SAYS("uncaught char const.: .a text and no object", "uncaught char const* in throw_text"),
         .run = cxx_text, .frames = "* throw_text call cxx_text" CHAIN, .signal = SIGABRT),
    MODE("cxx-own", "uncaught exception of a class with two bases",
         SAYS("uncaught thrower::Broken: .the pump is broken",
              "uncaught thrower::Broken in throw_own_type"),
         .run = cxx_own, .frames = "* throw_own_type call cxx_own" CHAIN, .signal = SIGABRT),
    MODE("cxx-nested", "std::throw_with_nested",
         SAYS("uncaught std::_Nested_exception<std::logic_error>: .around another",
              "uncaught std::_Nested_exception<std::logic_error> in throw_nested"),
         .run = cxx_nested, .frames = NULL, .signal = SIGABRT),
    MODE("cxx-again", "exception thrown again",
         SAYS("uncaught std::runtime_error: .the text of the exception.",
              "uncaught std::runtime_error in throw_again"),
         .run = cxx_again, .frames = "* throw_again call cxx_again" CHAIN, .signal = SIGABRT),
    MODE("cxx-pointer", "std::rethrow_exception",
         SAYS("uncaught std::runtime_error: .the text of the exception.",
              "uncaught std::runtime_error in throw_pointer"),
         .run = cxx_pointer, .frames = "* throw_pointer call cxx_pointer" CHAIN, .signal = SIGABRT),
    MODE("cxx-handler", "uncaught exception, with a terminate handler of the program",
         SAYS("uncaught std::runtime_error: .the text of the exception.", NULL), .run = cxx_handler,
         .frames = "* ? ? * throw_uncaught throw_with_handler call cxx_handler" CHAIN,
         .signal = SIGABRT),
    MODE("cxx-unwinding", "an exception on the way of another to who catches it",
         SAYS("^uncaught int, which met", "uncaught int in throw_number"), .run = cxx_unwinding,
         .frames = NULL, .signal = SIGABRT),
    MODE("cxx-afterwards", "std::terminate after an exception was caught",
         SAYS("std::terminate was called", "std::terminate in terminate_afterwards"),
         .run = cxx_afterwards, .frames = "* terminate_afterwards call cxx_afterwards" CHAIN,
         .signal = SIGABRT),
    MODE("cxx-abort", "abort in a catch block",
         SAYS("^abort.. was called$", "SIGABRT in abort_in_catch"), .run = cxx_abort,
         .frames = "* abort_in_catch call cxx_abort" CHAIN, .signal = SIGABRT),
    MODE("cxx-terminate", "std::terminate",
         SAYS("std::terminate was called", "std::terminate in call_terminate"),
         .run = cxx_terminate, .frames = "* call_terminate call cxx_terminate" CHAIN,
         .signal = SIGABRT),
    MODE("cxx-pure", "pure virtual call",
         SAYS("a pure virtual function was called", "pure virtual call in thrower::Base::call"),
         .run = cxx_pure, .frames = "* ? ? ? call_pure_virtual call cxx_pure", .signal = SIGABRT),
    MODE("cxx-destructor", "exception out of a destructor while unwinding",
         SAYS("uncaught std::runtime_error: .the text of the exception.",
              "uncaught std::runtime_error in throw_uncaught"),
         .run = cxx_destructor, .frames = NULL, .signal = SIGABRT),
    MODE("cxx-memory", "std::bad_alloc",
         SAYS("uncaught std::bad_alloc", "uncaught std::bad_alloc in run_out_of_memory"),
         .run = cxx_memory, .frames = "* run_out_of_memory call cxx_memory" CHAIN,
         .signal = SIGABRT, .flags = NO_SANITIZER),
    MODE("cxx-range", "std::out_of_range",
         SAYS("uncaught std::out_of_range: .vector::_M_range_check",
              "uncaught std::out_of_range in index_out_of_range"),
         .run = cxx_range, .frames = "* ? ? index_out_of_range call cxx_range" CHAIN,
         .signal = SIGABRT),
    MODE("cxx-thread", "exception out of a std::thread",
         SAYS("uncaught std::runtime_error: .the text of the exception.",
              "uncaught std::runtime_error in throw_uncaught"),
         .run = cxx_thread, .frames = "* throw_uncaught", .signal = SIGABRT, .flags = NO_TRACE),
    MODE("cxx-overflow", "stack overflow of a std::thread",
         SAYS("stack overflow: write at 0x.*, next to the stack pointer 0x.*a guard page.*, "
              "overflow_in_cxx calls itself",
              "stack overflow in overflow_in_cxx"),
         .run = cxx_overflow, .frames = "overflow_in_cxx overflow_in_cxx overflow_in_cxx",
         .signal = SIGSEGV, .flags = NO_TRACE | NO_SANITIZER),
    MODE("cxx-caught", "a caught exception: no death", .run = cxx_caught, .flags = NO_REPORT),
    MODE("cxx-catch", "a fault in a catch block",
         SAYS("near-NULL write at 0x.*: the NULL pointer in r", "SIGSEGV in crash_in_catch"),
         .run = cxx_catch, .frames = "crash_in_catch call cxx_catch" CHAIN, .signal = SIGSEGV),
};

const struct family libraries = {"libraries", modes, sizeof(modes) / sizeof(modes[0])};
