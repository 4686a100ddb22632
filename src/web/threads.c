/* threads.c - see threads.h. */
#include "web/threads.h"

#include <errno.h>
#include <string.h>

#include "base/buf.h"

enum { WHO_BYTES = 16 << 10, NAME_BYTES = 64 };

static int is_group(const struct tb_event *event, int node)
{
    return tb_event_is(event, node, TB_DOC_OBJECT) &&
           tb_event_is(event, tb_event_node(event, node, "frames"), TB_DOC_ARRAY);
}

static int count_threads(const struct tb_event *event, int group)
{
    int tids = tb_event_node(event, group, "tids");
    return tb_event_is(event, tids, TB_DOC_ARRAY) ? tb_event_count(event, tids) : 0;
}

int tb_threads_read(struct tb_event *event, struct tb_threads *out)
{
    int native = tb_event_node(event, 0, "custom.native");
    int n_groups = 0;
    int64_t n_shown = 0;
    memset(out, 0, sizeof(*out));
    out->list = tb_event_node(event, native, "threads");
    if (native < 0 || !tb_event_is(event, out->list, TB_DOC_ARRAY))
        out->list = -1;
    for (int g = out->list < 0 ? -1 : tb_event_first(event, out->list);
         g >= 0 && n_groups < TB_THREADS_GROUPS; g = tb_event_next(event, g)) {
        if (!is_group(event, g))
            continue;
        n_groups++;
        n_shown += count_threads(event, g);
    }
    out->note = native < 0 ? "" : tb_event_at(event, native, "threads_note");
    out->n_there = native < 0 ? 0 : tb_event_int(event, native, "threads_there");
    if (out->n_there < n_shown)
        out->n_there = n_shown;
    out->n_hidden = out->n_there - n_shown;
    return n_groups > 0 || out->n_there > 0 || *out->note != '\0';
}

/* "worker-1 (4251), 4252": a name where there is one. */
static const char *who_of(struct tb_event *event, int group, int n_named)
{
    struct tb_buf text;
    int tids = tb_event_node(event, group, "tids");
    int names = tb_event_node(event, group, "names");
    int name = tb_event_is(event, names, TB_DOC_ARRAY) ? tb_event_first(event, names) : -1;
    int n = 0;
    tb_buf_init(&text, WHO_BYTES);
    for (int t = count_threads(event, group) > 0 ? tb_event_first(event, tids) : -1;
         t >= 0 && n < n_named; t = tb_event_next(event, t), n++) {
        const char *called = tb_event_value(event, name);
        const char *tid = tb_event_value(event, t);
        int is_named = *called != '\0';
        tb_buf_addf(&text, "%s%.*s%s%.*s%s", n > 0 ? ", " : "", NAME_BYTES, called,
                    is_named ? " (" : "", NAME_BYTES, tid, is_named ? ")" : "");
        name = name < 0 ? -1 : tb_event_next(event, name);
    }
    if (count_threads(event, group) > n)
        tb_buf_addf(&text, ", %d more", count_threads(event, group) - n);
    if (text.err == -ENOMEM)
        event->err = text.err;
    const char *kept = tb_event_keep(event, tb_buf_str(&text), text.len);
    tb_buf_done(&text);
    return kept;
}

int tb_threads_next(struct tb_event *event, int *node, struct tb_thread_group *out)
{
    memset(out, 0, sizeof(*out));
    while (*node >= 0 && !is_group(event, *node))
        *node = tb_event_next(event, *node);
    if (*node < 0)
        return 0;
    int group = *node;
    *node = tb_event_next(event, group);
    out->n_threads = count_threads(event, group);
    out->who = who_of(event, group, TB_THREADS_NAMED);
    out->who_briefly = who_of(event, group, TB_THREADS_BRIEF);
    out->waits_in = tb_event_at(event, group, "waits_in");
    out->n_omitted = tb_event_int(event, group, "frames_omitted");
    out->is_cut = tb_event_bool(event, group, "cut") == 1;
    out->cut_note = tb_event_at(event, group, "cut_note");
    out->crashed = tb_event_bool(event, group, "crashed") == 1;
    int err = tb_stack_frames(event, tb_event_node(event, group, "frames"), &out->stack);
    return err < 0 ? err : 1;
}

const char *tb_threads_word(int64_t n)
{
    return n == 1 ? "thread" : "threads";
}
