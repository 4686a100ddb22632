/* image.h - a trace context as bytes: the image of docs/spool-format.md section 8, which a thread
 * keeps, and what does not fit in there, the carried texts. Pack and unpack side by side.
 * Signal-safe.
 *
 * What a reader finds in foreign bytes may be anything: unpack takes what makes sense of it. */
#ifndef TB_TRACE_IMAGE_H
#define TB_TRACE_IMAGE_H

#include "trace/context.h"

enum {
    TB_TRACE_CARRIED_BYTES = 1008, /* of all carried texts with their tags */
    TB_TRACE_OTHER_BYTES = 128,    /* of one header value that named another trace */
};

/* What stands in the image beside the IDs. */
struct tb_trace_image {
    uint8_t source;  /* enum tb_trace_source */
    uint8_t sampled; /* enum tb_sampled */
    bool is_debug;
    uint16_t kinds;      /* 1 << enum tb_trace_kind: the headers that came; 0: not known */
    uint16_t carrier;    /* where in the process the carried texts are; 0: there are none */
    uint32_t generation; /* of the carrier: another one is another's texts */
    uint64_t started_ns; /* wall clock: when the request began here; 0: not known */
};

/* Bytes 0..89 as tb_trace_pack makes them, and the rest. */
void tb_trace_image_pack(const struct tb_trace *trace, const struct tb_trace_image *more,
                         uint8_t out[TB_TRACE_IMAGE_BYTES]);
/* The part that is not the trace's: of any image. */
void tb_trace_image_read(const uint8_t in[TB_TRACE_IMAGE_BYTES], struct tb_trace_image *more);
/* Fills context, which has no texts then, and more; -EINVAL for an image that is not valid. */
int tb_trace_image_unpack(const uint8_t in[TB_TRACE_IMAGE_BYTES], struct tb_trace_context *context,
                          struct tb_trace_image *more);

/* The texts of the context, each as a tag, the text and NUL; those that do not fit are left out,
 * the least needed first. Returns the length, 0 for no texts. */
size_t tb_trace_carried_pack(const struct tb_trace_context *context,
                             char out[TB_TRACE_CARRIED_BYTES]);
/* The same of an X-Amzn-Trace-Id alone, with its trace: the length of its texts, or -EINVAL. */
int tb_trace_carried_xray(const char *header, size_t len, struct tb_trace *out,
                          char texts[TB_TRACE_CARRIED_BYTES]);
/* Adds texts to a context; those that are slices point into data. */
void tb_trace_carried_unpack(const char *data, size_t len, struct tb_trace_context *context);

#endif
