/* facts.h - what the sinks beside Rollbar's say of an item, read once: of the library's errors and
 * crashes, of forwarded traces, chains, messages and crash reports. Pure.
 *
 * 1. Nothing here trusts the item: any member may be of any type, texts are valid UTF-8 of any
 *    length and may hold control characters, and "" where the item does not say; never NULL.
 * 2. Texts live in one block of memory that is no larger than the item; frames and exceptions have
 *    caps, and how many were left out is counted.
 * 3. What the sink's settings omit is not read: source, request and person are "" then. */
#ifndef TB_SINK_FACTS_H
#define TB_SINK_FACTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "item/read.h"
#include "sink/sink.h"

enum {
    TB_FACTS_FRAMES = 256,    /* of one exception: the innermost ones */
    TB_FACTS_EXCEPTIONS = 16, /* of a chain: the outermost ones */
    TB_FACTS_ID_BYTES = 8
};
enum { TB_FACTS_DEBUG, TB_FACTS_INFO, TB_FACTS_WARNING, TB_FACTS_ERROR, TB_FACTS_CRITICAL };

struct tb_sink_frame {
    const char *function; /* "<unknown>" as it came */
    const char *file;     /* source file, else the module's name */
    const char *module, *module_offset, *address, *build_id, *trust;
    const char *code;     /* the source line; "" when source is omitted */
    int64_t line, column; /* 0: unknown */
    bool is_library;      /* in_app is false */
};

struct tb_sink_exception {
    const char *type, *message;
    const struct tb_sink_frame *frames; /* innermost first */
    size_t n_frames;
    size_t n_omitted; /* frames that are not here, outer ones or in the middle */
};

struct tb_sink_facts {
    const char *uuid;
    int level; /* TB_FACTS_DEBUG to TB_FACTS_CRITICAL */
    const char *level_name;
    int body;                          /* enum tb_item_body */
    const char *title;                 /* at most 255 bytes; never "" */
    const char *error_class, *message; /* of the first exception, else of the message body; whole */
    int64_t time_ns;                   /* when it happened, since 1970; 0: the item does not say */
    /* The first is the one that was reported, each other the cause of the one before it. None for
     * a message or a crash report. */
    const struct tb_sink_exception *exceptions;
    size_t n_exceptions, n_exceptions_omitted;
    const struct tb_sink_frame *blamed; /* of the first exception; NULL: no frames */

    const char *service; /* custom.service */
    const char *environment, *context, *fingerprint, *framework, *language, *platform;
    const char *host, *root, *code_version;
    const char *notifier, *notifier_version;
    int64_t pid; /* 0: unknown */

    /* The trace: lower-case hex without dashes. docs/trace.md 2. */
    const char *trace_id, *span_id, *xray_trace_id;
    int trace_flags; /* -1: unknown */
    const char *trace_state, *trace_source;
    const char *xray_parent_id, *xray_sampled, *xray_cause_id, *xray_lineage;
    bool is_xray_local;
    int64_t started_ns; /* when the request began here; 0: unknown */

    /* The request and the person; "" when omitted. */
    struct tb_sink_omit omit;
    const char *method, *url, *client_ip, *user_agent, *request_host;
    int64_t http_status; /* of the answer, 100 to 599; 0: unknown. Known also when the request is
                          * omitted, as fault or error depends on it; not to be shown then */
    const char *person_id, *person_name, *person_email;

    /* Of C programs. */
    const char *native_kind; /* "report", "crash", "vanished"; "" for forwarded items */
    bool is_crash;           /* the process died of it: a crash, vanished, or a crash report */
    bool is_uncaught;        /* a crash, or said by the attribute is_uncaught */
    const char *signal;      /* "SIGSEGV"; "" for none */
    int signal_number;       /* 0: none, or not known here */
    const char *signal_code, *fault_address, *abort_message, *meaning;
    const char *errno_name;
    int64_t tid; /* 0: unknown */
    const char *thread, *executable;

    /* For what is not here. Node 0 is the data object. */
    struct tb_doc *doc;
    int custom, scope; /* nodes of data.custom and data.custom.scope, objects; -1: none */

    void *memory; /* of all of it */
};

/* settings may be NULL: nothing is omitted. 0; -EINVAL when data is no JSON object; -ENOMEM. The
 * item's data must stay. Free with tb_sink_facts_done, also after an error. */
int tb_sink_facts_read(const struct tb_sink_item *item, const struct tb_sink_settings *settings,
                       struct tb_sink_facts *out);
void tb_sink_facts_done(struct tb_sink_facts *facts);
/* An identifier that belongs to the uuid and that use of it ("segment"): always the same one, never
 * zero. */
void tb_sink_facts_id(const char *uuid, const char *use, uint8_t out[TB_FACTS_ID_BYTES]);

#endif
