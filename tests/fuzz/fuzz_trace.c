/* fuzz_trace.c - trace headers: what is read can be written and read again. */
#include <stdlib.h>
#include <string.h>

#include "trace/trace.h"

static void check_round_trip(const struct tb_trace *trace)
{
    char text[TB_TRACEPARENT_TEXT];
    uint8_t image[TB_TRACE_IMAGE_BYTES];
    struct tb_trace again = {0};
    tb_trace_pack(trace, image);
    if (tb_trace_unpack(image, &again) < 0 || memcmp(&again, trace, sizeof(again)) != 0)
        abort();
    tb_traceparent_text(trace, text);
    static const uint8_t none[8];
    bool has_span = memcmp(trace->span_id, none, sizeof(none)) != 0;
    if ((tb_trace_parse_w3c(text, strlen(text), &again) == 0) != has_span)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    struct tb_trace w3c = {0};
    struct tb_trace xray = {0};
    struct tb_trace both = {0};
    (void)tb_trace_parse_w3c(text, size, &w3c);
    (void)tb_trace_parse_xray(text, size, &xray);
    if (tb_trace_parse(text, size, &both) == 0)
        check_round_trip(&both);
    char *copy = strndup(text, size);
    if (copy && tb_trace_parse_id(copy, both.trace_id) == 0) {
        char xray_text[TB_XRAY_ID_TEXT];
        tb_xray_id_text(both.trace_id, xray_text);
        if (tb_trace_parse_id(xray_text, both.trace_id) < 0)
            abort();
    }
    free(copy);
    return 0;
}
