/* show.h - the longer texts that several verbs show. */
#ifndef TB_CLI_SHOW_H
#define TB_CLI_SHOW_H

#include <stdint.h>

#include "cli/verb.h"
#include "base/json.h"
#include "item/links.h"

enum { TB_SHOW_ID_TEXT = 33 };

/* There is nothing yet: what to do. config may be NULL. */
void tb_show_empty(const struct tb_cli *cli, const struct tb_config *config);
/* The head of an item: level, title, counts, why grouped. */
void tb_show_item(const struct tb_item_row *item, int64_t now_ms);
/* What of an occurrence is there to be asked for. */
struct tb_shown {
    int n_stacks;    /* of other threads */
    size_t n_folded; /* frames that were not shown */
};
/* One occurrence: meaning, stack, other threads (with --all their stacks, with --all-frames
 * unfolded), trace, notes. */
struct tb_shown tb_show_occurrence(const struct tb_cli *cli,
                                   const struct tb_occurrence_row *occurrence);
/* "trace 4bf9...   X-Ray 1-4bf9...": both spellings of a 32-digit id. */
void tb_show_trace(const char *indent, const char *trace_id, const char *xray_trace_id);
/* Links to other tools for an occurrence, or with NULL for the trace between those times: a line
 * each, with a heading, nothing when there is none; as the member "links". */
struct tb_show_span {
    const char *trace_id, *xray_trace_id; /* 32 digits, or "" */
    int64_t first_ns, last_ns;
};
void tb_show_links(const struct tb_links *links, const struct tb_show_span *span,
                   const struct tb_occurrence_row *occurrence);
void tb_show_links_json(const struct tb_links *links, const struct tb_occurrence_row *occurrence,
                        struct tb_json *j);
/* A trace id as people type it becomes 32 hex digits: 0, or -EINVAL that was said on stderr. */
int tb_show_trace_id(const char *typed, char out[TB_SHOW_ID_TEXT]);

#endif
