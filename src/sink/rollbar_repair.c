/* rollbar_repair.c - another try with an item that Rollbar has refused.
 *
 * After 413 it is cut to 128 KiB, or to half of what it has: Rollbar's documentation names two
 * limits. After 400 and 422 what its schema does not take is taken out or put right; the sentences
 * that it refuses with are quoted in docs/delivery.md. All else stays as it came. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "item/doc.h"
#include "item/truncate.h"
#include "sink/rollbar.h"

enum { SMALL_BYTES = 128 << 10, LEAST_BYTES = 4 << 10, TRACES_MAX = 64, FRAMES_MAX = 4096 };

struct mend {
    struct tb_doc *doc;
    int data;
    int n_edits;
    int err;
};

static const struct tb_doc_node *at(const struct mend *mend, int node)
{
    return tb_doc_at(mend->doc, node);
}

static void take_out(struct mend *mend, int node)
{
    if (node < 0 || mend->err)
        return;
    mend->err = tb_doc_remove(mend->doc, node);
    mend->n_edits++;
}

static void set(struct mend *mend, int object, const char *key, const char *json)
{
    if (mend->err)
        return;
    mend->err = tb_doc_set(mend->doc, object, key, json, strlen(json));
    mend->n_edits++;
}

/* "data.context object value found, but a null is required." */
static void mend_types(struct mend *mend)
{
    static const struct {
        const char *key;
        int type;
        uint32_t max; /* bytes of text; 0: any */
    } MEMBERS[] = {{"level", TB_DOC_STRING, 10},        {"context", TB_DOC_STRING, 257},
                   {"code_version", TB_DOC_STRING, 42}, {"platform", TB_DOC_STRING, 0},
                   {"language", TB_DOC_STRING, 0},      {"framework", TB_DOC_STRING, 0},
                   {"fingerprint", TB_DOC_STRING, 0},   {"title", TB_DOC_STRING, 0},
                   {"timestamp", TB_DOC_NUMBER, 0},     {"request", TB_DOC_OBJECT, 0},
                   {"person", TB_DOC_OBJECT, 0},        {"server", TB_DOC_OBJECT, 0},
                   {"client", TB_DOC_OBJECT, 0},        {"custom", TB_DOC_OBJECT, 0},
                   {"notifier", TB_DOC_OBJECT, 0},      {"attributes", TB_DOC_ARRAY, 0}};
    for (size_t i = 0; i < sizeof(MEMBERS) / sizeof(MEMBERS[0]); i++) {
        int node = tb_doc_member(mend->doc, mend->data, MEMBERS[i].key);
        if (node >= 0 && (at(mend, node)->type != MEMBERS[i].type ||
                          (MEMBERS[i].max > 0 && at(mend, node)->len > MEMBERS[i].max)))
            take_out(mend, node);
    }
    int telemetry = tb_doc_find(mend->doc, mend->data, "body.telemetry");
    if (telemetry >= 0 && at(mend, telemetry)->type != TB_DOC_ARRAY)
        take_out(mend, telemetry);
    int person = tb_doc_member(mend->doc, mend->data, "person");
    if (person >= 0 && at(mend, person)->type == TB_DOC_OBJECT) {
        int id = tb_doc_member(mend->doc, person, "id");
        if (id < 0 || at(mend, id)->type != TB_DOC_STRING)
            take_out(mend, person);
    }
}

/* "data.level should be ..." */
static void mend_level(struct mend *mend)
{
    static const char *const LEVELS[] = {"critical", "error", "warning", "info", "debug"};
    char level[16];
    int node = tb_doc_member(mend->doc, mend->data, "level");
    if (!tb_doc_copy(mend->doc, node, level, sizeof(level)))
        return;
    for (size_t i = 0; i < sizeof(LEVELS) / sizeof(LEVELS[0]); i++) {
        if (strcmp(level, LEVELS[i]) == 0)
            return;
    }
    take_out(mend, node);
}

/* "data.body.trace.exception.message object value found, but a null is required." */
static void mend_trace(struct mend *mend, int trace)
{
    int message = tb_doc_find(mend->doc, trace, "exception.message");
    int description = tb_doc_find(mend->doc, trace, "exception.description");
    int frames = tb_doc_member(mend->doc, trace, "frames");
    if (message >= 0 && at(mend, message)->type != TB_DOC_STRING)
        take_out(mend, message);
    if (description >= 0 && at(mend, description)->type != TB_DOC_STRING)
        take_out(mend, description);
    if (frames < 0)
        set(mend, trace, "frames", "[]");
    if (frames < 0 || at(mend, frames)->type != TB_DOC_ARRAY)
        return;
    int n = 0;
    for (int frame = at(mend, frames)->first; frame >= 0 && n < FRAMES_MAX;
         frame = at(mend, frame)->next, n++) {
        int filename = at(mend, frame)->type == TB_DOC_OBJECT
                           ? tb_doc_member(mend->doc, frame, "filename")
                           : 0;
        if (filename < 0 || (filename > 0 && at(mend, filename)->type != TB_DOC_STRING))
            set(mend, frame, "filename", "\"<unknown>\"");
    }
}

/* "data.body must have either a 'trace', 'trace_chain', 'message' or 'crash_report' property, (but
 * not more than one)." The one with the most in it stays. */
static void mend_body(struct mend *mend)
{
    static const char *const KINDS[] = {"trace_chain", "trace", "crash_report", "message"};
    int body = tb_doc_member(mend->doc, mend->data, "body");
    int is_there = 0;
    for (size_t i = 0; i < sizeof(KINDS) / sizeof(KINDS[0]) && body >= 0; i++) {
        int kind = tb_doc_member(mend->doc, body, KINDS[i]);
        if (kind < 0)
            continue;
        if (is_there || at(mend, kind)->type == TB_DOC_NULL)
            take_out(mend, kind);
        else if (i == 1)
            mend_trace(mend, kind);
        else if (i == 0 && at(mend, kind)->type == TB_DOC_ARRAY) {
            int n = 0;
            for (int one = at(mend, kind)->first; one >= 0 && n < TRACES_MAX;
                 one = at(mend, one)->next, n++)
                mend_trace(mend, one);
        }
        is_there = is_there || at(mend, kind)->type != TB_DOC_NULL;
    }
}

static int mend_schema(const char *data, size_t len, struct tb_buf *out)
{
    char why[TB_DOC_WHY];
    struct mend mend = {NULL, 0, 0, 0};
    int err = tb_doc_new(data, len, &mend.doc, why);
    if (err < 0)
        return err == -ENOMEM ? err : 0;
    mend_types(&mend);
    mend_level(&mend);
    mend_body(&mend);
    err = mend.err;
    if (err == 0 && mend.n_edits > 0)
        err = tb_doc_render(mend.doc, out);
    tb_doc_free(mend.doc);
    return err < 0 ? err : mend.n_edits > 0;
}

static int shorten(const char *data, size_t len, struct tb_buf *out)
{
    char why[TB_DOC_WHY];
    size_t half = len / 2;
    if (len < LEAST_BYTES)
        return 0;
    int err = tb_item_truncate(data, len, half < SMALL_BYTES ? half : SMALL_BYTES, out, why);
    return err == -EMSGSIZE || err == -EBADMSG ? 0 : err < 0 ? err : 1;
}

int tb_rollbar_repair(int status, const char *data, size_t len, struct tb_buf *out)
{
    if (status == 413)
        return shorten(data, len, out);
    return status == 400 || status == 422 ? mend_schema(data, len, out) : 0;
}
