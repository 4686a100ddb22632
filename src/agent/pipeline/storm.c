/* storm.c - see storm.h. */
#include "agent/pipeline/storm.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "agent/native/native.h"
#include "base/clock.h"
#include "base/json.h"
#include "item/truncate.h"

enum { DATA_BYTES = 16 << 10, INPUTS_BYTES = 4 << 10, SENTENCE_BYTES = 512, DATA_MAX = 4 << 20 };

/* ---- a service's message ---- */

static void write_notice(const struct tb_storm_notice *notice, const char *host, struct tb_json *j)
{
    const struct tb_occurrence *o = &notice->occurrence;
    tb_json_object(j);
    tb_json_kstr(j, "uuid", o->uuid);
    tb_json_kint(j, "timestamp", (int64_t)(o->occurred_ns / TB_NS_PER_S));
    tb_json_kstr(j, "environment", o->environment);
    tb_json_kstr(j, "level", o->level);
    tb_json_kstr(j, "platform", "linux");
    tb_json_kstr(j, "language", "c");
    tb_json_kstr(j, "title", notice->title);
    tb_json_kstr(j, "fingerprint", notice->fingerprint);
    tb_json_key(j, "server");
    tb_json_object(j);
    tb_json_kopt(j, "host", host);
    tb_json_end(j);
    tb_json_key(j, "notifier");
    tb_json_object(j);
    tb_json_kstr(j, "name", "towbar");
    tb_json_kstr(j, "version", TOWBAR_VERSION);
    tb_json_end(j);
    tb_json_key(j, "custom");
    tb_json_object(j);
    tb_json_kopt(j, "service", notice->service);
    tb_json_end(j);
    tb_json_key(j, "body");
    tb_json_object(j);
    tb_json_key(j, "message");
    tb_json_object(j);
    tb_json_kstr(j, "body", notice->title);
}

static void write_inputs(const struct tb_storm_notice *notice, struct tb_json *j)
{
    tb_json_object(j);
    tb_json_kstr(j, "by", "storm");
    tb_json_kstr(j, "service", notice->service);
    tb_json_kstr(j, "why", "events of one service over limits.service_per_minute");
}

static void put_json(void (*write)(const struct tb_storm_notice *notice, struct tb_json *j),
                     const struct tb_storm_notice *notice, struct tb_buf *out)
{
    char mem[INPUTS_BYTES];
    struct tb_json j;
    tb_json_init(&j, mem, sizeof(mem));
    write(notice, &j);
    (void)tb_json_finish(&j);
    tb_buf_add(out, mem, j.len);
}

static void put_data(const struct tb_storm_notice *notice, const char *host, struct tb_buf *out)
{
    char mem[DATA_BYTES]; /* every name is short */
    struct tb_json j;
    tb_json_init(&j, mem, sizeof(mem));
    write_notice(notice, host, &j);
    (void)tb_json_finish(&j);
    tb_buf_add(out, mem, j.len);
}

static int set_fingerprint(struct tb_storm_notice *notice)
{
    struct tb_buf text;
    tb_buf_init(&text, INPUTS_BYTES);
    tb_buf_addf(&text, "towbar storm 1\n%s", notice->service);
    int err = tb_group_digest(&text, notice->fingerprint);
    tb_buf_done(&text);
    return err;
}

int tb_storm_notice(const struct tb_occurrence *event, int is_shared, const char *host,
                    struct tb_storm_notice *out)
{
    memset(out, 0, sizeof(*out));
    tb_buf_init(&out->inputs, INPUTS_BYTES);
    tb_buf_init(&out->data, DATA_BYTES);
    snprintf(out->service, sizeof(out->service), "%s", is_shared ? "" : event->service);
    if (is_shared)
        snprintf(out->title, sizeof(out->title), "events of very many services, too fast to keep");
    else if (event->service[0] == '\0')
        snprintf(out->title, sizeof(out->title), "events of no service, too fast to keep");
    else
        snprintf(out->title, sizeof(out->title), "service %.150s: events too fast to keep",
                 event->service);
    int err = set_fingerprint(out);
    out->occurrence = *event;
    out->occurrence.fingerprint = out->fingerprint;
    out->occurrence.service = out->service;
    out->occurrence.title = out->title;
    out->occurrence.level = "warning";
    out->occurrence.framework = "";
    put_json(write_inputs, out, &out->inputs);
    put_data(out, host, &out->data);
    out->occurrence.group_inputs = tb_buf_str(&out->inputs);
    out->occurrence.data = tb_buf_str(&out->data);
    out->occurrence.data_len = out->data.len;
    return err ? err : (out->inputs.err ? out->inputs.err : out->data.err);
}

void tb_storm_notice_done(struct tb_storm_notice *notice)
{
    tb_buf_done(&notice->inputs);
    tb_buf_done(&notice->data);
}

/* ---- what was counted ---- */

static int is_of_service(const struct tb_storm *storm)
{
    return storm->kinds > 0;
}

static void say(const struct tb_storm *storm, const char *since, const char *until,
                char out[SENTENCE_BYTES])
{
    if (!is_of_service(storm))
        snprintf(out, SENTENCE_BYTES,
                 "%" PRId64 " more like this between %s and %s were counted, not kept one by one",
                 storm->repeated, since, until);
    else
        snprintf(out, SENTENCE_BYTES,
                 "%" PRId64 " events of %" PRId64
                 "%s kinds came faster than limits.service_per_minute between %s and %s and were "
                 "not kept one by one",
                 storm->repeated + 1, storm->kinds,
                 storm->kinds >= TB_STORE_KINDS ? " or more" : "", since, until);
}

static int put_custom(struct tb_doc *doc, const char *json, size_t len)
{
    char custom[SENTENCE_BYTES * 4];
    int node = tb_doc_member(doc, 0, "custom");
    const struct tb_doc_node *at = node >= 0 ? tb_doc_at(doc, node) : NULL;
    if (at != NULL && at->type == TB_DOC_OBJECT)
        return tb_doc_set(doc, node, "towbar", json, len);
    /* Beside what is neither an object nor empty: it is somebody's. */
    if (at != NULL && at->type != TB_DOC_NULL && (at->type != TB_DOC_ARRAY || at->n_members > 0))
        return tb_doc_set(doc, 0, "towbar", json, len);
    int n = snprintf(custom, sizeof(custom), "{\"towbar\":%.*s}", (int)len, json);
    return n < (int)sizeof(custom) ? tb_doc_set(doc, 0, "custom", custom, (size_t)n) : -EMSGSIZE;
}

static int edit(struct tb_doc *doc, const struct tb_storm *storm)
{
    char mem[SENTENCE_BYTES * 3];
    char since[32];
    char until[32];
    char sentence[SENTENCE_BYTES];
    struct tb_json j;
    tb_native_time((uint64_t)storm->since_ns, since);
    tb_native_time((uint64_t)storm->until_ns, until);
    say(storm, since, until, sentence);
    tb_json_init(&j, mem, sizeof(mem));
    tb_json_object(&j);
    tb_json_kint(&j, "repeated", storm->repeated);
    if (is_of_service(storm))
        tb_json_kint(&j, "kinds", storm->kinds);
    tb_json_kstr(&j, "since", since);
    tb_json_kstr(&j, "until", until);
    tb_json_kstr(&j, "note", sentence);
    int err = tb_json_finish(&j);
    if (!err)
        err = put_custom(doc, mem, j.len);
    if (err || !is_of_service(storm))
        return err;
    tb_json_init(&j, mem, sizeof(mem));
    tb_json_str(&j, sentence);
    err = tb_json_finish(&j);
    int node = tb_doc_find(doc, 0, "body.message");
    return err || node < 0 ? err : tb_doc_set(doc, node, "body", mem, j.len);
}

int tb_storm_tell(const struct tb_storm *storm, size_t max, struct tb_buf *out)
{
    char why[TB_DOC_WHY];
    struct tb_doc *doc = NULL;
    struct tb_buf text;
    if (storm->repeated == 0 && !is_of_service(storm))
        return 0;
    tb_buf_init(&text, DATA_MAX);
    int err = tb_doc_new(storm->data, storm->data_len, &doc, why);
    if (!err && !(err = edit(doc, storm)))
        err = tb_doc_render(doc, &text);
    tb_doc_free(doc);
    if (!err)
        err = tb_item_truncate(tb_buf_str(&text), text.len, max, out, why);
    tb_buf_done(&text);
    return err;
}
