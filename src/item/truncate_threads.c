/* truncate_threads.c - the first that goes from an item that is too large: the other threads of a
 * crash. See truncate_impl.h. */
#include <inttypes.h>
#include <stdio.h>

#include "item/truncate_impl.h"

/* Adds to a number of an object, which may not be there yet. */
static int add_to(struct tb_cut *c, int object, const char *key, int n)
{
    char number[24];
    int64_t before = tb_doc_int(c->doc, tb_doc_member(c->doc, object, key), 0);
    if (before < 0 || before > INT32_MAX)
        before = 0;
    int len = snprintf(number, sizeof(number), "%" PRId64, before + n);
    return tb_doc_set(c->doc, object, key, number, (size_t)len);
}

static int cut_frames(struct tb_cut *c, int group, int n_kept)
{
    int object = tb_cut_typed(c, group, "", TB_DOC_OBJECT);
    int frames = object < 0 ? -1 : tb_cut_typed(c, object, "frames", TB_DOC_ARRAY);
    int n = frames < 0 ? 0 : tb_cut_at(c, frames)->n_members;
    if (n <= n_kept)
        return 0;
    int err = tb_cut_keep_ends(c, frames, 0, n_kept);
    return err ? err : add_to(c, object, "frames_omitted", n - n_kept);
}

static int remove_all(struct tb_cut *c, int native, int list)
{
    int n = 0;
    for (int g = tb_cut_at(c, list)->first; g >= 0; g = tb_cut_at(c, g)->next) {
        int tids = tb_cut_typed(c, g, "tids", TB_DOC_ARRAY);
        n += tids < 0 ? 1 : tb_cut_at(c, tids)->n_members;
    }
    int err = tb_doc_remove(c->doc, list);
    return err || n == 0 ? err : add_to(c, native, "threads_omitted", n);
}

int tb_cut_native_threads(struct tb_cut *c, const struct tb_cut_step *step)
{
    int native = tb_cut_typed(c, c->data, "custom.native", TB_DOC_OBJECT);
    int list = tb_cut_typed(c, native, "threads", TB_DOC_ARRAY);
    int err = 0;
    if (list < 0)
        return 0;
    if (step->arg == 0)
        return remove_all(c, native, list);
    for (int g = tb_cut_at(c, list)->first; g >= 0 && !err; g = tb_cut_at(c, g)->next)
        err = cut_frames(c, g, (int)step->arg);
    return err;
}
