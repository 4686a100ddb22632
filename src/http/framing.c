/* framing.c - see framing.h. Source: RFC 9110 5, RFC 9112 2 to 7. One function for each state takes
 * one byte; runs of bytes that change nothing are passed by a table. */
#include "http/framing.h"

#include <string.h>
#include <strings.h>

enum state {
    METHOD,
    TARGET,
    VERSION,
    VERSION_LF,
    NAME_OR_END, /* the first byte of a line of the head */
    NAME,
    BLANK, /* between colon and value */
    VALUE,
    VALUE_LF,
    END_LF,
    BODY,
    CHUNK_FIRST, /* the first digit of a size */
    CHUNK_SIZE,
    CHUNK_SIZE_LF,
    CHUNK,
    CHUNK_CR, /* behind the data */
    CHUNK_LF,
    LAST_CR, /* behind the chunk of size 0 */
    LAST_LF,
    DONE,
    BAD
};

enum header { OTHER, HOST, CONTENT_LENGTH, TRANSFER_ENCODING };

enum { CHUNK_DIGITS = 8, LENGTH_DIGITS = 18 };

/* ---- bytes ---- */

static int is_token(unsigned char c)
{
    unsigned char lower = c | 0x20;
    if (lower >= 'a' && lower <= 'z')
        return 1;
    return c == '-' || (c >= '0' && c <= '9') || (c != '\0' && strchr("!#$%&'*+.^_`|~", c) != NULL);
}

static int is_value(unsigned char c)
{
    return c == '\t' || (c >= ' ' && c != 0x7f);
}

static int is_target(unsigned char c)
{
    return c > ' ' && c < 0x7f;
}

/* -1 for what is none. */
static int digit_of(unsigned char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    unsigned char lower = c | 0x20;
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/* ---- what is kept ---- */

static void refuse(struct tb_framing *f, int status, const char *why)
{
    f->state = BAD;
    f->status = status;
    f->why = why;
}

static void keep(struct tb_framing *f, unsigned char c)
{
    if (f->n_word < TB_FRAMING_WORD)
        f->word[f->n_word] = (char)c;
    f->n_word++;
}

static int word_is(const struct tb_framing *f, const char *text)
{
    size_t len = strlen(text);
    return f->n_word == len && memcmp(f->word, text, len) == 0;
}

static int word_is_like(const struct tb_framing *f, const char *text)
{
    size_t len = strlen(text);
    return f->n_word == len && strncasecmp(f->word, text, len) == 0;
}

/* ---- the first line ---- */

static void end_method(struct tb_framing *f)
{
    static const char *const known[] = {"GET", "HEAD", "DELETE", "POST", "PUT", "PATCH"};
    size_t i = 0;
    while (i < sizeof(known) / sizeof(known[0]) && !word_is(f, known[i]))
        i++;
    f->is_unknown = i == sizeof(known) / sizeof(known[0]);
    f->may_have_body = i >= 3;
    f->state = TARGET;
    f->n_word = 0;
}

static void take_method(struct tb_framing *f, unsigned char c)
{
    if (c == ' ' && f->n_word > 0)
        end_method(f);
    else if (is_token(c))
        keep(f, c);
    else
        refuse(f, 400, "the request is no HTTP/1.1: its first line begins with no method");
}

static void take_target(struct tb_framing *f, unsigned char c)
{
    if (c == ' ' && f->n_word > 0) {
        f->state = VERSION;
        f->n_word = 0;
    } else if (!is_target(c) ||
               (f->n_word == 0 && c != '/' && c != 'h' && c != 'H')) { /* http://host/path */
        refuse(f, 400, "the request is no HTTP/1.1: its first line names no path");
    } else {
        keep(f, c);
    }
}

static void take_version(struct tb_framing *f, unsigned char c)
{
    if (c != '\r') {
        keep(f, c);
        if (f->n_word > 8)
            refuse(f, 400, "the request is no HTTP/1.1: its first line ends in no version");
        return;
    }
    f->state = VERSION_LF;
    f->minor = word_is(f, "HTTP/1.1");
    if (!f->minor && !word_is(f, "HTTP/1.0"))
        refuse(f, 400, "the request is no HTTP/1.1: its first line ends in no version");
    else if (f->is_unknown)
        refuse(f, 501, "towbard does not know this method");
}

/* ---- the other lines of the head ---- */

static void end_name(struct tb_framing *f)
{
    f->kind = OTHER;
    if (word_is_like(f, "Content-Length"))
        f->kind = CONTENT_LENGTH;
    else if (word_is_like(f, "Transfer-Encoding"))
        f->kind = TRANSFER_ENCODING;
    else if (word_is_like(f, "Host"))
        f->kind = HOST;
    f->state = BLANK;
    f->n_word = 0;
}

static void take_name(struct tb_framing *f, unsigned char c)
{
    if (f->state == NAME_OR_END && c == '\r') {
        f->state = END_LF;
    } else if (f->state == NAME_OR_END && (c == ' ' || c == '\t')) {
        refuse(f, 400, "a header is folded over two lines: send it in one");
    } else if (f->state == NAME_OR_END && c == ':') {
        refuse(f, 400, "a header has no name");
    } else if (c == ' ' || c == '\t') {
        refuse(f, 400, "the name of a header has a blank in it");
    } else if (f->state == NAME && c == ':') {
        end_name(f);
    } else if (is_token(c)) {
        if (f->state == NAME_OR_END && ++f->n_headers > TB_FRAMING_HEADERS) {
            refuse(f, 431, "the head of the request has more than 256 lines");
            return;
        }
        f->n_word = f->state == NAME_OR_END ? 0 : f->n_word;
        f->state = NAME;
        keep(f, c);
    } else {
        refuse(f, 400,
               "the request is no HTTP/1.1: the name of a header has a byte that names have not");
    }
}

static void take_length(struct tb_framing *f)
{
    if (++f->n_lengths > 1) {
        refuse(f, 400, "the request has several Content-Length headers");
        return;
    }
    int is_number = f->n_word > 0 && f->n_word <= LENGTH_DIGITS;
    f->length = 0;
    for (unsigned i = 0; is_number && i < f->n_word; i++) {
        is_number = f->word[i] >= '0' && f->word[i] <= '9';
        f->length = f->length * 10 + (unsigned)(f->word[i] - '0');
    }
    if (!is_number)
        refuse(f, 400, "the Content-Length is malformed: it is digits, and nothing else");
}

static void end_value(struct tb_framing *f)
{
    while (f->n_word > 0 && f->n_word <= TB_FRAMING_WORD && f->word[f->n_word - 1] == ' ')
        f->n_word--;
    f->state = VALUE_LF;
    if (f->kind == HOST && ++f->n_hosts > 1) {
        refuse(f, 400, "the request has several Host headers");
    } else if (f->kind == CONTENT_LENGTH) {
        take_length(f);
    } else if (f->kind == TRANSFER_ENCODING) {
        f->is_chunked = 1;
        if (++f->n_encodings > 1 || !word_is_like(f, "chunked"))
            refuse(f, 400, "towbard knows no Transfer-Encoding but chunked, said once");
    }
}

static void take_value(struct tb_framing *f, unsigned char c)
{
    if (c == '\r') {
        end_value(f);
        return;
    }
    if (!is_value(c)) {
        refuse(f, 400, "a header has a control character in its value");
        return;
    }
    if (f->state == BLANK && c == ' ')
        return;
    f->state = VALUE;
    if (f->kind != OTHER)
        keep(f, c);
}

static void end_head(struct tb_framing *f)
{
    f->left = f->is_chunked ? 0 : f->length;
    f->state = f->is_chunked ? CHUNK_FIRST : BODY;
    f->n_word = 0;
    if (f->minor == 1 && f->n_hosts == 0)
        refuse(f, 400, "the request has no Host header");
    else if (f->is_chunked && (f->n_lengths > 0 || f->minor == 0))
        refuse(f, 400,
               "the request has a Transfer-Encoding beside a Content-Length, or in HTTP/1.0");
    else if ((f->is_chunked || f->length > 0) && !f->may_have_body)
        refuse(f, 400, "a request of that method has no body");
    else if (f->length > TB_FRAMING_BODY_MAX)
        refuse(f, 413, "the body is larger than 8 MiB: send less at once");
}

/* ---- chunks ---- */

static void take_chunk_size(struct tb_framing *f, unsigned char c)
{
    int digit = digit_of(c);
    if (digit >= 0 && f->n_word < CHUNK_DIGITS) {
        f->left = f->left * 16 + (unsigned)digit;
        f->n_word++;
        f->state = CHUNK_SIZE;
    } else if (c == '\r' && f->state == CHUNK_SIZE) {
        f->state = CHUNK_SIZE_LF;
    } else {
        refuse(f, 400, "the chunks of the body are malformed: a size is hex digits alone");
    }
}

static void end_chunk_size(struct tb_framing *f)
{
    f->state = f->left > 0 ? CHUNK : LAST_CR;
    if (f->left > TB_FRAMING_BODY_MAX - f->body_len)
        refuse(f, 413, "the body is larger than 8 MiB: send less at once");
}

/* ---- one byte ---- */

/* The one byte that may stand here. */
static void take_exactly(struct tb_framing *f, unsigned char c, unsigned char expected, int next)
{
    if (c == expected) {
        f->state = next;
        return;
    }
    refuse(f, 400,
           f->state < BODY ? "the request is no HTTP/1.1: a line of its head does not end in CR LF"
           : f->state == LAST_CR
               ? "the chunks of the body have a trailer, which towbard does not take"
               : "the chunks of the body are malformed: a line of them does not end in CR LF");
}

static void take_line_end(struct tb_framing *f, unsigned char c)
{
    int state = f->state;
    if (state == END_LF) {
        take_exactly(f, c, '\n', BODY);
        if (f->state == BODY)
            end_head(f);
    } else if (state == CHUNK_SIZE_LF) {
        take_exactly(f, c, '\n', CHUNK);
        if (f->state == CHUNK)
            end_chunk_size(f);
    } else if (state == CHUNK_CR || state == LAST_CR) {
        take_exactly(f, c, '\r', state == CHUNK_CR ? CHUNK_LF : LAST_LF);
    } else if (state == CHUNK_LF) {
        take_exactly(f, c, '\n', CHUNK_FIRST);
        f->n_word = 0;
        f->left = 0;
    } else {
        take_exactly(f, c, '\n', state == LAST_LF ? DONE : NAME_OR_END);
    }
}

static void take(struct tb_framing *f, unsigned char c)
{
    static void (*const takers[])(struct tb_framing *, unsigned char) = {
        [METHOD] = take_method,
        [TARGET] = take_target,
        [VERSION] = take_version,
        [VERSION_LF] = take_line_end,
        [NAME_OR_END] = take_name,
        [NAME] = take_name,
        [BLANK] = take_value,
        [VALUE] = take_value,
        [VALUE_LF] = take_line_end,
        [END_LF] = take_line_end,
        [CHUNK_FIRST] = take_chunk_size,
        [CHUNK_SIZE] = take_chunk_size,
        [CHUNK_SIZE_LF] = take_line_end,
        [CHUNK_CR] = take_line_end,
        [CHUNK_LF] = take_line_end,
        [LAST_CR] = take_line_end,
        [LAST_LF] = take_line_end,
    };
    void (*taker)(struct tb_framing *, unsigned char) = takers[f->state];
    if (f->state < BODY && ++f->head_len > TB_FRAMING_HEAD_MAX)
        refuse(f, 431, "the head of the request is larger than 64 KiB");
    else if (taker != NULL) /* else it is body, or the end: nothing that is shown here */
        taker(f, c);
}

/* Bytes of a value that nobody looks at, of a target, or of a name. */
static size_t pass(struct tb_framing *f, const unsigned char *data, size_t n)
{
    size_t i = 0;
    size_t room = TB_FRAMING_HEAD_MAX - f->head_len;
    size_t end = n < room ? n : room;
    if (f->state == VALUE && f->kind == OTHER) {
        while (i < end && is_value(data[i]))
            i++;
    } else if (f->state == TARGET && f->n_word > 0) {
        while (i < end && is_target(data[i]))
            i++;
    } else if (f->state == NAME) {
        while (i < end && is_token(data[i]))
            i++;
        for (size_t k = 0; k < i && f->n_word + k < TB_FRAMING_WORD; k++)
            f->word[f->n_word + k] = (char)data[k];
        f->n_word += (unsigned)i;
    }
    f->head_len += i;
    return i;
}

/* ---- the outside ---- */

void tb_framing_next(struct tb_framing *f)
{
    *f = (struct tb_framing){0};
}

uint64_t tb_framing_blind(const struct tb_framing *f)
{
    return f->state == BODY || f->state == CHUNK ? f->left : 0;
}

void tb_framing_skip(struct tb_framing *f, uint64_t n)
{
    f->left -= n;
    f->body_len += n;
    if (f->left == 0 && f->state == CHUNK)
        f->state = CHUNK_CR;
}

size_t tb_framing_feed(struct tb_framing *f, const void *data, size_t n,
                       enum tb_framing_event *event)
{
    const unsigned char *bytes = data;
    size_t i = 0;
    *event = TB_FRAMING_MORE;
    while (f->state != BAD) {
        uint64_t blind = tb_framing_blind(f);
        if (f->state == DONE || (f->state == BODY && blind == 0)) {
            f->state = DONE;
            *event = TB_FRAMING_END;
            return i;
        }
        if (i == n)
            return i;
        if (blind > 0) {
            size_t step = blind < n - i ? (size_t)blind : n - i;
            tb_framing_skip(f, step);
            i += step;
            continue;
        }
        i += pass(f, bytes + i, n - i);
        if (i == n)
            return i;
        int was = f->state;
        take(f, bytes[i++]);
        if (was == END_LF && f->state != BAD) {
            *event = TB_FRAMING_HEAD;
            return i;
        }
    }
    *event = TB_FRAMING_BAD;
    return i;
}
