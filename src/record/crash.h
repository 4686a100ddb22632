/* crash.h - the crash record: chunks written by a dying process, read by the agent. */
#ifndef TB_RECORD_CRASH_H
#define TB_RECORD_CRASH_H

#include <stddef.h>
#include <stdint.h>

#include "record/chunk.h"
#include "trace/image.h"

enum tb_crash_tag {
    TB_CRASH_FIXED = 1,
    TB_CRASH_TRACE,
    TB_CRASH_ABORT,
    TB_CRASH_FRAMES,
    TB_CRASH_SCOPE,
    TB_CRASH_NOTE,
    TB_CRASH_CODE,
    TB_CRASH_STACK,
    TB_CRASH_END,
    TB_CRASH_THREAD,
    TB_CRASH_THREADS,
    TB_CRASH_OUTER,
    TB_CRASH_EXCEPTION,
    TB_CRASH_UNLOADED,
    TB_CRASH_MAPPING
};
enum {
    TB_CRASH_N_REGS = 23, /* gregset_t of x86-64, in its order */
    TB_CRASH_FIXED_BYTES = 8 * 4 + 7 * 8 + TB_CRASH_N_REGS * 8 + 16,
    TB_CRASH_FRAMES_MAX = 512,
    TB_CRASH_OUTER_MAX = 64,
    TB_CRASH_NOTES_MAX = 256,
    TB_CRASH_THREADS_MAX = 1024,
    TB_CRASH_UNLOADED_MAX = 16,
    TB_CRASH_MAPPINGS_MAX = 3,
    TB_CRASH_THREAD_BYTES = 2 * 4 + 16 + TB_CRASH_N_REGS * 8 + 8, /* before the stack bytes */
    TB_CRASH_THREADS_BYTES = 4 * 4 + 8,
    TB_CRASH_TYPE_MAX = 1023, /* of an exception: its type's name, and the text of what() */
    TB_CRASH_WHAT_MAX = 1024,
    TB_CRASH_UNLOADED_BYTES = 2 * 8,            /* before the path */
    TB_CRASH_MAPPING_BYTES = 2 * 8 + 2 * 4 + 8, /* before the path */
    TB_CRASH_MORE_MAX = 896 << 10,              /* payload of the file with the other threads */
};
enum { TB_CRASH_STACK_CUT = 1, TB_CRASH_FRAMES_CUT = 2 }; /* flags of the end chunk, of a thread */

struct tb_crash_fixed {
    int32_t signo, code, err; /* signo 0: died unseen */
    uint32_t tid, pid, sender_pid, sender_uid, flags;
    uint64_t fault_address;
    uint64_t wall_ns, mono_ns;
    uint64_t generation; /* of the process record */
    uint64_t trap, trap_err, cr2;
    uint64_t regs[TB_CRASH_N_REGS];
    char thread_name[16];
};

struct tb_crash_frame {
    uint64_t ip, sp;
    uint64_t trust; /* enum tb_unwind_trust */
};

struct tb_crash_note {
    uint64_t wall_ns;
    uint32_t level, tid;
    const char *text; /* borrowed, len bytes, no NUL */
    size_t len;
};

/* Where a library was that has been unloaded. */
struct tb_crash_unloaded {
    uint64_t lo, hi;  /* hi exclusive */
    const char *path; /* borrowed, len bytes, no NUL; never empty */
    size_t len;
};

enum { TB_MAPPING_READ = 1, TB_MAPPING_WRITE = 2, TB_MAPPING_EXEC = 4, TB_MAPPING_SHARED = 8 };

/* A mapping at the fault address, or next to it. */
struct tb_crash_mapping {
    uint64_t lo, hi;
    uint32_t rights;
    uint64_t offset;
    const char *path; /* borrowed, len bytes, no NUL; len 0: anonymous */
    size_t len;
};

/* A thread that did not crash, stopped at that moment. */
struct tb_crash_thread {
    uint32_t tid, flags;
    char name[16];
    uint64_t regs[TB_CRASH_N_REGS]; /* gregset_t; what nobody knows of another thread is 0 */
    uint64_t stack_address;
    const uint8_t *stack; /* borrowed */
    size_t stack_len;
};

struct tb_crash_threads {
    uint32_t n_there, n_captured;
    int32_t err; /* negative errno: why not all of them; 0 */
    uint64_t stopped_ns;
};

/* The following are signal-safe. Of a thread all but its stack bytes, of a library and a mapping
 * all but the path. */
void tb_crash_thread_pack(const struct tb_crash_thread *thread, uint8_t out[TB_CRASH_THREAD_BYTES]);
void tb_crash_threads_pack(const struct tb_crash_threads *threads,
                           uint8_t out[TB_CRASH_THREADS_BYTES]);
void tb_crash_fixed_pack(const struct tb_crash_fixed *fixed, uint8_t out[TB_CRASH_FIXED_BYTES]);
void tb_crash_unloaded_pack(uint64_t lo, uint64_t hi, uint8_t out[TB_CRASH_UNLOADED_BYTES]);
void tb_crash_mapping_pack(const struct tb_crash_mapping *mapping,
                           uint8_t out[TB_CRASH_MAPPING_BYTES]);

/* A crash record read: pointers borrow from the data it was read from. */
struct tb_crash {
    struct tb_crash_fixed fixed;
    struct tb_trace_context context; /* the trace; slices are borrowed */
    uint64_t trace_started_ns;       /* when its request began; 0: not known */
    int has_trace;
    const char *abort_text; /* not NUL-terminated; NULL for none */
    size_t abort_len;
    struct tb_crash_frame *frames; /* innermost first; allocated */
    size_t n_frames;
    struct tb_crash_frame outer[TB_CRASH_OUTER_MAX]; /* of a deeper stack, outermost first */
    size_t n_outer;
    uint64_t depth;             /* of such a stack, at most UINT32_MAX */
    const char *exception_type; /* mangled, NUL-terminated; NULL: none is known */
    const char *exception_what; /* exception_what_len bytes, no NUL; NULL: not known */
    size_t exception_what_len;
    struct tb_crash_unloaded unloaded[TB_CRASH_UNLOADED_MAX]; /* the last one first */
    size_t n_unloaded;
    struct tb_crash_mapping mappings[TB_CRASH_MAPPINGS_MAX]; /* by address */
    size_t n_mappings;
    const char *scope; /* key, NUL, value, NUL, ...; every string inside scope_len ends with NUL */
    size_t scope_len;
    struct tb_crash_note *notes; /* oldest first; allocated */
    size_t n_notes;
    uint64_t code_address, stack_address;
    const uint8_t *code, *stack;
    size_t code_len, stack_len;
    struct tb_crash_thread *threads; /* as they came; allocated */
    size_t n_threads;
    struct tb_crash_threads about_threads; /* zeros where there was no look at them */
    uint64_t handler_ns;                   /* 0 when the record is cut */
    uint32_t n_nested, end_flags;
    int is_cut; /* ends in the middle, or has no end chunk */
};

/* Reads a record of any origin: 0, -EBADMSG when not even the fixed chunk is there, -ENOMEM. */
int tb_crash_unpack(const uint8_t *data, size_t len, struct tb_crash *out);
void tb_crash_done(struct tb_crash *crash);

#endif
