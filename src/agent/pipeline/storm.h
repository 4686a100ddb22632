/* storm.h - what stands for events that were only counted (docs/storms.md). Pure. */
#ifndef TB_AGENT_STORM_H
#define TB_AGENT_STORM_H

#include "agent/native/group.h"
#include "base/buf.h"
#include "item/read.h"
#include "store/store.h"

/* The message in the place of the first event of a service that is over its limit. */
struct tb_storm_notice {
    struct tb_occurrence occurrence; /* borrows from here and from the event */
    char service[TB_ITEM_TEXT], title[TB_ITEM_TEXT];
    char fingerprint[TB_FINGERPRINT_TEXT];
    struct tb_buf inputs, data;
};

/* is_shared: the budget that it met is that of all services that found no place. 0 or -ENOMEM. Free
 * with tb_storm_notice_done, whatever came back. */
int tb_storm_notice(const struct tb_occurrence *event, int is_shared, const char *host,
                    struct tb_storm_notice *out);
void tb_storm_notice_done(struct tb_storm_notice *notice);

/* The data of a representative with what it stands for; at most max bytes. Nothing is appended when
 * they stay as they are. 0 or a negative errno. */
int tb_storm_tell(const struct tb_storm *storm, size_t max, struct tb_buf *out);

#endif
