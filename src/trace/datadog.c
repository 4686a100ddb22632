/* datadog.c - x-datadog-*; see formats.h. IDs are decimal numbers of 64 bits; the left half of a
 * trace ID is a tag, _dd.p.tid. */
#include <errno.h>
#include <string.h>

#include "trace/digits.h"
#include "trace/formats.h"
#include "trace/text.h"

static int read_number(struct tb_slice text, uint8_t out[8])
{
    uint64_t value;
    if (tb_decimal_parse(text, &value) < 0)
        return -EINVAL;
    value = htobe64(value);
    memcpy(out, &value, sizeof(value));
    return 0;
}

/* 16 digits of lower case, or zeros; of several tags the last counts, as to Datadog's libraries. */
static void read_left_half(struct tb_slice tags, uint8_t out[8])
{
    static const char key[] = "_dd.p.tid=";
    enum { KEY_BYTES = sizeof(key) - 1, SPAN_BYTES = 16 };
    while (tags.text != NULL) {
        struct tb_slice tag = tb_slice_trim(tb_slice_cut(&tags, ','));
        if (tag.len < KEY_BYTES || memcmp(tag.text, key, KEY_BYTES) != 0)
            continue;
        bool good = true;
        uint64_t half = tag.len == KEY_BYTES + SPAN_BYTES
                            ? tb_span_unhex(tag.text + KEY_BYTES, TB_HEX_LOWER, &good)
                            : 0;
        half = good ? half : 0;
        memcpy(out, &half, sizeof(half));
    }
}

/* -1 and 0 drop, 1 and 2 keep. */
static uint8_t read_priority(struct tb_slice text)
{
    struct tb_slice number = text;
    uint8_t value[8];
    bool is_minus = text.len > 0 && text.text[0] == '-';
    if (is_minus) {
        number.text++;
        number.len--;
    }
    if (number.len == 1 && number.text[0] == '0')
        return TB_SAMPLED_NO;
    if (read_number(number, value) < 0)
        return TB_SAMPLED_UNSAID;
    return is_minus ? TB_SAMPLED_NO : TB_SAMPLED_YES;
}

int tb_datadog_parse(const struct tb_slice headers[TB_DATADOG_HEADERS], struct tb_trace_said *out)
{
    struct tb_trace_said said = {.sampled = TB_SAMPLED_UNSAID};
    if (read_number(tb_slice_trim(headers[TB_DATADOG_TRACE_ID]), said.trace_id + 8) < 0)
        return -EINVAL;
    read_left_half(headers[TB_DATADOG_TAGS], said.trace_id);
    (void)read_number(tb_slice_trim(headers[TB_DATADOG_PARENT_ID]), said.span_id);
    said.sampled = read_priority(tb_slice_trim(headers[TB_DATADOG_PRIORITY]));
    *out = said;
    return 0;
}

size_t tb_decimal_text(const uint8_t number[8], char out[TB_DECIMAL_TEXT])
{
    char mem[TB_DECIMAL_TEXT];
    size_t n = 0;
    uint64_t value = 0;
    for (size_t i = 0; i < 8; i++)
        value = value << 8 | number[i];
    do {
        mem[n++] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    for (size_t i = 0; i < n; i++)
        out[i] = mem[n - 1 - i];
    out[n] = '\0';
    return n;
}
