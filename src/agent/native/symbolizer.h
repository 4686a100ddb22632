/* symbolizer.h - the agent's end of the symbolizer process (symbol/worker.h).
 *
 * 1. The process is started at the first question, with an empty environment, no descriptor but its
 *    socket on 3 and stderr, and started again when it is gone.
 * 2. A question has a deadline. Who misses it is killed; so is who answers nonsense.
 * 3. A question that killed its worker is not asked again; one that met a worker already dead is.
 * 4. After an answer it is asked for the indexes that it has built, which are stored, for half a
 * second; the rest waits for the next answer, or the end. What goes wrong with that costs no
 * answer.
 * 5. A handle belongs to one thread. */
#ifndef TB_AGENT_SYMBOLIZER_H
#define TB_AGENT_SYMBOLIZER_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "agent/config/config.h"
#include "agent/native/symbol_store.h"
#include "base/buf.h"
#include "symbol/worker.h"

enum { TB_SYMBOLIZER_DEADLINE_MS = 10000 };

struct tb_symbolizer;

struct tb_symbolizer_options {
    const char *program;            /* NULL: this program itself, /proc/self/exe */
    const struct tb_config *config; /* its symbols section */
    struct tb_symbol_store *store;  /* where indexes are kept; borrowed; NULL: none are */
    const char *index_dir;          /* without a store: indexes are read from there; or NULL */
    int deadline_ms;                /* 0: TB_SYMBOLIZER_DEADLINE_MS */
};

struct tb_symbolizer_question {
    enum tb_symbol_op op;
    const void *process; /* process record */
    size_t process_len;
    const void *body;
    size_t body_len;
};

/* The time of one question. */
struct tb_symbolizer_cost {
    uint64_t answer_ns;
    uint64_t news_ns; /* afterwards, for indexes of this question and of those before it */
    int is_behind;    /* there are more of them */
};

/* Since it was made. */
struct tb_symbolizer_work {
    int64_t answered, failed; /* questions */
    int64_t starts;           /* of the process */
    uint64_t answer_ns;       /* all questions together */
};

/* Starts nothing yet. 0 or -ENOMEM. */
int tb_symbolizer_new(const struct tb_symbolizer_options *options, struct tb_symbolizer **out);
/* Ends the process and waits for it. */
void tb_symbolizer_free(struct tb_symbolizer *symbolizer);
/* Appends the answer's JSON to answer. 0; what the worker said; or -ETIMEDOUT, -EPIPE (it died),
 * -EPROTO (nonsense), -EMSGSIZE (question too long), or why it cannot be started. */
int tb_symbolizer_ask(struct tb_symbolizer *symbolizer,
                      const struct tb_symbolizer_question *question, struct tb_buf *answer);
/* Ends the process when nobody has asked for so long; the next question starts it again. True when
 * it did. */
int tb_symbolizer_rest(struct tb_symbolizer *symbolizer, unsigned idle_ms);
/* Of the last question. */
void tb_symbolizer_spent(const struct tb_symbolizer *symbolizer, struct tb_symbolizer_cost *out);
void tb_symbolizer_work(const struct tb_symbolizer *symbolizer, struct tb_symbolizer_work *out);
/* The indexes that are kept. */
void tb_symbolizer_count(const struct tb_symbolizer *symbolizer,
                         struct tb_symbol_store_counts *out);
/* The worker's process, or -1. */
pid_t tb_symbolizer_pid(const struct tb_symbolizer *symbolizer);

#endif
