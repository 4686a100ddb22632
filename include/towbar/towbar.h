/* towbar.h - report the errors and crashes of a daemon without ever harming it.
 *
 * Every call keeps errno, may come from any thread, and waits for nobody (with the option sync: for
 * the disk): a report is one append to a spool on disk, and the agent towbard sends it. Calls
 * return 0 or a negative errno and are always safe to ignore. Every call is valid before
 * towbar_init, after towbar_shutdown, in a forked child, and with NULL: then it does what can be
 * done, or nothing. Strings are UTF-8, copied before the call returns, cut as docs/limits.md says.
 * C99 and later, C++11 and later. */
#ifndef TOWBAR_TOWBAR_H
#define TOWBAR_TOWBAR_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TOWBAR_API __attribute__((visibility("default")))

/* C++ has no compound literals: there the macros below make a temporary, which lives to the end of
 * the statement, and ask it where it is. */
#ifdef __cplusplus
#define TOWBAR_DEFAULT_(value) = value
#define TOWBAR_SELF_(type)                                                                         \
    const type *self_() const                                                                      \
    {                                                                                              \
        return this;                                                                               \
    }
#else
#define TOWBAR_DEFAULT_(value)
#define TOWBAR_SELF_(type)
#endif

enum towbar_level { TOWBAR_DEBUG, TOWBAR_INFO, TOWBAR_WARNING, TOWBAR_ERROR, TOWBAR_CRITICAL };

/* ---- start and stop ---------------------------------------------------- */

/* What NULL or 0 means is said for each; the environment variable in brackets is asked before that.
 * Behind TOWBAR_SERVICE, TOWBAR_VERSION and TOWBAR_ENVIRONMENT come OTEL_SERVICE_NAME and, of
 * OTEL_RESOURCE_ATTRIBUTES, service.name, service.version and deployment.environment.name or
 * deployment.environment. Besides: OTEL_PROPAGATORS and TOWBAR_FORK_TRACE, see below. */
typedef struct towbar_options {
    /* sizeof(towbar_options): lets it grow. TOWBAR_OPTIONS sets it, and so does C++. */
    size_t size TOWBAR_DEFAULT_(sizeof(towbar_options));
    /* [TOWBAR_SERVICE] the program's name */
    const char *service TOWBAR_DEFAULT_(nullptr);
    /* [TOWBAR_ENVIRONMENT] the agent's own */
    const char *environment TOWBAR_DEFAULT_(nullptr);
    /* [TOWBAR_VERSION] left out; a git hash or a release, up to 40 bytes */
    const char *version TOWBAR_DEFAULT_(nullptr);
    /* [TOWBAR_SPOOL] /var/spool/towbar, else the user's state folder */
    const char *spool TOWBAR_DEFAULT_(nullptr);
    /* [TOWBAR_ROOT] left out; folder of the source tree, cut from paths */
    const char *root TOWBAR_DEFAULT_(nullptr);
    /* 1: report errors only, leave the signals alone */
    int no_crash_handler TOWBAR_DEFAULT_(0);
    /* [TOWBAR_SYNC=1] 1: reports of level error and critical return when they are on the disk; one
     * that returns -EIO or -ETIMEDOUT then may be in the spool all the same */
    int sync TOWBAR_DEFAULT_(0);
    TOWBAR_SELF_(towbar_options)
} towbar_options;

/* towbar_init(TOWBAR_OPTIONS(.service = "feedd", .version = "1.2")). In C++ since C++20, and in the
 * order of the struct; before that: towbar_options options; options.service = "feedd"; ... */
#ifndef __cplusplus
#define TOWBAR_OPTIONS(...) (&(towbar_options){.size = sizeof(towbar_options), __VA_ARGS__})
#elif __cplusplus >= 202002L
#define TOWBAR_OPTIONS(...) (towbar_options{__VA_ARGS__}.self_())
#endif

/* Opens the spool and catches SEGV, BUS, FPE, ILL, ABRT, TRAP and SYS. Call it early and once, best
 * after your own signal handlers are set: they still run, after the report. NULL takes everything
 * from the environment. Returns 0, also when the disk is full, which may pass: towbar_status says
 * then that crashes cannot be kept yet; -EALREADY when called again; or why reports cannot be kept:
 * the program runs on unharmed, and towbar_status says how to mend it. When that is a folder that
 * is not there yet or closed to this user, errors are held and it goes on by itself once it is
 * opened. */
TOWBAR_API int towbar_init(const towbar_options *options);

/* Ends reporting and takes the signal handlers back. Also done at exit. */
TOWBAR_API void towbar_shutdown(void);

/* One line on what the library does now or why it does nothing. Valid until the next call in the
 * same thread; never NULL. */
TOWBAR_API const char *towbar_status(void);

/* ---- report ------------------------------------------------------------ */

/* Where a report comes from. Made by the macros below. */
struct towbar_site {
    const char *file;
    int line;
    const char *function;
    TOWBAR_SELF_(towbar_site)
};

#ifdef __cplusplus
#define TOWBAR_HERE (towbar_site{__FILE__, __LINE__, __func__}.self_())
#else
#define TOWBAR_HERE (&(const struct towbar_site){__FILE__, __LINE__, __func__})
#endif

/* A message in printf form, with the stack and the place. The calls below return 0 when the report
 * is in the spool (with sync: and on the disk); -ENOTCONN before towbar_init and after
 * towbar_shutdown; -EAGAIN when this place has reported too often (ten at once, then ten a minute),
 * which is counted and told with its next report; or why it could not be kept. On a full disk
 * (-ENOSPC) a copy of an error is kept in memory for as long as there is room, and written when the
 * disk has some again and the program reports; do not report it again yourself. */
#define towbar_error(...) towbar_report(TOWBAR_ERROR, __VA_ARGS__)
#define towbar_warning(...) towbar_report(TOWBAR_WARNING, __VA_ARGS__)
#define towbar_report(level, ...) towbar_report_at(TOWBAR_HERE, (level), 0, __VA_ARGS__)
/* The same with the name and text of errno, as perror(3) does. */
#define towbar_perror(...) towbar_perror_at(TOWBAR_HERE, __VA_ARGS__)

/* error_number: an errno value to name in the report, or 0. */
TOWBAR_API int towbar_report_at(const struct towbar_site *site, enum towbar_level level,
                                int error_number, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
TOWBAR_API int towbar_vreport_at(const struct towbar_site *site, enum towbar_level level,
                                 int error_number, const char *format, va_list args)
    __attribute__((format(printf, 4, 0)));
TOWBAR_API int towbar_perror_at(const struct towbar_site *site, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* A line kept in memory, the last 64 of the process: shown under "before the crash". The last 16
 * are in the spool as well, for the report of a death that no handler sees (all but those of a
 * storm of over 1,000 a second). In a forked worker one of them is enough to have its death
 * noticed. */
TOWBAR_API void towbar_note(enum towbar_level level, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* ---- threads ----------------------------------------------------------- */

/* Call at the start of a thread: names it in reports (NULL: the name stays) and gives it an
 * alternate signal stack, unless it has one, so that a stack overflow in it is reported too. Undone
 * when the thread ends. Threads that are created after towbar_init in a program that is linked with
 * the shared library have the stack without this call; threads from before, and all threads of a
 * program with the archive, need it. docs/limits.md has the rest. */
TOWBAR_API int towbar_thread_enter(const char *name_format, ...)
    __attribute__((format(printf, 1, 2)));

/* ---- scopes: tags on all reports of this thread, crashes too ------------ */

/* Adds a tag; tags form a stack of up to 16. Returns the depth before, for towbar_scope_pop. */
TOWBAR_API int towbar_scope_push(const char *key, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
TOWBAR_API void towbar_scope_pop(int depth);

/* ---- the trace of the request that is being served ----------------------

 * Each thread has one active trace or none; all its reports have it, crashes too. The calls that
 * change it return the one before, for towbar_trace_pop, and do not wait, lock or allocate.
 * A thread begins without one; a fork child has that of its parent, marked inherited, or none with
 * TOWBAR_FORK_TRACE=reset. The thread that calls towbar_init takes over what the environment hands
 * down (TRACEPARENT, TRACESTATE, X_AMZN_TRACE_ID, _X_AMZN_TRACE_ID, B3, ...), unless it has one.
 * docs/trace.md has the headers and what goes where. */

/* A trace as a value: copy it, keep it with a job, hand it to another thread; there is nothing to
 * free. Zeros are "no trace". tracestate and the like lie in the library: of the last 1024 requests
 * that had such; of older ones, and in another process, only they are lost. */
typedef struct towbar_trace_state {
    unsigned char image[128]; /* docs/spool-format.md section 8 */
} towbar_trace_state;

/* Makes header (the value of a traceparent or an X-Amzn-Trace-Id header; NULL and nonsense mean "no
 * trace") the active trace. The request begins now: custom.trace.started_at. */
TOWBAR_API towbar_trace_state towbar_trace_push(const char *header);
TOWBAR_API void towbar_trace_pop(const towbar_trace_state *before);

/* The same with all headers of the request: get returns the value of one, or NULL, by a name that
 * may be in another case; values must stay until the call returns. Asked for are traceparent,
 * tracestate, X-Amzn-Trace-Id, b3, X-B3-*, X-Honeycomb-Trace, x-datadog-*, or what OTEL_PROPAGATORS
 * named when towbar_init was called. Where OpenTelemetry's and X-Ray's IDs differ both are kept. */
TOWBAR_API towbar_trace_state towbar_trace_extract(const char *(*get)(void *arg, const char *name),
                                                   void *arg);

/* A new trace, for work that nobody asked for. X-Ray takes its ID too: the first four bytes are the
 * time, the others random. It goes on as sampled, or those who are called would not record it. */
TOWBAR_API towbar_trace_state towbar_trace_start(void);

/* The active trace, to be kept with a job that another thread, or this one later, does. */
TOWBAR_API towbar_trace_state towbar_trace_capture(void);
/* Makes state active: around each step of a job. NULL is "no trace". */
TOWBAR_API towbar_trace_state towbar_trace_adopt(const towbar_trace_state *state);

/* The headers for a call to another service on behalf of the active trace: put is called with each
 * name and value, which live for that call. They are those that came in, or what OTEL_PROPAGATORS
 * named; baggage is yours to pass on. The library makes no spans: the IDs go on as they came, which
 * W3C allows a participant that only forwards. Returns how many; 0 without a trace. */
TOWBAR_API int towbar_trace_inject(void (*put)(void *arg, const char *name, const char *value),
                                   void *arg);

/* The same as entries for the environment of a program to be started, as towbar_init reads them
 * there (never setenv: other threads read the environment).
 *
 *     char memory[TOWBAR_TRACE_ENV_BYTES], *envp[TOWBAR_TRACE_ENV_ENTRIES + N_OF_MINE + 1];
 *     int n = towbar_trace_env(memory, sizeof(memory), envp, TOWBAR_TRACE_ENV_ENTRIES);
 *     ... those of environ from envp[n < 0 ? 0 : n] on: of two with one name the first counts; NULL
 *     posix_spawn(&pid, path, NULL, NULL, argv, envp);
 *
 * "NAME=value" goes into buffer, its address into entries. Returns how many; 0 without a trace;
 * -ENOSPC when buffer or entries are too small. */
enum { TOWBAR_TRACE_ENV_BYTES = 4096, TOWBAR_TRACE_ENV_ENTRIES = 16 };
TOWBAR_API int towbar_trace_env(char *buffer, size_t size, char **entries, size_t n);

/* The IDs as hex digits, each may be NULL; span_id is "" where none is known. 0, or -ENOENT without
 * a trace, both "" then. Signal-safe. */
TOWBAR_API int towbar_trace_ids(char trace_id[33], char span_id[17]);

/* For a log line: "trace_id=.. span_id=.. trace_flags=01" as far as they are known, and "
 * xray_trace_id=1-.." where there is one, which is what X-Ray's console searches logs for. The
 * length, or -ENOENT or -ENOSPC, "" then.
 */
enum { TOWBAR_TRACE_LOG_BYTES = 144 };
TOWBAR_API int towbar_trace_log(char *buffer, size_t size);

/* ---- for a block (GNU C): undone when the block is left ----------------- */

#if defined(__GNUC__)
static inline void towbar_scope_leave_(int *depth)
{
    towbar_scope_pop(*depth);
}
static inline void towbar_trace_leave_(towbar_trace_state *before)
{
    towbar_trace_pop(before);
}
#define TOWBAR_JOIN2_(a, b) a##b
#define TOWBAR_JOIN_(a, b) TOWBAR_JOIN2_(a, b)
/* A name of its own for each use: two of them may stand in one line, or in one macro of yours. */
#ifdef __COUNTER__
#define TOWBAR_UNIQUE_(name) TOWBAR_JOIN_(name, __COUNTER__)
#else
#define TOWBAR_UNIQUE_(name) TOWBAR_JOIN_(name, __LINE__)
#endif
#define TOWBAR_SCOPE(key, ...)                                                                     \
    __attribute__((cleanup(towbar_scope_leave_), unused)) int TOWBAR_UNIQUE_(towbar_scope_) =      \
        towbar_scope_push((key), __VA_ARGS__)
#define TOWBAR_TRACE_BLOCK_(made)                                                                  \
    __attribute__((cleanup(towbar_trace_leave_), unused)) towbar_trace_state TOWBAR_UNIQUE_(       \
        towbar_trace_) = (made)
#define TOWBAR_TRACE(header) TOWBAR_TRACE_BLOCK_(towbar_trace_push(header))
#define TOWBAR_TRACE_EXTRACT(get, arg) TOWBAR_TRACE_BLOCK_(towbar_trace_extract((get), (arg)))
#define TOWBAR_TRACE_START() TOWBAR_TRACE_BLOCK_(towbar_trace_start())
/* state: const towbar_trace_state *, of towbar_trace_capture. */
#define TOWBAR_TRACE_ADOPT(state) TOWBAR_TRACE_BLOCK_(towbar_trace_adopt(state))
#endif

#ifdef __cplusplus
}
#endif

#endif
