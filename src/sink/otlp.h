/* otlp.h - what the files of the OTLP sinks share: log records and spans in JSON, and what replies
 * to them mean. docs/how-to/honeycomb.md shows what becomes of an item.
 *
 * Source: opentelemetry-proto (logs, trace, common, resource), "JSON Protobuf Encoding" and
 * "OTLP/HTTP" of the OTLP specification, semantic conventions 1.44; names in lower camel case,
 * 64-bit numbers as texts, identifiers as hex, enums as numbers. */
#ifndef TB_SINK_OTLP_H
#define TB_SINK_OTLP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "sink/facts.h"
#include "sink/sink.h"

enum {
    TB_OTLP_LONG_BYTES = 65535, /* of one text, escaped: what Honeycomb keeps of it */
    TB_OTLP_TEXT_BYTES = 4096,  /* of any but messages and stacks */
    TB_OTLP_SCOPE_MAX = 32      /* members of the item's scope that become attributes */
};

/* ---- writing (otlp_write.c): appends to a buffer, whose error is sticky ---- */

/* A JSON text whose parts are added one by one. */
struct tb_otlp_text {
    struct tb_buf *out;
    size_t left; /* escaped bytes that it may still have */
    bool is_cut;
};
void tb_otlp_text_open(struct tb_otlp_text *text, struct tb_buf *out, size_t max);
/* Cut at a character, and then nothing more is added. */
void tb_otlp_text_add(struct tb_otlp_text *text, const char *part);
void tb_otlp_text_close(struct tb_otlp_text *text);
void tb_otlp_string(struct tb_buf *out, const char *text, size_t max);

/* A list of attributes: "[{"key":...,"value":{...}},...]". What is "" or unknown is left out. */
struct tb_otlp_list {
    struct tb_buf *out;
    bool has_some;
    unsigned n_dropped;
};
void tb_otlp_list_open(struct tb_otlp_list *list, struct tb_buf *out);
void tb_otlp_list_close(struct tb_otlp_list *list);
void tb_otlp_put(struct tb_otlp_list *list, const char *key, const char *text, size_t max);
void tb_otlp_put_int(struct tb_otlp_list *list, const char *key, int64_t value);
void tb_otlp_put_true(struct tb_otlp_list *list, const char *key);
/* Begins one whose value the caller writes, as "{"stringValue":...}". */
void tb_otlp_put_key(struct tb_otlp_list *list, const char *key);

/* ---- parts of a request ---- */

/* The program that the item is of, as a resource's attributes. */
void tb_otlp_resource(const struct tb_sink_facts *facts, const struct tb_sink_target *target,
                      struct tb_buf *out);
/* A LogRecord, a Span. uuid is the item's. */
void tb_otlp_log_record(const struct tb_sink_facts *facts, const char *uuid, int64_t now_ms,
                        struct tb_buf *out);
void tb_otlp_span(const struct tb_sink_facts *facts, const char *uuid, int64_t now_ms,
                  struct tb_buf *out);
/* "Type: message", then frames as gdb writes them, innermost first, and the causes. */
void tb_otlp_stack(const struct tb_sink_facts *facts, struct tb_otlp_text *out);
/* exception.type, .message and .stacktrace; all other attributes of an item. */
void tb_otlp_put_exception(struct tb_otlp_list *list, const struct tb_sink_facts *facts);
void tb_otlp_put_rest(struct tb_otlp_list *list, const struct tb_sink_facts *facts,
                      const char *uuid);
/* The class, or "_OTHER". */
const char *tb_otlp_type(const struct tb_sink_facts *facts);
/* Is there an exception, or did the program die? */
bool tb_otlp_is_exception(const struct tb_sink_facts *facts);

/* ---- replies (otlp_judge.c) ---- */

/* rejected is the member that counts what was not taken. */
void tb_otlp_judge(const struct tb_sink_target *target, const char *rejected,
                   const struct tb_sink_reply *reply, size_t n, struct tb_sink_judgement *out);

#endif
