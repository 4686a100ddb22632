/* grpc.c - grpc-trace-bin, of OpenCensus; see formats.h. Read only: its successor is traceparent.
 *
 *   version 0 | 0 trace_id[16] | 1 span_id[8] | 2 options[1] | fields unknown here */
#include <errno.h>
#include <string.h>

#include "trace/formats.h"
#include "trace/text.h"

enum { AT_TRACE = 1, AT_SPAN = 18, AT_OPTIONS = 27, WHOLE = 29, TEXT_BYTES = 256 };

int tb_grpc_parse_bytes(const uint8_t *bytes, size_t len, struct tb_trace_said *out)
{
    struct tb_trace_said said = {.sampled = TB_SAMPLED_UNSAID};
    if (len < AT_OPTIONS || bytes[0] != 0 || bytes[AT_TRACE] != 0 || bytes[AT_SPAN] != 1)
        return -EINVAL;
    memcpy(said.trace_id, bytes + AT_TRACE + 1, 16);
    memcpy(said.span_id, bytes + AT_SPAN + 1, 8);
    if (tb_bytes_are_zero(said.trace_id, 16) || tb_bytes_are_zero(said.span_id, 8))
        return -EINVAL;
    if (len > AT_OPTIONS && bytes[AT_OPTIONS] == 2) {
        if (len < WHOLE)
            return -EINVAL;
        said.sampled = (bytes[AT_OPTIONS + 1] & 1) != 0 ? TB_SAMPLED_YES : TB_SAMPLED_NO;
    }
    *out = said;
    return 0;
}

int tb_grpc_parse(const char *text, size_t len, struct tb_trace_said *out)
{
    uint8_t bytes[WHOLE];
    struct tb_slice trimmed = tb_slice_trim((struct tb_slice){text, len});
    if (trimmed.len > TEXT_BYTES)
        return -EINVAL;
    long n = tb_base64_parse(trimmed, bytes, sizeof(bytes));
    if (n < 0)
        return -EINVAL;
    return tb_grpc_parse_bytes(bytes, n < WHOLE ? (size_t)n : WHOLE, out);
}
