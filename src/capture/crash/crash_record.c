/* crash_record.c - see crash_record.h. The chunks are those of docs/spool-format.md 7.
 *
 * A stage gathers first and writes then, so that a fault leaves no torn chunk. All that is large is
 * static: the stack may be small, and malloc may be broken. */
#include "capture/crash/crash_record.h"

#include <errno.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/id.h"
#include "base/pack.h"
#include "capture/report/carrier.h"
#include "capture/report/context.h"
#include "capture/lib.h"
#include "capture/crash/chunk.h"
#include "capture/crash/facts.h"
#include "capture/crash/machine.h"
#include "capture/modules/modules.h"
#include "capture/report/notes.h"
#include "capture/crash/quiet.h"
#include "capture/threads/siblings.h"
#include "capture/threads/stack.h"
#include "capture/threads/thread.h"
#include "record/crash.h"

enum {
    NESTED_MAX = 3,
    RED_ZONE_BYTES = 128, /* below sp, in use by leaf functions */
    STACK_BYTES = 64 << 10,
    STACK_SKIP_PAGES = 256, /* from a sp in a guard page up to where the stack is */
    CODE_BYTES = 256,
    FRAME_BYTES = 24,
    NOTE_HEAD_BYTES = 16,
    END_BYTES = 16,
    ALIGNMENT = 8,
    /* How far, and how long after the crash, a deep stack is walked for its outer end. */
    DEPTH_MAX = 1 << 20,
    DEPTH_MS = 100,
    FACTS_MS = 50, /* the same for the list of all mappings */
};

static struct crash {
    struct tb_signal signal;
    uint64_t begun_ns;
    uint32_t pid, tid;
    struct tb_slot *slot;
    struct tb_modules *modules; /* taken; NULL without */
    volatile int stage;         /* the one that runs */
    volatile int n_nested;
    uint32_t end_flags;
    uint64_t until_ns; /* for the other threads; 0: they are left alone */
    struct tb_siblings siblings;
    uint64_t stack_address;
    size_t stack_len;
    uint8_t stack[STACK_BYTES];
    struct tb_stack walker;
    struct tb_unwind_place place; /* where the walk ended */
    struct tb_unwind_frame frames[TB_CRASH_FRAMES_MAX];
    size_t n_frames;
    uint8_t packed[TB_CRASH_FRAMES_MAX * FRAME_BYTES];
    char texts[TB_TRACE_CARRIED_BYTES]; /* of the trace */
    char scope[TB_SCOPES_BYTES];
    uint8_t context[TB_PROCESS_RECORD_MAX];
} crash;

/* ---- write ---- */

static void write_chunk(int tag, const void *head, size_t head_len, const void *rest,
                        size_t rest_len)
{
    tb_crash_chunk(crash.slot, tag, head, head_len, rest, rest_len);
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
    fixed.err = crash.signal.err;
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
    /* 0: the newest of the slot, which write_late_modules may yet have to make. */
    fixed.generation = 0;
    tb_machine_registers(crash.signal.context, &fixed);
    if (!tb_quiet())
        (void)syscall(SYS_prctl, PR_GET_NAME, fixed.thread_name, 0, 0, 0);
    tb_crash_fixed_pack(&fixed, bytes);
    write_chunk(TB_CRASH_FIXED, bytes, sizeof(bytes), NULL, 0);
    tb_slot_flush(crash.slot);
}

static void write_trace(void)
{
    unsigned char bytes[TB_TRACE_IMAGE_BYTES];
    struct tb_trace_image image;
    struct tb_trace trace;
    if (!tb_context_trace(bytes) || tb_trace_unpack(bytes, &trace) < 0)
        return;
    tb_trace_image_read(bytes, &image);
    size_t len = tb_carrier_read(&trace, &image, crash.texts);
    write_chunk(TB_CRASH_TRACE, bytes, sizeof(bytes), crash.texts, len);
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

static void pack_frame(size_t place, const struct tb_unwind_frame *frame)
{
    tb_put64(crash.packed + place * FRAME_BYTES, frame->ip);
    tb_put64(crash.packed + place * FRAME_BYTES + 8, frame->sp);
    tb_put64(crash.packed + place * FRAME_BYTES + 16, (uint64_t)frame->trust);
}

static void write_frames(void)
{
    struct tb_stack *walker = &crash.walker;
    int cut = 0;
    tb_stack_reset(walker, crash.modules);
    walker->memory.copy = crash.stack;
    walker->memory.copy_address = crash.stack_address;
    walker->memory.copy_len = crash.stack_len;
    crash.place = tb_unwind_start(tb_machine_start(crash.signal.context), 1);
    size_t n = tb_stack_walk_on(walker, &crash.place, crash.frames, TB_CRASH_FRAMES_MAX, &cut);
    for (size_t i = 0; i < n; i++)
        pack_frame(i, &crash.frames[i]);
    crash.n_frames = n;
    crash.end_flags |= cut ? TB_CRASH_FRAMES_CUT : 0;
    write_chunk(TB_CRASH_FRAMES, crash.packed, n * FRAME_BYTES, NULL, 0);
    tb_slot_flush(crash.slot);
}

/* ---- what facts.c has to say ---- */

static void say(void (*what)(const struct tb_facts *facts))
{
    const struct tb_facts facts = {.slot = crash.slot,
                                   .signal = &crash.signal,
                                   .pid = crash.pid,
                                   .walker = &crash.walker,
                                   .frames = crash.frames,
                                   .n_frames = crash.n_frames,
                                   .is_cut = (crash.end_flags & TB_CRASH_FRAMES_CUT) != 0,
                                   .until_ns = crash.begun_ns + (uint64_t)FACTS_MS * TB_NS_PER_MS};
    what(&facts);
}

static void write_abort(void)
{
    say(tb_facts_abort);
}

static void write_exception(void)
{
    say(tb_facts_exception);
}

static void write_unloaded(void)
{
    say(tb_facts_unloaded);
}

static void write_mappings(void)
{
    say(tb_facts_mappings);
}

/* Of a stack that is deeper than that, the function that began a recursion without an end is at the
 * other end. Frames are taken in lots, each behind the last ones of the lot before. */
static void write_outer(void)
{
    uint8_t head[8];
    size_t n_kept = 0;
    uint64_t n_walked = 0;
    uint64_t until_ns = crash.begun_ns + (uint64_t)DEPTH_MS * TB_NS_PER_MS;
    int cut = (crash.end_flags & TB_CRASH_FRAMES_CUT) != 0;
    if (!cut)
        return;
    while (cut && n_walked < DEPTH_MAX && tb_clock_mono_ns() < until_ns) {
        cut = 0;
        size_t n = tb_stack_walk_on(&crash.walker, &crash.place, crash.frames + n_kept,
                                    TB_CRASH_FRAMES_MAX - n_kept, &cut);
        size_t n_there = n_kept + n;
        n_walked += n;
        n_kept = n_there < TB_CRASH_OUTER_MAX ? n_there : TB_CRASH_OUTER_MAX;
        memmove(crash.frames, crash.frames + (n_there - n_kept), n_kept * sizeof(crash.frames[0]));
    }
    if (cut) /* its end is not known */
        return;
    tb_put64(head, TB_CRASH_FRAMES_MAX + n_walked);
    for (size_t i = 0; i < n_kept; i++)
        pack_frame(n_kept - 1 - i, &crash.frames[i]);
    write_chunk(TB_CRASH_OUTER, head, sizeof(head), crash.packed, n_kept * FRAME_BYTES);
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

/* One that may recover is left alone. What was written so far is readable meanwhile. */
static void look_at_threads(void)
{
    enum { RESERVE_BYTES = 2 * TB_CHUNK_HEADER_BYTES + TB_CRASH_THREADS_BYTES + END_BYTES };
    if (crash.until_ns == 0 || tb_quiet())
        return;
    if (tb_handoff_way(&crash.signal) != TB_WAY_DEATH) {
        int n = tb_siblings_count();
        crash.siblings =
            (struct tb_siblings){.about = {.n_there = n > 0 ? (uint32_t)n : 0, .err = -ECANCELED}};
        return;
    }
    tb_slot_flush(crash.slot);
    tb_siblings_look(crash.slot, crash.pid, crash.until_ns, RESERVE_BYTES, &crash.siblings);
}

static void write_threads(void)
{
    uint8_t bytes[TB_CRASH_THREADS_BYTES];
    const struct tb_siblings *siblings = &crash.siblings;
    if (siblings->about.n_there == 0)
        return;
    (void)tb_slot_write(crash.slot, siblings->chunks, siblings->chunks_len);
    tb_crash_threads_pack(&siblings->about, bytes);
    write_chunk(TB_CRASH_THREADS, bytes, sizeof(bytes), NULL, 0);
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

/* A module that came after the table was made, or after the one that is in the slot (a report was
 * about to store the new one), gets into the record while it still can. After the
 * end: the frames of the stream must follow each other without a gap. */
static void write_late_modules(void)
{
    if (!crash.modules || (crash.walker.late.n == 0 &&
                           crash.modules->process.generation == atomic_load(&tb_lib.stored)))
        return;
    uint64_t generation = tb_modules_next_generation();
    size_t len = tb_late_pack(&crash.walker.late, crash.modules, crash.pid, generation,
                              crash.context, sizeof(crash.context));
    (void)tb_slot_context(crash.slot, generation, crash.context, len);
}

/* The most valuable first. */
static void (*const stages[])(void) = {
    write_fixed,     write_trace,       write_abort, copy_stack,      write_frames,
    write_exception, write_unloaded,    write_scope, write_notes,     write_mappings,
    write_outer,     write_code,        write_stack, look_at_threads, write_threads,
    write_end,       write_late_modules};
enum { N_STAGES = sizeof(stages) / sizeof(stages[0]) };

static void run_stages(void)
{
    while (crash.stage < N_STAGES) {
        int stage = crash.stage;
        stages[stage]();
        crash.stage = stage + 1;
    }
}

/* In a quiet handler from the random id of the slot's file, which no other has, and what is another
 * for each crash. */
static void make_uuid(uint8_t out[TB_UUID_BYTES])
{
    struct tb_file_header header;
    if (tb_quiet() && tb_file_header_unpack(crash.slot->header, &header) == 0)
        tb_id_uuid_of(header.id, tb_clock_wall_ns() ^ crash.slot->seq << 56, out);
    else
        tb_id_uuid(out);
}

void tb_crash_record(struct tb_slot *slot, const struct tb_signal *signal, uint32_t pid,
                     uint32_t tid, uint64_t until_ns)
{
    uint8_t uuid[TB_UUID_BYTES];
    crash.signal = *signal;
    crash.begun_ns = tb_clock_mono_ns();
    crash.pid = pid;
    crash.tid = tid;
    crash.slot = slot;
    crash.stage = 0;
    crash.n_nested = 0;
    crash.end_flags = 0;
    crash.stack_len = 0;
    crash.n_frames = 0;
    crash.until_ns = until_ns;
    crash.siblings.about.n_there = 0;
    crash.walker.late.n = 0;
    crash.modules = tb_modules_take();
    tb_slot_state(slot, TB_SLOT_WRITING, tid);
    make_uuid(uuid);
    tb_slot_begin(slot, uuid, tb_clock_wall_ns());
    run_stages();
}

void tb_crash_record_resume(void)
{
    crash.n_nested++;
    crash.stage++;
    if (crash.n_nested <= NESTED_MAX)
        run_stages();
}

void tb_crash_record_drop(void)
{
    tb_modules_give(crash.modules);
    crash.modules = NULL;
}

void tb_crash_record_done(enum tb_slot_state state)
{
    tb_slot_state(crash.slot, state, crash.tid);
    if (!tb_quiet())
        tb_slot_wake(crash.slot);
    tb_crash_record_drop();
}

void tb_crash_record_context(struct tb_slot *slot, uint32_t pid)
{
    struct tb_modules *modules = tb_modules_take();
    if (!modules)
        return;
    uint64_t generation = modules->process.generation;
    crash.walker.late.n = 0;
    size_t len = tb_late_pack(&crash.walker.late, modules, pid, generation, crash.context,
                              sizeof(crash.context));
    (void)tb_slot_context(slot, generation, crash.context, len);
    tb_modules_give(modules);
}
