/* emit.c - see emit.h. */
#include "web/emit.h"

#include <errno.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"

enum { DELETE = 0x7f, C1_LAST = 0x9f, NUMBER_TEXT = 32 };

static const char REPLACEMENT[] = "\xef\xbf\xbd"; /* U+FFFD */

/* Marks that turn the direction of what follows, or that nobody can see (Unicode Bidi_Control, and
 * the invisible ones that hide differences). */
static int is_hidden_mark(unsigned code)
{
    return (code >= 0x202a && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069) ||
           (code >= 0x200b && code <= 0x200f) || code == 0x061c || code == 0xfeff ||
           (code >= 0xe0000 && code <= 0xe007f);
}

static int is_control(unsigned code)
{
    return code < ' ' || (code >= DELETE && code <= C1_LAST);
}

/* Something that everybody can see, in the place of what should not be shown. */
static void put_stand_in(struct tb_buf *out, unsigned code)
{
    if (code < ' ' || code == DELETE) {
        /* The pictures of control characters, U+2400 and on. */
        char picture[3] = {'\xe2', '\x90', (char)(0x80 + (code == DELETE ? 0x21 : code))};
        tb_buf_add(out, picture, sizeof(picture));
    } else if (is_hidden_mark(code)) {
        tb_buf_addf(out, "[U+%04X]", code);
    } else {
        tb_buf_adds(out, REPLACEMENT);
    }
}

/* One character of ASCII that is no control character. */
static void put_ascii(struct tb_buf *out, char kind, char c)
{
    static const char MARKDOWN[] = "\\`*_[]<>#|&~";
    const char *entity = NULL;
    if (kind == 'h' || kind == 'a')
        entity = c == '&'    ? "&amp;"
                 : c == '<'  ? "&lt;"
                 : c == '>'  ? "&gt;"
                 : c == '"'  ? "&quot;"
                 : c == '\'' ? "&#39;"
                             : NULL;
    if (entity != NULL) {
        tb_buf_adds(out, entity);
        return;
    }
    if (kind == 'm' && strchr(MARKDOWN, c) != NULL)
        tb_buf_add(out, "\\", 1);
    tb_buf_add(out, &c, 1);
}

static void put_control(struct tb_buf *out, char kind, unsigned code)
{
    int is_blank = code == '\n' || code == '\t';
    if (is_blank && kind == 'h')
        tb_buf_add(out, code == '\n' ? "\n" : "\t", 1);
    else if (is_blank && kind == 'a')
        tb_buf_addf(out, "&#%u;", code);
    else if (code == '\t')
        tb_buf_adds(out, "    ");
    else if (is_blank || code == '\r')
        tb_buf_add(out, " ", 1); /* one line stays one line */
    else
        put_stand_in(out, code);
}

static void put_escaped(struct tb_buf *out, char kind, const char *text, size_t len)
{
    size_t n;
    for (size_t i = 0; i < len && out->err == 0; i += n) {
        n = tb_utf8_len(text + i, len - i);
        if (n == 0) {
            tb_buf_adds(out, REPLACEMENT);
            n = 1;
            continue;
        }
        unsigned code = tb_utf8_code(text + i, n);
        if (is_control(code))
            put_control(out, kind, code);
        else if (is_hidden_mark(code))
            put_stand_in(out, code);
        else if (n == 1)
            put_ascii(out, kind, text[i]);
        else
            tb_buf_add(out, text + i, n);
    }
}

/* RFC 3986, 2.3: what is not unreserved is encoded. */
static void put_url(struct tb_buf *out, const char *text, size_t len)
{
    static const char UNRESERVED[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
    for (size_t i = 0; i < len; i++)
        if (text[i] != '\0' && strchr(UNRESERVED, text[i]) != NULL)
            tb_buf_add(out, text + i, 1);
        else
            tb_buf_addf(out, "%%%02X", (unsigned char)text[i]);
}

static void put_text(struct tb_buf *out, char kind, const char *text, size_t max)
{
    size_t len = text != NULL ? strlen(text) : 0;
    size_t shown = max > 0 ? tb_utf8_cut(text != NULL ? text : "", len, max) : len;
    if (len == 0)
        return;
    if (kind == 'u')
        put_url(out, text, shown);
    else
        put_escaped(out, kind, text, shown);
    if (shown < len)
        tb_buf_adds(out, "\xe2\x80\xa6");
}

/* With a comma before each group of three. */
static void put_grouped(struct tb_buf *out, int64_t value)
{
    char digits[NUMBER_TEXT];
    uint64_t size = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    int len = snprintf(digits, sizeof(digits), "%" PRIu64, size);
    if (value < 0)
        tb_buf_adds(out, "-");
    for (int i = 0; i < len; i++) {
        if (i > 0 && (len - i) % 3 == 0)
            tb_buf_add(out, ",", 1);
        tb_buf_add(out, &digits[i], 1);
    }
}

/* Reads one directive behind its percent sign; returns what comes after it. */
static const char *put_directive(struct tb_buf *out, const char *at, va_list *args)
{
    size_t max = 0;
    if (*at == '.')
        for (at++; *at >= '0' && *at <= '9'; at++)
            max = max * 10 + (size_t)(*at - '0');
    switch (*at) {
    case '%':
        tb_buf_add(out, "%", 1);
        break;
    case 'd':
        tb_buf_addf(out, "%d", va_arg(*args, int));
        break;
    case 'l':
        tb_buf_addf(out, "%" PRId64, va_arg(*args, int64_t));
        break;
    case 'n':
        put_grouped(out, va_arg(*args, int64_t));
        break;
    case 'r':
        tb_buf_adds(out, va_arg(*args, const char *));
        break;
    case 'h':
    case 'a':
    case 'u':
    case 't':
    case 'm':
        put_text(out, *at, va_arg(*args, const char *), max);
        break;
    default:
        out->err = out->err != 0 ? out->err : -EINVAL;
        return "";
    }
    return at + 1;
}

void tb_emit_v(struct tb_buf *out, const char *format, va_list args)
{
    va_list copy; /* an array cannot be handed on by its address when it is a parameter */
    va_copy(copy, args);
    while (*format != '\0' && out->err == 0) {
        size_t plain = strcspn(format, "%");
        tb_buf_add(out, format, plain);
        format += plain;
        if (*format == '%')
            format = put_directive(out, format + 1, &copy);
    }
    va_end(copy);
}

void tb_emit(struct tb_buf *out, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    tb_emit_v(out, format, args);
    va_end(args);
}

void tb_emit_text(struct tb_buf *out, const char *text, size_t len)
{
    put_escaped(out, 'h', text, len);
}
