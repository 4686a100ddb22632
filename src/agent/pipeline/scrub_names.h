/* scrub_names.h - what the parts of the scrubber share; see scrub.h. */
#ifndef TB_AGENT_SCRUB_NAMES_H
#define TB_AGENT_SCRUB_NAMES_H

#include <stdint.h>

#include "agent/pipeline/scrub.h"

enum {
    TB_SCRUB_KEY = 128,                   /* a key is judged by its end */
    TB_SCRUB_TAIL = TB_SCRUB_KEY / 2 - 1, /* so many bytes of it */
    TB_SCRUB_LEVELS = 6,                  /* of JSON in texts, of percent signs in texts */
};

/* ---- scrub_names.c ---- */

int tb_scrub_names_init(struct tb_scrub *scrub, const struct tb_scrub_rules *rules);
void tb_scrub_names_done(struct tb_scrub *scrub);
/* What a key may be, bits of it. */
enum {
    TB_SCRUB_ENDS = 1, /* it ends in the name of a secret, or is a header as CGI has it */
    TB_SCRUB_WORD = 2, /* a strong name is one of its words: not of "PasswordResetError: refused" */
    TB_SCRUB_SECRET = TB_SCRUB_ENDS | TB_SCRUB_WORD,
    TB_SCRUB_HEADER = 4, /* a header that holds a secret */
    TB_SCRUB_PROSE = 8,  /* a secret's name that stands before a colon in plain sentences too */
    TB_SCRUB_PATH = 16,  /* a name with dots ends so */
};
unsigned tb_scrub_judge(const struct tb_scrub *scrub, const char *key, size_t len);
/* May key hold headers: "headers", "request_headers", "rawHeaders"? */
int tb_scrub_holds_headers(const char *key, size_t len);

/* ---- texts ---- */

/* Which rules count for a text. */
enum tb_scrub_kind {
    TB_SCRUB_TEXT,
    TB_SCRUB_CODE, /* program text, where "password = read()" is no secret */
    TB_SCRUB_MARK, /* a fingerprint: the patterns could make all of them one */
    TB_SCRUB_ID,   /* what must stay what it is; tokens are none */
};

/* One item being scrubbed. */
struct tb_scrub_run {
    const struct tb_scrub *scrub;
    uint64_t spent_ns; /* of processor time, by patterns */
    size_t n;          /* secrets found */
};

/* A text with masks in place of spans, made as they are found; out is untouched until the first. */
struct tb_scrub_splice {
    const char *text;
    size_t len, copied;
    struct tb_buf *out;
    size_t n;
};
void tb_scrub_mask_span(struct tb_scrub_splice *splice, size_t from, size_t to, const char *mask,
                        size_t mask_len);
/* Adds the rest, where anything was masked. */
void tb_scrub_splice_end(struct tb_scrub_splice *splice);

/* What is behind names. Each returns how many secrets it masked; 0: out is untouched, the text is
 * clean. level counts down from TB_SCRUB_LEVELS. */
size_t tb_scrub_keyed(struct tb_scrub_run *run, const char *text, size_t len, int level,
                      struct tb_buf *out);
/* Tokens of known form (scrub_forms.c). */
size_t tb_scrub_forms(const char *text, size_t len, struct tb_buf *out);
/* All rules: 1 when out has the new text, 0 when text is clean and out untouched, negative when it
 * has to be masked whole. key is that of the member, for JSON in it. */
int tb_scrub_any(struct tb_scrub_run *run, const char *key, const char *text, size_t len, int kind,
                 int level, struct tb_buf *out);
/* JSON as a document (scrub.c). 0 or -ENOMEM. */
int tb_scrub_doc(struct tb_scrub_run *run, const char *key, struct tb_doc *doc, int level);

#endif
