/* item_view.c - loads what the pages of one item show. See pages.h. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "web/pages.h"

enum { SOON_S = 3 };

struct tb_moment tb_moment_of(int64_t occurred_ns, int64_t received_ns)
{
    struct tb_moment moment = {.at_ns = occurred_ns, .is_coarse = occurred_ns % TB_NS_PER_S == 0};
    if (moment.is_coarse && received_ns >= occurred_ns &&
        received_ns - occurred_ns < (int64_t)SOON_S * TB_NS_PER_S) {
        moment.at_ns = received_ns;
        moment.is_placed = 1;
    }
    return moment;
}

static const char *keep(struct tb_item_view *item, const char *text)
{
    return tb_event_keep(&item->texts, text, strlen(text));
}

static int take_item(void *arg, const struct tb_item_row *row)
{
    struct tb_item_view *item = arg;
    item->number = row->number;
    item->first_ms = row->first_ms;
    item->last_ms = row->last_ms;
    item->total = row->total;
    item->title = keep(item, row->title);
    item->level = keep(item, row->level);
    item->environment = keep(item, row->environment);
    item->service = keep(item, row->service);
    item->status = keep(item, row->status);
    item->fingerprint = keep(item, row->fingerprint);
    item->group_inputs = keep(item, row->group_inputs);
    item->last_uuid = keep(item, row->last_uuid);
    return 0;
}

int tb_item_view_body(struct tb_item_view *item, const char *data, size_t len)
{
    int err = tb_event_init(&item->event, data, len);
    int n = err == 0 ? tb_stack_read(&item->event, item->stacks) : err;
    item->n_stacks = n > 0 ? n : 0;
    return n < 0 ? n : 0;
}

static int take_occurrence(void *arg, const struct tb_occurrence_row *row)
{
    struct tb_item_view *item = arg;
    item->uuid = keep(item, row->uuid);
    item->trace_id = keep(item, row->trace_id);
    item->xray_trace_id = keep(item, row->xray_trace_id);
    item->span_id = keep(item, row->span_id);
    item->occurrence_level = keep(item, row->level);
    item->occurred_ns = row->occurred_ns;
    item->received_ns = row->received_ns;
    if (tb_item_view_body(item, row->data, row->data_len) < 0)
        item->texts.err = -ENOMEM;
    item->has_occurrence = 1;
    return 1;
}

int tb_item_view_load(struct tb_item_view *item, int64_t number, const char *uuid)
{
    struct tb_store *store = item->view->store;
    item->uuid = item->trace_id = item->xray_trace_id = item->span_id = item->occurrence_level = "";
    int err = tb_store_item(store, number, take_item, item);
    if (err < 0)
        return err;
    struct tb_occurrence_filter filter = {
        .item = number, .uuid = *uuid != '\0' ? uuid : item->last_uuid, .max = 1};
    err = tb_store_occurrences(store, &filter, take_occurrence, item);
    if (err == 0)
        err = item->texts.err;
    if (err == 0 && !item->has_occurrence)
        err = *uuid != '\0' ? -ENOENT : tb_item_view_body(item, "", 0);
    if (err == 0 && item->has_occurrence)
        err = tb_store_neighbours(store, number, item->uuid, &item->neighbours);
    return err;
}

void tb_item_view_done(struct tb_item_view *item)
{
    while (item->n_stacks > 0)
        tb_stack_done(&item->stacks[--item->n_stacks]);
    tb_event_done(&item->event);
    tb_event_done(&item->texts);
}

const struct tb_frame *tb_item_view_blamed(const struct tb_item_view *item)
{
    if (item->n_stacks == 0 || item->stacks[0].n == 0)
        return NULL;
    return &item->stacks[0].frames[item->stacks[0].blamed];
}

static int is_vanished(struct tb_event *event)
{
    return strcmp(tb_event_at(event, 0, "custom.native.kind"), "vanished") == 0;
}

int tb_item_view_is_crash(struct tb_item_view *item)
{
    return tb_event_node(&item->event, 0, "custom.native.signal") >= 0 &&
           !is_vanished(&item->event);
}

const char *tb_item_view_no_frames(struct tb_item_view *item)
{
    return is_vanished(&item->event) ? "No stack: no handler saw it" : "It came without frames";
}

const char *tb_item_view_note_kind(struct tb_item_view *item, int note)
{
    struct tb_event *event = &item->event;
    char text[64];
    const char *type = tb_event_at(event, note, "type");
    const char *level = tb_event_at(event, note, "level");
    int has_both = *level != '\0' && strcmp(type, "log") != 0;
    if (*level == '\0')
        return type;
    snprintf(text, sizeof(text), "%.20s%s%.20s", has_both ? type : "", has_both ? ", " : "", level);
    return tb_event_keep(event, text, strlen(text));
}

const char *tb_item_view_meaning(struct tb_item_view *item)
{
    static const char *const PLACES[] = {"custom.native.meaning", "body.message.body",
                                         "body.crash_report.raw"};
    const char *said = "";
    for (size_t i = 0; i < sizeof(PLACES) / sizeof(PLACES[0]) && *said == '\0'; i++)
        said = tb_event_at(&item->event, 0, PLACES[i]);
    if (*said == '\0' && item->n_stacks > 0)
        said = item->stacks[0].message;
    return strstr(item->title, said) != NULL ? "" : said;
}
