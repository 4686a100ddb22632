/* ask_more.c - see ask_more.h. */
#include "agent/pipeline/ask_more.h"

#include <errno.h>

#include "base/clock.h"

/* The debug file that came may need the one that dwz made. */
enum { ROUNDS = 2 };

int tb_stage_ask(const struct tb_stage_tools *tools, const struct tb_symbolizer_question *question,
                 uid_t uid, struct tb_buf *answer)
{
    struct tb_symbolizer_cost cost;
    int err = tb_symbolizer_ask(tools->symbolizer, question, answer);
    uint64_t now_ns = tb_clock_mono_ns();
    tb_symbolizer_spent(tools->symbolizer, &cost);
    tb_patience_spend(tools->patience, uid, cost.answer_ns, now_ns);
    tb_patience_spend_storing(tools->patience, uid, cost.news_ns, cost.is_behind, now_ns);
    return err;
}

void tb_stage_ask_more(const struct tb_stage_tools *tools,
                       const struct tb_symbolizer_question *question, uid_t uid,
                       struct tb_buf *answer)
{
    struct tb_debuginfod *d = tools->debuginfod;
    uint64_t deadline_ns = d != NULL ? tb_debuginfod_deadline(d) : 0;
    for (int round = 0; d != NULL && round < ROUNDS; round++) {
        struct tb_buf more;
        if (!tb_patience_has(tools->patience, uid, tb_clock_mono_ns()) ||
            tb_debuginfod_fetch(d, tb_buf_str(answer), answer->len, uid, deadline_ns) == 0)
            return;
        tb_buf_init(&more, TB_SYMBOL_REPLY_MAX);
        int err = tb_stage_ask(tools, question, uid, &more);
        tb_debuginfod_judge(d, err ? NULL : tb_buf_str(&more), more.len);
        if (err) {
            tb_buf_done(&more);
            return;
        }
        tb_buf_done(answer);
        *answer = more;
    }
}
