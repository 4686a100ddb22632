/* xray.h - what the files of the X-Ray sinks share: the document of an item.
 *
 * 1. A document is valid JSON in valid UTF-8, compact, with "id" first and "trace_id" second, where
 *    the daemon looks for them by regular expressions; and no longer than TB_XRAY_DOCUMENT_BYTES.
 * 2. The same item gives the same document, byte for byte: ids are made of its uuid.
 * 3. It is kept to TB_XRAY_AIM_BYTES where it can be, since all documents of a trace share 100 KB:
 *    outer frames and causes go first, then the metadata, then the end of the message. */
#ifndef TB_SINK_XRAY_H
#define TB_SINK_XRAY_H

#include "base/json.h"
#include "sink/facts.h"

enum {
    TB_XRAY_DATAGRAM_BYTES = 65000, /* IPv4 takes 65507, the daemon's buffer 65536 */
    TB_XRAY_HEADER_BYTES = 32,      /* what stands before the document, at the most */
    TB_XRAY_DOCUMENT_BYTES = TB_XRAY_DATAGRAM_BYTES - TB_XRAY_HEADER_BYTES,
    TB_XRAY_AIM_BYTES = 8000,
    TB_XRAY_NAME_CHARS = 200,
    TB_XRAY_NAME_BYTES = 4 * TB_XRAY_NAME_CHARS + 1,
    TB_XRAY_TEXT_BYTES = 250, /* of most texts, by X-Ray's documentation */
    TB_XRAY_ID_HEX = 2 * TB_FACTS_ID_BYTES + 1
};

/* How much of an item goes into its document. */
struct tb_xray_size {
    unsigned frames, causes;
    size_t message;
    bool has_metadata;
};

struct tb_xray_flags {
    bool error, throttle, fault;
};

/* Writes the document into mem of cap bytes, with a NUL behind it. 0 with *len; -EINVAL: the item
 * is no JSON object; -ENOMEM; -ENOSPC: cap is under 4096. */
int tb_xray_document(const struct tb_sink_target *target, const struct tb_sink_item *item,
                     char *mem, size_t cap, size_t *len);
/* The document's id. */
void tb_xray_document_id(const char *uuid, char out[TB_XRAY_ID_HEX]);

/* ---- its parts ---- */

/* Is it a part of a segment that its own process sends? */
bool tb_xray_is_subsegment(const struct tb_sink_facts *facts);
/* What went wrong, as X-Ray colours it: nothing for a warning and below. */
struct tb_xray_flags tb_xray_flags_of(const struct tb_sink_facts *facts);
/* The service's name on the map: the request's host where it fits the pattern, else the name of the
 * settings, else the item's own. */
void tb_xray_name(const struct tb_sink_facts *facts, const struct tb_sink_settings *settings,
                  char out[TB_XRAY_NAME_BYTES]);
/* Text with the characters that X-Ray takes in names alone. */
void tb_xray_clean_name(const char *text, char out[TB_XRAY_NAME_BYTES]);
/* The member "cause". */
void tb_xray_cause(struct tb_json *j, const struct tb_sink_facts *facts, const char *uuid,
                   const struct tb_xray_size *size);
/* A member of at most max bytes, left out when it is empty. */
void tb_xray_put_text(struct tb_json *j, const char *key, const char *text, size_t max);

#endif
