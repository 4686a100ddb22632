/* ingest.c - see ingest.h. */
#include "agent/serve/ingest.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/config/config.h"
#include "agent/serve/form.h"
#include "agent/native/native_common.h"
#include "base/clock.h"
#include "base/fd.h"
#include "http/http.h"
#include "item/read.h"
#include "item/truncate.h"
#include "spool/dir.h"

enum {
    UUID_MAX_BYTES = TB_UUID_TEXT - 1, /* as the database's column */
    ADDED_MAX_BYTES = 1024,            /* uuid and token, with their keys */
    TAKEN_MAX_BYTES = TB_PAYLOAD_MAX_BYTES - ADDED_MAX_BYTES,
    SENT_MAX_BYTES = (512 << 10) - (4 << 10) /* of an item for Rollbar, without what is added */
};

static const struct {
    const char *level;
    int class_;
} classes[] = {{"critical", TB_CLASS_CRASH},
               {"error", TB_CLASS_ERROR},
               {"warning", TB_CLASS_WARNING},
               {"info", TB_CLASS_INFO},
               {"debug", TB_CLASS_INFO}};

int tb_ingest_open(struct tb_ingest *ingest, const char *spool, char *why)
{
    memset(ingest, 0, sizeof(*ingest));
    ingest->dirfd = tb_spool_dir_open(spool, 0, why);
    if (ingest->dirfd < 0)
        return ingest->dirfd;
    for (int i = 0; i < TB_N_CLASSES; i++) {
        tb_writer_init(&ingest->writers[i], i, ingest->dirfd);
        tb_id_boot(ingest->writers[i].boot_id);
    }
    return 0;
}

void tb_ingest_close(struct tb_ingest *ingest)
{
    for (int i = 0; i < TB_N_CLASSES; i++)
        tb_writer_close(&ingest->writers[i]);
    tb_fd_close(&ingest->dirfd);
}

static int refuse(struct tb_ingest_reply *out, int status, const char *message)
{
    out->status = status;
    snprintf(out->message, sizeof(out->message), "%s", message);
    return -EBADMSG;
}

/* -1 when that is no level. */
static int class_named(const char *level)
{
    for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++)
        if (strcmp(classes[i].level, level) == 0)
            return classes[i].class_;
    return -1;
}

static int class_of(const struct tb_doc *doc, int data)
{
    char level[TB_ITEM_SHORT];
    struct tb_item facts;
    (void)tb_doc_copy(doc, tb_doc_member(doc, data, "level"), level, sizeof(level));
    int class_ = class_named(level);
    if (class_ >= 0)
        return class_;
    tb_item_read(doc, data, &facts); /* it knows what an item is without one */
    class_ = class_named(facts.level);
    return class_ >= 0 ? class_ : TB_CLASS_ERROR;
}

/* The frame's uuid has 16 bytes, Rollbar's is any text: what is no UUID is hashed. */
static int frame_uuid(const char *text, uint8_t out[TB_UUID_BYTES])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    if (tb_id_uuid_parse(text, out) == 0)
        return 0;
    if (EVP_Digest(text, strlen(text), digest, &len, EVP_sha1(), NULL) != 1)
        return -ENOMEM;
    memcpy(out, digest, TB_UUID_BYTES);
    return 0;
}

static int set_string(struct tb_doc *doc, int object, const char *key, const char *text)
{
    char json[512];
    size_t len = tb_native_string(text, json, sizeof(json));
    return tb_doc_set(doc, object, key, json, len);
}

/* Is it the same text wherever it is written, and harmless there? tb_doc_copy has U+FFFD for NUL
 * and half a surrogate pair: such an item would never be told from another one. */
static int is_name(const char *uuid)
{
    for (const char *c = uuid; *c != '\0'; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f ||
            (*c == '\xc2' && (unsigned char)c[1] < 0xa0)) /* U+0080 to U+009F */
            return 0;
    return strstr(uuid, "\xef\xbf\xbd") == NULL;
}

/* Is it the body's token? */
static int has_token(const struct tb_doc *doc, const char *token)
{
    char offered[TB_ITEM_SHORT];
    return token != NULL &&
           tb_doc_copy(doc, tb_doc_member(doc, 0, "access_token"), offered, sizeof(offered)) &&
           tb_http_is_token(token, offered, strlen(offered));
}

/* Completes uuid and token in the text that is spooled. */
static int complete(struct tb_doc *doc, int data, const struct tb_ingest_token *token,
                    struct tb_ingest_reply *out, struct tb_buf *text)
{
    int node = tb_doc_member(doc, data, "uuid");
    int has_uuid =
        node >= 0 && tb_doc_at(doc, node)->type == TB_DOC_STRING && tb_doc_at(doc, node)->len > 2;
    int err = 0;
    if (has_uuid) {
        char uuid[TB_ITEM_SHORT];
        (void)tb_doc_copy(doc, node, uuid, sizeof(uuid));
        if (strlen(uuid) > UUID_MAX_BYTES)
            return refuse(out, 422,
                          "Invalid format. data.uuid should be at most 36 bytes of UTF-8.");
        if (!is_name(uuid))
            return refuse(out, 422,
                          "Invalid format. data.uuid has a control character or half a character.");
        snprintf(out->uuid, sizeof(out->uuid), "%.36s", uuid);
    } else {
        uint8_t uuid[TB_UUID_BYTES];
        tb_id_uuid(uuid);
        tb_id_uuid_text(uuid, out->uuid);
        err = set_string(doc, data, "uuid", out->uuid);
    }
    int has_header = token->header != NULL && token->header[0] != '\0';
    if (!err && has_header && !has_token(doc, token->header))
        err = set_string(doc, 0, "access_token", token->header);
    else if (!err && !has_header && has_token(doc, token->ours))
        err = set_string(doc, 0, "access_token", ""); /* the agent's, later */
    return err ? err : tb_doc_render(doc, text);
}

static int check_token(const struct tb_doc *doc, const struct tb_ingest_token *shown,
                       struct tb_ingest_reply *out)
{
    const char *token = shown->header != NULL ? shown->header : "";
    if (shown->must_show && !has_token(doc, shown->ours))
        return refuse(out, 401,
                      "access_token is missing and it is required: to senders from other hosts "
                      "that of ingest.token_file");
    for (const char *t = token; *t != '\0'; t++)
        if (*t <= ' ' || *t >= 0x7f || t - token >= TB_CONFIG_TOKEN_MAX)
            return refuse(out, 403, "access token not found: it is no token by its form");
    return 0;
}

/* What Rollbar would refuse is refused here, in its words: later nobody would hear it. */
static int check_item(const struct tb_doc *doc, int data, struct tb_ingest_reply *out)
{
    char problems[1][TB_ITEM_PROBLEM];
    char message[TB_INGEST_MESSAGE];
    if (tb_item_problems(doc, data, problems, 1) == 0)
        return 0;
    snprintf(message, sizeof(message), "Invalid format. %s", problems[0]);
    return refuse(out, 422, message);
}

/* The data object of what Rollbar would take too, or a negative errno. */
static int find_data(const struct tb_doc *doc, const struct tb_ingest_token *token,
                     struct tb_ingest_reply *out)
{
    int data = tb_item_data(doc);
    int err = tb_doc_at(doc, 0)->type == TB_DOC_OBJECT
                  ? 0
                  : refuse(out, 400,
                           "the body is JSON, but not an object like "
                           "{\"access_token\":...,\"data\":{...}}");
    if (!err)
        err = check_token(doc, token, out);
    if (!err && data <= 0) /* 0: the data object without its envelope */
        err = refuse(out, 422, "Invalid format. data is missing and it is required.");
    if (!err)
        err = check_item(doc, data, out);
    return err ? err : data;
}

/* What tb_doc_new and tb_item_truncate say against the text. */
static int refuse_text(struct tb_ingest_reply *out, int err, const char *why)
{
    char message[TB_INGEST_MESSAGE];
    if (err == -ENOMEM)
        return refuse(out, 503, "out of memory: send it again in a second");
    if (err == -EMSGSIZE)
        snprintf(message, sizeof(message), "the item is beyond what towbard takes: %s", why);
    else
        snprintf(message, sizeof(message), "the body is not a Rollbar item: %s", why);
    return refuse(out, err == -EMSGSIZE ? 422 : 400, message);
}

/* Completes an item that fits, and finds its class. */
static int finish(const char *text, size_t len, const struct tb_ingest_token *token,
                  struct tb_ingest_item *item)
{
    char why[TB_DOC_WHY];
    struct tb_doc *doc = NULL;
    int err = tb_doc_new(text, len, &doc, why);
    if (err == -EMSGSIZE)
        return -E2BIG;
    if (err)
        return refuse_text(&item->reply, err, why);
    if (tb_doc_n_nodes(doc) > TB_TRUNCATE_NODES) {
        tb_doc_free(doc);
        return -E2BIG;
    }
    int data = find_data(doc, token, &item->reply);
    err = data < 0 ? data : complete(doc, data, token, &item->reply, &item->text);
    if (!err)
        item->class_ = class_of(doc, data);
    tb_doc_free(doc);
    return err;
}

/* Checks the whole item, as its sender meant it, and then makes it smaller. */
static int shrink(const char *text, size_t len, const struct tb_ingest_token *token,
                  struct tb_ingest_item *item)
{
    char why[TB_DOC_WHY];
    struct tb_doc *doc = NULL;
    struct tb_buf small;
    int err = tb_doc_new_large(text, len, &doc, why);
    if (err)
        return refuse_text(&item->reply, err, why);
    int data = find_data(doc, token, &item->reply);
    tb_doc_free(doc); /* its memory is needed now */
    if (data < 0)
        return data;
    tb_buf_init(&small, TAKEN_MAX_BYTES);
    err = tb_item_truncate(text, len, TAKEN_MAX_BYTES, &small, why);
    if (err)
        err = refuse_text(&item->reply, err, why);
    else
        err = finish(tb_buf_str(&small), small.len, token, item);
    tb_buf_done(&small);
    return err;
}

/* What fits the spool must also fit Rollbar when it is truncated: later nobody would hear that it
 * does not. */
static int try_sending(struct tb_ingest_item *item)
{
    char why[TB_DOC_WHY];
    struct tb_buf small;
    tb_buf_init(&small, SENT_MAX_BYTES);
    int err =
        tb_item_truncate(tb_buf_str(&item->text), item->text.len, SENT_MAX_BYTES, &small, why);
    tb_buf_done(&small);
    return err ? refuse_text(&item->reply, err, why) : 0;
}

int tb_ingest_prepare(const char *body, size_t len, const char *header_token, int may_truncate,
                      struct tb_ingest_item *item)
{
    const struct tb_ingest_token token = {.header = header_token};
    return tb_ingest_prepare_as(body, len, &token, may_truncate, item);
}

int tb_ingest_prepare_as(const char *body, size_t len, const struct tb_ingest_token *token,
                         int may_truncate, struct tb_ingest_item *item)
{
    int err;
    memset(item, 0, sizeof(*item));
    tb_buf_init(&item->text, TB_PAYLOAD_MAX_BYTES);
    if (len > TAKEN_MAX_BYTES && tb_form_may_be_item(body, len) && !may_truncate)
        return -E2BIG;
    char *decoded = tb_form_payload(body, len, &len, &err);
    const char *text = decoded != NULL ? decoded : body;
    if (!err && len == 0)
        err = refuse(&item->reply, 400,
                     "the body is not a Rollbar item: it is empty; send JSON like "
                     "{\"data\":{\"environment\":...,\"body\":{...}}}");
    if (!err)
        err = len > TAKEN_MAX_BYTES ? -E2BIG : finish(text, len, token, item);
    if (err == -E2BIG && !tb_form_begins_object(text, len))
        err = refuse(&item->reply, 400,
                     "the body is not a Rollbar item: an object that begins with '{' is expected");
    if (err == -E2BIG && may_truncate)
        err = shrink(text, len, token, item);
    if (!err && item->text.len > SENT_MAX_BYTES)
        err = may_truncate ? try_sending(item) : -E2BIG;
    free(decoded);
    if (err == -E2BIG && !may_truncate)
        return err;
    if (err && item->reply.status == 0)
        (void)refuse(&item->reply, 503, strerror(-err));
    return 0;
}

void tb_ingest_append(struct tb_ingest *ingest, struct tb_ingest_item *item)
{
    uint8_t uuid[TB_UUID_BYTES];
    int err = frame_uuid(item->reply.uuid, uuid);
    struct tb_append record = {.kind = TB_KIND_ITEM,
                               .uuid = uuid,
                               .time_ns = tb_clock_wall_ns(),
                               .data = tb_buf_str(&item->text),
                               .len = item->text.len};
    if (!err)
        err = tb_writer_append(&ingest->writers[item->class_], &record);
    if (!err) {
        item->reply.status = 200;
        return;
    }
    char message[TB_INGEST_MESSAGE];
    snprintf(message, sizeof(message), "the item cannot be kept: %s", strerror(-err));
    (void)refuse(&item->reply, 503, message);
}

void tb_ingest_done(struct tb_ingest_item *item)
{
    tb_buf_done(&item->text);
}
