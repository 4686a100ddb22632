/* read.h - the facts of a Rollbar item, forwarded or our own, and what Rollbar would refuse in it.
 *
 * Works on the index of doc.h. Text is decoded, cut to its field at a UTF-8 boundary, and "" where
 * the item does not say. Nothing here trusts the item: any field may be of any type. */
#ifndef TB_ITEM_READ_H
#define TB_ITEM_READ_H

#include <stddef.h>
#include <stdint.h>

#include "base/id.h"
#include "item/doc.h"
#include "trace/trace.h"

enum {
    TB_ITEM_SHORT = 64,
    TB_ITEM_TEXT = 256,
    TB_ITEM_MESSAGE = 1024,
    TB_ITEM_PROBLEM = 200,
};

enum tb_item_body {
    TB_BODY_NONE, /* none, or several at once */
    TB_BODY_TRACE,
    TB_BODY_TRACE_CHAIN,
    TB_BODY_MESSAGE,
    TB_BODY_CRASH_REPORT
};

struct tb_item {
    int body;                  /* enum tb_item_body */
    char uuid[TB_ITEM_SHORT];  /* as it came; Rollbar takes any text of up to 36 characters */
    char level[TB_ITEM_SHORT]; /* always one of Rollbar's five words: its default when absent */
    char title[TB_ITEM_TEXT];  /* data.title, else "class: message", else the message; never "" */
    char exception_class[TB_ITEM_TEXT]; /* of a chain: of the first, the one that was reported */
    char message[TB_ITEM_MESSAGE];      /* of the exception, or the message itself */
    char environment[TB_ITEM_TEXT], context[TB_ITEM_TEXT], fingerprint[TB_ITEM_TEXT];
    char framework[TB_ITEM_SHORT], language[TB_ITEM_SHORT], platform[TB_ITEM_SHORT];
    char host[TB_ITEM_TEXT], root[TB_ITEM_TEXT]; /* of data.server */
    char code_version[TB_ITEM_TEXT];             /* data's own, else data.server's */
    int64_t timestamp;                           /* seconds since 1970, whole; 0 unknown */
    /* Lower-case hex. attributes first, then custom; what is no ID is "". */
    char trace_id[TB_TRACE_ID_TEXT], span_id[TB_SPAN_ID_TEXT];
    char xray_trace_id[TB_TRACE_ID_TEXT]; /* 32 digits, without the dashes */
    int trace_node;                       /* of doc: the trace with frames and exception, or -1 */
    int frames_node;                      /* of doc: its array of frames, or -1 */
};

/* The node of the data object: of an envelope its "data", else the root itself when it looks like
 * one (has a body); -1 when there is none. */
int tb_item_data(const struct tb_doc *doc);
/* The facts of the data object at node data, as tb_item_data gave it; -1 reads as an empty item. */
void tb_item_read(const struct tb_doc *doc, int data, struct tb_item *out);
/* What Rollbar would refuse, in its words, without the leading "Invalid format. ". Writes the first
 * max problems and returns how many there are. */
size_t tb_item_problems(const struct tb_doc *doc, int data, char (*out)[TB_ITEM_PROBLEM],
                        size_t max);

#endif
