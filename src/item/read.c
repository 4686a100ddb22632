/* read.c - see read.h. */
#include "item/read.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "item/doc_impl.h"

enum {
    MESSAGE_LEAST = 8, /* a shorter piece of a message says nothing */
    SECONDS_BYTES = 40 /* the longest text of a time that is not whole */
};
static const double seconds_end = 9007199254740992.0; /* from here on a double is a guess */

/* Plain texts: data's field, and where it goes. */
static const struct {
    const char *path;
    size_t offset, cap;
} texts[] = {
#define TEXT(path, field)                                                                          \
    {                                                                                              \
        path, offsetof(struct tb_item, field), sizeof(((struct tb_item *)0)->field)                \
    }
    TEXT("uuid", uuid),
    TEXT("level", level),
    TEXT("title", title),
    TEXT("environment", environment),
    TEXT("context", context),
    TEXT("fingerprint", fingerprint),
    TEXT("framework", framework),
    TEXT("language", language),
    TEXT("platform", platform),
    TEXT("server.host", host),
    TEXT("server.root", root),
    TEXT("server.code_version", code_version),
    TEXT("code_version", code_version),
#undef TEXT
};

static int find_of_type(const struct tb_doc *doc, int from, const char *path, int type)
{
    int node = from >= 0 ? tb_doc_find(doc, from, path) : -1;
    return node >= 0 && tb_doc_at(doc, node)->type == type ? node : -1;
}

int tb_item_data(const struct tb_doc *doc)
{
    int data = find_of_type(doc, 0, "data", TB_DOC_OBJECT);
    if (data >= 0)
        return data;
    return tb_doc_find(doc, 0, "body") >= 0 ? 0 : -1;
}

static void read_texts(const struct tb_doc *doc, int data, struct tb_item *out)
{
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        int node = find_of_type(doc, data, texts[i].path, TB_DOC_STRING);
        if (node >= 0)
            (void)tb_doc_copy(doc, node, (char *)out + texts[i].offset, texts[i].cap);
    }
}

static int body_kind(const struct tb_doc *doc, int body)
{
    static const char *const kinds[] = {
        [TB_BODY_TRACE] = "trace",
        [TB_BODY_TRACE_CHAIN] = "trace_chain",
        [TB_BODY_MESSAGE] = "message",
        [TB_BODY_CRASH_REPORT] = "crash_report",
    };
    int found = TB_BODY_NONE;
    for (int kind = TB_BODY_TRACE; kind <= TB_BODY_CRASH_REPORT; kind++) {
        if (tb_doc_member(doc, body, kinds[kind]) < 0)
            continue;
        if (found != TB_BODY_NONE)
            return TB_BODY_NONE;
        found = kind;
    }
    return found;
}

static void read_body(const struct tb_doc *doc, int data, struct tb_item *out)
{
    int body = find_of_type(doc, data, "body", TB_DOC_OBJECT);
    if (body < 0)
        return;
    out->body = body_kind(doc, body);
    if (out->body == TB_BODY_TRACE)
        out->trace_node = find_of_type(doc, body, "trace", TB_DOC_OBJECT);
    if (out->body == TB_BODY_TRACE_CHAIN)
        out->trace_node = find_of_type(doc, body, "trace_chain.0", TB_DOC_OBJECT);
    if (out->trace_node >= 0) {
        int trace = out->trace_node;
        out->frames_node = find_of_type(doc, trace, "frames", TB_DOC_ARRAY);
        (void)tb_doc_copy(doc, tb_doc_find(doc, trace, "exception.class"), out->exception_class,
                          sizeof(out->exception_class));
        (void)tb_doc_copy(doc, tb_doc_find(doc, trace, "exception.message"), out->message,
                          sizeof(out->message));
    }
    if (out->body == TB_BODY_MESSAGE)
        (void)tb_doc_copy(doc, tb_doc_find(doc, body, "message.body"), out->message,
                          sizeof(out->message));
    if (out->body == TB_BODY_CRASH_REPORT)
        (void)tb_doc_copy(doc, tb_doc_find(doc, body, "crash_report.raw"), out->message,
                          sizeof(out->message));
}

/* The value of that key in the list of attributes, else the member of custom, else -1. */
static int trace_value(const struct tb_doc *doc, int data, const char *key)
{
    char text[TB_ITEM_SHORT];
    int list = find_of_type(doc, data, "attributes", TB_DOC_ARRAY);
    int custom = find_of_type(doc, data, "custom", TB_DOC_OBJECT);
    int node = list >= 0 ? tb_doc_at(doc, list)->first : -1;
    for (; node >= 0; node = tb_doc_at(doc, node)->next) {
        if (tb_doc_copy(doc, tb_doc_member(doc, node, "key"), text, sizeof(text)) &&
            strcmp(text, key) == 0)
            return tb_doc_member(doc, node, "value");
    }
    return custom >= 0 ? tb_doc_member(doc, custom, key) : -1;
}

static void read_trace_id(const struct tb_doc *doc, int node, char out[TB_TRACE_ID_TEXT])
{
    char text[TB_ITEM_SHORT];
    uint8_t id[16];
    if (tb_doc_copy(doc, node, text, sizeof(text)) && tb_trace_parse_id(text, id) == 0)
        tb_trace_id_text(id, out);
}

static void read_trace_ids(const struct tb_doc *doc, int data, struct tb_item *out)
{
    static const uint8_t none[8];
    char text[TB_ITEM_SHORT];
    uint8_t id[8];
    read_trace_id(doc, trace_value(doc, data, "trace_id"), out->trace_id);
    read_trace_id(doc, trace_value(doc, data, "xray_trace_id"), out->xray_trace_id);
    if (tb_doc_copy(doc, trace_value(doc, data, "span_id"), text, sizeof(text)) &&
        strlen(text) == 2 * sizeof(id) && tb_unhex(text, id, sizeof(id)) == 0 &&
        memcmp(id, none, sizeof(id)) != 0)
        tb_span_id_text(id, out->span_id);
}

/* Rollbar's default where the item says nothing that it knows. */
static void settle_level(struct tb_item *out)
{
    static const char *const levels[] = {"critical", "error", "warning", "info", "debug"};
    for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
        if (strcmp(out->level, levels[i]) == 0)
            return;
    }
    (void)snprintf(out->level, sizeof(out->level), "%s",
                   out->body == TB_BODY_MESSAGE ? "info" : "error");
}

/* Appends text to the title, cut to fit at a UTF-8 boundary. */
static void add_to_title(struct tb_item *out, const char *text, size_t len)
{
    size_t used = strlen(out->title);
    size_t fit = tb_utf8_cut(text, len, sizeof(out->title) - 1 - used);
    memcpy(out->title + used, text, fit);
    out->title[used + fit] = '\0';
}

static void settle_title(struct tb_item *out)
{
    if (out->title[0])
        return;
    size_t line = strcspn(out->message, "\r\n");
    size_t class_len = strlen(out->exception_class);
    add_to_title(out, out->exception_class, class_len);
    if (class_len > 0 && line > 0 && class_len + MESSAGE_LEAST < sizeof(out->title))
        add_to_title(out, ": ", 2);
    if (class_len + MESSAGE_LEAST < sizeof(out->title))
        add_to_title(out, out->message, line);
    if (!out->title[0])
        add_to_title(out, "untitled", strlen("untitled"));
}

/* rollbar-java writes 1.795679383447E9. */
static int64_t read_seconds(const struct tb_doc *doc, int node)
{
    int64_t whole = tb_doc_int(doc, node, 0);
    const struct tb_doc_node *n = tb_doc_at(doc, node);
    char text[SECONDS_BYTES];
    if (whole != 0 || !n || n->type != TB_DOC_NUMBER || n->len >= sizeof(text))
        return whole;
    memcpy(text, doc->text + n->at, n->len);
    text[n->len] = '\0';
    double value = strtod(text, NULL);
    return value > 0 && value < seconds_end ? (int64_t)value : 0;
}

void tb_item_read(const struct tb_doc *doc, int data, struct tb_item *out)
{
    memset(out, 0, sizeof(*out));
    out->trace_node = out->frames_node = -1;
    read_texts(doc, data, out);
    if (data >= 0) {
        read_body(doc, data, out);
        read_trace_ids(doc, data, out);
        out->timestamp = read_seconds(doc, tb_doc_member(doc, data, "timestamp"));
    }
    settle_level(out);
    settle_title(out);
}
