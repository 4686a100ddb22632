/* segment_read.c - the records of a segment, see source.h.
 *
 * Where no good frame stands is a gap: the end for now, a record that is being written, or damage.
 * 1. With the owner gone a gap is passed over at once: nobody fills it any more.
 * 2. With the owner alive, the end is waited for as long as it takes; a gap with good frames behind
 *    it is waited for GAP_S seconds and then passed over, but looked at again: when something
 *    changed, and once more when the owner is gone. A record that comes late is not lost. */
#include "spool/source.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"

enum {
    GAP_S = 2,
    HOLE_FIRST_S = 1, /* a second look at a hole costs up to a whole file: */
    HOLE_MOST_S = 32, /* each one in vain is waited for twice as long as the one before */
    SEQ_MAX = 1 << 24 /* more than the smallest frames that fit a file: beyond it lies a forgery */
};

/* Notes a good frame: 1 when it must be delivered, 0 when not, or -ENOMEM. */
static int note_frame(struct tb_source *source, const struct tb_frame *frame,
                      struct tb_spool_stats *stats)
{
    uint32_t *mark = tb_source_mark(source, (uint32_t)(frame->offset / 8));
    if (!mark)
        return -ENOMEM;
    if (*mark & TB_MARK_FOUND)
        return 0;
    *mark |= TB_MARK_FOUND;
    source->n_found++;
    if (frame->seq >= source->seq_end && frame->seq < SEQ_MAX)
        source->seq_end = frame->seq + 1;
    if (frame->type == TB_FRAME_PAD || frame->type == TB_FRAME_SEAL)
        return 0;
    if (frame->type == TB_FRAME_FULL && frame->kind == TB_KIND_PROCESS) {
        *mark |= TB_MARK_CONTEXT;
        return 0;
    }
    if (!tb_frame_is_record(frame)) {
        stats->n_damaged++; /* whole, but nothing that this program knows */
        return 0;
    }
    if (*mark & TB_MARK_ACKED)
        return 0;
    *mark |= TB_MARK_RECORD;
    source->n_pending++;
    return 1;
}

static void finish(struct tb_source *source, struct tb_spool_stats *stats)
{
    source->final = true;
    if (!source->counted && source->seq_end > source->n_found)
        stats->n_lost += source->seq_end - source->n_found;
    source->counted = true;
}

/* Has the gap at pos been waited for? Starts waiting for it if not. */
static bool was_waited_for(struct tb_source *source, uint64_t now_ns)
{
    if (source->pos < source->resolved)
        return true;
    if (source->gap_at != source->pos || source->gap_since_ns == 0) {
        source->gap_at = source->pos;
        source->gap_since_ns = now_ns;
    }
    return now_ns - source->gap_since_ns >= (uint64_t)GAP_S * TB_NS_PER_S;
}

/* A gap that is passed over for the first time, and is no write that was cut short. 0, or an error
 * of reading. */
static int count_damage(const struct tb_source *source, struct tb_visit *visit, uint64_t end,
                        bool at_end, struct tb_spool_stats *stats)
{
    if (source->pos < source->resolved)
        return 0;
    int torn = tb_scan_is_torn(&visit->scan, source->pos, end, at_end);
    if (torn < 0)
        return torn;
    stats->n_damaged += torn == 0;
    return 0;
}

static void note_hole(struct tb_source *source, uint64_t now_ns)
{
    bool is_same = source->pos == source->hole_looked_at;
    unsigned wait_s = is_same ? 2 * source->hole_wait_s : HOLE_FIRST_S;
    source->hole = source->pos;
    source->hole_seen_ns = now_ns; /* it was looked at just now */
    source->hole_wait_s = wait_s < HOLE_MOST_S ? wait_s : HOLE_MOST_S;
}

/* 0: pos is at a good frame now. -EAGAIN: no further for now, or ever. */
static int pass_gap(struct tb_source *source, struct tb_visit *visit, struct tb_spool_stats *stats)
{
    uint64_t next = source->pos;
    bool zeros = true;
    int err = tb_scan_resync(&visit->scan, source->pos, &next, &zeros);
    if (err == 0 && next == source->pos)
        return 0;
    if (err == -ENODATA) {
        if (visit->alive)
            return -EAGAIN;
        if (!zeros && (err = count_damage(source, visit, visit->scan.end, true, stats)) < 0)
            return err;
        source->resolved = visit->size;
        finish(source, stats);
        return -EAGAIN;
    }
    if (err < 0)
        return err;
    if (visit->alive && !was_waited_for(source, visit->now_ns)) {
        source->waiting = true;
        return -EAGAIN;
    }
    if (!zeros && (err = count_damage(source, visit, next, false, stats)) < 0)
        return err;
    if (visit->alive && (source->hole == 0 || source->pos < source->hole))
        note_hole(source, visit->now_ns);
    source->pos = next;
    source->resolved = next > source->resolved ? next : source->resolved;
    return 0;
}

static void look_at_hole_again(struct tb_source *source, const struct tb_visit *visit)
{
    if (source->hole == 0)
        return;
    uint64_t wait_ns = (uint64_t)source->hole_wait_s * TB_NS_PER_S;
    if (visit->alive && visit->now_ns - source->hole_seen_ns < wait_ns)
        return;
    source->hole_seen_ns = visit->now_ns;
    source->hole_looked_at = source->hole;
    source->pos = source->hole;
    source->hole = 0;
}

int tb_segment_read(struct tb_source *source, struct tb_visit *visit, struct tb_spool_stats *stats,
                    struct tb_spool_record *out)
{
    look_at_hole_again(source, visit);
    for (;;) {
        struct tb_frame frame;
        const uint8_t *payload;
        int err = tb_scan_frame(&visit->scan, source->pos, &frame, &payload);
        if (err == -ENODATA || err == -EBADMSG)
            err = pass_gap(source, visit, stats);
        else if (err == 0) {
            int deliver = note_frame(source, &frame, stats);
            if (deliver < 0)
                return deliver;
            source->pos += tb_frame_room(frame.len);
            if (deliver) {
                *out = (struct tb_spool_record){.kind = frame.kind,
                                                .class_ = frame.class_,
                                                .flags = frame.flags,
                                                .time_ns = frame.time_ns,
                                                .data = payload,
                                                .len = frame.len,
                                                .off8 = (uint32_t)(frame.offset / 8)};
                memcpy(out->uuid, frame.uuid, sizeof(out->uuid));
                return 0;
            }
        }
        if (err < 0)
            return err;
    }
}
