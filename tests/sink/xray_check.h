/* xray_check.h - what every document must be, whatever the item was: for the tests and the fuzzer.
 */
#ifndef TB_TESTS_SINK_XRAY_CHECK_H
#define TB_TESTS_SINK_XRAY_CHECK_H

#include <stdio.h>
#include <string.h>

#include "item/doc.h"
#include "sink/xray.h"

static inline bool xray_is_hex(const char *text, size_t len)
{
    return strlen(text) == len && strspn(text, "0123456789abcdef") == len;
}

static inline int64_t xray_micros(const struct tb_doc *doc, const char *text, const char *key)
{
    char number[64];
    long long seconds = 0;
    unsigned micros = 0;
    int end = 0;
    const struct tb_doc_node *n = tb_doc_at(doc, tb_doc_member(doc, 0, key));
    if (!n || n->type != TB_DOC_NUMBER || n->len >= sizeof(number))
        return -1;
    memcpy(number, text + n->at, n->len);
    number[n->len] = '\0';
    if (sscanf(number, "%lld.%6u%n", &seconds, &micros, &end) != 2 || number[end] != '\0')
        return -1;
    return seconds * 1000000 + micros;
}

static inline const char *xray_fault_in(const struct tb_doc *doc, const char *text)
{
    char value[TB_XRAY_NAME_BYTES];
    const struct tb_doc_node *root = tb_doc_at(doc, 0);
    if (root->type != TB_DOC_OBJECT || strncmp(text, "{\"id\":\"", 7) != 0 ||
        strncmp(text + 7 + 16, "\",\"trace_id\":\"1-", 16) != 0)
        return "it does not begin with its ids";
    if (!tb_doc_copy(doc, tb_doc_member(doc, 0, "id"), value, sizeof(value)) ||
        !xray_is_hex(value, 16))
        return "the id";
    if (!tb_doc_copy(doc, tb_doc_member(doc, 0, "trace_id"), value, sizeof(value)) ||
        strlen(value) != 35)
        return "the trace id";
    if (!tb_doc_copy(doc, tb_doc_member(doc, 0, "name"), value, sizeof(value)) ||
        value[0] == '\0' || strpbrk(value, "\"<>\n*?;()!$~^|[]{}`',") != NULL)
        return "the name";
    int parent = tb_doc_member(doc, 0, "parent_id");
    if (parent >= 0 && (!tb_doc_copy(doc, parent, value, sizeof(value)) || !xray_is_hex(value, 16)))
        return "the parent";
    int64_t start = xray_micros(doc, text, "start_time");
    if (start < 0 || start >= xray_micros(doc, text, "end_time"))
        return "the times";
    int type = tb_doc_member(doc, 0, "type");
    if (type >= 0 && parent < 0)
        return "a subsegment without a parent";
    if (tb_doc_member(doc, 0, "annotations") < 0 || tb_doc_member(doc, 0, "metadata") < 0 ||
        tb_doc_member(doc, 0, "cause") < 0)
        return "a member is missing";
    return NULL;
}

/* NULL, or what is wrong with it. */
static inline const char *xray_fault(const char *text, size_t len)
{
    struct tb_doc *doc = NULL;
    char why[TB_DOC_WHY];
    if (len > TB_XRAY_DOCUMENT_BYTES || strlen(text) != len)
        return "its length";
    if (tb_doc_new(text, len, &doc, why) < 0)
        return "it is no JSON";
    const char *fault = xray_fault_in(doc, text);
    tb_doc_free(doc);
    return fault;
}

#endif
