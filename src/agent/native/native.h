/* native.h - makes the complete Rollbar item of a crash record or of a report by the library. Pure:
 * the symbolizer has been asked before.
 *
 * 1. What comes out is the data object of an envelope, valid JSON in UTF-8, with nothing null and
 * no number that a reader of doubles would change.
 * 2. Without the symbolizer's answer frames still say module and offset, and custom.native.symbols
 *    says why.
 * 3. Of very deep stacks the oldest and the newest frames are kept; custom.native.frames_omitted
 *    counts the others.
 * 4. The other threads of a crash stand in custom.native.threads and nowhere else: titles and
 *    fingerprints do not see them. */
#ifndef TB_AGENT_NATIVE_H
#define TB_AGENT_NATIVE_H

#include <stddef.h>
#include <stdint.h>

#include "agent/meaning/meaning.h"
#include "base/buf.h"
#include "base/json.h"
#include "item/doc.h"
#include "record/crash.h"
#include "record/process.h"
#include "symbol/answer/inapp.h"

enum {
    TB_NATIVE_NEWEST_FRAMES = 96,
    TB_NATIVE_OLDEST_FRAMES = 32,
    TB_NATIVE_FRAMES_BYTES = 384 << 10, /* of the 512 KiB that Rollbar takes */
    TB_NATIVE_ITEM_BYTES = 2 << 20,
    TB_NATIVE_THREADS_BYTES = 256 << 10, /* of a list that the symbolizer did not make */
};

/* What is known beside the record. Everything is borrowed; strings are "" where unknown. */
struct tb_native_context {
    const struct tb_process *process; /* NULL: no process record was found */
    const uint8_t *uuid;              /* 16 bytes */
    uint64_t time_ns;                 /* of the frame: for records that name no time */
    int is_truncated;
    const char *environment; /* for processes that name none */
    const char *host;        /* of the agent */
    const char *symbols;     /* the symbolizer's answer, symbols_len bytes; NULL when it failed */
    size_t symbols_len;
    const char *symbols_note;           /* why it failed, for people */
    const struct tb_inapp_rules *rules; /* of the settings; NULL: none */
};

/* 0 with the data object appended to out; -EBADMSG when the record cannot become an item; -ENOMEM.
 * why is written on -EBADMSG. */
int tb_native_crash(const struct tb_crash *crash, const struct tb_native_context *context,
                    struct tb_buf *out, char why[TB_DOC_WHY]);
int tb_native_report(const char *item, size_t len, const struct tb_native_context *context,
                     struct tb_buf *out, char why[TB_DOC_WHY]);

/* The addresses of a report's frames, innermost first, into out (at most max). Returns how many. */
size_t tb_native_addresses(const struct tb_doc *data, uint64_t *out, size_t max);

/* ---- frames (native_frames.c) ---- */

struct tb_native_frames {
    struct tb_buf json;    /* an array of Rollbar frames, oldest first */
    struct tb_buf modules; /* an array of {name, build_id, symbols} */
    struct tb_buf threads; /* an array of groups of other threads, or "" */
    size_t threads_omitted;
    char unwound_by[16]; /* "agent", "process" */
    size_t n_omitted;
    size_t n_oldest; /* those that are left out come after so many of the list */
    int is_cut;      /* the walk ended at a limit */
    char exception_type[TB_CLASS_BYTES]; /* demangled; "" where the symbolizer named none */
};

/* From the symbolizer's answer. -EBADMSG when it is none. Free with tb_native_frames_done. */
int tb_native_frames_read(const char *symbols, size_t len, struct tb_native_frames *out);
/* From addresses, innermost first, by the process record alone. trust may be NULL. */
int tb_native_frames_make(const struct tb_native_context *context, const uint64_t *addresses,
                          const uint64_t *trust, size_t n, struct tb_native_frames *out);
void tb_native_frames_done(struct tb_native_frames *frames);

/* ---- other threads (native_threads.c) ---- */

/* Groups by the place that each thread is at, from registers and the process record alone; for
 * frames that have none yet. */
int tb_native_threads_make(const struct tb_crash *crash, const struct tb_native_context *context,
                           struct tb_native_frames *frames);
/* The members of custom.native about them: threads, threads_omitted, threads_there,
 * threads_captured, threads_note, threads_stopped_ns. Nothing where nobody looked. */
void tb_native_threads_write(struct tb_json *j, const struct tb_crash *crash,
                             const struct tb_native_frames *frames);

/* ---- what else was recorded of the death (native_death.c) ---- */

/* The members of custom.native about signal, code, address, sender, exception, system call,
 * mappings and unloaded libraries; those of which something is known. */
void tb_native_death_write(struct tb_json *j, const struct tb_why *why);

/* "2024-05-01T12:00:00.123Z" */
void tb_native_time(uint64_t wall_ns, char out[32]);

#endif
