/* inapp.c - see inapp.h. */
#include "symbol/answer/inapp.h"

#include <fnmatch.h>
#include <string.h>

#include "base/library.h"
#include "base/path.h"
#include "symbol/answer/path.h"

#define N(table) (sizeof(table) / sizeof((table)[0]))

/* with is not empty: most differ in their first letter. */
static bool begins(const char *text, const char *with)
{
    return text[0] == with[0] && strncmp(text, with, strlen(with)) == 0;
}

static bool is_one_of(const char *text, const char *const *names, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (text[0] == names[i][0] && strcmp(text, names[i]) == 0)
            return true;
    }
    return false;
}

/* ---- functions that start programs and threads, or end them, and the API of libtowbar.a ---- */

/* In whatever file they are: a static program has the C library's in its own. Names that programs
 * give to functions of their own too ("raise") count only where no source is known. */
static bool is_start_or_end(const struct tb_inapp_frame *frame)
{
    static const char *const names[] = {"_start",
                                        "start_thread",
                                        "__clone",
                                        "__clone3",
                                        "__restore_rt",
                                        "__kernel_rt_sigreturn",
                                        "__assert",
                                        "__assert_fail",
                                        "__assert_fail_base",
                                        "__assert_perror_fail",
                                        "__libc_fatal",
                                        "__libc_message",
                                        "malloc_printerr",
                                        "__fortify_fail",
                                        "__chk_fail",
                                        "__stack_chk_fail",
                                        "__stack_chk_fail_local",
                                        "__run_exit_handlers",
                                        "rust_begin_unwind",
                                        "rust_panic",
                                        "runtime.goexit",
                                        "runtime.main"};
    static const char *const common[] = {"abort",      "raise",        "gsignal", "kill",
                                         "tgkill",     "exit",         "_exit",   "_Exit",
                                         "quick_exit", "pthread_kill", "clone",   "clone3"};
    static const char *const beginnings[] = {"towbar_",
                                             "__libc_start_",
                                             "__pthread_kill_",
                                             "__cxxabiv1::",
                                             "__cxa_throw",
                                             "__cxa_rethrow",
                                             "std::terminate",
                                             "__gnu_cxx::__verb",
                                             "core::panicking::",
                                             "std::panicking::",
                                             "std::rt::lang_start",
                                             "std::sys_common::backtrace::__rust_",
                                             "std::sys::backtrace::__rust_"};
    if (!frame->function)
        return false;
    for (size_t i = 0; i < N(beginnings); i++) {
        if (begins(frame->function, beginnings[i]))
            return true;
    }
    return is_one_of(frame->function, names, N(names)) ||
           (!frame->file && is_one_of(frame->function, common, N(common)));
}

/* ---- the settings ---- */

static bool matches(char *const *patterns, size_t n, const struct tb_inapp_frame *frame,
                    const char *shown)
{
    for (size_t i = 0; i < n; i++) {
        if (fnmatch(patterns[i], frame->module->path, 0) == 0 ||
            (frame->file && fnmatch(patterns[i], frame->file, 0) == 0) ||
            (shown && fnmatch(patterns[i], shown, 0) == 0))
            return true;
    }
    return false;
}

/* ---- modules ---- */

/* What follows the folder of the system that path is below; NULL: it is below none. */
static const char *below_system(const char *path)
{
    static const char *const folders[] = {"/lib/",       "/lib32/",      "/lib64/",
                                          "/libx32/",    "/usr/lib/",    "/usr/lib32/",
                                          "/usr/lib64/", "/usr/libx32/", "/usr/libexec/"};
    for (size_t i = 0; i < N(folders); i++) {
        if (!begins(path, folders[i]))
            continue;
        const char *rest = path + strlen(folders[i]);
        const char *slash = strchr(rest, '/');
        const char *linux_ = strstr(rest, "-linux-"); /* x86_64-linux-gnu */
        return slash && linux_ && linux_ < slash ? slash + 1 : rest;
    }
    return NULL;
}

/* The first part of path, where it is a folder: its length. */
static size_t folder_len(const char *path)
{
    size_t len = path ? strcspn(path, "/") : 0;
    return len > 0 && path[len] == '/' ? len : 0;
}

/* A plug-in in a folder named like the program, or beside it: rest is where its path goes on below
 * the system's folder. */
static bool is_of_package(const struct tb_inapp_program *program, const char *rest)
{
    const char *name = tb_path_base(program->path);
    const char *home = below_system(program->path);
    size_t len = folder_len(rest);
    if (len == 0)
        return false;
    return (strlen(name) == len && strncmp(name, rest, len) == 0) ||
           (folder_len(home) == len && strncmp(home, rest, len) == 0);
}

/* How much of path is of the folder that holds the program, or the folder above it. */
static size_t common_folder(const char *path, const char *program)
{
    size_t common = 0;
    for (size_t i = 0; path[i] != '\0' && path[i] == program[i]; i++) {
        if (path[i] == '/')
            common = i + 1;
    }
    return common;
}

static bool is_library_module(const struct tb_inapp_program *program,
                              const struct tb_module *module)
{
    if (module->flags & TB_MODULE_MAIN)
        return false;
    const char *rest = below_system(module->path);
    if (rest)
        return !is_of_package(program, rest);
    return tb_library_is_package(module->path, common_folder(module->path, program->path));
}

/* ---- sources ---- */

static bool is_library_source(const struct tb_inapp_program *program, const char *file,
                              const char *shown)
{
    static const char *const folders[] = {"/usr/include/", "/usr/lib/", "/usr/lib32/",
                                          "/usr/lib64/",   "/rustc/",   "/usr/local/include/",
                                          "/usr/libexec/"};
    for (size_t i = 0; i < N(folders); i++) {
        if (begins(file, folders[i]) && !(shown && begins(program->root, folders[i])))
            return true;
    }
    return shown ? tb_library_is_package(shown, 0)
                 : tb_library_is_package(file, common_folder(file, program->path));
}

/* ---- all of it ---- */

struct tb_inapp_program tb_inapp_program_of(const struct tb_process *process,
                                            const struct tb_inapp_rules *rules)
{
    const char *path = process->exe ? process->exe : "";
    for (size_t i = 0; path[0] == '\0' && i < process->n_modules; i++) {
        if (process->modules[i].flags & TB_MODULE_MAIN)
            path = process->modules[i].path;
    }
    return (struct tb_inapp_program){.path = path, .root = process->root, .rules = rules};
}

bool tb_inapp_is_own(const struct tb_inapp_program *program, const struct tb_inapp_frame *frame)
{
    const struct tb_inapp_rules *rules = program->rules;
    if (!frame->module || tb_library_is_runtime(frame->module->path) || is_start_or_end(frame))
        return false;
    const char *shown = frame->file ? tb_symbol_path_below(frame->file, program->root) : NULL;
    if (rules && matches(rules->in_app, rules->n_in_app, frame, shown))
        return true;
    if (rules && matches(rules->library, rules->n_library, frame, shown))
        return false;
    if (!strchr(frame->module->path, '/') && !(frame->module->flags & TB_MODULE_MAIN))
        return false; /* no file */
    return !is_library_module(program, frame->module) &&
           !(frame->file && is_library_source(program, frame->file, shown));
}
