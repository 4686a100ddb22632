/* item_threads.c - the threads that did not crash: folded, one stack for those that stand alike. */
#include <inttypes.h>

#include "web/emit.h"
#include "web/pages.h"
#include "web/threads.h"

/* Puts the groups of the event, those that a page takes. */
static void
put_groups(struct tb_item_view *item, const struct tb_threads *threads, struct tb_buf *out,
           void (*put)(struct tb_item_view *, const struct tb_thread_group *, struct tb_buf *))
{
    struct tb_thread_group group;
    int node = threads->list < 0 ? -1 : tb_event_first(&item->event, threads->list);
    for (int n = 0; n < TB_THREADS_GROUPS; n++) {
        int got = tb_threads_next(&item->event, &node, &group);
        if (got < 0)
            item->event.err = got;
        if (got <= 0)
            return;
        put(item, &group, out);
        tb_stack_done(&group.stack);
    }
}

/* ---- on the page ---- */

static void put_group(struct tb_item_view *item, const struct tb_thread_group *group,
                      struct tb_buf *out)
{
    const struct tb_stack *stack = &group->stack;
    tb_emit(out, "<details class=\"frame thread\"><summary>");
    if (stack->n > 0)
        tb_emit(out, "<b class=\"mono\">%.200h</b> <span class=\"mono mute\">%.300h</span> ",
                stack->frames[stack->blamed].method,
                tb_frame_place(&item->event, &stack->frames[stack->blamed]));
    if (*group->waits_in != '\0')
        tb_emit(out, "<span>waits in <span class=\"mono\">%.100h</span></span> ", group->waits_in);
    if (group->crashed)
        tb_emit(out, "<span class=\"chip reg\">crashed too</span> ");
    tb_emit(out, "<span class=\"chip\">%d %h</span> <span class=\"mute\">%.200h</span></summary>\n",
            group->n_threads, tb_threads_word(group->n_threads), group->who_briefly);
    if (group->n_threads > TB_THREADS_BRIEF)
        tb_emit(out, "<p class=\"mono mute facts\">%h</p>\n", group->who);
    tb_item_put_frames(item, stack, 0, group->n_omitted);
    if (stack->n == 0)
        tb_emit(out, "<p class=\"mute facts\">It came without frames.</p>\n");
    if (group->is_cut && *group->cut_note != '\0')
        tb_emit(out, "<p class=\"mute facts\">%.200h</p>\n", group->cut_note);
    else if (group->is_cut)
        tb_emit(out, "<p class=\"mute facts\">The stack goes on: only a part of it was "
                     "captured.</p>\n");
    tb_emit(out, "</details>\n");
}

void tb_item_put_threads(struct tb_item_view *item)
{
    struct tb_buf *out = item->view->out;
    struct tb_threads threads;
    if (!tb_threads_read(&item->event, &threads))
        return;
    tb_emit(out,
            "<details class=\"panel fold\"><summary>Other threads <span class=\"mute\">%n</span>"
            "</summary>\n",
            threads.n_there);
    if (*threads.note != '\0')
        tb_emit(out, "<p class=\"mute facts\">%.300h</p>\n", threads.note);
    put_groups(item, &threads, out, put_group);
    if (threads.n_hidden > 0 && threads.list >= 0)
        tb_emit(out, "<p class=\"mute facts\">%n %h left out.</p>\n", threads.n_hidden,
                threads.n_hidden == 1 ? "thread is" : "threads are");
    tb_emit(out, "</details>\n");
}

/* ---- as text ---- */

static void put_group_text(struct tb_item_view *item, const struct tb_thread_group *group,
                           struct tb_buf *out)
{
    tb_emit(out, "\n%d %t: %t\n", group->n_threads, tb_threads_word(group->n_threads), group->who);
    if (*group->waits_in != '\0')
        tb_emit(out, "  waits in %.100t", group->waits_in);
    if (*group->waits_in != '\0' && group->stack.n > 0)
        tb_emit(out, " from %.200t", group->stack.frames[group->stack.blamed].method);
    if (*group->waits_in != '\0')
        tb_emit(out, "\n");
    if (group->crashed)
        tb_emit(out, "  crashed too\n");
    tb_item_put_stack_text(item, &group->stack, out);
    if (group->n_omitted > 0)
        tb_emit(out, "... %n frames are left out\n", group->n_omitted);
    if (group->is_cut)
        tb_emit(out, "... %.200t\n",
                *group->cut_note != '\0' ? group->cut_note
                                         : "only a part of the stack was captured");
}

void tb_item_put_threads_text(struct tb_item_view *item, struct tb_buf *out)
{
    struct tb_threads threads;
    if (!tb_threads_read(&item->event, &threads))
        return;
    tb_emit(out, "%n other %h\n", threads.n_there, tb_threads_word(threads.n_there));
    if (*threads.note != '\0')
        tb_emit(out, "  %.300t\n", threads.note);
    put_groups(item, &threads, out, put_group_text);
    if (threads.n_hidden > 0 && threads.list >= 0)
        tb_emit(out, "\n... %n %t left out\n", threads.n_hidden,
                threads.n_hidden == 1 ? "thread is" : "threads are");
}
