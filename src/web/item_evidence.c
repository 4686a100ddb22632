/* item_evidence.c - what else is known of a death: exception, system call, sender, what is mapped
 * at its address, what was unloaded. */
#include <stdlib.h>

#include "web/emit.h"
#include "web/pages.h"

enum { LINES_MAX = 16 };

struct evidence {
    struct tb_item_view *item;
    struct tb_buf *out;
    int n; /* rows so far */
};

static const char *at(const struct evidence *e, const char *path)
{
    return tb_event_at(&e->item->event, 0, path);
}

static void open_row(struct evidence *e, const char *name)
{
    tb_emit(e->out, "%r<tr><th scope=\"row\">%h</th><td class=\"mono\">",
            e->n++ == 0 ? "<table class=\"kv\"><tbody>" : "", name);
}

static void close_row(struct evidence *e)
{
    tb_emit(e->out, "</td></tr>\n");
}

static void put_exception(struct evidence *e)
{
    const char *type = at(e, "custom.native.exception.type");
    const char *what = at(e, "custom.native.exception.what");
    if (*type == '\0')
        return;
    open_row(e, "Exception");
    tb_emit(e->out, "%.200h%r%.2000h", type, *what != '\0' ? ": " : "", what);
    close_row(e);
}

static void put_call(struct evidence *e)
{
    const char *number = at(e, "custom.native.syscall.number");
    if (*number == '\0')
        return;
    open_row(e, "System call");
    tb_emit(e->out, "%.40h number %.20h of %.20h", at(e, "custom.native.syscall.name"), number,
            at(e, "custom.native.syscall.arch"));
    close_row(e);
}

static void put_sender(struct evidence *e)
{
    const char *pid = at(e, "custom.native.sender.pid");
    if (*pid == '\0')
        return;
    open_row(e, "Sent by");
    tb_emit(e->out, "pid %.20h uid %.20h", pid, at(e, "custom.native.sender.uid"));
    close_row(e);
}

static int holds(struct tb_event *event, int mapping, const char *address)
{
    unsigned long long a = strtoull(address, NULL, 16);
    return *address != '\0' && a >= strtoull(tb_event_at(event, mapping, "lo"), NULL, 16) &&
           a < strtoull(tb_event_at(event, mapping, "hi"), NULL, 16);
}

/* Ranges, one a line; the one that has the address stands out. */
static void put_ranges(struct evidence *e, const char *name, const char *path, const char *address)
{
    struct tb_event *event = &e->item->event;
    int list = tb_event_node(event, 0, path);
    int n = 0;
    if (!tb_event_is(event, list, TB_DOC_ARRAY) || tb_event_count(event, list) == 0)
        return;
    open_row(e, name);
    for (int m = tb_event_first(event, list); m >= 0 && n < LINES_MAX;
         m = tb_event_next(event, m), n++) {
        int is_there = holds(event, m, address);
        tb_emit(e->out, "%r%r%.20h-%.20h %.4h %.500h%r", n > 0 ? "<br>" : "", is_there ? "<b>" : "",
                tb_event_at(event, m, "lo"), tb_event_at(event, m, "hi"),
                tb_event_at(event, m, "rights"), tb_event_at(event, m, "path"),
                is_there ? "</b>" : "");
    }
    close_row(e);
}

void tb_item_put_evidence(struct tb_item_view *item)
{
    struct evidence e = {.item = item, .out = item->view->out};
    put_exception(&e);
    put_call(&e);
    put_sender(&e);
    put_ranges(&e, "Mapped there", "custom.native.mappings", at(&e, "custom.native.address"));
    put_ranges(&e, "Unloaded", "custom.native.unloaded", "");
    if (e.n > 0)
        tb_emit(e.out, "</tbody></table>\n");
}

/* ---- the twins ---- */

static void put_ranges_text(struct tb_item_view *item, struct tb_buf *out, const char *name,
                            const char *path)
{
    struct tb_event *event = &item->event;
    int list = tb_event_node(event, 0, path);
    int n = 0;
    if (!tb_event_is(event, list, TB_DOC_ARRAY))
        return;
    for (int m = tb_event_first(event, list); m >= 0 && n++ < LINES_MAX;
         m = tb_event_next(event, m))
        tb_emit(out, "  %t%.20t-%.20t %.4t %.500t\n", name, tb_event_at(event, m, "lo"),
                tb_event_at(event, m, "hi"), tb_event_at(event, m, "rights"),
                tb_event_at(event, m, "path"));
}

void tb_item_put_evidence_text(struct tb_item_view *item, struct tb_buf *out)
{
    put_ranges_text(item, out, "mapped      ", "custom.native.mappings");
    put_ranges_text(item, out, "unloaded    ", "custom.native.unloaded");
}
