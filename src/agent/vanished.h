/* vanished.h - the Rollbar item of a process that died unseen, and which of them are worth one.
 * Pure; the invariants of native.h hold. */
#ifndef TB_AGENT_VANISHED_H
#define TB_AGENT_VANISHED_H

#include "agent/native.h"
#include "agent/deaths.h"

enum { TB_VANISHED_TEXT = 512 };

/* NULL when it is to be reported; else the name of the counter it goes to: it ended by itself,
 * lives on under another program, was asked to end (SIGTERM, SIGINT, SIGHUP), went with the
 * machine, or the settings want no reports (is_counted). */
const char *tb_vanished_counter(const struct tb_death *death, int is_counted);
/* One sentence on how it ended, and on what is not known of that. */
void tb_vanished_meaning(const struct tb_death *death, char out[TB_VANISHED_TEXT]);
/* When it ended, as far as that is known. */
uint64_t tb_vanished_wall_ns(const struct tb_crash *crash, const struct tb_death *death,
                             const struct tb_native_context *context);
/* 0 with the data object appended to out, or -ENOMEM. */
int tb_vanished_item(const struct tb_crash *crash, const struct tb_death *death,
                     const struct tb_native_context *context, struct tb_buf *out);

#endif
