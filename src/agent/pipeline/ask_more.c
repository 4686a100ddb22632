/* ask_more.c - see ask_more.h. */
#include "agent/pipeline/ask_more.h"

#include <errno.h>

#include "base/clock.h"

/* The debug file that came may need the one that dwz made. */
enum { ROUNDS = 2 };

void tb_stage_ask_more(const struct tb_stage_tools *tools,
                       const struct tb_symbolizer_question *question, uid_t uid,
                       struct tb_buf *answer)
{
    struct tb_debuginfod *d = tools->debuginfod;
    uint64_t deadline_ns = d != NULL ? tb_debuginfod_deadline(d) : 0;
    for (int round = 0; d != NULL && round < ROUNDS; round++) {
        struct tb_buf more;
        if (tb_debuginfod_fetch(d, tb_buf_str(answer), answer->len, uid, deadline_ns) == 0)
            return;
        tb_buf_init(&more, TB_SYMBOL_REPLY_MAX);
        int err = tb_symbolizer_ask(tools->symbolizer, question, &more);
        tb_debuginfod_judge(d, err ? NULL : tb_buf_str(&more), more.len);
        tb_patience_tell(tools->patience, uid, err == -ETIMEDOUT, tb_clock_mono_ns());
        if (err) {
            tb_buf_done(&more);
            return;
        }
        tb_buf_done(answer);
        *answer = more;
    }
}
