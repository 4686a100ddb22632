/* cloudwatch.h - what the files of the CloudWatch Logs sink share. docs/how-to/cloudwatch.md. */
#ifndef TB_SINK_CLOUDWATCH_H
#define TB_SINK_CLOUDWATCH_H

#include "sink/facts.h"
#include "sink/sink.h"

enum {
    TB_CLOUDWATCH_EXTRA = 26, /* bytes that each event counts beside its message */
    TB_CLOUDWATCH_BATCH_BYTES = 1 << 20,
    /* AWS takes 1 MB since 2025; what reads logs still cuts at 256 KiB. */
    TB_CLOUDWATCH_RECORD_BYTES = (256 << 10) - TB_CLOUDWATCH_EXTRA,
    TB_CLOUDWATCH_NAMES = 50, /* that metrics tell apart: each is billed */
    TB_CLOUDWATCH_CLASS = 128 /* bytes of one */
};

/* ---- cloudwatch_record.c ---- */

/* The record of an item: one flat JSON line. at_ms: the event's time. mem has
 * TB_CLOUDWATCH_RECORD_BYTES + 1. Its length; 0: no memory. */
size_t tb_cloudwatch_record(const struct tb_sink_facts *facts,
                            const struct tb_sink_settings *settings, int64_t at_ms, char *mem);

/* ---- cloudwatch_stack.c ---- */

/* The stack of an item, innermost first, one line for each frame; "" for none. */
void tb_cloudwatch_stack(const struct tb_sink_facts *facts, struct tb_buf *out);

/* ---- cloudwatch_metrics.c ---- */

/* The name under which a service is counted: its own for the first TB_CLOUDWATCH_NAMES since the
 * start, then "_OTHER". A static text or service itself. */
const char *tb_cloudwatch_service(const char *service);
/* The same of a class, by pairs of service, as it is counted, and class. */
const char *tb_cloudwatch_class(const char *service, const char *class);

/* ---- cloudwatch_prepare.c ---- */

/* A request for that action, signed after its body was added. 0 or a negative errno. */
int tb_cloudwatch_begin(const struct tb_sink_target *target, const char *action, size_t max_bytes,
                        struct tb_sink_request *out);
/* "logGroupName":"...","logStreamName":"..." */
void tb_cloudwatch_place(const struct tb_sink_target *target, bool has_stream, struct tb_buf *out);
int tb_cloudwatch_prepare(const struct tb_sink_target *target, unsigned step,
                          struct tb_sink_request *out);
void tb_cloudwatch_judge_step(const struct tb_sink_target *target, unsigned step,
                              const struct tb_sink_reply *reply, struct tb_sink_judgement *out);

#endif
