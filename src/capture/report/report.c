/* report.c - one error: limit of the call site, message, stack, JSON, one append.
 *
 * All that is large lies in one of N_WORKS works, claimed for the length of the call: nothing is
 * allocated, little of the caller's stack is used (it may be a small signal stack), and a handler
 * that interrupts a report claims another. When all are in use the report yields a little, then is
 * lost and counted.
 *
 * A handler that leaves a report by siglongjmp leaves its work claimed. When all are in use, one
 * that this thread has abandoned for sure (claim.h) is taken over. */
#include "capture/report/report.h"

#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/id.h"
#include "base/utf8.h"
#include "capture/crash/claim.h"
#include "capture/report/active.h"
#include "capture/lib.h"
#include "capture/report/loss.h"
#include "capture/modules/modules.h"
#include "capture/report/notes.h"
#include "capture/report/site.h"
#include "capture/threads/stack.h"
#include "capture/text.h"
#include "capture/threads/thread.h"
#include "capture/modules/unload.h"
#include "item/write.h"
#include "towbar/towbar.h"

enum {
    N_WORKS = 8,
    CACHE_LINE = 64, /* bytes; none is in two works: their threads would fetch it in turn */
    N_YIELDS = 64,
    MESSAGE_BYTES = 4 << 10,
    FRAMES_MAX = 256,
    JSON_BYTES = 64 << 10,
    NAME_BYTES = 16,
    ERROR_BYTES = 64, /* ": " and the text of an errno */
};

struct work {
    _Alignas(CACHE_LINE) struct tb_claim claim;
    struct tb_modules *modules; /* taken; NULL without */
    struct tb_stack stack;
    struct tb_unwind_frame frames[FRAMES_MAX];
    uint64_t addresses[FRAMES_MAX];
    struct tb_note notes[TB_NOTES_MAX];
    struct tb_item_note item_notes[TB_NOTES_MAX];
    char scope[TB_SCOPES_BYTES];
    char message[MESSAGE_BYTES + 1];
    char json[JSON_BYTES];
    uint8_t uuid[TB_UUID_BYTES];
    char thread[NAME_BYTES];
    struct tb_item_facts facts;
    struct tb_trace_context trace; /* what only a report with a trace touches is last */
    struct tb_trace_image image;
    char texts[TB_TRACE_CARRIED_BYTES]; /* of the trace */
};

/* What the caller said. */
struct wish {
    const struct towbar_site *site;
    int level;
    int error_number;
    struct tb_unwind_regs caller;
    int caller_errno; /* for %m */
};

static struct work works[N_WORKS];

static struct work *claim_free(void)
{
    for (int i = 0; i < N_WORKS; i++) {
        if (tb_claim_try(&works[i].claim))
            return &works[i];
    }
    return NULL;
}

static void give_modules(struct work *work)
{
    struct tb_modules *modules = work->modules;
    work->modules = NULL;
    tb_modules_give(modules);
}

static struct work *claim_abandoned(void)
{
    tb_claim_wipe();
    for (int i = 0; i < N_WORKS; i++) {
        if (!tb_claim_break(&works[i].claim))
            continue;
        give_modules(&works[i]);
        return &works[i];
    }
    return NULL;
}

static struct work *claim_work(volatile uint64_t *number)
{
    *number = tb_claim_number();
    for (int round = 0; round <= N_YIELDS; round++) {
        struct work *work = claim_free();
        if (!work && (round == 0 || round == N_YIELDS))
            work = claim_abandoned();
        if (work) {
            tb_claim_hold(&work->claim, number);
            return work;
        }
        (void)sched_yield();
    }
    return NULL;
}

static void release_work(struct work *work)
{
    give_modules(work);
    tb_claim_end(&work->claim);
}

void tb_report_forked(void)
{
    for (int i = 0; i < N_WORKS; i++) {
        works[i].modules = NULL; /* nobody uses a table in a child yet */
        tb_claim_forked(&works[i].claim);
    }
}

/* ---- gather ---- */

/* ": No such file or directory", put after the message, which is cut to make room for it. */
static void add_error_text(struct work *work, size_t len, int error_number)
{
    char text[ERROR_BYTES];
    const char *known = strerrordesc_np(error_number); /* never translated, takes no lock */
    if (known)
        (void)snprintf(text, sizeof(text), ": %s", known);
    else
        (void)snprintf(text, sizeof(text), ": error %d", error_number);
    size_t text_len = strlen(text);
    if (len + text_len > MESSAGE_BYTES)
        len = tb_utf8_cut(work->message, len, MESSAGE_BYTES - text_len);
    memcpy(work->message + len, text, text_len + 1);
}

__attribute__((format(printf, 3, 0))) static void
put_message(struct work *work, const struct wish *wish, const char *format, va_list args)
{
    errno = wish->caller_errno;
    size_t len = tb_text_format(work->message, sizeof(work->message), format, args);
    work->facts.message = work->message;
    work->facts.format = format;
    work->facts.class_ = tb_level_name(wish->level);
    if (wish->error_number == 0)
        return;
    work->facts.error_number = wish->error_number;
    work->facts.error_name = strerrorname_np(wish->error_number);
    if (work->facts.error_name)
        work->facts.class_ = work->facts.error_name;
    add_error_text(work, len, wish->error_number);
}

static void put_frames(struct work *work, const struct tb_modules *modules,
                       struct tb_unwind_regs caller)
{
    tb_stack_begin(&work->stack, modules, caller.sp);
    size_t n = tb_stack_walk(&work->stack, caller, 0, work->frames, FRAMES_MAX, NULL);
    for (size_t i = 0; i < n; i++)
        work->addresses[i] = work->frames[i].ip;
    work->facts.addresses = work->addresses;
    work->facts.n_addresses = n;
}

/* 1 when there is a new table. While a library is being unloaded no table holds: then one that has
 * the names right will do. */
static int make_table(const struct tb_late *late, const struct tb_modules *modules)
{
    int is_closing = tb_unload_is_since(late->mark);
    if (late->n_new > 0 || (late->n > 0 && !is_closing))
        return tb_modules_extend(&tb_lib.about, late->modules, late->code, late->n, late->mark) ==
               0;
    return modules && !late->is_sure && !is_closing && tb_modules_confirm(&tb_lib.about) == 0;
}

/* The stack led into modules that the table does not know, or one that it knew was unloaded: the
 * report refers to a new one. */
static void renew_modules(struct work *work)
{
    struct tb_modules *modules = work->modules;
    if (make_table(&work->stack.late, modules)) {
        work->modules = NULL;
        tb_modules_give(modules);
        modules = tb_modules_take();
        work->modules = modules;
    }
    tb_lib_store_modules();
    work->facts.generation = modules ? modules->process.generation : 0;
}

static void put_notes(struct work *work)
{
    uint64_t number;
    uint64_t end;
    size_t n = 0;
    tb_notes_range(&number, &end);
    for (; number < end && n < TB_NOTES_MAX; number++) {
        struct tb_note *note = &work->notes[n];
        if (tb_notes_get(number, note) != 0)
            continue;
        work->item_notes[n] = (struct tb_item_note){
            .wall_ns = note->wall_ns, .level = (int)note->level, .text = note->text};
        n++;
    }
    work->facts.notes = work->item_notes;
    work->facts.n_notes = n;
}

static void put_surroundings(struct work *work, const struct wish *wish)
{
    struct tb_item_facts *facts = &work->facts;
    tb_id_uuid(work->uuid);
    facts->uuid = work->uuid;
    facts->wall_ns = tb_clock_wall_ns();
    facts->level = wish->level;
    if (wish->site) {
        facts->file = wish->site->file;
        facts->line = wish->site->line;
        facts->function = wish->site->function;
    }
    if (tb_active_load(&work->trace, &work->image, work->texts)) {
        facts->trace = &work->trace;
        facts->trace_started_ns = work->image.started_ns;
    }
    facts->scope = work->scope;
    facts->scope_len = tb_thread_scopes(work->scope, sizeof(work->scope));
    facts->pid = getpid();
    facts->tid = gettid();
    if (prctl(PR_GET_NAME, work->thread) == 0)
        facts->thread = work->thread;
    put_notes(work);
}

/* ---- store ---- */

static enum tb_spool_class class_of(int level)
{
    if (level >= TOWBAR_CRITICAL)
        return TB_CLASS_CRASH;
    if (level == TOWBAR_ERROR)
        return TB_CLASS_ERROR;
    return level == TOWBAR_WARNING ? TB_CLASS_WARNING : TB_CLASS_INFO;
}

/* Of one that is kept or lost by then, *is_kept says so; of one that was written, *synced is its
 * sync. */
static int store(struct work *work, int *is_kept, int *synced)
{
    const struct tb_modules *modules = work->modules;
    enum tb_spool_class class_ = class_of(work->facts.level);
    struct tb_append record = {.kind = TB_KIND_NATIVE,
                               .uuid = work->uuid,
                               .time_ns = work->facts.wall_ns,
                               .data = work->json};
    if (tb_item_write(&work->facts, work->json, sizeof(work->json), &record.len) != 0)
        record.flags = TB_FRAME_TRUNCATED;
    if (modules) {
        record.context = modules->record;
        record.context_len = modules->record_len;
        record.generation = modules->process.generation;
    }
    if (tb_lib.has_sync && class_ <= TB_CLASS_ERROR)
        record.synced = synced;
    struct tb_writer *writer = &tb_lib.writers[class_];
    tb_loss_retry(class_);
    int err = tb_writer_append(writer, &record);
    if (err == -ESTALE || err == -ENOENT) {
        tb_lib_check_dir(); /* the host closed it, or it was made anew: by its path, once */
        tb_loss_retry(class_);
        err = tb_writer_append(writer, &record);
        int dir_error = atomic_load(&tb_lib.dir_error);
        if (err == -ESTALE && dir_error)
            err = -dir_error; /* says more */
    }
    if (err < 0)
        *is_kept = tb_loss_take(class_, &record, err);
    return err;
}

/* The caller is inside (tb_lib_enter), and the site has let it pass. */
__attribute__((format(printf, 3, 0))) static int
make_report(struct tb_site *site, const struct wish *wish, const char *format, va_list args)
{
    enum tb_spool_class class_ = class_of(wish->level);
    volatile uint64_t number; /* stays here for as long as the report is made */
    struct work *work = claim_work(&number);
    if (!work) {
        tb_loss_note(class_, -EAGAIN);
        return -EAGAIN;
    }
    work->modules = tb_modules_take();
    uint64_t n_suppressed = atomic_exchange(&site->n_suppressed, 0);
    memset(&work->facts, 0, sizeof(work->facts));
    work->facts.n_suppressed = n_suppressed;
    put_message(work, wish, format, args);
    put_frames(work, work->modules, wish->caller);
    renew_modules(work);
    put_surroundings(work, wish);
    int is_kept = 0;
    int synced = 0;
    int err = store(work, &is_kept, &synced);
    release_work(work);
    tb_notes_write();
    if (err == 0)
        tb_loss_tell(class_);
    else if (!is_kept)
        atomic_fetch_add(&site->n_suppressed, n_suppressed);
    return err == 0 ? synced : err; /* one that could not be synced is in the spool: not lost */
}

__attribute__((format(printf, 2, 0))) static int report(struct wish *wish, const char *format,
                                                        va_list args)
{
    if (wish->level < TOWBAR_DEBUG || wish->level > TOWBAR_CRITICAL)
        wish->level = TOWBAR_ERROR;
    if (wish->error_number < 0) /* as -errno */
        wish->error_number = wish->error_number > -INT_MAX ? -wish->error_number : 0;
    int err = tb_lib_enter();
    if (err)
        return err;
    tb_lib_retry_slot();
    struct tb_site *site = tb_site_find(wish->site, format);
    err = tb_site_take(site, tb_clock_mono_ns());
    if (err == 0)
        err = make_report(site, wish, format, args);
    tb_lib_leave();
    return err;
}

/* ---- the public calls: the frame pointer of each leads to its caller ---- */

__attribute__((noinline)) int towbar_vreport_at(const struct towbar_site *site,
                                                enum towbar_level level, int error_number,
                                                const char *format, va_list args)
{
    struct wish wish = {.site = site,
                        .level = (int)level,
                        .error_number = error_number,
                        .caller = tb_stack_caller(),
                        .caller_errno = errno};
    int err = report(&wish, format, args);
    errno = wish.caller_errno;
    return err;
}

__attribute__((noinline)) int towbar_report_at(const struct towbar_site *site,
                                               enum towbar_level level, int error_number,
                                               const char *format, ...)
{
    struct wish wish = {.site = site,
                        .level = (int)level,
                        .error_number = error_number,
                        .caller = tb_stack_caller(),
                        .caller_errno = errno};
    va_list args;
    va_start(args, format);
    int err = report(&wish, format, args);
    va_end(args);
    errno = wish.caller_errno;
    return err;
}

__attribute__((noinline)) int towbar_perror_at(const struct towbar_site *site, const char *format,
                                               ...)
{
    struct wish wish = {.site = site,
                        .level = TOWBAR_ERROR,
                        .error_number = errno,
                        .caller = tb_stack_caller(),
                        .caller_errno = errno};
    va_list args;
    va_start(args, format);
    int err = report(&wish, format, args);
    va_end(args);
    errno = wish.caller_errno;
    return err;
}
