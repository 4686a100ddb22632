/* reader.c - see reader.h. Which file is read when is folder.c's, what is in it segment_read.c's
 * and slot_read.c's; here records go out and acknowledgements come back. */
#include "spool/reader.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "spool/quarantine.h"
#include "spool/state.h"

enum {
    EVENTS_EVERY = 64, /* records, or files, after which a crash that came meanwhile may overtake */
    QUARANTINE_WHY = 256, /* bytes */
};

/* Has nothing been written since the file was last read to its end? */
static bool is_quiet(const struct tb_source *source, const struct tb_visit *visit)
{
    return source->state == TB_SOURCE_READY && !source->is_slot && visit->alive &&
           source->quiet_size != 0 && source->quiet_size == visit->size &&
           source->quiet_mtime_ns == visit->mtime_ns;
}

void tb_spool_tally(struct tb_spool *spool, struct tb_source *source,
                    const struct tb_spool_stats *before)
{
    struct tb_spool_totals *sum = &source->tally;
    sum->damaged += spool->counts.n_damaged - before->n_damaged;
    sum->lost += spool->counts.n_lost - before->n_lost;
    sum->vanished += spool->counts.n_vanished - before->n_vanished;
    for (int c = 0; c < TB_N_CLASSES; c++)
        sum->drops[c] += spool->counts.n_drops[c] - before->n_drops[c];
}

void tb_spool_keep_tally(struct tb_spool *spool, struct tb_source *source)
{
    static const struct tb_spool_totals none;
    if (memcmp(&source->tally, &none, sizeof(none)) == 0)
        return;
    tb_counts_add(&spool->totals.totals, &source->tally);
    tb_counts_write(&spool->totals);
    source->tally = none;
}

static void remember_put_away(struct tb_spool *spool, const struct tb_source *source)
{
    for (size_t i = 0; i < source->n_marks; i++) {
        if (!(source->marks[i] & TB_MARK_ACKED))
            continue;
        spool->put_away[spool->n_put_away++ % TB_SPOOL_PUT_AWAY] = source->id;
        return;
    }
}

/* Was that file put away since the log was loaded? */
static bool was_put_away(const struct tb_spool *spool, uint64_t id)
{
    for (unsigned i = 0; i < TB_SPOOL_PUT_AWAY && i < spool->n_put_away; i++) {
        if (spool->put_away[i] == id)
            return true;
    }
    return false;
}

/* Notes what is acknowledged of a file that was just met. What is noted and not written yet counts
 * too; it is not written here, since the database may not have been synced. */
static int load_acks(struct tb_spool *spool, struct tb_source *source)
{
    struct tb_acklog now = {.fd = -1};
    const struct tb_acklog *log = &spool->acks;
    const struct tb_ack *acks;
    struct tb_ack noted;
    bool is_back = was_put_away(spool, source->id);
    if (is_back && tb_acklog_read(&now, spool->agent_fd) == 0)
        log = &now;
    size_t n_acks = tb_acklog_find(log, source->id, &acks);
    int err = tb_source_load(source, acks, n_acks);
    for (size_t i = 0; is_back && err == 0 && tb_acklog_noted(&spool->acks, i, &noted); i++) {
        if (noted.file_id == source->id)
            err = tb_source_load(source, &noted, 1);
    }
    tb_acklog_close(&now);
    return err;
}

static void quarantine_source(struct tb_spool *spool, struct tb_source *source)
{
    char why[QUARANTINE_WHY];
    if (spool->visit.alive)
        return; /* its owner may still write to it */
    (void)snprintf(why, sizeof(why), "%s: %s (owner uid %lu)", source->name, source->why_bad,
                   (unsigned long)source->uid);
    tb_spool_keep_tally(spool, source);
    if (tb_quarantine_file(spool->agent_fd, spool->in_fd, source->name, why) < 0)
        return; /* stays BAD, and is tried again at the next listing */
    spool->counts.n_quarantined++;
    remember_put_away(spool, source);
    tb_folder_drop(spool, source);
}

static void give_up(struct tb_spool *spool, struct tb_source *source, const char *why)
{
    source->state = TB_SOURCE_BAD;
    source->why_bad = why;
    source->final = false;
    spool->counts.n_damaged++;
    source->tally.damaged++;
    quarantine_source(spool, source);
}

static int attach(struct tb_spool *spool, struct tb_source *source)
{
    tb_index_remove_id(&spool->index, source); /* of a file that stood here before */
    const struct tb_spool_stats before = spool->counts;
    int err = tb_source_attach(source, &spool->visit, &spool->counts.n_damaged);
    tb_spool_tally(spool, source, &before);
    if (err == -ENODATA) {
        /* Its maker died between creating it and the first byte. */
        if (tb_source_claim(&spool->visit) == 0 && tb_source_unlink(source, spool->in_fd) == 0)
            tb_folder_drop(spool, source);
    } else if (err == -EBADMSG) {
        give_up(spool, source, "the file header is damaged or not one of a spool file");
    } else if (err == -EPROTONOSUPPORT || err == -EPERM) {
        source->state = TB_SOURCE_REFUSED;
    } else if (err == -EAGAIN) {
        source->waiting = true;
    }
    if (err < 0)
        return -EAGAIN;
    source->state = TB_SOURCE_NEW;
    if (tb_folder_find(spool, source->id)) {
        source->state = TB_SOURCE_REFUSED; /* a copy: the first one speaks for both */
        return -EAGAIN;
    }
    if (load_acks(spool, source) < 0)
        return -EAGAIN;
    source->state = TB_SOURCE_READY;
    tb_index_add_id(&spool->index, source);
    return 0;
}

int tb_spool_enter(struct tb_spool *spool, struct tb_source *source)
{
    tb_index_drop(&spool->index, source);
    source->waiting = false;
    int err = tb_source_enter(source, spool->in_fd, &spool->visit);
    if (err == -ENOENT)
        tb_folder_drop(spool, source);
    else
        tb_index_seat(&spool->index, source, err < 0 ? (uid_t)-1 : source->uid);
    if (err < 0)
        return -EAGAIN;
    if (source->state == TB_SOURCE_BAD) {
        quarantine_source(spool, source);
        err = -EAGAIN;
    } else if (source->state == TB_SOURCE_NEW) {
        err = attach(spool, source);
    } else if (is_quiet(source, &spool->visit)) {
        err = -EAGAIN;
    }
    if (err < 0)
        tb_source_leave(&spool->visit);
    return err;
}

static void leave_current(struct tb_spool *spool, int err)
{
    struct tb_source *source = spool->current;
    struct tb_visit *visit = &spool->visit;
    spool->current = NULL;
    /* The times of a file are coarse: they tell of a later write only when some time has passed. */
    if (err == -EAGAIN && !source->waiting && source->hole == 0 &&
        tb_clock_wall_ns() > visit->mtime_ns + TB_NS_PER_S) {
        source->quiet_mtime_ns = visit->mtime_ns;
        source->quiet_size = visit->size;
    }
    tb_source_leave(visit);
    if (err == -EOVERFLOW)
        give_up(spool, source, "frames overlap as no damage makes them");
    else if (err == -EBADMSG)
        give_up(spool, source, "the beginning of the crash record is damaged");
}

void tb_spool_leave(struct tb_spool *spool)
{
    if (!spool->current)
        return;
    tb_folder_touch(spool, spool->current);
    leave_current(spool, 0);
}

/* Leaves the current file when one of a more urgent class has something, or somebody else's that
 * has waited. */
static void let_overtake(struct tb_spool *spool)
{
    if (!spool->current || ++spool->n_since_events < EVENTS_EVERY)
        return;
    tb_folder_events(spool);
    tb_index_take_turn(&spool->index, spool->current);
    /* A new file has no source yet: it gets one when this file is left. */
    if (!tb_index_must_yield(&spool->index, spool->current) && !spool->list_needed)
        return;
    tb_spool_leave(spool);
    tb_folder_look(spool);
}

static int read_current(struct tb_spool *spool, struct tb_spool_record *out)
{
    struct tb_source *source = spool->current;
    const struct tb_spool_stats before = spool->counts;
    uint64_t began_ns = source->is_slot ? tb_clock_mono_ns() : 0;
    int err = source->is_slot ? tb_slot_read(source, &spool->visit, &spool->counts, out)
                              : tb_segment_read(source, &spool->visit, &spool->counts, out);
    if (source->is_slot && err == -EAGAIN)
        spool->look_ns += tb_clock_mono_ns() - began_ns;
    tb_spool_tally(spool, source, &before);
    if (err == 0)
        tb_spool_sign(spool, source, out);
    return err;
}

/* A record over which the agent has died: not now, or never again. */
static bool put_off(struct tb_spool *spool, struct tb_spool_record *record)
{
    char why[QUARANTINE_WHY];
    struct tb_suspect *suspect = tb_inflight_find(&spool->inflight, record->file_id, record->off8);
    if (!suspect)
        return false;
    if (suspect->deaths >= TB_DEATHS_MAX) {
        (void)snprintf(why, sizeof(why), "the agent died %d times while it worked on this record",
                       suspect->deaths);
        /* When that fails it stays as it is, until the spool is opened or rewound. */
        (void)tb_spool_quarantine(spool, record, why);
        return true;
    }
    suspect->is_put_off = !suspect->is_wanted;
    suspect->is_wanted = false;
    record->deaths = suspect->deaths;
    return suspect->is_put_off;
}

static bool must_wait(const struct tb_spool *spool, const struct tb_suspect *suspect)
{
    uint64_t wait_ns = suspect->deaths * (uint64_t)TB_NS_PER_S;
    return spool->is_patient && tb_clock_mono_ns() - spool->opened_ns < wait_ns;
}

/* Nothing else is left: is there one that was put off? Then it is read next. */
static bool want_suspect(struct tb_spool *spool)
{
    struct tb_suspect *best = NULL;
    for (size_t i = 0; i < TB_SUSPECTS_MAX && spool->inflight.n > 0; i++) {
        struct tb_suspect *suspect = &spool->inflight.suspects[i];
        if (suspect->is_put_off && !must_wait(spool, suspect) &&
            (!best || suspect->deaths < best->deaths))
            best = suspect;
    }
    if (!best)
        return false;
    best->is_put_off = false;
    struct tb_source *source = tb_folder_find(spool, best->file_id);
    if (source) {
        best->is_wanted = true;
        tb_source_unread(source, best->off8);
        tb_folder_touch(spool, source);
    }
    return true;
}

/* Goes on to that file. Whose a new one is, and how old, shows then: it takes its place. */
static void visit(struct tb_spool *spool, struct tb_source *source)
{
    bool is_new = source->line == 0;
    uint64_t began_ns = tb_clock_mono_ns();
    tb_index_take_turn(&spool->index, source);
    int err = tb_spool_enter(spool, source);
    spool->look_ns += tb_clock_mono_ns() - began_ns;
    if (err < 0)
        return;
    /* Without memory it has no place to take. */
    if (!is_new || source->line == 0 || !tb_folder_pick(spool)) {
        spool->current = source;
        return;
    }
    tb_source_leave(&spool->visit);
    tb_folder_touch(spool, source);
}

int tb_spool_next(struct tb_spool *spool, struct tb_spool_record *out)
{
    bool looked = false;
    let_overtake(spool);
    for (;;) {
        if (spool->current) {
            int err = read_current(spool, out);
            if (err == 0 && spool->inflight.n > 0 && put_off(spool, out))
                continue;
            if (err == 0) {
                spool->counts.n_read++;
                return 0;
            }
            if (err == -ENOMEM)
                tb_folder_touch(spool, spool->current);
            leave_current(spool, err);
            if (err == -ENOMEM)
                return err;
        }
        if (++spool->n_since_events >= EVENTS_EVERY)
            tb_folder_events(spool);
        struct tb_source *source = tb_folder_pick(spool);
        if (!source && looked) {
            if (!want_suspect(spool))
                return -EAGAIN;
        } else if (!source) {
            tb_folder_look(spool);
            looked = true;
        } else {
            visit(spool, source);
        }
    }
}

void tb_spool_begin(struct tb_spool *spool, const struct tb_spool_record *record)
{
    tb_inflight_begin(&spool->inflight, record->file_id, record->off8);
}

void tb_spool_ack(struct tb_spool *spool, uint64_t file_id, uint32_t off8, enum tb_ack_status how)
{
    struct tb_source *source = tb_folder_find(spool, file_id);
    uint32_t *mark = source ? tb_source_find(source, off8) : NULL;
    if (!mark || !(*mark & TB_MARK_RECORD) || (*mark & TB_MARK_ACKED))
        return;
    *mark |= TB_MARK_ACKED;
    if (how == TB_ACK_QUARANTINED)
        *mark |= TB_MARK_QUARANTINED;
    source->n_pending--;
    struct tb_suspect *suspect = tb_inflight_find(&spool->inflight, file_id, off8);
    if (suspect)
        tb_inflight_forget(&spool->inflight, suspect);
    struct tb_ack ack = {file_id, off8, (uint8_t)how};
    /* What is in quarantine is on the disk: a killer must not be innocent after a restart. */
    if (how != TB_ACK_QUARANTINED || tb_acklog_append(&spool->acks, &ack) < 0)
        tb_acklog_note(&spool->acks, &ack);
}

int tb_spool_flush(struct tb_spool *spool)
{
    if (spool->acks.is_broken)
        return tb_spool_compact(spool);
    int err = tb_acklog_flush(&spool->acks);
    tb_inflight_clear(&spool->inflight);
    if (err == 0 && spool->acks.end > spool->compact_at)
        (void)tb_spool_compact(spool); /* the log is right as it is, only long */
    return err;
}

static bool is_done(const struct tb_source *source)
{
    return source->state == TB_SOURCE_READY && source->final && source->n_pending == 0;
}

static bool is_spent(const struct tb_source *source)
{
    bool spent = is_done(source);
    for (size_t i = 0; spent && i < source->n_marks; i++)
        spent = !(source->marks[i] & TB_MARK_ACKED);
    return spent;
}

/* 1 when it was removed. */
static int collect(struct tb_spool *spool, struct tb_source *source)
{
    struct tb_visit visit = {.scan = {.fd = -1}};
    uint64_t ino = source->ino;
    int err = tb_source_enter(source, spool->in_fd, &visit);
    bool goes = err == 0 && source->ino == ino && !visit.alive;
    if (goes)
        tb_spool_keep_tally(spool, source);
    goes = goes && tb_source_unlink(source, spool->in_fd) == 0;
    if (goes || err == -ENOENT)
        tb_folder_drop(spool, source);
    tb_source_leave(&visit);
    return goes;
}

int tb_spool_collect(struct tb_spool *spool)
{
    int n_removed = 0;
    for (size_t i = spool->n_sources; i-- > 0;) {
        if (spool->sources[i] != spool->current && is_done(spool->sources[i]))
            n_removed += collect(spool, spool->sources[i]);
    }
    return n_removed;
}

void tb_spool_collect_spent(struct tb_spool *spool)
{
    for (size_t i = spool->n_sources; i-- > 0;) {
        if (spool->sources[i] != spool->current && is_spent(spool->sources[i]))
            (void)collect(spool, spool->sources[i]);
    }
}

void tb_spool_rewind(struct tb_spool *spool)
{
    if (spool->current)
        leave_current(spool, 0);
    tb_inflight_clear(&spool->inflight);
    for (size_t i = 0; i < spool->n_sources; i++) {
        struct tb_source *source = spool->sources[i];
        if (source->state != TB_SOURCE_READY)
            continue;
        tb_source_rewind(source);
        tb_folder_touch(spool, source);
    }
}

int tb_spool_wake_fd(const struct tb_spool *spool)
{
    return spool->wake_fd;
}

void tb_spool_stats(const struct tb_spool *spool, struct tb_spool_stats *out)
{
    *out = spool->counts;
    out->n_suspects = spool->inflight.n;
    out->total = spool->totals.totals;
    out->n_refused = spool->n_foreign;
    for (size_t i = 0; i < spool->n_sources; i++) {
        const struct tb_source *source = spool->sources[i];
        if (source->state == TB_SOURCE_FOREIGN)
            continue;
        if (source->state == TB_SOURCE_REFUSED)
            out->n_refused++;
        out->n_files++;
        out->bytes += source->bytes;
        out->n_pending += source->n_pending;
        tb_counts_add(&out->total, &source->tally);
    }
}
