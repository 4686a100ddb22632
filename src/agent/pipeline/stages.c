/* stages.c - see stages.h. */
#include "agent/pipeline/stages.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/pipeline/stages_limit.h"
#include "agent/pipeline/stages_read.h"
#include "base/clock.h"
#include "item/truncate.h"

static const uint64_t SOON_NS = TB_NS_PER_S; /* how long an SDK takes to send */

enum {
    ITEM_MAX_BYTES = 4 << 20,
    SENT_MAX_BYTES = (512 << 10) - 16, /* the envelope of src/sink/rollbar.c comes around it */
};

typedef int stage_run(const struct tb_stage_tools *tools, struct tb_work *work);

static stage_run find_trace, scrub, group, cut_to_size, take_facts;

/* In this order. A stage that names a counter in work->drop_counter is the last one: the record is
 * counted, not stored. What is only counted by its limit is known last: it may have to stand for
 * others. */
static const struct {
    const char *name;
    stage_run *run;
} stages[] = {
    /* By kind. What is native is unwound and symbolized in it, by one question to the symbolizer's
     * process, as an item can only be written with the answer. */
    {"read, unwind, symbolize", tb_stage_read},
    {"trace", find_trace},
    {"scrub", scrub}, /* after everything that adds text */
    {"group", group}, /* of all frames; what made a group is shown, so after scrub */
    {"size", cut_to_size},
    {"facts", take_facts}, /* for the database's columns */
    {"limit", tb_stage_limit},
};

int tb_stage_refuse(struct tb_work *work, const char *why)
{
    snprintf(work->why, sizeof(work->why), "%s", why);
    return -EBADMSG;
}

/* ---- the item between the stages ---- */

/* Takes text over as the item, or drops it where err says so. Consumes text. */
static int replace_item(struct tb_work *work, struct tb_buf *text, int err)
{
    if (err) {
        tb_buf_done(text);
        return err;
    }
    tb_doc_free(work->doc); /* it borrows from the item */
    work->doc = NULL;
    tb_buf_done(&work->item);
    work->item = *text;
    return 0;
}

int tb_work_text(struct tb_work *work)
{
    struct tb_buf text;
    if (work->doc == NULL || !tb_doc_is_edited(work->doc))
        return 0;
    tb_buf_init(&text, ITEM_MAX_BYTES);
    return replace_item(work, &text, tb_doc_render(work->doc, &text));
}

int tb_work_edit(struct tb_work *work, struct tb_doc **out)
{
    int err = 0;
    if (work->doc == NULL)
        err = tb_doc_new(tb_buf_str(&work->item), work->item.len, &work->doc, work->why);
    *out = work->doc;
    return err;
}

int tb_work_doc(struct tb_work *work, struct tb_doc **out)
{
    int err = tb_work_text(work);
    return err ? err : tb_work_edit(work, out);
}

/* ---- the stages that edit ---- */

static int find_trace(const struct tb_stage_tools *tools, struct tb_work *work)
{
    struct tb_doc *doc;
    int err = tb_work_edit(work, &doc);
    return err ? err : tb_trace_ids_complete(doc, tools->scrub, &work->ids);
}

/* What was edited so far are IDs, words of the agent's own settings, and what find_trace has
 * scrubbed itself. */
static int scrub(const struct tb_stage_tools *tools, struct tb_work *work)
{
    struct tb_doc *doc;
    size_t n_scrubbed = 0;
    int err = tb_work_edit(work, &doc);
    return err ? err : tb_scrub_item(tools->scrub, doc, &n_scrubbed);
}

static int group(const struct tb_stage_tools *tools, struct tb_work *work)
{
    struct tb_doc *doc;
    char json[TB_FINGERPRINT_TEXT + 2];
    int is_native = work->record->kind != TB_KIND_ITEM;
    (void)tools;
    int err = tb_work_doc(work, &doc);
    if (!err)
        err = tb_group_item(doc, is_native, &work->group);
    if (!err && is_native) {
        int len = snprintf(json, sizeof(json), "\"%s\"", work->group.fingerprint);
        err = tb_doc_set(doc, 0, "fingerprint", json, (size_t)len);
    }
    return err;
}

/* What Rollbar would refuse for its size; a smaller one is not looked at. */
static int cut_to_size(const struct tb_stage_tools *tools, struct tb_work *work)
{
    struct tb_buf text;
    (void)tools;
    int err = tb_work_text(work);
    if (err || work->item.len <= SENT_MAX_BYTES)
        return err;
    tb_buf_init(&text, SENT_MAX_BYTES);
    err =
        tb_item_truncate(tb_buf_str(&work->item), work->item.len, SENT_MAX_BYTES, &text, work->why);
    return replace_item(work, &text, err);
}

/* An item's own time has whole seconds. The record was written at that moment or soon after: where
 * it can be, its time is taken, or else a crash and the error it led to would change places. */
static uint64_t within_second(uint64_t second_ns, uint64_t record_ns)
{
    uint64_t last_ns = second_ns + TB_NS_PER_S - 1;
    if (record_ns < second_ns || record_ns > last_ns + SOON_NS)
        return second_ns;
    return record_ns < last_ns ? record_ns : last_ns;
}

static int take_facts(const struct tb_stage_tools *tools, struct tb_work *work)
{
    struct tb_doc *doc;
    (void)tools;
    int err = tb_work_doc(work, &doc);
    if (err)
        return err;
    tb_item_read(doc, 0, &work->facts);
    (void)tb_doc_copy(doc, tb_doc_find(doc, 0, "custom.service"), work->service,
                      sizeof(work->service));
    if (work->facts.body == TB_BODY_NONE)
        err = tb_stage_refuse(work, "the item has no body, or several");
    else if (strlen(work->facts.uuid) >= TB_UUID_TEXT)
        err = tb_stage_refuse(work, "the item's uuid has more than 36 bytes");
    else
        snprintf(work->uuid, sizeof(work->uuid), "%.36s", work->facts.uuid);
    if (work->record->kind == TB_KIND_ITEM && work->facts.timestamp > 0 &&
        work->facts.timestamp < INT64_MAX / TB_NS_PER_S)
        work->occurred_ns =
            within_second((uint64_t)work->facts.timestamp * TB_NS_PER_S, work->record->time_ns);
    return err;
}

int tb_stages_run(const struct tb_stage_tools *tools, const struct tb_spool_record *record,
                  struct tb_work *work)
{
    memset(work, 0, sizeof(*work));
    work->record = record;
    work->occurred_ns = record->time_ns;
    tb_buf_init(&work->item, ITEM_MAX_BYTES);
    tb_id_uuid_text(record->uuid, work->uuid);
    int err = 0;
    for (size_t s = 0; s < sizeof(stages) / sizeof(stages[0]) && !err; s++) {
        if (work->drop_counter[0] != '\0')
            break;
        err = stages[s].run(tools, work);
        if (err && work->why[0] == '\0')
            snprintf(work->why, sizeof(work->why), "stage %s: %s", stages[s].name, strerror(-err));
    }
    if (!err)
        err = tb_work_text(work);
    tb_doc_free(work->doc);
    work->doc = NULL;
    work->record = NULL;
    return err;
}

void tb_work_done(struct tb_work *work)
{
    if (work == NULL)
        return;
    tb_doc_free(work->doc);
    tb_buf_done(&work->item);
    tb_group_done(&work->group);
}
