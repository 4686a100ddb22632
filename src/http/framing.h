/* framing.h - where requests begin and end in a stream of bytes, told byte by byte, and which of
 * them nobody may read in two ways. Pure.
 *
 * 1. What RFC 9112 calls malformed is refused, and so is what it allows but receivers differ in:
 *    lines that end in a bare LF, folded lines, blanks before a colon, control characters, repeated
 *    or decorated lengths, a Transfer-Encoding other than "chunked", one beside a Content-Length,
 *    a body where the method has none, extensions of chunks, trailers.
 * 2. What is taken is read alike by every receiver, libevent's among them.
 * 3. Sizes are known as early as they are declared: a head up to TB_FRAMING_HEAD_MAX, with at most
 *    TB_FRAMING_HEADERS lines, a body up to TB_FRAMING_BODY_MAX. */
#ifndef TB_HTTP_FRAMING_H
#define TB_HTTP_FRAMING_H

#include <stddef.h>
#include <stdint.h>

enum {
    TB_FRAMING_HEAD_MAX = 64 << 10,
    TB_FRAMING_HEADERS = 256,
    TB_FRAMING_BODY_MAX = 8 << 20,
    TB_FRAMING_WORD = 20 /* of a method, a version, the names and values that count */
};

enum tb_framing_event {
    TB_FRAMING_MORE, /* all was read, and nothing of this has happened */
    TB_FRAMING_HEAD, /* the head is complete: length and is_chunked are known */
    TB_FRAMING_END,  /* the request is: call tb_framing_next before the next byte */
    TB_FRAMING_BAD   /* status and why say what it is refused with; for good */
};

struct tb_framing {
    int state; /* framing.c knows which; 0 before the first byte */
    int status;
    const char *why; /* static, a sentence */
    size_t head_len;
    unsigned n_headers, n_hosts;
    unsigned n_lengths, n_encodings;
    int is_unknown; /* the method */
    int may_have_body, is_chunked;
    int minor;         /* of HTTP/1.x */
    uint64_t length;   /* as declared */
    uint64_t left;     /* of the body, or of the chunk */
    uint64_t body_len; /* taken so far; of chunks without their lines */
    int kind;          /* which header this one is */
    unsigned n_word;   /* bytes in word; more than fit are cut there */
    char word[TB_FRAMING_WORD];
};

/* A zeroed one is ready too. */
void tb_framing_next(struct tb_framing *framing);
/* Reads up to n bytes, until something happens. Returns how many were read; with n 0 it says what
 * there is to say without another byte. */
size_t tb_framing_feed(struct tb_framing *framing, const void *data, size_t n,
                       enum tb_framing_event *event);
/* How many of the next bytes are nothing but body: they need not be shown, tb_framing_skip counts
 * them. */
uint64_t tb_framing_blind(const struct tb_framing *framing);
void tb_framing_skip(struct tb_framing *framing, uint64_t n);

#endif
