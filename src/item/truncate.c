/* truncate.c - see truncate.h. One step after the other, until the item fits. */
#include "item/truncate.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "item/read.h"
#include "item/truncate_impl.h"

enum { NOTE_BYTES = 512, NOTE_ROOM = 4096 };

/* Adds one name to a list of quoted names, unless it is there. */
static void add_name(char *names, size_t cap, const char *name)
{
    char quoted[64];
    size_t len = strlen(names);
    (void)snprintf(quoted, sizeof(quoted), "\"%s\"", name);
    if (strstr(names, quoted) == NULL)
        (void)snprintf(names + len, cap - len, "%s%s", len > 0 ? "," : "", quoted);
}

/* What an earlier truncation said: the size as it came, and its steps. */
static void read_note(const struct tb_cut *c, int object, int64_t *bytes, char *names, size_t cap)
{
    int note = object < 0 ? -1 : tb_doc_member(c->doc, object, "truncation");
    if (note < 0)
        return;
    int64_t before = tb_doc_int(c->doc, tb_doc_find(c->doc, note, "bytes"), 0);
    if (before > *bytes && before < INT64_C(1) << 40)
        *bytes = before;
    int steps = tb_doc_find(c->doc, note, "steps");
    for (size_t s = 0; s < tb_n_cut_steps && steps >= 0; s++) {
        for (int i = tb_doc_at(c->doc, steps)->first; i >= 0; i = tb_doc_at(c->doc, i)->next) {
            char name[32];
            if (tb_doc_copy(c->doc, i, name, sizeof(name)) &&
                strcmp(name, tb_cut_steps[s].name) == 0)
                add_name(names, cap, name);
        }
    }
}

static int is_object(const struct tb_cut *c, int node)
{
    return node >= 0 && tb_doc_at(c->doc, node)->type == TB_DOC_OBJECT;
}

static int add_note(struct tb_cut *c, const char *name, size_t came)
{
    char names[NOTE_BYTES / 2] = "";
    char note[NOTE_BYTES];
    char wrapped[NOTE_BYTES + 64];
    int64_t bytes = (int64_t)came;
    int notifier = tb_doc_member(c->doc, c->data, "notifier");
    int diagnostic = is_object(c, notifier) ? tb_doc_member(c->doc, notifier, "diagnostic") : -1;
    int place = is_object(c, diagnostic) ? diagnostic : diagnostic >= 0 ? notifier : -1;
    read_note(c, place, &bytes, names, sizeof(names));
    add_name(names, sizeof(names), name);
    int len = snprintf(note, sizeof(note), "{\"bytes\":%" PRId64 ",\"steps\":[%s]}", bytes, names);
    if (place >= 0)
        return tb_doc_set(c->doc, place, "truncation", note, (size_t)len);
    if (is_object(c, notifier)) {
        len = snprintf(wrapped, sizeof(wrapped), "{\"truncation\":%s}", note);
        return tb_doc_add(c->doc, notifier, "diagnostic", wrapped, (size_t)len);
    }
    len = snprintf(wrapped, sizeof(wrapped), "{\"diagnostic\":{\"truncation\":%s}}", note);
    return tb_doc_set(c->doc, c->data, "notifier", wrapped, (size_t)len);
}

/* Another document from the text: with the edits of the step, or with the note alone. 1 when there
 * was nothing to edit. */
static int edit(const struct tb_cut_step *step, int with_note, size_t max, size_t came,
                const struct tb_buf *text, struct tb_buf *next)
{
    char why[TB_DOC_WHY];
    struct tb_cut c = {.max = max};
    int err = tb_doc_new_large(tb_buf_str(text), text->len, &c.doc, why);
    if (err)
        return err;
    c.data = tb_item_data(c.doc);
    err = c.data < 0 ? -EBADMSG : with_note ? add_note(&c, step->name, came) : step->run(&c, step);
    if (!err && c.doc->n_edits == 0)
        err = 1;
    if (!err)
        err = tb_doc_render(c.doc, next);
    if (!err && next->len > TB_DOC_BYTES)
        err = -EMSGSIZE;
    tb_doc_free(c.doc);
    return err;
}

static void swap(struct tb_buf *a, struct tb_buf *b)
{
    struct tb_buf was = *a;
    *a = *b;
    *b = was;
}

/* The note is a second edit: it may stand inside of what the step replaced. */
static int run_step(const struct tb_cut_step *step, size_t max, size_t came, struct tb_buf *text,
                    struct tb_buf *spare)
{
    for (int with_note = 0; with_note < 2; with_note++) {
        tb_buf_reset(spare);
        int err = edit(step, with_note, max, came, text, spare);
        if (err)
            return err;
        swap(text, spare);
    }
    return 0;
}

/* 1 when the text is small enough in bytes and values; 0 when not; or a negative errno. */
static int fits(const char *text, size_t len, size_t max, char why[TB_DOC_WHY])
{
    struct tb_doc *doc = NULL;
    int err = tb_doc_new_large(text, len, &doc, why);
    if (err)
        return err;
    int small = len <= max && tb_doc_n_nodes(doc) <= TB_TRUNCATE_NODES;
    if (!small && tb_item_data(doc) < 0) {
        (void)snprintf(why, TB_DOC_WHY, "there is no data object");
        small = -EBADMSG;
    }
    tb_doc_free(doc);
    return small;
}

static int shrink(struct tb_buf *text, size_t max, char why[TB_DOC_WHY])
{
    size_t came = text->len;
    struct tb_buf spare;
    tb_buf_init(&spare, TB_DOC_BYTES + NOTE_ROOM);
    int state = 0;
    for (size_t s = 0; s < tb_n_cut_steps && state == 0; s++) {
        int err = run_step(&tb_cut_steps[s], max, came, text, &spare);
        if (err < 0)
            state = err;
        else if (err == 0 && text->len <= max)
            state = fits(tb_buf_str(text), text->len, max, why);
    }
    tb_buf_done(&spare);
    return state < 0 ? state : state == 1 ? 0 : -EMSGSIZE;
}

int tb_item_truncate(const char *text, size_t len, size_t max, struct tb_buf *out,
                     char why[TB_DOC_WHY])
{
    struct tb_buf copy;
    int state = fits(text, len, max, why);
    if (state < 0)
        return state;
    if (state == 1) {
        tb_buf_add(out, text, len);
        return out->err;
    }
    tb_buf_init(&copy, TB_DOC_BYTES + NOTE_ROOM);
    tb_buf_add(&copy, text, len);
    int err = copy.err ? copy.err : shrink(&copy, max, why);
    if (!err) {
        tb_buf_add(out, copy.data, copy.len);
        err = out->err;
    }
    if (err == -EMSGSIZE && why[0] == '\0')
        (void)snprintf(why, TB_DOC_WHY,
                       "what cannot be left out of the item is larger than %zu bytes", max);
    tb_buf_done(&copy);
    return err;
}
