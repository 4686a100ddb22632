/* answer_threads.h - the other threads of a crash in an answer of the symbolizer (see worker.h). */
#ifndef TB_SYMBOL_ANSWER_THREADS_H
#define TB_SYMBOL_ANSWER_THREADS_H

#include "base/json.h"
#include "symbol/stack/modules.h"
#include "symbol/stack/threads.h"

enum {
    TB_SYMBOL_THREADS_BYTES = 256 << 10, /* half of the answer, and of what Rollbar takes */
    TB_SYMBOL_THREADS_INNERMOST = 10,    /* frames of a stack for which there is no more room */
    TB_SYMBOL_THREADS_MS = 3000          /* for all the work on threads */
};

/* Writes the member "threads" into at most room bytes: the groups in their order, each as a whole;
 * from three quarters of the room on, and where one does not fit, with its innermost frames alone,
 * or not at all. j is without an error afterwards. is_used[i] becomes true for the modules of the
 * process that a frame is in. Returns how many threads are left out. */
size_t tb_symbol_answer_threads(struct tb_json *j, size_t room, struct tb_symbol_modules *modules,
                                const struct tb_crash *crash,
                                const struct tb_symbol_threads *threads, bool *is_used);

#endif
