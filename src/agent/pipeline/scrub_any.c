/* scrub_any.c - one text without secrets: what is JSON by its names, else by names in the text,
 * then by the forms of secrets, then by the patterns of the settings; see scrub.h. */
#include <errno.h>
#include <string.h>

#include "agent/pipeline/scrub_names.h"
#include "agent/pipeline/scrub_patterns.h"

/* A text that is JSON: its document, scrubbed. As tb_scrub_any; -ENODATA: it is none. */
static int scrub_json(struct tb_scrub_run *run, const char *key, const char *text, size_t len,
                      int level, struct tb_buf *out)
{
    struct tb_doc *doc = NULL;
    char why[TB_DOC_WHY];
    size_t at = 0;
    while (at < len && strchr(" \t\r\n", text[at]) != NULL && text[at] != '\0')
        at++;
    if (len - at < 2 || (text[at] != '{' && text[at] != '[' && text[at] != '"'))
        return -ENODATA;
    int err = tb_doc_new(text, len, &doc, why);
    if (err)
        return err == -EBADMSG ? -ENODATA : err;
    size_t before = run->n;
    err = level > 0 ? tb_scrub_doc(run, key, doc, level - 1) : -EMSGSIZE;
    if (!err && run->n > before)
        err = tb_doc_render(doc, out);
    tb_doc_free(doc);
    return err ? err : run->n > before;
}

/* A text between the steps that clean it, each on what the one before has left. */
struct cleaning {
    struct tb_scrub_run *run;
    const char *text;
    size_t len;
    struct tb_buf now, step; /* what text is, when a step has changed it; and what the next makes */
    int n;                   /* steps that have */
};

/* found: how much a step masked in c->step, or a negative errno. */
static int end_step(struct cleaning *c, int found)
{
    struct tb_buf was = c->now;
    int err = found < 0 ? found : c->step.err;
    if (err || found == 0)
        return err;
    c->now = c->step;
    c->step = was;
    tb_buf_reset(&c->step);
    c->text = tb_buf_str(&c->now);
    c->len = c->now.len;
    c->n++;
    return 0;
}

static int clean_names(struct cleaning *c, const char *key, int level)
{
    int found = scrub_json(c->run, key, c->text, c->len, level, &c->step);
    if (found != -ENODATA)
        return end_step(c, found);
    size_t n = tb_scrub_keyed(c->run, c->text, c->len, level, &c->step);
    c->run->n += n;
    return end_step(c, n > 0);
}

static int clean_forms(struct cleaning *c)
{
    size_t n = tb_scrub_forms(c->text, c->len, &c->step);
    c->run->n += n;
    return end_step(c, n > 0);
}

static int clean_patterns(struct cleaning *c)
{
    int n = tb_scrub_patterns_apply(c->run->scrub->patterns, c->text, c->len, &c->run->spent_ns,
                                    &c->step);
    c->run->n += n > 0 ? (size_t)n : 0;
    return end_step(c, n);
}

/* One span ID in 60,000 would pass for a card number. */
static int is_span_id(int kind, const char *text, size_t len)
{
    enum { SPAN_DIGITS = 16 };
    return kind == TB_SCRUB_ID && len == SPAN_DIGITS &&
           strspn(text, "0123456789abcdef") >= SPAN_DIGITS;
}

int tb_scrub_any(struct tb_scrub_run *run, const char *key, const char *text, size_t len, int kind,
                 int level, struct tb_buf *out)
{
    struct cleaning c = {.run = run, .text = text, .len = len};
    int err = 0;
    tb_buf_init(&c.now, (size_t)2 * TB_DOC_BYTES);
    tb_buf_init(&c.step, (size_t)2 * TB_DOC_BYTES);
    if (kind == TB_SCRUB_TEXT || kind == TB_SCRUB_MARK)
        err = clean_names(&c, key, level);
    if (!err && !run->scrub->has_no_forms && !is_span_id(kind, text, len))
        err = clean_forms(&c);
    if (!err && kind < TB_SCRUB_MARK && run->scrub->patterns != NULL)
        err = clean_patterns(&c);
    if (!err && c.n > 0) {
        tb_buf_add(out, c.text, c.len);
        err = out->err;
    }
    tb_buf_done(&c.now);
    tb_buf_done(&c.step);
    return err ? err : c.n > 0;
}

size_t tb_scrub_text(const struct tb_scrub *scrub, const char *text, size_t len, struct tb_buf *out)
{
    struct tb_scrub_run run = {.scrub = scrub};
    int n = tb_scrub_any(&run, "", text, len, TB_SCRUB_TEXT, TB_SCRUB_LEVELS, out);
    if (n == 0)
        tb_buf_add(out, text, len);
    if (n < 0)
        tb_buf_adds(out, TB_SCRUB_MASK);
    return n < 0 ? 1 : n > 0 ? run.n : 0;
}
