/* truncate.h - brings an item down to a size, the least valuable first. Pure.
 *
 * 1. Steps, in the order of docs/ingest.md; after each the item is measured, and the first size
 *    that fits stays. What no step touches stays byte for byte.
 * 2. Never touched: access_token, uuid, fingerprint, level, environment, title, timestamp, the
 *    trace IDs in attributes and custom, the trace headers of the request. The class of an
 *    exception is cut at 1024 bytes, in the last step.
 * 3. What was done stands in notifier.diagnostic.truncation: {"bytes":B,"steps":["frames",..]}, B
 *    the size as it came; in notifier.truncation when diagnostic is no object.
 * 4. Text is cut between characters and never inside an escape; "..." is put behind it. */
#ifndef TB_ITEM_TRUNCATE_H
#define TB_ITEM_TRUNCATE_H

#include <stddef.h>

#include "base/buf.h"
#include "item/doc.h"

/* So many values may be left: whoever adds the trace and what is missing stays in TB_DOC_NODES. */
enum { TB_TRUNCATE_NODES = TB_DOC_NODES - 64 };

/* An envelope or a data object of up to TB_DOC_BYTES bytes and TB_DOC_NODES_LARGE values becomes
 * one of at most max bytes and TB_TRUNCATE_NODES values, appended to out, which must have room for
 * max bytes. What fits already is appended as it is. 0; -EBADMSG: no JSON or no item; -EMSGSIZE:
 * over a bound of doc.h, or what must stay is larger than max; -ENOMEM. why is "" on success. */
int tb_item_truncate(const char *text, size_t len, size_t max, struct tb_buf *out,
                     char why[TB_DOC_WHY]);

#endif
