/* stages_read.c - the first stage: an item out of a record of any kind. See stages_read.h. */
#include "agent/pipeline/stages_read.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "agent/log.h"
#include "agent/native/native.h"
#include "agent/native/native_common.h"
#include "agent/deaths/vanished.h"
#include "agent/pipeline/ask_more.h"
#include "base/clock.h"
#include "base/pack.h"
#include "record/crash.h"
#include "record/process.h"

/* What a sender says that may not know the token, and whose SDK sends nothing without one. */
#define AGENTS_TOKEN "towbar"

enum { ADDRESSES_MAX = 1024, DROPS_MAX = 1 << 30, REASON_BYTES = 32, ERRORS_MAX = 133 };

/* ---- native records ---- */

/* The process that wrote the record; none is a poorer report, not an error. */
struct origin {
    struct tb_process process;
    int is_known;
    uint8_t *bytes; /* the packed record, for the symbolizer */
    size_t len;
};

enum { FIXED_BYTES = 64 }; /* what packing may add: the fixed chunk, where the record had none */

/* The symbolizer shows what the record's uid may read, so that has to be the file's owner, whatever
 * the record claims. Packing it anew also leaves nothing in it that two readers could read in two
 * ways. */
static int own_origin(struct origin *origin, uid_t owner, size_t len)
{
    origin->process.uid = owner;
    origin->bytes = malloc(len + FIXED_BYTES);
    if (origin->bytes == NULL)
        return -ENOMEM;
    origin->len = tb_process_pack(&origin->process, origin->bytes, len + FIXED_BYTES);
    origin->is_known = 1;
    return 0;
}

/* Unpacking copies: what the spool gives is borrowed until its next call. */
static int find_origin(const struct tb_stage_tools *tools, const struct tb_spool_record *record,
                       uint64_t generation, struct origin *out)
{
    const uint8_t *data;
    size_t len;
    memset(out, 0, sizeof(*out));
    if (tb_spool_context(tools->spool, record, generation, &data, &len) != 0 || len == 0)
        return 0;
    int err = tb_process_unpack(data, len, &out->process);
    if (err == -ENOMEM)
        return err;
    if (!err && (err = own_origin(out, record->uid, len)) < 0)
        tb_process_done(&out->process);
    return err == -ENOMEM ? err : 0;
}

static void forget_origin(struct origin *origin)
{
    if (origin->is_known)
        tb_process_done(&origin->process);
    free(origin->bytes);
}

static struct tb_native_context native_context(const struct tb_stage_tools *tools,
                                               const struct tb_work *work,
                                               const struct origin *origin)
{
    return (struct tb_native_context){
        .process = origin->is_known ? &origin->process : NULL,
        .uuid = work->record->uuid,
        .time_ns = work->record->time_ns,
        .is_truncated = (work->record->flags & TB_FRAME_TRUNCATED) != 0,
        .environment = tools->config->environment,
        .host = tools->host,
        .rules = &tools->config->rules,
    };
}

/* After err, the same crash without its other threads: they shall not cost it its frames. err where
 * there are none. */
static int ask_without_threads(const struct tb_stage_tools *tools,
                               const struct tb_symbolizer_question *question, uid_t uid, int err,
                               struct tb_buf *answer)
{
    struct tb_symbolizer_question less = *question;
    struct tb_buf body;
    struct tb_chunk chunk;
    size_t at = 0;
    size_t from = 0;
    tb_buf_init(&body, TB_SYMBOL_BODY_MAX);
    while (tb_chunk_next(question->body, question->body_len, &at, &chunk) != -ENODATA) {
        if (chunk.tag != TB_CRASH_THREAD)
            tb_buf_add(&body, (const uint8_t *)question->body + from, at - from);
        from = at;
    }
    less.body = tb_buf_str(&body);
    less.body_len = body.len;
    if (!body.err && body.len < question->body_len) {
        tb_log(TB_LOG_WARNING,
               "the symbolizer failed over a crash with its other threads: %s; it is asked "
               "without them",
               strerror(-err));
        err = tb_stage_ask(tools, &less, uid, answer);
    }
    tb_buf_done(&body);
    return err;
}

/* Asks the symbolizer; a failure becomes a note in the item. */
static void ask(const struct tb_stage_tools *tools, const struct origin *origin,
                struct tb_symbolizer_question question, struct tb_buf *answer,
                char note[TB_STAGE_WHY], struct tb_native_context *context)
{
    context->symbols_note = note;
    if (!origin->is_known) {
        snprintf(note, TB_STAGE_WHY, "not symbolized: the process record is missing");
        return;
    }
    uid_t uid = origin->process.uid;
    if (!tb_patience_has(tools->patience, uid, tb_clock_mono_ns())) {
        snprintf(note, TB_STAGE_WHY,
                 "not symbolized: the records of user %u took more of the symbolizer's time than "
                 "symbols.user_budget_ms, %u ms of a minute",
                 (unsigned)uid, tb_patience_budget_ms(tools->patience));
        return;
    }
    question.process = origin->bytes;
    question.process_len = origin->len;
    int err = tb_stage_ask(tools, &question, uid, answer);
    if (err && question.op == TB_SYMBOL_CRASH)
        err = ask_without_threads(tools, &question, uid, err, answer);
    if (err) {
        const char *what = err == -ETIMEDOUT ? "it did not answer in time"
                           : err == -EPIPE   ? "it died over this record"
                                             : strerror(-err);
        snprintf(note, TB_STAGE_WHY, "not symbolized: the symbolizer failed: %s", what);
        tb_log(TB_LOG_WARNING, "%s", note);
        return;
    }
    tb_stage_ask_more(tools, &question, uid, answer);
    context->symbols = tb_buf_str(answer);
    context->symbols_len = answer->len;
}

/* Ordinary ends are counted without a word. */
static void tell_vanished(struct tb_work *work, const struct tb_crash *crash,
                          const struct tb_death *death, const struct tb_native_context *context,
                          const char *counter)
{
    char brief[TB_VANISHED_TEXT];
    int is_only_counted = counter != NULL && strcmp(counter, TB_VANISHED_UNREPORTED) == 0;
    snprintf(work->counter, sizeof(work->counter), "%s",
             counter == NULL ? TB_VANISHED_REPORTED : "");
    if (counter != NULL) {
        snprintf(work->drop_counter, sizeof(work->drop_counter), "%s", counter);
        work->n_dropped = 1;
    }
    if (counter != NULL && !is_only_counted)
        return;
    tb_vanished_brief(crash, death, context, brief);
    snprintf(work->told, sizeof(work->told), "%.200s%s", brief,
             is_only_counted ? "; counted, not reported (vanished: count)" : "");
}

/* A process that died unseen; nobody can be asked for a stack. */
static int read_vanished(const struct tb_stage_tools *tools, struct tb_work *work,
                         const struct tb_crash *crash)
{
    struct tb_death death = {.how = TB_DEATH_UNKNOWN};
    struct origin origin;
    if (tools->deaths != NULL && tb_deaths_ask(tools->deaths, work->record, &death) != 0 &&
        tools->may_wait)
        return -EAGAIN;
    const char *counter = tb_vanished_counter(&death, tools->config->counts_vanished);
    int err = find_origin(tools, work->record, crash->fixed.generation, &origin);
    if (!err) {
        struct tb_native_context context = native_context(tools, work, &origin);
        tell_vanished(work, crash, &death, &context, counter);
        work->occurred_ns = tb_vanished_wall_ns(crash, &death, &context);
        if (counter == NULL)
            err = tb_vanished_item(crash, &death, &context, &work->item);
    }
    forget_origin(&origin);
    return err;
}

static int read_crash(const struct tb_stage_tools *tools, struct tb_work *work)
{
    struct tb_crash crash;
    struct origin origin;
    struct tb_buf answer;
    char note[TB_STAGE_WHY] = "";
    int err = tb_crash_unpack(work->record->data, work->record->len, &crash);
    if (err == -ENOMEM)
        return err;
    if (err)
        return tb_stage_refuse(work, "the crash record has no usable beginning");
    if (crash.fixed.signo == 0) {
        err = read_vanished(tools, work, &crash);
        tb_crash_done(&crash);
        return err;
    }
    tb_buf_init(&answer, TB_SYMBOL_REPLY_MAX);
    err = find_origin(tools, work->record, crash.fixed.generation, &origin);
    if (!err) {
        struct tb_native_context context = native_context(tools, work, &origin);
        struct tb_symbolizer_question question = {
            .op = TB_SYMBOL_CRASH, .body = work->record->data, .body_len = work->record->len};
        ask(tools, &origin, question, &answer, note, &context);
        err = tb_native_crash(&crash, &context, &work->item, work->why);
        if (crash.fixed.wall_ns != 0)
            work->occurred_ns = crash.fixed.wall_ns;
    }
    tb_buf_done(&answer);
    forget_origin(&origin);
    tb_crash_done(&crash);
    return err;
}

/* The addresses of the report as the symbolizer wants them, and the generation of its process. */
static int report_question(const struct tb_work *work, uint8_t *body, size_t *body_len,
                           uint64_t *generation)
{
    struct tb_doc *doc = NULL;
    struct tb_doc *data = NULL;
    char text[32];
    char why[TB_DOC_WHY];
    const char *json = (const char *)work->record->data;
    int err = tb_doc_new(json, work->record->len, &doc, why);
    int node = err ? -1 : tb_doc_member(doc, 0, "data");
    if (node >= 0)
        err = tb_doc_new(json + tb_doc_at(doc, node)->at, tb_doc_at(doc, node)->len, &data, why);
    *body_len = 0;
    *generation = 0;
    if (data != NULL) {
        uint64_t addresses[ADDRESSES_MAX];
        size_t n = tb_native_addresses(data, addresses, ADDRESSES_MAX);
        for (size_t i = 0; i < n; i++)
            tb_put64(body + 8 * i, addresses[i]);
        *body_len = 8 * n;
        (void)tb_doc_copy(data, tb_doc_find(data, 0, "custom.native.generation"), text,
                          sizeof(text));
        if (strncmp(text, "0x", 2) == 0)
            *generation = strtoull(text + 2, NULL, 16); /* nonsense finds no record */
    }
    tb_doc_free(data);
    tb_doc_free(doc);
    return err == -ENOMEM ? err : 0;
}

static int read_report(const struct tb_stage_tools *tools, struct tb_work *work)
{
    uint8_t body[8 * ADDRESSES_MAX];
    struct tb_symbolizer_question question = {.op = TB_SYMBOL_ADDRESSES, .body = body};
    struct origin origin;
    struct tb_buf answer;
    char note[TB_STAGE_WHY] = "";
    uint64_t generation;
    int err = report_question(work, body, &question.body_len, &generation);
    if (err)
        return err;
    tb_buf_init(&answer, TB_SYMBOL_REPLY_MAX);
    err = find_origin(tools, work->record, generation, &origin);
    if (!err) {
        struct tb_native_context context = native_context(tools, work, &origin);
        if (question.body_len > 0)
            ask(tools, &origin, question, &answer, note, &context);
        err = tb_native_report((const char *)work->record->data, work->record->len, &context,
                               &work->item, work->why);
    }
    tb_buf_done(&answer);
    forget_origin(&origin);
    return err;
}

/* ---- complete items and counts ---- */

/* What Rollbar requires or the database needs, and the sender left out. */
static int add_missing(const struct tb_stage_tools *tools, const struct tb_work *work,
                       struct tb_doc *data)
{
    char json[2048];
    int err = 0;
    int uuid = tb_doc_member(data, 0, "uuid");
    int environment = tb_doc_member(data, 0, "environment");
    if (uuid < 0 || tb_doc_at(data, uuid)->type != TB_DOC_STRING || tb_doc_at(data, uuid)->len < 3)
        err = tb_doc_set(data, 0, "uuid", json, tb_native_string(work->uuid, json, sizeof(json)));
    if (!err && (environment < 0 || tb_doc_at(data, environment)->type != TB_DOC_STRING ||
                 tb_doc_at(data, environment)->len < 3))
        err = tb_doc_set(data, 0, "environment", json,
                         tb_native_string(tools->config->environment, json, sizeof(json)));
    if (!err && tb_doc_member(data, 0, "timestamp") < 0) {
        int len = snprintf(json, sizeof(json), "%" PRIu64, work->record->time_ns / TB_NS_PER_S);
        err = tb_doc_add(data, 0, "timestamp", json, (size_t)len);
    }
    return err;
}

/* The data object becomes the item; the record is lent for a moment only, so it is copied. */
static int take_data(const struct tb_stage_tools *tools, struct tb_work *work, const char *text,
                     const struct tb_doc *envelope, int node)
{
    const struct tb_doc_node *at = tb_doc_at(envelope, node);
    tb_buf_add(&work->item, text + at->at, at->len);
    int err = work->item.err;
    if (!err)
        err = tb_doc_part(envelope, node, tb_buf_str(&work->item), &work->doc);
    return err ? err : add_missing(tools, work, work->doc);
}

static int read_item(const struct tb_stage_tools *tools, struct tb_work *work)
{
    const char *text = (const char *)work->record->data;
    struct tb_doc *envelope = NULL;
    int err = tb_doc_new(text, work->record->len, &envelope, work->why);
    if (err)
        return err;
    int node = tb_item_data(envelope);
    if (node < 0 || tb_doc_at(envelope, node)->type != TB_DOC_OBJECT)
        err = tb_stage_refuse(work, "the item has no data object with a body");
    else
        err = take_data(tools, work, text, envelope, node);
    if (!err)
        (void)tb_doc_copy(envelope, tb_doc_member(envelope, 0, "access_token"), work->token,
                          sizeof(work->token));
    if (strcmp(work->token, AGENTS_TOKEN) == 0)
        work->token[0] = '\0';
    tb_doc_free(envelope);
    return err;
}

/* Each reason is a row of the database for ever, and who may write to the spool writes what he
 * likes: names of errors are taken, and what the library says beside them. */
static bool is_known_reason(const char *reason)
{
    static const char *const words[] = {"rate", "rate-limit", "unknown"};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (strcasecmp(reason, words[i]) == 0)
            return true;
    for (int error = 1; error <= ERRORS_MAX; error++) {
        const char *name = strerrorname_np(error);
        if (name != NULL && strcasecmp(reason, name) == 0)
            return true;
    }
    return false;
}

/* The reason becomes the name of a counter: ENOSPC counts as dropped.enospc. */
static void take_reason(const struct tb_doc *doc, char reason[REASON_BYTES])
{
    if (!tb_doc_copy(doc, tb_doc_member(doc, 0, "reason"), reason, REASON_BYTES) ||
        !is_known_reason(reason))
        snprintf(reason, REASON_BYTES, "other");
    for (char *c = reason; *c != '\0'; c++)
        if (*c >= 'A' && *c <= 'Z')
            *c = (char)(*c - 'A' + 'a');
}

/* {"class":N,"count":N,"reason":"..."} */
static int read_dropcount(struct tb_work *work)
{
    struct tb_doc *doc = NULL;
    char reason[REASON_BYTES];
    int err = tb_doc_new((const char *)work->record->data, work->record->len, &doc, work->why);
    if (err)
        return err;
    work->n_dropped = tb_doc_int(doc, tb_doc_member(doc, 0, "count"), 0);
    take_reason(doc, reason);
    tb_doc_free(doc);
    if (work->n_dropped <= 0 || work->n_dropped > DROPS_MAX)
        return tb_stage_refuse(work,
                               "the count of dropped records is not a number that can be true");
    snprintf(work->drop_counter, sizeof(work->drop_counter), "dropped.%s", reason);
    return 0;
}

int tb_stage_read(const struct tb_stage_tools *tools, struct tb_work *work)
{
    switch (work->record->kind) {
    case TB_KIND_CRASH:
        return read_crash(tools, work);
    case TB_KIND_NATIVE:
        return read_report(tools, work);
    case TB_KIND_ITEM:
        return read_item(tools, work);
    case TB_KIND_DROPCOUNT:
        return read_dropcount(work);
    default:
        return tb_stage_refuse(work, "this program does not know the kind of the record");
    }
}
