/* rollbar.h - what the files of the Rollbar sink share. */
#ifndef TB_SINK_ROLLBAR_H
#define TB_SINK_ROLLBAR_H

#include "sink/sink.h"

/* How long the token must wait after that reply; 0: not at all. Never over an hour, whatever the
 * headers say. */
int64_t tb_rollbar_wait_ms(const struct tb_sink_reply *reply, enum tb_verdict verdict);

/* What an answer of Rollbar's means, of its item API and of others. */
void tb_rollbar_judge(const struct tb_sink_target *target, const struct tb_sink_reply *reply,
                      struct tb_sink_judgement *out);
/* See sink.h. */
int tb_rollbar_repair(int status, const char *data, size_t len, struct tb_buf *out);

#endif
