/* event.c - see event.h. */
#include "web/event.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

struct tb_event_text {
    struct tb_event_text *next;
    char text[];
};

int tb_event_init(struct tb_event *event, const char *data, size_t len)
{
    memset(event, 0, sizeof(*event));
    event->data = malloc(len + 1);
    if (event->data == NULL)
        return -ENOMEM;
    if (len > 0)
        memcpy(event->data, data, len);
    event->data[len] = '\0';
    event->len = len;
    int err = tb_doc_new(event->data, len, &event->doc, event->why);
    if (err == -ENOMEM) {
        tb_event_done(event);
        return err;
    }
    return 0;
}

void tb_event_done(struct tb_event *event)
{
    struct tb_event_text *next;
    for (struct tb_event_text *t = event->texts; t != NULL; t = next) {
        next = t->next;
        free(t);
    }
    tb_doc_free(event->doc);
    free(event->data);
    memset(event, 0, sizeof(*event));
}

const char *tb_event_keep(struct tb_event *event, const char *text, size_t len)
{
    if (len == 0 || event->err != 0)
        return "";
    struct tb_event_text *kept = malloc(sizeof(*kept) + len + 1);
    if (kept == NULL) {
        event->err = -ENOMEM;
        return "";
    }
    memcpy(kept->text, text, len);
    kept->text[len] = '\0';
    kept->next = event->texts;
    event->texts = kept;
    return kept->text;
}

int tb_event_node(const struct tb_event *event, int from, const char *path)
{
    return event->doc != NULL && from >= 0 ? tb_doc_find(event->doc, from, path) : -1;
}

static const struct tb_doc_node *at(const struct tb_event *event, int node)
{
    return event->doc != NULL ? tb_doc_at(event->doc, node) : NULL;
}

int tb_event_first(const struct tb_event *event, int node)
{
    const struct tb_doc_node *found = at(event, node);
    return found != NULL ? found->first : -1;
}

int tb_event_next(const struct tb_event *event, int node)
{
    const struct tb_doc_node *found = at(event, node);
    return found != NULL ? found->next : -1;
}

int tb_event_count(const struct tb_event *event, int node)
{
    const struct tb_doc_node *found = at(event, node);
    return found != NULL ? found->n_members : 0;
}

int tb_event_is(const struct tb_event *event, int node, enum tb_doc_type type)
{
    const struct tb_doc_node *found = at(event, node);
    return found != NULL && found->type == (int)type;
}

static const char *decoded(struct tb_event *event, int node,
                           void (*decode)(const struct tb_doc *, int, struct tb_buf *))
{
    struct tb_buf text;
    tb_buf_init(&text, TB_DOC_BYTES);
    decode(event->doc, node, &text);
    if (text.err == -ENOMEM)
        event->err = text.err;
    const char *kept = tb_event_keep(event, tb_buf_str(&text), text.len);
    tb_buf_done(&text);
    return kept;
}

const char *tb_event_value(struct tb_event *event, int node)
{
    const struct tb_doc_node *found = at(event, node);
    if (found == NULL || found->type == TB_DOC_NULL)
        return "";
    if (found->type == TB_DOC_STRING)
        return decoded(event, node, tb_doc_string);
    return tb_event_keep(event, event->data + found->at, found->len);
}

const char *tb_event_key(struct tb_event *event, int node)
{
    return at(event, node) != NULL ? decoded(event, node, tb_doc_key) : "";
}

const char *tb_event_at(struct tb_event *event, int from, const char *path)
{
    return tb_event_value(event, tb_event_node(event, from, path));
}

int64_t tb_event_int(const struct tb_event *event, int from, const char *path)
{
    int node = tb_event_node(event, from, path);
    return node >= 0 ? tb_doc_int(event->doc, node, 0) : 0;
}

int64_t tb_event_ns(struct tb_event *event, int from, const char *path)
{
    const char *text = tb_event_at(event, from, path);
    int64_t ns = 0;
    int left = 9;
    if (strspn(text, "0123456789.") != strlen(text) || strcspn(text, ".") > 10)
        return 0;
    for (; *text != '\0' && *text != '.'; text++)
        ns = ns * 10 + (*text - '0');
    if (ns > INT64_C(9000000000))
        return 0; /* more nanoseconds than there are */
    for (text += *text == '.'; left > 0 && *text != '\0' && *text != '.'; text++, left--)
        ns = ns * 10 + (*text - '0');
    for (; left > 0; left--)
        ns *= 10;
    return ns;
}

int tb_event_bool(const struct tb_event *event, int from, const char *path)
{
    int node = tb_event_node(event, from, path);
    if (!tb_event_is(event, node, TB_DOC_BOOL))
        return -1;
    return event->data[tb_doc_at(event->doc, node)->at] == 't';
}
