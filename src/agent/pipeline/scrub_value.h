/* scrub_value.h - where the value behind a secret's name begins and ends. Pure; for scrub_text.c.
 */
#ifndef TB_AGENT_SCRUB_VALUE_H
#define TB_AGENT_SCRUB_VALUE_H

#include "agent/pipeline/scrub_names.h"

/* A quote as it stands in a text: ", ' or an entity, behind backslashes where what it belongs to
 * was quoted itself. */
struct tb_scrub_quote {
    const char *sign;
    size_t sign_len;
    size_t n_escapes;
    size_t end; /* behind it */
};

/* [from, to) is masked; with quote's signs around the mask where mask is given. */
struct tb_scrub_span {
    size_t from, to;
    const struct tb_scrub_quote *mask; /* NULL: the mask alone */
    struct tb_scrub_quote quote;
};

/* Two hex digits behind a percent sign? And their value. */
int tb_scrub_is_percent(const char *text, size_t left);
unsigned tb_scrub_hex2(const char *digits);

/* Is the word [from, to) in quotes? Then quote is the closing one. */
int tb_scrub_quoted(const char *text, size_t len, size_t from, size_t to,
                    struct tb_scrub_quote *quote);
/* The value at `at`: what is in quotes, in brackets, or a word. name_quote: the name's, where it
 * has one, as in JSON. 0 when there is none. */
int tb_scrub_value(const char *text, size_t len, size_t at, const struct tb_scrub_quote *name_quote,
                   struct tb_scrub_span *value);
/* ('cookie', 'x'): the value at `at`, when one of the brackets stands before the name that begins
 * at `from`, with its quotes. */
int tb_scrub_pair(const char *text, size_t len, size_t from, size_t at, const char *brackets,
                  struct tb_scrub_span *value);
/* The body of the part of a multipart/form-data text in whose head `at` is. */
int tb_scrub_part(const char *text, size_t len, size_t at, struct tb_scrub_span *value);

void tb_scrub_mask_value(struct tb_scrub_splice *splice, const struct tb_scrub_span *value);

#endif
