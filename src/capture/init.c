/* init.c - start, stop, and the status line.
 *
 * Starting takes everything or nothing: whatever fails is undone, and the reason stays in
 * tb_lib.why for towbar_status. What may pass is no failure: a crash slot that finds no room is
 * made later (tb_lib_retry_slot). */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "capture/report/active.h"
#include "capture/crash/crash.h"
#include "capture/hooks/fork.h"
#include "capture/crash/goodbye.h"
#include "capture/crash/handoff.h"
#include "capture/lib.h"
#include "capture/report/loss.h"
#include "capture/modules/modules.h"
#include "capture/crash/quiet.h"
#include "capture/crash/spare.h"
#include "capture/threads/stack.h"
#include "capture/resource.h"
#include "capture/text.h"
#include "capture/threads/thread.h"
#include "spool/hold.h"
#include "towbar/towbar.h"
#include "unwind/rows.h"

enum { WAIT_STEPS = 100, WAIT_STEP_NS = 1000 * 1000 }; /* a tenth of a second, at exit too */

/* ---- options ---- */

/* The option at offset of a struct that may be of an older version, else the variable. */
static const char *option_text(const towbar_options *options, size_t offset, const char *variable)
{
    const char *text = NULL;
    if (options && offset + sizeof(text) <= options->size)
        memcpy(&text, (const char *)options + offset, sizeof(text));
    return text ? text : secure_getenv(variable);
}

static void read_options(const towbar_options *options)
{
    const struct {
        size_t offset;
        const char *variable;
        char *out;
        size_t cap;
    } texts[] = {
        {offsetof(towbar_options, service), "TOWBAR_SERVICE", tb_lib.service,
         sizeof(tb_lib.service)},
        {offsetof(towbar_options, environment), "TOWBAR_ENVIRONMENT", tb_lib.environment,
         sizeof(tb_lib.environment)},
        {offsetof(towbar_options, version), "TOWBAR_VERSION", tb_lib.version,
         sizeof(tb_lib.version)},
        {offsetof(towbar_options, root), "TOWBAR_ROOT", tb_lib.root, sizeof(tb_lib.root)},
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        (void)tb_text_copy(texts[i].out, texts[i].cap,
                           option_text(options, texts[i].offset, texts[i].variable));
    tb_resource_complete(tb_lib.service, sizeof(tb_lib.service), tb_lib.environment,
                         sizeof(tb_lib.environment), tb_lib.version, sizeof(tb_lib.version));
    if (tb_lib.service[0] == '\0')
        (void)tb_text_copy(tb_lib.service, sizeof(tb_lib.service), program_invocation_short_name);
}

static int wants_sync(const towbar_options *options)
{
    const char *variable = secure_getenv("TOWBAR_SYNC");
    size_t end = offsetof(towbar_options, sync) + sizeof(int);
    if (options && options->size >= end && options->sync)
        return 1;
    return variable && variable[0] && strcmp(variable, "0") != 0;
}

static int wants_handler(const towbar_options *options)
{
    size_t end = offsetof(towbar_options, no_crash_handler) + sizeof(options->no_crash_handler);
    return !options || options->size < end || !options->no_crash_handler;
}

/* ---- start ---- */

static int fail(int err, const char *what)
{
    (void)snprintf(tb_lib.why, sizeof(tb_lib.why), "%s: %s", what, strerrordesc_np(-err));
    return err;
}

static void close_all(int is_clean)
{
    for (int i = 0; i < TB_N_CLASSES; i++)
        tb_writer_close(&tb_lib.writers[i]);
    tb_slot_close(&tb_lib.slot, is_clean);
    tb_spare_close();
    tb_lib_close_dir();
}

static int open_files(const towbar_options *options)
{
    const char *spool = option_text(options, offsetof(towbar_options, spool), "TOWBAR_SPOOL");
    atomic_store(&tb_lib.dir_error, 0);
    int err = tb_lib_open_spool(spool, tb_lib.why);
    int may_pass = atomic_load(&tb_lib.dir_error) != 0;
    if (err < 0 && !may_pass)
        return err;
    if (may_pass)
        tb_lib.why[0] = '\0'; /* the status says it as long as it is so */
    tb_lib.dirfd = may_pass ? -1 : err;
    tb_lib_keep_dir();
    atomic_store(&tb_lib.pid, getpid());
    atomic_store(&tb_lib.is_orphan, 0);
    tb_lib_describe();
    tb_lib_init_writers();
    err = tb_modules_load(&tb_lib.about);
    if (err < 0)
        return fail(err, "no table of the loaded modules");
    err = tb_lib_open_slot();
    if (err == 0 || tb_hold_helps(err)) /* what may pass: reports are held, and it is tried again */
        return 0;
    (void)snprintf(tb_lib.why, sizeof(tb_lib.why),
                   "spool %.*s: no crash slot can be made in its folder in: %s; let this user "
                   "write there, or make room",
                   TB_LIB_WHY / 2, tb_lib.spool, strerrordesc_np(-err));
    return err;
}

static int start(const towbar_options *options)
{
    tb_lib_prepare();
    tb_lib.why[0] = '\0';
    for (int i = 0; i < TB_N_CLASSES; i++)
        atomic_store(&tb_lib.n_lost[i], 0);
    if (options && options->size < sizeof(options->size)) {
        (void)snprintf(tb_lib.why, sizeof(tb_lib.why),
                       "towbar_options.size is not set; use TOWBAR_OPTIONS");
        return -EINVAL;
    }
    read_options(options);
    tb_lib.has_sync = wants_sync(options);
    tb_active_configure();
    tb_lib.has_rows = tb_rows_load() == 0;
    tb_stack_setup();
    tb_crash_setup();
    int err = open_files(options);
    if (err)
        return err;
    err = tb_fork_watch();
    if (err)
        return fail(err, "fork children cannot be watched for");
    err = tb_goodbye_watch();
    if (err)
        return fail(err, "quick_exit cannot be watched for");
    tb_lib.has_handler = 0;
    if (!wants_handler(options))
        return 0;
    (void)tb_thread_stack(); /* without one, a stack overflow goes unreported */
    err = tb_handoff_install(tb_crash_handle);
    if (err)
        return fail(err, "the crash handler cannot be set");
    tb_lib.has_handler = 1;
    tb_thread_cover(1);
    tb_quiet_look();
    return 0;
}

int towbar_init(const towbar_options *options)
{
    int kept = errno;
    int state = TB_LIB_OFF;
    if (!atomic_compare_exchange_strong(&tb_lib.state, &state, TB_LIB_STARTING))
        return -EALREADY;
    int err = start(options);
    if (err) {
        close_all(1);
        atomic_store(&tb_lib.state, TB_LIB_OFF);
    } else {
        tb_active_inherit();
        err = -atomic_load(&tb_lib.dir_error);
        atomic_store(&tb_lib.state, TB_LIB_ON);
    }
    errno = kept;
    return err;
}

/* ---- stop ---- */

/* 1 when nobody is inside any more. One that is stuck in a slow disk, or below us in a handler, is
 * not waited for long. */
static int wait_for_users(void)
{
    const struct timespec step = {0, WAIT_STEP_NS};
    for (int i = 0; i < WAIT_STEPS; i++) {
        if (atomic_load(&tb_lib.n_users) == 0)
            return 1;
        (void)nanosleep(&step, NULL);
    }
    return 0;
}

/* A child by vfork ends what it shares with its parent by mistake: the parent goes on. */
static int is_borrower(void)
{
    return atomic_load(&tb_lib.pid) != getpid();
}

void towbar_shutdown(void)
{
    int kept = errno;
    int state = TB_LIB_ON;
    if (tb_fork_is_unseen())
        tb_fork_forget();
    if (is_borrower() || !atomic_compare_exchange_strong(&tb_lib.state, &state, TB_LIB_STOPPING))
        return;
    tb_thread_cover(0);
    if (tb_lib.has_handler)
        tb_handoff_remove();
    tb_lib.has_handler = 0;
    /* A handler that was given a crash, and ends the program by exit, died of it. */
    int is_clean = !tb_handoff_is_running();
    if (wait_for_users()) {
        tb_loss_end();
        close_all(is_clean);
        (void)snprintf(tb_lib.why, sizeof(tb_lib.why), "towbar_shutdown was called");
        atomic_store(&tb_lib.state, TB_LIB_OFF);
    } else if (is_clean) {
        tb_slot_done(&tb_lib.slot); /* files stay open for those inside */
    }
    errno = kept;
}

/* After the program's own exit handlers, whose crashes are still to be reported. */
__attribute__((destructor)) static void stop_at_exit(void)
{
    towbar_shutdown();
}

/* ---- status ---- */

static uint64_t count_losses(void)
{
    uint64_t n = 0;
    for (int i = 0; i < TB_N_CLASSES; i++)
        n += atomic_load(&tb_lib.n_lost[i]);
    return n;
}

/* The text so far is len long; what does not fit is left out. */
static size_t add(char *out, size_t len, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static size_t add(char *out, size_t len, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    len += tb_text_format(out + len, TB_STATUS_BYTES - len, format, args);
    va_end(args);
    return len;
}

#define REMEDY                                                                                     \
    "; start towbard as root, which makes it and opens it to all users, or as this user, or set "  \
    "TOWBAR_SPOOL and start this program again"

static void describe_on(char *out)
{
    char replaced[TB_HANDOFF_TEXT] = "";
    uint64_t n_lost = count_losses();
    size_t len = add(out, 0, "reporting to %.*s (crash handler %s, %s)", TB_STATUS_BYTES / 2,
                     tb_lib.spool, tb_lib.has_handler ? "on" : "off",
                     tb_lib.has_rows ? "libunwind"
                                     : "no libunwind: stacks by frame pointers only; install "
                                       "libunwind8");
    if (tb_lib.has_handler)
        tb_handoff_replaced(replaced);
    if (replaced[0])
        len = add(out, len, "; the program has replaced the handler of %s since", replaced);
    if (tb_lib.why[0])
        len = add(out, len, "; %s", tb_lib.why);
    int slot_error = atomic_load(&tb_lib.slot_error);
    int dir_error = atomic_load(&tb_lib.dir_error);
    if (dir_error)
        len = add(out, len,
                  "; its folder in cannot be opened: %s%s; a few errors are held in memory, and "
                  "when the folder can be opened it goes on by itself",
                  strerrordesc_np(dir_error),
                  dir_error == ENOENT || dir_error == EACCES ? REMEDY : "");
    else if (slot_error && !tb_lib.slot.map)
        len = add(out, len,
                  "; crashes cannot be kept yet, as no crash slot can be made: %s; it is "
                  "tried again with the reports that come",
                  strerrordesc_np(slot_error));
    if (tb_loss_n_kept() > 0)
        len = add(out, len, "; %u reports wait in memory until they can be written: %s",
                  tb_loss_n_kept(), strerrordesc_np(atomic_load(&tb_lib.last_error)));
    if (n_lost > 0)
        (void)add(out, len, "; %llu reports could not be kept: %s", (unsigned long long)n_lost,
                  strerrordesc_np(atomic_load(&tb_lib.last_error)));
}

const char *towbar_status(void)
{
    int kept = errno;
    tb_lib_touch();
    struct tb_thread *thread = tb_thread_self(1);
    int state = atomic_load(&tb_lib.state);
    errno = kept;
    if (!thread)
        return state == TB_LIB_ON ? "reporting" : "not reporting";
    if (state == TB_LIB_ON)
        describe_on(thread->status);
    else if (state == TB_LIB_STARTING)
        (void)add(thread->status, 0, "not reporting: towbar_init has not returned yet");
    else if (state == TB_LIB_STOPPING) /* for good, when a call in another thread never ends */
        (void)add(thread->status, 0, "not reporting: towbar_shutdown was called");
    else
        (void)add(thread->status, 0, "not reporting: %s",
                  tb_lib.why[0] ? tb_lib.why : "towbar_init was not called");
    errno = kept;
    return thread->status;
}
