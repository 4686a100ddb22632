/* evict.c - what evict_plan.c says is done here: measuring, telling kinds apart, removing.
 *
 * 1. A file goes only when its lock can be had at that moment, so that nobody writes to it. One
 *    without a header is never evicted: its maker may be about to take the lock.
 * 2. The records in it are counted before it goes. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/clock.h"
#include "spool/evict_plan.h"
#include "spool/more_read.h"
#include "spool/quarantine.h"
#include "spool/state.h"

enum {
    KINDS_MAX = 64,    /* of one file; further ones count as one */
    KIND_BYTES = 4096, /* a file has one kind more for each of these */
    FOREIGN_S = 3600,
    CHATTER_PERCENT = 75,
    ALWAYS_BYTES = 16 << 20, /* however full the disk is */
    KEEP_FREE_MAX = 1 << 30,
};
static const uint64_t KIND_OTHER = 1;

/* ---- measuring ---- */

static uint64_t smaller(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* What the whole may have, as the file system is now. */
static uint64_t whole_cap(const struct tb_spool *spool, const struct tb_spool_policy *policy,
                          uint64_t used)
{
    struct statvfs fs;
    if (fstatvfs(spool->in_fd, &fs) < 0)
        return policy->max_bytes;
    uint64_t size = (uint64_t)fs.f_blocks * fs.f_frsize;
    uint64_t room = used + (uint64_t)fs.f_bavail * fs.f_frsize;
    uint64_t keep = smaller(size / 100 * policy->keep_free_percent, KEEP_FREE_MAX);
    uint64_t cap = room > keep ? room - keep : 0;
    if (policy->max_percent > 0)
        cap = smaller(cap, size / 100 * policy->max_percent);
    return smaller(policy->max_bytes, cap > ALWAYS_BYTES ? cap : ALWAYS_BYTES);
}

static uint64_t age_of(const struct tb_spool *spool, const struct tb_source *source,
                       uint64_t now_ns)
{
    const struct tb_file_header *header = &source->header;
    /* A slot is made when its process starts, and written when it dies. */
    if (source->is_slot)
        return source->gone_since_ns > 0 ? now_ns - source->gone_since_ns : 0;
    bool is_known = tb_spool_is_this_boot(spool, header) && header->created_mono_ns <= now_ns;
    return now_ns - (is_known ? header->created_mono_ns : source->first_seen_ns);
}

/* Is the slot there whose threads these are? It need not be known, when there are too many files.
 */
static bool has_slot(const struct tb_spool *spool, const struct tb_source *source,
                     const struct stat *st)
{
    char name[TB_SPOOL_NAME];
    struct stat slot;
    return source->is_more && tb_spool_name_beside(source->name, "slot", name) == 0 &&
           fstatat(spool->in_fd, name, &slot, AT_SYMLINK_NOFOLLOW) == 0 && tb_more_is_one(st);
}

/* What no reader opens is measured by its name. May it go? */
static bool measure_odd(const struct tb_spool *spool, struct tb_source *source)
{
    struct stat st;
    if (fstatat(spool->in_fd, source->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return false;
    source->bytes = (uint64_t)st.st_blocks * 512;
    source->uid = st.st_uid;
    return !S_ISDIR(st.st_mode) && !has_slot(spool, source, &st);
}

static bool is_nobodys(const struct tb_source *source)
{
    return source->state == TB_SOURCE_FOREIGN ||
           (source->state == TB_SOURCE_REFUSED && source->is_odd);
}

static struct tb_evict_file describe(const struct tb_spool *spool, struct tb_source *source,
                                     uint64_t now_ns)
{
    struct tb_evict_file file = {.class_ = source->class_};
    if (is_nobodys(source)) {
        file.class_ = TB_EVICT_FOREIGN;
        file.is_fixed = !measure_odd(spool, source);
    } else {
        file.is_fixed =
            source->alive || source->state == TB_SOURCE_NEW || source->state == TB_SOURCE_BAD;
    }
    file.uid = source->uid;
    file.bytes = source->bytes;
    file.age_ns = age_of(spool, source, now_ns);
    file.made_ns = source->is_slot ? source->mtime_ns : source->header.created_wall_ns;
    return file;
}

/* The quarantine is measured when something in it has changed. */
static uint64_t quarantine_bytes(struct tb_spool *spool)
{
    struct stat st;
    if (fstatat(spool->agent_fd, "quarantine", &st, AT_SYMLINK_NOFOLLOW) < 0)
        return 0;
    uint64_t changed_ns = (uint64_t)st.st_mtim.tv_sec * TB_NS_PER_S + (uint64_t)st.st_mtim.tv_nsec;
    if (changed_ns != spool->quarantine_ns) {
        spool->quarantine_bytes =
            tb_quarantine_trim(spool->agent_fd, TB_QUARANTINE_BYTES, TB_QUARANTINE_FILES);
        spool->quarantine_ns = changed_ns;
    }
    return spool->quarantine_bytes;
}

static void set_caps(struct tb_spool *spool, const struct tb_spool_policy *policy,
                     const struct tb_evict_file *files, struct tb_evict_caps *out)
{
    uint64_t hour_ns = (uint64_t)3600 * TB_NS_PER_S;
    uint64_t used = out->quarantine = quarantine_bytes(spool);
    for (size_t i = 0; i < spool->n_sources; i++)
        used += files[i].bytes;
    out->bytes = whole_cap(spool, policy, used);
    out->chatter = out->bytes / 100 * CHATTER_PERCENT;
    out->uid_bytes = policy->uid_percent > 0 ? out->bytes / 100 * policy->uid_percent : UINT64_MAX;
    out->own_uid = geteuid();
    out->foreign_age_ns = (uint64_t)FOREIGN_S * TB_NS_PER_S;
    for (int c = 0; c < TB_N_CLASSES; c++)
        out->max_age_ns[c] = policy->max_age_hours[c] * hour_ns;
}

/* ---- reading files that are to be judged or to go ---- */

/* The next record of a file that is open in spool->visit; what is met is counted as ever. */
static int read_next(struct tb_spool *spool, struct tb_source *source,
                     struct tb_spool_record *record)
{
    const struct tb_spool_stats before = spool->counts;
    int err = source->is_slot ? tb_slot_read(source, &spool->visit, &spool->counts, record)
                              : tb_segment_read(source, &spool->visit, &spool->counts, record);
    tb_spool_tally(spool, source, &before);
    if (err == 0)
        tb_spool_sign(spool, source, record);
    return err;
}

static void add_kind(struct tb_source *source, uint64_t kind)
{
    size_t max = 1 + smaller(source->bytes / KIND_BYTES, KINDS_MAX - 1);
    for (size_t i = source->n_kinds; i-- > 0;) {
        if (source->kinds[i] == kind)
            return;
    }
    if (source->n_kinds < max)
        source->kinds[source->n_kinds++] = kind;
    else
        source->kinds[max - 1] = KIND_OTHER;
}

/* Which kinds are pending in it. It is read from its start, and again afterwards. */
static void tell_kinds(struct tb_spool *spool, struct tb_source *source,
                       const struct tb_spool_policy *policy)
{
    struct tb_spool_record record;
    if (source->kinds || source->state != TB_SOURCE_READY)
        return;
    source->kinds = calloc(KINDS_MAX, sizeof(*source->kinds));
    if (!source->kinds || tb_source_enter(source, spool->in_fd, &spool->visit) < 0)
        return;
    tb_source_rewind(source);
    while (source->state == TB_SOURCE_READY && read_next(spool, source, &record) == 0)
        add_kind(source, policy->kind ? policy->kind(policy->arg, &record) : KIND_OTHER);
    tb_source_rewind(source);
    tb_source_leave(&spool->visit);
    tb_folder_touch(spool, source);
}

struct pending_kind {
    uint64_t kind;
    uint64_t age_ns, made_ns;
    size_t at;
};

static int compare_kinds(const void *left, const void *right)
{
    const struct pending_kind *a = left;
    const struct pending_kind *b = right;
    if (a->kind != b->kind)
        return a->kind < b->kind ? -1 : 1;
    if (a->age_ns != b->age_ns)
        return a->age_ns > b->age_ns ? -1 : 1;
    if (a->made_ns != b->made_ns)
        return a->made_ns < b->made_ns ? -1 : 1;
    return a->at < b->at ? -1 : a->at > b->at;
}

/* Of the files of that class that may go, those with the first or the last of a kind are kept
 * longest. */
static int keep_first_and_last(struct tb_spool *spool, const struct tb_spool_policy *policy,
                               struct tb_evict_file *files, int class_)
{
    size_t n = 0;
    size_t cap = 1;
    for (size_t i = 0; i < spool->n_sources; i++) {
        if (files[i].class_ != class_ || files[i].is_fixed)
            continue;
        tell_kinds(spool, spool->sources[i], policy);
        cap += spool->sources[i]->n_kinds;
    }
    struct pending_kind *all = calloc(cap, sizeof(*all));
    if (!all)
        return -ENOMEM;
    for (size_t i = 0; i < spool->n_sources; i++) {
        const struct tb_source *source = spool->sources[i];
        if (files[i].class_ != class_ || files[i].is_fixed)
            continue;
        for (size_t k = 0; k < source->n_kinds; k++)
            all[n++] =
                (struct pending_kind){source->kinds[k], files[i].age_ns, files[i].made_ns, i};
    }
    qsort(all, n, sizeof(*all), compare_kinds);
    for (size_t i = 0; i < n; i++) {
        bool is_first = i == 0 || all[i - 1].kind != all[i].kind;
        bool is_last = i + 1 == n || all[i + 1].kind != all[i].kind;
        files[all[i].at].is_kept = files[all[i].at].is_kept || is_first || is_last;
    }
    free(all);
    return 0;
}

/* ---- removing ---- */

static bool unlink_counted(struct tb_spool *spool, struct tb_source *source,
                           const struct tb_spool_totals *more)
{
    const struct tb_spool_totals before = spool->totals.totals;
    tb_counts_add(&spool->totals.totals, more);
    tb_counts_write(&spool->totals);
    if (tb_source_unlink(source, spool->in_fd) == 0)
        return true;
    spool->totals.totals = before;
    tb_counts_write(&spool->totals);
    return false;
}

static void evict_foreign(struct tb_spool *spool, struct tb_source *source,
                          struct tb_spool_evicted *out)
{
    const struct tb_spool_totals more = {.evicted_foreign = 1, .evicted_bytes = source->bytes};
    if (!unlink_counted(spool, source, &more))
        return;
    out->foreign++;
    out->bytes += source->bytes;
    tb_folder_drop(spool, source);
}

static void evict_file(struct tb_spool *spool, struct tb_source *source,
                       struct tb_spool_evicted *out)
{
    struct tb_spool_record record;
    struct tb_spool_totals more = {.evicted_files = 1, .evicted_bytes = source->bytes};
    enum tb_source_state state = source->state;
    uint64_t ino = source->ino;
    int class_ = source->class_;
    int err = tb_source_enter(source, spool->in_fd, &spool->visit);
    if (err == 0 && source->ino == ino && !spool->visit.alive) {
        while (state == TB_SOURCE_READY && read_next(spool, source, &record) == 0)
            continue;
        more.evicted[class_] = source->n_pending;
        if (unlink_counted(spool, source, &more)) {
            out->files++;
            out->bytes += more.evicted_bytes;
            out->records[class_] += more.evicted[class_];
            err = -ENOENT;
        }
    }
    tb_source_leave(&spool->visit);
    if (err == -ENOENT)
        tb_folder_drop(spool, source);
}

/* The sources move in their list when one goes, so they are taken by name first. */
static int carry_out(struct tb_spool *spool, const struct tb_evict_plan *plan,
                     struct tb_spool_evicted *out)
{
    struct tb_source **going = calloc(plan->n + 1, sizeof(struct tb_source *));
    if (!going)
        return -ENOMEM;
    for (size_t i = 0; i < plan->n; i++)
        going[i] = spool->sources[plan->order[i]];
    for (size_t i = 0; i < plan->n; i++) {
        if (is_nobodys(going[i]))
            evict_foreign(spool, going[i], out);
        else
            evict_file(spool, going[i], out);
    }
    free(going);
    return 0;
}

static void shrink_quarantine(struct tb_spool *spool, uint64_t max_bytes,
                              struct tb_spool_evicted *out)
{
    if (max_bytes >= spool->quarantine_bytes)
        return;
    uint64_t left = tb_quarantine_trim(spool->agent_fd, max_bytes, TB_QUARANTINE_FILES);
    out->quarantine_bytes = spool->quarantine_bytes - left;
    spool->quarantine_ns = 0;
}

/* ---- the whole ---- */

/* Is it known no better than from long ago, or not at all? Then it could not go. */
static bool is_stale(const struct tb_spool *spool, const struct tb_source *source,
                     const struct tb_evict_caps *caps, bool is_over)
{
    if (source->state == TB_SOURCE_FOREIGN || !source->alive)
        return false;
    uint64_t age_ns = age_of(spool, source, tb_clock_mono_ns());
    return is_over || age_ns > caps->max_age_ns[source->class_];
}

static int make_plan(struct tb_spool *spool, const struct tb_spool_policy *policy,
                     struct tb_evict_file *files, struct tb_evict_caps *caps,
                     struct tb_evict_plan *plan)
{
    uint64_t now_ns = tb_clock_mono_ns();
    for (size_t i = 0; i < spool->n_sources; i++)
        files[i] = describe(spool, spool->sources[i], now_ns);
    set_caps(spool, policy, files, caps);
    return tb_evict_plan(files, spool->n_sources, caps, plan);
}

/* Asks once more whether the owners live of what would go if they did not: 0 with a new plan if one
 * of them is gone. */
static int ask_owners(struct tb_spool *spool, const struct tb_spool_policy *policy,
                      struct tb_evict_file *files, struct tb_evict_caps *caps,
                      struct tb_evict_plan *plan)
{
    bool is_over = plan->is_over;
    bool is_changed = false;
    for (size_t i = spool->n_sources; i-- > 0;) {
        size_t n = spool->n_sources;
        if (!is_stale(spool, spool->sources[i], caps, is_over))
            continue;
        tb_folder_ask(spool, i);
        is_changed = is_changed || spool->n_sources < n || !spool->sources[i]->alive;
    }
    if (!is_changed)
        return 0;
    tb_evict_plan_done(plan);
    tb_spool_collect_spent(spool);
    return make_plan(spool, policy, files, caps, plan);
}

static int tell_first_and_last(struct tb_spool *spool, const struct tb_spool_policy *policy,
                               struct tb_evict_file *files, const struct tb_evict_caps *caps,
                               struct tb_evict_plan *plan)
{
    tb_evict_plan_done(plan);
    int err = keep_first_and_last(spool, policy, files, TB_CLASS_ERROR);
    if (err == 0)
        err = keep_first_and_last(spool, policy, files, TB_CLASS_CRASH);
    return err == 0 ? tb_evict_plan(files, spool->n_sources, caps, plan) : err;
}

int tb_spool_evict(struct tb_spool *spool, const struct tb_spool_policy *policy,
                   struct tb_spool_evicted *out)
{
    struct tb_evict_caps caps;
    struct tb_evict_plan plan;
    memset(out, 0, sizeof(*out));
    tb_folder_meet(spool);
    struct tb_evict_file *files = calloc(spool->n_sources + 1, sizeof(*files));
    if (!files)
        return -ENOMEM;
    int err = make_plan(spool, policy, files, &caps, &plan);
    if (err == 0)
        err = ask_owners(spool, policy, files, &caps, &plan);
    if (err == 0 && plan.needs_kinds)
        err = tell_first_and_last(spool, policy, files, &caps, &plan);
    if (err == 0) {
        err = carry_out(spool, &plan, out);
        shrink_quarantine(spool, plan.quarantine, out);
        tb_evict_plan_done(&plan);
    }
    free(files);
    return err;
}
