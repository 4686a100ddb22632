/* pages.h - one function for each page. Each writes a whole answer into the view. */
#ifndef TB_WEB_PAGES_H
#define TB_WEB_PAGES_H

#include "base/json.h"
#include "trace/trace.h"
#include "web/event.h"
#include "web/stack.h"
#include "web/view.h"

enum tb_twin { TB_TWIN_HTML, TB_TWIN_TEXT, TB_TWIN_MARKDOWN, TB_TWIN_JSON };

/* GET /. address is what the agent listens on, "127.0.0.1:7070", or "". */
void tb_page_list(struct tb_view *view, const char *address);
/* GET /items/NUMBER, .txt, .md and .json. number -1: what stood there is none. */
void tb_page_item(struct tb_view *view, int64_t number, enum tb_twin twin);
/* GET /traces and /trace/ID, the id as it was typed. */
void tb_page_traces(struct tb_view *view);
void tb_page_trace(struct tb_view *view, const char *typed);

/* ---- what the files of the item page share ---- */

/* All that is shown of one item with one of its occurrences. Texts live as long as this. */
struct tb_item_view {
    struct tb_view *view;
    struct tb_event texts; /* keeps what came from columns */
    int64_t number, first_ms, last_ms, total;
    const char *title, *level, *environment, *service, *status, *fingerprint, *group_inputs;
    const char *last_uuid;
    /* the occurrence */
    struct tb_event event;
    const char *uuid, *trace_id, *xray_trace_id, *span_id, *occurrence_level;
    int64_t occurred_ns, received_ns;
    int has_occurrence;
    struct tb_store_neighbours neighbours;
    struct tb_stack stacks[TB_STACKS];
    int n_stacks;
};

/* 0; -ENOENT for an item or an occurrence that is not there; or the store's error. uuid "" is the
 * last occurrence. Done is for after any of them. */
int tb_item_view_load(struct tb_item_view *item, int64_t number, const char *uuid);
/* Only the body of an occurrence, from anywhere. 0 or -ENOMEM. */
int tb_item_view_body(struct tb_item_view *item, const char *data, size_t len);
void tb_item_view_done(struct tb_item_view *item);
/* The blamed frame, or NULL. */
const struct tb_frame *tb_item_view_blamed(const struct tb_item_view *item);
/* Of a native signal that a handler saw. */
int tb_item_view_is_crash(struct tb_item_view *item);
/* Why there are no frames, as a sentence without its end. */
const char *tb_item_view_no_frames(struct tb_item_view *item);
/* "warning" of a note, "network, info" of what an SDK tells. Borrowed. */
const char *tb_item_view_note_kind(struct tb_item_view *item, int note);
/* One sentence on what happened; "" when the title says it all. */
const char *tb_item_view_meaning(struct tb_item_view *item);

/* The parts of the page; only the side asks the store. */
void tb_item_put_head(struct tb_item_view *item);
/* What else is known of a death, as rows; nothing where nothing is. */
void tb_item_put_evidence(struct tb_item_view *item);
void tb_item_put_stacks(struct tb_item_view *item);
/* The frames of one stack, libraries folded; the blamed one open when it is the main stack. omitted
 * counts frames that are not in it. */
void tb_item_put_frames(struct tb_item_view *item, const struct tb_stack *stack, int is_main,
                        int64_t omitted);
void tb_item_put_threads(struct tb_item_view *item);
void tb_item_put_more(struct tb_item_view *item);
int tb_item_put_side(struct tb_item_view *item);
/* The members of an object as rows of two columns. skip is a
 * NULL-terminated list of keys that are shown elsewhere, or NULL. */
void tb_item_put_pairs(struct tb_buf *out, struct tb_event *event, int object,
                       const char *const *skip);
/* The twins. */
void tb_item_put_text(struct tb_item_view *item, struct tb_buf *out);
void tb_item_put_stack_text(struct tb_item_view *item, const struct tb_stack *stack,
                            struct tb_buf *out);
/* Mappings at the address, and unloaded libraries. */
void tb_item_put_evidence_text(struct tb_item_view *item, struct tb_buf *out);
/* Nothing where nothing is known of other threads. */
void tb_item_put_threads_text(struct tb_item_view *item, struct tb_buf *out);
void tb_item_put_markdown(struct tb_item_view *item, struct tb_buf *out);
int tb_item_put_json(struct tb_item_view *item, struct tb_buf *out);

/* ---- links to other tools (links.c) ---- */

struct tb_web_link {
    struct tb_link_values values;
    char xray[TB_XRAY_ID_TEXT]; /* behind values */
};
/* 32 digits each, or ""; the first stands for the second where that is not there, and the other way
 * round. */
void tb_web_link_ids(struct tb_web_link *link, const char *trace_id, const char *xray_trace_id);
/* A quarter of an hour around both is what other tools are asked for. */
void tb_web_link_times(struct tb_web_link *link, int64_t first_ns, int64_t last_ns);
/* "Open in X-Ray · Logs", with first before the first one; nothing when there is none. */
void tb_web_put_links(struct tb_view *view, const struct tb_web_link *link, const char *first);
void tb_item_link_values(struct tb_item_view *item, struct tb_web_link *out);
void tb_item_put_links(struct tb_item_view *item);
void tb_item_put_links_text(struct tb_item_view *item, struct tb_buf *out, int is_markdown);
/* The member "links", where there are any. */
void tb_item_put_links_json(struct tb_item_view *item, struct tb_json *j);

/* ---- small things on several pages ---- */

/* When something happened, as far as can be known. A sender that tells whole seconds is placed
 * where the agent received it, if that was soon: nothing happens after it came in. */
struct tb_moment {
    int64_t at_ns;
    int is_coarse; /* its sender tells whole seconds */
    int is_placed; /* by the time of reception */
};
struct tb_moment tb_moment_of(int64_t occurred_ns, int64_t received_ns);

void tb_put_level(struct tb_buf *out, const char *level);
/* "api (Flask)"; a dash when nothing is known. */
void tb_put_service(struct tb_buf *out, const char *service, const char *framework);

#endif
