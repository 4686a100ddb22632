/* worker.h - the symbolizer: a process of its own that reads ELF and DWARF, which are hostile
 * input.
 *
 * The agent starts `towbard --symbol-worker` with a socket as descriptor 3 and asks one question at
 * a time. Question, little-endian: magic u32 "TBW1", op u32, process_len u32, body_len u32, then
 * the process record and the body. Answer: err i32, len u32, then len bytes of JSON:
 *   {"frames":[...],"unwound_by":"agent"|"process","cut":false,
 *    "modules":[{"name","path","build_id",
 *                "symbols":"debug"|"symtab"|"exported"|"none"|"unreadable"|"changed",
 *                "note","missing"}],
 *    "threads":[{"tids":[..],"names":[..],"waits_in":TEXT,"crashed":true,"frames":[...],
 *                "frames_omitted":N,"cut":false,"cut_note":TEXT}],
 *    "threads_omitted":N,"frames_omitted":N,"frames_oldest":N,"exception_type":NAME}
 * exception_type is the type of an uncaught C++ exception, demangled.
 * frames are Rollbar frames, oldest first, with the private keys of docs/design.md ("Items"):
 * filename, lineno, method, code, context{pre,post}, code_note (why there is no code), address,
 * module, module_offset, build_id, inlined, trust, in_app. What is not known is left out, but
 * filename and method are always there
 * ("<unknown>"); inlined is there when true, trust in the frames of a crash. modules are those that
 * a frame is in; where frames_omitted are left out of a deep stack they come after the first
 * frames_oldest; "unreadable" means that there is no file or that the reporter may not read it,
 * "changed" that it is not the one that ran; with both there are names where an index or a debug
 * file has them. note, where there is one, says what stood in the way; missing is the build id of
 * the file dwz made, which was not found.
 * threads, of a crash that has any, are groups of threads with equal stacks, the largest first; a
 * name for each tid, "" for none; frames without source and build_id. They take what room and time
 * the crash itself leaves, 256 KiB and 3 s at most: the last of them may have their 10 innermost
 * frames alone, and threads_omitted counts those for which there was no room or time.
 *
 * Indexes that were built are handed over one by one, to whoever asks for news (news.h). They wait
 * until then, with a folder for indexes in the configuration; else there is no news.
 *
 * The uid in the process record decides what may be read: the agent must put the owner of the spool
 * file there. After an answer with err -EBADMSG or -EMSGSIZE to what is no question the worker
 * ends; it also ends when one question takes too much memory or time. */
#ifndef TB_SYMBOL_WORKER_H
#define TB_SYMBOL_WORKER_H

#include <stddef.h>
#include <stdint.h>

#include "base/json.h"
#include "record/crash.h"
#include "record/process.h"
#include "symbol/answer/inapp.h"

/* Notes on a module's own file, which a debug file from elsewhere can make good. */
#define TB_SYMBOL_NOTE_DAMAGED "the file or its debug data are damaged"
#define TB_SYMBOL_NOTE_NO_MINI "its MiniDebugInfo is damaged or too large"

#define TB_SYMBOL_DEBUG_DIR "/usr/lib/debug" /* where none is given */

enum tb_symbol_op {
    TB_SYMBOL_CONFIG = 1, /* body: "key=value\n" lines, see tb_symbol_config_read; no answer JSON */
    TB_SYMBOL_ADDRESSES,  /* body: u64 addresses, innermost first, all return addresses */
    TB_SYMBOL_CRASH,      /* body: a crash record */
    TB_SYMBOL_PLACES,     /* body: places of places.h; modules are taken as they are now */
    TB_SYMBOL_NEWS        /* no body; the answer is a message of news.h, or empty: nothing is new */
};
enum {
    TB_SYMBOL_FD = 3,
    TB_SYMBOL_HEADER_BYTES = 16,
    TB_SYMBOL_MAGIC = 0x31574254, /* "TBW1" */
    TB_SYMBOL_BODY_MAX = 4 << 20, /* of the process record, too */
    TB_SYMBOL_REPLY_MAX = 512 << 10,
    TB_SYMBOL_CONTEXT_MAX = 20, /* lines on each side */
};

struct tb_symbol_config {
    char **source_roots; /* folders under which any source may be shown */
    size_t n_source_roots;
    char **debug_dirs; /* where .build-id folders and debug files are; default /usr/lib/debug */
    size_t n_debug_dirs;
    int context_lines;           /* on each side; default 3 */
    char *index_dir;             /* the folder that keeps indexes, or NULL: none are kept */
    struct tb_inapp_rules rules; /* what is in-app, and what a library's */
};

/* source_root=DIR, debug_dir=DIR, index_dir=DIR, context_lines=N, in_app=PATTERN, library=PATTERN.
 * 0, -EINVAL, -ENOMEM. */
int tb_symbol_config_read(const char *text, size_t len, struct tb_symbol_config *out);
void tb_symbol_config_done(struct tb_symbol_config *config);

/* The worker's main: limits itself (memory, processor time, no new privileges, seccomp where that
 * is possible), then answers until the socket ends. Returns the exit code. */
int tb_symbol_worker(int fd);

/* What the worker does, callable in the same process: writes the answer's JSON object. */
int tb_symbol_addresses(const struct tb_symbol_config *config, const struct tb_process *process,
                        const uint64_t *addresses, size_t n, struct tb_json *out);
int tb_symbol_crash(const struct tb_symbol_config *config, const struct tb_process *process,
                    const struct tb_crash *crash, struct tb_json *out);

#endif
