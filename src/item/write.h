/* write.h - the library's side of the Rollbar item: a native item, whose frames are addresses.
 *
 * No allocation, no cJSON: this file is linked into hosts. The agent completes the item with what
 * the process record knows (environment, server, code_version) and makes the frames readable.
 * Layout of what is written, kind "native item" of docs/spool-format.md:
 *
 *   {"data":{"uuid","timestamp","level","platform":"linux","language":"c",
 *     "notifier":{"name":"towbar","version"},
 *     "attributes":[{"key":"trace_id","value"},{"key":"span_id","value"}],
 *     "custom":{"trace_id","span_id","xray_trace_id","trace":{...},"occurred_at",
 *       "native":{"kind":"report","generation":"0x1","pid","tid","thread",
 *                 "errno":{"number","name"},"suppressed","format",
 *                 "site":{"file","line","function"}},
 *       "scope":{...}},
 *     "body":{"trace":{"exception":{"class","message"},
 *                      "frames":[{"address":"0x.."},...]},           oldest first
 *             "telemetry":[{"level","type":"log","source":"server","timestamp_ms",
 *                           "body":{"message"}}]}}}
 *
 * What is not known is left out; class and message are always there. The order is the order of
 * value: what does not fit is lost from the end, of the frames the outermost and of the notes the
 * oldest first. */
#ifndef TB_ITEM_WRITE_H
#define TB_ITEM_WRITE_H

#include <stddef.h>
#include <stdint.h>

#include "trace/context.h"

enum { TB_ITEM_WRITE_LEAST = 4096 };

struct tb_item_note {
    uint64_t wall_ns;
    int level; /* enum towbar_level */
    const char *text;
};

struct tb_item_facts {
    const uint8_t *uuid; /* 16 bytes */
    uint64_t wall_ns;
    int level;          /* enum towbar_level */
    const char *class_; /* exception class: "ENOENT", or the level's name */
    const char *message;
    const char *format;          /* of the message: stable over occurrences, used for grouping */
    const char *file, *function; /* the call site, or NULL */
    int line;
    int error_number;                     /* 0: none */
    const char *error_name;               /* "ENOENT" or NULL */
    const struct tb_trace_context *trace; /* or NULL */
    uint64_t trace_started_ns;            /* when its request began; 0: not known */
    const uint64_t *addresses;            /* return addresses, innermost first */
    size_t n_addresses;
    const char *scope; /* key, NUL, value, NUL, ... */
    size_t scope_len;
    const struct tb_item_note *notes; /* oldest first */
    size_t n_notes;
    uint64_t generation;
    int64_t pid, tid;
    const char *thread;
    uint64_t n_suppressed;
};

/* "debug" ... "critical", Rollbar's words for enum towbar_level. */
const char *tb_level_name(int level);

/* Writes the item and a NUL into mem. 0, or -ENOSPC when something had to be left out or cut: what
 * is there is valid JSON, and worth sending when cap is at least TB_ITEM_WRITE_LEAST. *len is set
 * in both cases. Signal-safe. */
int tb_item_write(const struct tb_item_facts *facts, char *mem, size_t cap, size_t *len);

#endif
