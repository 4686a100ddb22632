/* evict_plan.c - see evict_plan.h.
 *
 * The caps are met one after the other: the share of each user (the one furthest over first, and
 * only with that user's own files), what classes 1 to 3 may have together, and the whole. For each
 * of them the files go in the same steps, within a step the oldest first. Sorted once, so that the
 * plan takes n log n. */
#include "spool/evict_plan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    STEP_FOREIGN,
    STEP_INFO,
    STEP_WARNING,
    STEP_QUARANTINE, /* no file is in it */
    STEP_ERROR,
    STEP_ERROR_KEPT,
    STEP_CRASH,
    STEP_CRASH_KEPT,
    N_STEPS
};

struct ranked {
    int step;
    uint64_t age_ns, made_ns;
    size_t at; /* in files */
};

struct share {
    uid_t uid;
    uint64_t bytes;
};

struct work {
    struct tb_evict_file *files;
    size_t n;
    const struct tb_evict_caps *caps;
    struct tb_evict_plan *plan;
    struct ranked *ranked; /* files that may go, in the order of going */
    size_t n_ranked;
    struct share *shares;
    size_t n_shares;
    uint64_t bytes, chatter;
};

static int step_of(const struct tb_evict_file *file)
{
    switch (file->class_) {
    case TB_EVICT_FOREIGN:
        return STEP_FOREIGN;
    case TB_CLASS_INFO:
        return STEP_INFO;
    case TB_CLASS_WARNING:
        return STEP_WARNING;
    case TB_CLASS_ERROR:
        return file->is_kept ? STEP_ERROR_KEPT : STEP_ERROR;
    default:
        return file->is_kept ? STEP_CRASH_KEPT : STEP_CRASH;
    }
}

static bool is_chatter(const struct tb_evict_file *file)
{
    return file->class_ > TB_CLASS_CRASH;
}

static int compare_ranked(const void *left, const void *right)
{
    const struct ranked *a = left;
    const struct ranked *b = right;
    if (a->step != b->step)
        return a->step < b->step ? -1 : 1;
    if (a->age_ns != b->age_ns)
        return a->age_ns > b->age_ns ? -1 : 1;
    if (a->made_ns != b->made_ns)
        return a->made_ns < b->made_ns ? -1 : 1;
    return a->at < b->at ? -1 : a->at > b->at;
}

static int compare_uid(const void *left, const void *right)
{
    const struct share *a = left;
    const struct share *b = right;
    return a->uid < b->uid ? -1 : a->uid > b->uid;
}

/* NULL when users have no shares. */
static struct share *share_of(const struct work *work, uid_t uid)
{
    const struct share key = {.uid = uid};
    if (work->n_shares == 0)
        return NULL;
    return bsearch(&key, work->shares, work->n_shares, sizeof(key), compare_uid);
}

static void go(struct work *work, size_t at)
{
    struct tb_evict_file *file = &work->files[at];
    file->is_gone = true;
    work->plan->order[work->plan->n++] = at;
    work->bytes -= file->bytes;
    work->chatter -= is_chatter(file) ? file->bytes : 0;
    struct share *share = share_of(work, file->uid);
    if (share)
        share->bytes -= file->bytes;
}

/* ---- what is there ---- */

static void list_users(struct work *work)
{
    size_t n = 0;
    for (size_t i = 0; i < work->n; i++)
        work->shares[i].uid = work->files[i].uid;
    qsort(work->shares, work->n, sizeof(*work->shares), compare_uid);
    for (size_t i = 0; i < work->n; i++) {
        if (n == 0 || work->shares[n - 1].uid != work->shares[i].uid)
            work->shares[n++] = work->shares[i];
    }
    work->n_shares = n;
}

static void sum_up(struct work *work)
{
    if (work->caps->uid_bytes != UINT64_MAX)
        list_users(work);
    work->bytes = work->caps->quarantine;
    for (size_t i = 0; i < work->n; i++) {
        struct tb_evict_file *file = &work->files[i];
        file->is_gone = false;
        work->bytes += file->bytes;
        work->chatter += is_chatter(file) ? file->bytes : 0;
        struct share *share = share_of(work, file->uid);
        if (share)
            share->bytes += file->bytes;
    }
}

static bool is_over(const struct work *work)
{
    for (size_t i = 0; i < work->n_shares; i++) {
        const struct share *share = &work->shares[i];
        if (share->uid != work->caps->own_uid && share->bytes > work->caps->uid_bytes)
            return true;
    }
    return work->bytes > work->caps->bytes || work->chatter > work->caps->chatter;
}

/* What is too old goes whether a cap is exceeded or not; the rest of what may go is ranked. */
static void rank(struct work *work)
{
    for (size_t i = 0; i < work->n; i++) {
        const struct tb_evict_file *file = &work->files[i];
        bool is_foreign = file->class_ == TB_EVICT_FOREIGN;
        if (file->is_fixed || (is_foreign && file->age_ns <= work->caps->foreign_age_ns))
            continue;
        if (!is_foreign && file->age_ns > work->caps->max_age_ns[file->class_])
            go(work, i);
        else
            work->ranked[work->n_ranked++] =
                (struct ranked){step_of(file), file->age_ns, file->made_ns, i};
    }
    work->plan->is_over = is_over(work);
    if (!work->plan->is_over)
        return; /* as mostly: then the order does not matter */
    qsort(work->ranked, work->n_ranked, sizeof(*work->ranked), compare_ranked);
}

/* ---- the caps ---- */

/* One file goes for a cap. */
static void give_up(struct work *work, const struct ranked *ranked)
{
    work->plan->needs_kinds = work->plan->needs_kinds || ranked->step >= STEP_ERROR;
    go(work, ranked->at);
}

static void meet_share(struct work *work, struct share *share)
{
    for (size_t i = 0; i < work->n_ranked && share->bytes > work->caps->uid_bytes; i++) {
        const struct tb_evict_file *file = &work->files[work->ranked[i].at];
        if (!file->is_gone && file->uid == share->uid)
            give_up(work, &work->ranked[i]);
    }
}

static int compare_bytes(const void *left, const void *right)
{
    const struct share *a = left;
    const struct share *b = right;
    return a->bytes > b->bytes ? -1 : a->bytes < b->bytes;
}

/* Each share once: nothing that goes for another user makes one larger. */
static int meet_shares(struct work *work)
{
    struct share *over = calloc(work->n_shares + 1, sizeof(*over));
    size_t n = 0;
    if (!over)
        return -ENOMEM;
    for (size_t i = 0; i < work->n_shares; i++) {
        const struct share *share = &work->shares[i];
        if (share->uid != work->caps->own_uid && share->bytes > work->caps->uid_bytes)
            over[n++] = *share;
    }
    qsort(over, n, sizeof(*over), compare_bytes);
    for (size_t i = 0; i < n; i++)
        meet_share(work, share_of(work, over[i].uid));
    free(over);
    return 0;
}

/* What a user holds beyond the share in files that may not go (foreign ones, locked ones) is not
 * charged to the others, whose files would go for it. */
static void forgive_excess(struct work *work)
{
    for (size_t i = 0; i < work->n_shares; i++) {
        const struct share *share = &work->shares[i];
        if (share->uid == work->caps->own_uid || share->bytes <= work->caps->uid_bytes)
            continue;
        uint64_t excess = share->bytes - work->caps->uid_bytes;
        work->bytes -= excess < work->bytes ? excess : work->bytes;
        work->chatter -= excess < work->chatter ? excess : work->chatter;
    }
}

static void meet_chatter(struct work *work)
{
    for (size_t i = 0; i < work->n_ranked && work->chatter > work->caps->chatter; i++) {
        const struct tb_evict_file *file = &work->files[work->ranked[i].at];
        if (!file->is_gone && is_chatter(file))
            give_up(work, &work->ranked[i]);
    }
}

static void shrink_quarantine(struct work *work)
{
    uint64_t *kept = &work->plan->quarantine;
    uint64_t over = work->bytes > work->caps->bytes ? work->bytes - work->caps->bytes : 0;
    uint64_t goes = over < *kept ? over : *kept;
    *kept -= goes;
    work->bytes -= goes;
}

static void meet_whole(struct work *work)
{
    bool was_shrunk = false;
    for (size_t i = 0; i < work->n_ranked && work->bytes > work->caps->bytes; i++) {
        if (!was_shrunk && work->ranked[i].step > STEP_QUARANTINE) {
            shrink_quarantine(work);
            was_shrunk = true;
        }
        if (work->bytes > work->caps->bytes && !work->files[work->ranked[i].at].is_gone)
            give_up(work, &work->ranked[i]);
    }
    if (!was_shrunk)
        shrink_quarantine(work);
}

int tb_evict_plan(struct tb_evict_file *files, size_t n, const struct tb_evict_caps *caps,
                  struct tb_evict_plan *out)
{
    struct work work = {.files = files, .n = n, .caps = caps, .plan = out};
    memset(out, 0, sizeof(*out));
    out->quarantine = caps->quarantine;
    out->order = calloc(n + 1, sizeof(*out->order));
    work.ranked = calloc(n + 1, sizeof(*work.ranked));
    work.shares = calloc(n + 1, sizeof(*work.shares));
    int err = out->order && work.ranked && work.shares ? 0 : -ENOMEM;
    if (err == 0) {
        sum_up(&work);
        rank(&work);
        err = meet_shares(&work);
    }
    if (err == 0) {
        forgive_excess(&work);
        meet_chatter(&work);
        meet_whole(&work);
    } else {
        tb_evict_plan_done(out);
    }
    free(work.ranked);
    free(work.shares);
    return err;
}

void tb_evict_plan_done(struct tb_evict_plan *plan)
{
    free(plan->order);
    memset(plan, 0, sizeof(*plan));
}
