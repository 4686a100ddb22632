/* scrub_patterns.c - see scrub_patterns.h.
 *
 * PCRE2's match_limit counts the steps from one place of a text, and begins anew at the next place.
 * So that a text cannot take the sum of them, it is searched in windows, and between these the
 * clock is asked. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "agent/pipeline/scrub_patterns.h"

#include <errno.h>
#include <pcre2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "agent/pipeline/scrub_names.h"

enum { WINDOW_BYTES = 256, DEPTH = 5000 };

struct tb_scrub_patterns {
    pcre2_code **codes;
    size_t n;
    pcre2_match_context *context;
    pcre2_match_data *match; /* one thread at a time */
};

static int refuse(char why[TB_SCRUB_WHY], const char *pattern, const char *what)
{
    snprintf(why, TB_SCRUB_WHY, "\"%.100s\" %s", pattern, what);
    return -EINVAL;
}

static int compile(const char *pattern, pcre2_code **out, char why[TB_SCRUB_WHY])
{
    int code = 0;
    PCRE2_SIZE at = 0;
    uint32_t may_be_empty = 0;
    size_t len = strlen(pattern);
    if (len == 0 || len > TB_SCRUB_PATTERN_BYTES)
        return refuse(why, pattern, "must have 1 to 1024 bytes; use several patterns");
    *out = pcre2_compile((PCRE2_SPTR)pattern, len,
                         PCRE2_UTF | PCRE2_NEVER_BACKSLASH_C | PCRE2_USE_OFFSET_LIMIT, &code, &at,
                         NULL);
    if (*out == NULL) {
        PCRE2_UCHAR said[120] = "";
        pcre2_get_error_message(code, said, sizeof(said));
        snprintf(
            why, TB_SCRUB_WHY,
            "\"%.100s\" is no pattern: %s at offset %zu; put it in single quotes, and \\ before "
            "signs that stand for themselves",
            pattern, (const char *)said, (size_t)at);
        return -EINVAL;
    }
    pcre2_pattern_info(*out, PCRE2_INFO_MATCHEMPTY, &may_be_empty);
    if (may_be_empty == 0)
        return 0;
    pcre2_code_free(*out);
    *out = NULL;
    return refuse(why, pattern,
                  "matches where there is nothing, between all signs; use + in place of *, and "
                  "let it match the secret itself");
}

int tb_scrub_pattern_check(const char *pattern, char why[TB_SCRUB_WHY])
{
    pcre2_code *code = NULL;
    int err = compile(pattern, &code, why);
    pcre2_code_free(code);
    return err;
}

static int make_context(struct tb_scrub_patterns *p)
{
    p->context = pcre2_match_context_create(NULL);
    p->match = pcre2_match_data_create(1, NULL);
    if (p->context == NULL || p->match == NULL)
        return -ENOMEM;
    pcre2_set_match_limit(p->context, TB_SCRUB_PATTERN_MATCHES);
    pcre2_set_depth_limit(p->context, DEPTH);
    pcre2_set_heap_limit(p->context, TB_SCRUB_PATTERN_HEAP_KIB);
    return 0;
}

int tb_scrub_patterns_new(char *const *patterns, size_t n, struct tb_scrub_patterns **out,
                          char why[TB_SCRUB_WHY])
{
    struct tb_scrub_patterns *p = calloc(1, sizeof(*p));
    if (p == NULL)
        return -ENOMEM;
    p->codes = calloc(n + 1, sizeof(*p->codes));
    int err = p->codes != NULL ? make_context(p) : -ENOMEM;
    for (; !err && p->n < n; p->n += !err)
        err = compile(patterns[p->n], &p->codes[p->n], why);
    if (err) {
        tb_scrub_patterns_free(p);
        return err;
    }
    *out = p;
    return 0;
}

void tb_scrub_patterns_free(struct tb_scrub_patterns *p)
{
    if (p == NULL)
        return;
    for (size_t i = 0; i < p->n; i++)
        pcre2_code_free(p->codes[i]);
    free((void *)p->codes);
    pcre2_match_data_free(p->match);
    pcre2_match_context_free(p->context);
    free(p);
}

/* ---- matching ---- */

static uint64_t processor_ns(void)
{
    struct timespec now = {0};
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static size_t window_end(const char *text, size_t len, size_t at)
{
    if (len - at <= WINDOW_BYTES)
        return len;
    at += WINDOW_BYTES;
    while (at < len && (text[at] & 0xc0) == 0x80) /* not inside a character */
        at++;
    return at;
}

/* The first match that begins at or behind *at: 1 with *from and *at its end, 0, or -EMSGSIZE. */
static int next_match(const struct tb_scrub_patterns *p, const pcre2_code *code, const char *text,
                      size_t len, uint64_t until_ns, size_t *from, size_t *at)
{
    uint32_t flags = *at == 0 ? 0 : PCRE2_NO_UTF_CHECK;
    while (*at <= len) {
        size_t end = window_end(text, len, *at);
        pcre2_set_offset_limit(p->context, end);
        int n = pcre2_match(code, (PCRE2_SPTR)text, len, *at, flags, p->match, p->context);
        if (n >= 0) {
            const PCRE2_SIZE *found = pcre2_get_ovector_pointer(p->match);
            /* \K in a look-around can put the end before the beginning. */
            if (found[1] <= found[0] || found[0] < *at)
                return -EMSGSIZE;
            *from = found[0];
            *at = found[1];
            return 1;
        }
        if (n != PCRE2_ERROR_NOMATCH || (end < len && processor_ns() > until_ns))
            return -EMSGSIZE;
        if (end == len)
            break;
        *at = end;
        flags = PCRE2_NO_UTF_CHECK;
    }
    return 0;
}

static int apply_one(const struct tb_scrub_patterns *p, const pcre2_code *code, const char *text,
                     size_t len, uint64_t until_ns, struct tb_buf *out)
{
    struct tb_scrub_splice splice = {.text = text, .len = len, .out = out};
    size_t from = 0;
    size_t at = 0;
    int found;
    while ((found = next_match(p, code, text, len, until_ns, &from, &at)) == 1) {
        tb_scrub_mask_span(&splice, from, at, TB_SCRUB_MASK, sizeof(TB_SCRUB_MASK) - 1);
        if (processor_ns() > until_ns)
            return -EMSGSIZE;
    }
    tb_scrub_splice_end(&splice);
    return found < 0 ? found : out->err ? -EMSGSIZE : splice.n > 0;
}

/* One after the other, each on what the one before has left. */
int tb_scrub_patterns_apply(const struct tb_scrub_patterns *p, const char *text, size_t len,
                            uint64_t *spent_ns, struct tb_buf *out)
{
    struct tb_buf next;
    uint64_t began_ns = processor_ns();
    uint64_t until_ns = began_ns + (TB_SCRUB_PATTERN_NS - *spent_ns);
    int n = 0;
    if (len > TB_SCRUB_PATTERN_TEXT || *spent_ns >= TB_SCRUB_PATTERN_NS)
        return -EMSGSIZE;
    tb_buf_init(&next, (size_t)16 * TB_SCRUB_PATTERN_TEXT);
    for (size_t i = 0; i < p->n && n >= 0; i++) {
        int found = apply_one(p, p->codes[i], n > 0 ? tb_buf_str(out) : text,
                              n > 0 ? out->len : len, until_ns, &next);
        if (found > 0) {
            struct tb_buf was = *out;
            *out = next;
            next = was;
            tb_buf_reset(&next);
        }
        n = found < 0 ? found : n + found;
    }
    tb_buf_done(&next);
    *spent_ns += processor_ns() - began_ns;
    return n;
}
