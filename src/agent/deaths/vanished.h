/* vanished.h - the Rollbar item of a process that died unseen, and which of them are worth one.
 * Pure; the invariants of native.h hold. */
#ifndef TB_AGENT_VANISHED_H
#define TB_AGENT_VANISHED_H

#include "agent/native/native.h"
#include "agent/deaths/deaths.h"

enum { TB_VANISHED_TEXT = 640 };
/* Of those that are reported, and of those that would be but for the settings. */
#define TB_VANISHED_REPORTED "vanished.reported"
#define TB_VANISHED_UNREPORTED "vanished.unreported"

/* NULL when it is to be reported; else the name of the counter it goes to: it ended by itself,
 * lives on under another program, was asked to end (SIGTERM, SIGINT, SIGHUP), went with the
 * machine, or the settings want no reports (is_counted). */
const char *tb_vanished_counter(const struct tb_death *death, int is_counted);
/* What people want to know in one sentence: which process, how long it was up, its last sign, how
 * it ended, and what is not known of that. */
void tb_vanished_meaning(const struct tb_crash *crash, const struct tb_death *death,
                         const struct tb_native_context *context, char out[TB_VANISHED_TEXT]);
/* "feedd, pid 77 on web-1: killed by SIGKILL" */
void tb_vanished_brief(const struct tb_crash *crash, const struct tb_death *death,
                       const struct tb_native_context *context, char out[TB_VANISHED_TEXT]);
/* When it ended; where nobody saw that, its last sign. */
uint64_t tb_vanished_wall_ns(const struct tb_crash *crash, const struct tb_death *death,
                             const struct tb_native_context *context);
/* 0 with the data object appended to out, or -ENOMEM. */
int tb_vanished_item(const struct tb_crash *crash, const struct tb_death *death,
                     const struct tb_native_context *context, struct tb_buf *out);

#endif
