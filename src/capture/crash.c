/* crash.c - see crash.h.
 *
 * One thread at a time has the slot, by compare-and-swap of its thread id:
 *   free       nobody crashes
 *   taken      the one whose id it is writes the record, stage by stage, the most valuable first
 *   free again it handed the signal to a handler of the program, which may well carry on; where
 *              death is certain the claim is kept, and a second record cannot overwrite the first
 * Another thread that crashes meanwhile waits for at most WAIT_MS. A fault inside a stage ends that
 * stage: the nested handler goes on with the next one, and after NESTED_MAX of them no more is
 * tried. A stage gathers first and writes then, so that a fault leaves no torn chunk. */
#include "capture/crash.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/id.h"
#include "base/pack.h"
#include "capture/context.h"
#include "capture/fork.h"
#include "capture/handoff.h"
#include "capture/late.h"
#include "capture/lib.h"
#include "capture/machine.h"
#include "capture/modules.h"
#include "capture/notes.h"
#include "capture/stack.h"
#include "capture/thread.h"
#include "record/crash.h"

enum {
    WAIT_MS = 2000,
    WAIT_STEP_NS = 500 * 1000,
    NESTED_MAX = 3,
    RED_ZONE_BYTES = 128, /* below sp, in use by leaf functions */
    STACK_BYTES = 64 << 10,
    STACK_SKIP_PAGES = 256, /* from a sp in a guard page up to where the stack is */
    CODE_BYTES = 256,
    ABORT_BYTES = 2048,
    FRAME_BYTES = 24,
    NOTE_HEAD_BYTES = 16,
    END_BYTES = 16,
    ALIGNMENT = 8,
};

/* All that a report is made of: static, since the stack may be small and malloc may be broken. */
static struct crash {
    struct tb_signal signal;
    uint64_t begun_ns;
    uint32_t pid, tid;
    struct tb_slot *slot;       /* NULL: there is none, only hand on */
    struct tb_modules *modules; /* taken; NULL without */
    volatile int stage;         /* the one that runs */
    volatile int n_nested;
    uint32_t end_flags;
    uint64_t stack_address;
    size_t stack_len;
    uint8_t stack[STACK_BYTES];
    struct tb_stack walker;
    struct tb_late late;
    struct tb_unwind_frame frames[TB_CRASH_FRAMES_MAX];
    uint8_t packed[TB_CRASH_FRAMES_MAX * FRAME_BYTES];
    char scope[TB_SCOPES_BYTES];
    uint8_t context[TB_PROCESS_RECORD_MAX];
} crash;

static atomic_int claim; /* thread id of the one that crashes, 0 for none */
/* The thread whose crash was last handed to a handler of the program, until that returns. */
static atomic_int handed;
static struct tb_slot borrowed_slot = {.fd = -1}; /* of a child that shares our memory */
static void *const *abort_message; /* the C library's __abort_msg; NULL when it has none */

void tb_crash_setup(void)
{
    abort_message = dlsym(RTLD_DEFAULT, "__abort_msg");
}

void tb_crash_forked(void)
{
    atomic_store(&claim, 0);
    atomic_store(&handed, 0);
}

/* ---- write ---- */

static void write_padding(size_t len)
{
    static const uint8_t zeros[ALIGNMENT];
    (void)tb_slot_write(crash.slot, zeros, (ALIGNMENT - len % ALIGNMENT) % ALIGNMENT);
}

/* A chunk of two parts. What does not fit is left out: the reader sees a cut record. */
static void write_chunk(int tag, const void *head, size_t head_len, const void *rest,
                        size_t rest_len)
{
    uint8_t header[TB_CHUNK_HEADER_BYTES];
    tb_chunk_header((uint16_t)tag, head_len + rest_len, header);
    (void)tb_slot_write(crash.slot, header, sizeof(header));
    (void)tb_slot_write(crash.slot, head, head_len);
    (void)tb_slot_write(crash.slot, rest, rest_len);
    write_padding(head_len + rest_len);
}

/* ---- stages ---- */

static int is_sent(const siginfo_t *info)
{
    return info->si_code <= 0;
}

static void write_fixed(void)
{
    const siginfo_t *info = crash.signal.info;
    uint8_t bytes[TB_CRASH_FIXED_BYTES];
    struct tb_crash_fixed fixed;
    memset(&fixed, 0, sizeof(fixed));
    fixed.signo = crash.signal.signo;
    fixed.code = info->si_code;
    fixed.err = info->si_errno;
    fixed.tid = crash.tid;
    fixed.pid = crash.pid;
    if (is_sent(info)) {
        fixed.sender_pid = (uint32_t)info->si_pid;
        fixed.sender_uid = info->si_uid;
    } else {
        fixed.fault_address = (uint64_t)(uintptr_t)info->si_addr;
    }
    fixed.wall_ns = crash.slot->time_ns;
    fixed.mono_ns = crash.begun_ns;
    fixed.generation = crash.modules ? crash.modules->process.generation : 0;
    tb_machine_registers(crash.signal.context, &fixed);
    (void)syscall(SYS_prctl, PR_GET_NAME, fixed.thread_name, 0, 0, 0);
    tb_crash_fixed_pack(&fixed, bytes);
    write_chunk(TB_CRASH_FIXED, bytes, sizeof(bytes), NULL, 0);
    tb_slot_flush(crash.slot);
}

static void write_trace(void)
{
    unsigned char image[TB_TRACE_IMAGE_BYTES];
    if (tb_context_trace(image))
        write_chunk(TB_CRASH_TRACE, image, sizeof(image), NULL, 0);
}

/* Only assert, malloc and their like leave a text: struct { unsigned size; char text[]; }. */
static void write_abort(void)
{
    uint64_t address;
    uint8_t bytes[ABORT_BYTES];
    if (crash.signal.signo != SIGABRT || !abort_message ||
        tb_memory_copy((uint64_t)(uintptr_t)abort_message, &address, sizeof(address)) !=
            sizeof(address) ||
        address == 0)
        return;
    size_t n = tb_memory_copy(address, bytes, sizeof(bytes));
    if (n <= sizeof(uint32_t))
        return;
    const char *text = (const char *)bytes + sizeof(uint32_t);
    size_t len = strnlen(text, n - sizeof(uint32_t));
    while (len > 0 && text[len - 1] == '\n')
        len--;
    write_chunk(TB_CRASH_ABORT, text, len, NULL, 0);
}

/* Where sp is in a guard page (a stack overflow) the copy begins at the stack proper. */
static void copy_stack(void)
{
    const uint64_t page = TB_MEMORY_PAGE;
    uint64_t sp = tb_machine_start(crash.signal.context).sp;
    uint64_t at = (sp - RED_ZONE_BYTES) & ~(uint64_t)(ALIGNMENT - 1);
    tb_slot_flush(crash.slot);
    for (int i = 0; i < STACK_SKIP_PAGES && sp > RED_ZONE_BYTES; i++) {
        size_t n = tb_memory_copy(at, crash.stack, STACK_BYTES);
        if (n > 0) {
            crash.stack_address = at;
            crash.stack_len = n;
            crash.end_flags |= n == STACK_BYTES ? TB_CRASH_STACK_CUT : 0;
            return;
        }
        at = (at / page + 1) * page;
    }
}

/* A module that came after the table was made gets into the record while it still can. */
static void write_late_modules(void)
{
    if (crash.late.n == 0 || !crash.modules)
        return;
    uint64_t generation = tb_modules_next_generation();
    size_t len = tb_late_pack(&crash.late, crash.modules, crash.pid, generation, crash.context,
                              sizeof(crash.context));
    (void)tb_slot_context(crash.slot, generation, crash.context, len);
}

static void write_frames(void)
{
    struct tb_stack *walker = &crash.walker;
    int cut = 0;
    walker->modules = crash.modules;
    walker->late = &crash.late;
    walker->last = 0;
    tb_memory_reset(&walker->memory);
    crash.late.n = 0;
    walker->memory.copy = crash.stack;
    walker->memory.copy_address = crash.stack_address;
    walker->memory.copy_len = crash.stack_len;
    size_t n = tb_stack_walk(walker, tb_machine_start(crash.signal.context), 1, crash.frames,
                             TB_CRASH_FRAMES_MAX, &cut);
    for (size_t i = 0; i < n; i++) {
        tb_put64(crash.packed + i * FRAME_BYTES, crash.frames[i].ip);
        tb_put64(crash.packed + i * FRAME_BYTES + 8, crash.frames[i].sp);
        tb_put64(crash.packed + i * FRAME_BYTES + 16, (uint64_t)crash.frames[i].trust);
    }
    crash.end_flags |= cut ? TB_CRASH_FRAMES_CUT : 0;
    write_chunk(TB_CRASH_FRAMES, crash.packed, n * FRAME_BYTES, NULL, 0);
    tb_slot_flush(crash.slot);
    write_late_modules();
}

static void write_scope(void)
{
    size_t len = tb_thread_scopes(crash.scope, sizeof(crash.scope));
    if (len > 0)
        write_chunk(TB_CRASH_SCOPE, crash.scope, len, NULL, 0);
}

static void write_notes(void)
{
    struct tb_note note;
    uint64_t number;
    uint64_t end;
    tb_notes_range(&number, &end);
    for (; number < end; number++) {
        uint8_t head[NOTE_HEAD_BYTES];
        if (tb_notes_get(number, &note) != 0)
            continue;
        tb_put64(head, note.wall_ns);
        tb_put32(head + 8, note.level);
        tb_put32(head + 12, note.tid);
        write_chunk(TB_CRASH_NOTE, head, sizeof(head), note.text,
                    strnlen(note.text, sizeof(note.text)));
    }
}

/* The address, as eight bytes before the bytes found there. */
static void write_memory(int tag, uint64_t address, const void *bytes, size_t len)
{
    uint8_t head[8];
    tb_put64(head, address);
    if (len > 0)
        write_chunk(tag, head, sizeof(head), bytes, len);
}

static void write_code(void)
{
    uint8_t bytes[CODE_BYTES];
    uint64_t ip = tb_machine_start(crash.signal.context).ip;
    uint64_t from = ip - CODE_BYTES / 2;
    size_t n = tb_memory_copy(from, bytes, sizeof(bytes));
    if (n <= CODE_BYTES / 2) { /* the page before is not there */
        from = ip;
        n = tb_memory_copy(from, bytes, CODE_BYTES / 2);
    }
    write_memory(TB_CRASH_CODE, from, bytes, n);
}

static void write_stack(void)
{
    write_memory(TB_CRASH_STACK, crash.stack_address, crash.stack, crash.stack_len);
}

static void write_end(void)
{
    uint8_t bytes[END_BYTES];
    tb_put64(bytes, tb_clock_mono_ns() - crash.begun_ns);
    tb_put32(bytes + 8, (uint32_t)crash.n_nested);
    tb_put32(bytes + 12, crash.end_flags);
    write_chunk(TB_CRASH_END, bytes, sizeof(bytes), NULL, 0);
    tb_slot_end(crash.slot);
}

/* The most valuable first. */
static void (*const stages[])(void) = {write_fixed,  write_trace, write_abort, copy_stack,
                                       write_frames, write_scope, write_notes, write_code,
                                       write_stack,  write_end};
enum { N_STAGES = sizeof(stages) / sizeof(stages[0]) };

static void run_stages(void)
{
    while (crash.stage < N_STAGES) {
        int stage = crash.stage;
        stages[stage]();
        crash.stage = stage + 1;
    }
}

/* ---- who writes, and where ---- */

/* This process's slot; one made now for a child that has none yet. */
static struct tb_slot *find_slot(uint32_t pid)
{
    struct tb_slot *slot = &tb_lib.slot;
    uint8_t boot_id[16];
    int state = atomic_load(&tb_lib.state);
    if (state == TB_LIB_OFF)
        return NULL;
    if (tb_fork_is_unseen()) {
        tb_fork_forget();
        atomic_store(&claim, (int)crash.tid);
    }
    int is_borrower = (uint32_t)atomic_load(&tb_lib.pid) != pid; /* vfork: memory is the parent's */
    if (!is_borrower && slot->map)
        return slot;
    if (is_borrower)
        slot = &borrowed_slot;
    tb_lib_check_dir();
    tb_id_boot(boot_id);
    if (tb_slot_open(slot, tb_lib.dirfd, boot_id, 0) != 0)
        return NULL;
    struct tb_modules *modules = tb_modules_take();
    if (modules) {
        uint64_t generation = modules->process.generation;
        crash.late.n = 0;
        size_t len = tb_late_pack(&crash.late, modules, pid, generation, crash.context,
                                  sizeof(crash.context));
        (void)tb_slot_context(slot, generation, crash.context, len);
    }
    tb_modules_give(modules);
    return slot;
}

static void begin(const struct tb_signal *signal, uint32_t tid)
{
    uint8_t uuid[TB_UUID_BYTES];
    crash.signal = *signal;
    crash.begun_ns = tb_clock_mono_ns();
    crash.pid = (uint32_t)syscall(SYS_getpid);
    crash.tid = tid;
    crash.stage = 0;
    crash.n_nested = 0;
    crash.end_flags = 0;
    crash.stack_len = 0;
    crash.modules = NULL;
    crash.slot = find_slot(crash.pid);
    if (!crash.slot)
        return;
    crash.modules = tb_modules_take();
    tb_slot_state(crash.slot, TB_SLOT_WRITING, tid);
    tb_id_uuid(uuid);
    tb_slot_begin(crash.slot, uuid, tb_clock_wall_ns());
}

/* The record is as good as it gets: say so, let others have the claim if life may go on, and do
 * what would have happened without us. */
static void finish(int is_nested)
{
    struct tb_signal signal = crash.signal;
    int is_death = tb_handoff_way(&signal) == TB_WAY_DEATH;
    if (crash.slot) {
        tb_slot_state(crash.slot, is_death ? TB_SLOT_COMPLETE : TB_SLOT_HANDED_ON, crash.tid);
        tb_slot_wake(crash.slot);
        tb_modules_give(crash.modules);
        crash.modules = NULL;
    }
    if (is_death && crash.slot == &borrowed_slot) {
        tb_slot_close(&borrowed_slot, 0); /* the parent, whose memory this is, lives on */
        atomic_store(&claim, 0);
    }
    if (is_death) {
        tb_handoff(&signal, is_nested);
        return;
    }
    atomic_store(&handed, (int)crash.tid);
    atomic_store(&claim, 0);
    tb_handoff(&signal, is_nested);
    atomic_store(&handed, 0);
}

/* Did it happen in the program's own handler, to which this thread's crash was just given? That one
 * is the crash to tell of. A handler that was left by siglongjmp never returns here, so it counts
 * only on the alternate stack, where nothing else of the program runs. */
static int is_in_handler(const struct tb_signal *signal, int tid)
{
    const ucontext_t *context = signal->context;
    uint64_t sp = tb_machine_start(context).sp;
    uint64_t low = (uint64_t)(uintptr_t)context->uc_stack.ss_sp;
    return atomic_load(&handed) == tid && sp > low && sp - low <= context->uc_stack.ss_size;
}

static void handle_nested(void)
{
    crash.n_nested++;
    crash.stage++;
    if (crash.slot && crash.n_nested <= NESTED_MAX)
        run_stages();
    finish(1);
}

/* 1 when the claim is ours, 0 when the time is up. */
static int wait_for_claim(int tid)
{
    const struct timespec step = {0, WAIT_STEP_NS};
    uint64_t end = tb_clock_mono_ns() + (uint64_t)WAIT_MS * TB_NS_PER_MS;
    for (;;) {
        int holder = 0;
        if (atomic_compare_exchange_strong(&claim, &holder, tid))
            return 1;
        if (tb_clock_mono_ns() >= end)
            return 0;
        (void)syscall(SYS_nanosleep, &step, NULL);
    }
}

static void handle(const struct tb_signal *signal)
{
    int tid = (int)syscall(SYS_gettid);
    if (tb_handoff_way(signal) == TB_WAY_IGNORE)
        return;
    if (atomic_load(&claim) == tid) {
        /* Sent from outside while this thread is dying already: too late to matter. */
        if (!is_sent(signal->info) || signal->info->si_pid == (pid_t)crash.pid)
            handle_nested();
        return;
    }
    if (is_in_handler(signal, tid) || !wait_for_claim(tid)) {
        tb_handoff(signal, 0);
        return;
    }
    begin(signal, (uint32_t)tid);
    if (crash.slot)
        run_stages();
    finish(0);
}

void tb_crash_handle(int signo, siginfo_t *info, void *context)
{
    int kept = errno;
    struct tb_signal signal = {.signo = signo, .info = info, .context = context};
    handle(&signal);
    errno = kept;
}
