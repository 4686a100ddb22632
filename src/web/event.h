/* event.h - the body of one occurrence as a page reads it: texts by path, whatever their type.
 *
 * 1. The data is the database's and hostile: any value may be of any type, or not be there.
 * 2. Every text that is handed out lives as long as the event. "" stands for what is not there.
 * 3. A failed allocation is sticky in err; texts are "" from then on. */
#ifndef TB_WEB_EVENT_H
#define TB_WEB_EVENT_H

#include <stddef.h>
#include <stdint.h>

#include "item/doc.h"

struct tb_event_text;

struct tb_event {
    char *data; /* owned, NUL-terminated */
    size_t len;
    struct tb_doc *doc; /* NULL when data is no JSON that we can index */
    char why[TB_DOC_WHY];
    struct tb_event_text *texts; /* owned */
    int err;
};

/* Copies data. 0, also when it is no JSON (then doc is NULL and why says so), or -ENOMEM. */
int tb_event_init(struct tb_event *event, const char *data, size_t len);
/* A zeroed event is fine. */
void tb_event_done(struct tb_event *event);
/* A copy that lives as long as the event. */
const char *tb_event_keep(struct tb_event *event, const char *text, size_t len);

/* The node at a path below from, "body.trace.frames"; -1. From 0 is the data object. */
int tb_event_node(const struct tb_event *event, int from, const char *path);
/* Members of an object or array: the first, then the next; -1 at the end. */
int tb_event_first(const struct tb_event *event, int node);
int tb_event_next(const struct tb_event *event, int node);
int tb_event_count(const struct tb_event *event, int node);
int tb_event_is(const struct tb_event *event, int node, enum tb_doc_type type);

/* A string decoded; anything else as its JSON text; null and -1 as "". */
const char *tb_event_value(struct tb_event *event, int node);
const char *tb_event_key(struct tb_event *event, int node);
/* The value at a path. */
const char *tb_event_at(struct tb_event *event, int from, const char *path);
int64_t tb_event_int(const struct tb_event *event, int from, const char *path);
/* A number of seconds, in nanoseconds; 0 for what is none, or has an exponent. */
int64_t tb_event_ns(struct tb_event *event, int from, const char *path);
/* 1 and 0 for true and false, -1 for anything else. */
int tb_event_bool(const struct tb_event *event, int from, const char *path);

#endif
