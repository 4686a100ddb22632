/* text.c - see text.h. */
#include "capture/text.h"

#include <stdio.h>
#include <string.h>

#include "base/utf8.h"

size_t tb_text_copy(char *out, size_t cap, const char *text)
{
    if (!text)
        text = "";
    size_t len = strnlen(text, cap + 3); /* to see whole the last character that may be cut */
    size_t cut = len < cap ? len : tb_utf8_cut(text, len, cap - 1);
    memcpy(out, text, cut);
    out[cut] = '\0';
    return cut;
}

size_t tb_text_format(char *out, size_t cap, const char *format, va_list args)
{
    if (!format)
        return tb_text_copy(out, cap, "(no message)");
    int wanted = vsnprintf(out, cap, format, args);
    if (wanted < 0)
        return tb_text_copy(out, cap, format);
    if ((size_t)wanted < cap)
        return (size_t)wanted;
    size_t len = cap - 1;
    /* A sequence that the cut went through is not well-formed at its first byte. */
    for (size_t back = 1; back <= 3 && back <= len; back++) {
        unsigned char c = (unsigned char)out[len - back];
        if (c < 0x80)
            break;
        if (c >= 0xc0) {
            if (tb_utf8_len(out + len - back, back) == 0)
                len -= back;
            break;
        }
    }
    out[len] = '\0';
    return len;
}
