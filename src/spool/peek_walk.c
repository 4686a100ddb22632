/* peek_walk.c - one file from its start to its end, see peek.h. What a gap is called is
 * docs/spool-format.md 5, "What a gap was". */
#include "spool/peek.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/pack.h"
#include "spool/more_read.h"
#include "spool/peek_state.h"
#include "spool/slot.h"

enum { SEQ_MAX = 1 << 24 /* as in segment_read.c */ };

struct walk {
    struct tb_peek *peek;
    struct tb_peek_file *file;
    struct tb_source *source; /* what ack.log says of the file is in its marks */
    struct tb_scan *scan;
    tb_peek_each *each;
    void *arg;
    uint64_t n_found, seq_end;
};

static int show(struct walk *walk, const struct tb_peek_part *part)
{
    struct tb_peek_file *file = walk->file;
    switch (part->what) {
    case TB_PEEK_RECORD:
        file->n_records++;
        file->n_acked += part->is_acked;
        break;
    case TB_PEEK_PROCESS:
        file->n_processes++;
        break;
    case TB_PEEK_SEAL:
        file->is_sealed = file->is_sealed || part->frame.type == TB_FRAME_SEAL;
        break;
    case TB_PEEK_THREAD:
        file->n_threads++;
        break;
    case TB_PEEK_UNKNOWN:
        file->n_unknown++;
        break;
    case TB_PEEK_HOLE:
        file->n_holes++;
        break;
    case TB_PEEK_TORN:
        file->n_torn++;
        break;
    case TB_PEEK_DAMAGE:
        file->n_damaged++;
        break;
    case TB_PEEK_WRITING:
    default:
        break;
    }
    return walk->each ? walk->each(walk->arg, file, part) : 0;
}

static void look_up_ack(const struct walk *walk, struct tb_peek_part *part)
{
    const uint32_t *mark = tb_source_find(walk->source, (uint32_t)(part->offset / 8));
    part->is_acked = mark && (*mark & TB_MARK_ACKED);
    part->is_put_away = mark && (*mark & TB_MARK_QUARANTINED);
}

/* ---- a segment ---- */

static int show_frame(struct walk *walk, const struct tb_frame *frame, const uint8_t *payload)
{
    struct tb_peek_part part = {.what = TB_PEEK_UNKNOWN,
                                .offset = frame->offset,
                                .end = frame->offset + tb_frame_room(frame->len),
                                .frame = *frame,
                                .data = payload,
                                .len = frame->len};
    walk->n_found++;
    if (frame->seq >= walk->seq_end && frame->seq < SEQ_MAX)
        walk->seq_end = frame->seq + 1;
    if (frame->type == TB_FRAME_PAD || frame->type == TB_FRAME_SEAL)
        part.what = TB_PEEK_SEAL;
    else if (frame->type == TB_FRAME_FULL && frame->kind == TB_KIND_PROCESS)
        part.what = TB_PEEK_PROCESS;
    else if (tb_frame_is_record(frame)) {
        part.what = TB_PEEK_RECORD;
        look_up_ack(walk, &part);
    }
    return show(walk, &part);
}

static int show_gap(struct walk *walk, uint64_t from, uint64_t end, bool at_end, bool zeros)
{
    struct tb_peek_part part = {.what = TB_PEEK_HOLE, .offset = from, .end = end};
    if (zeros && at_end)
        return 0; /* the end for now */
    int torn = zeros ? 0 : tb_scan_is_torn(walk->scan, from, end, at_end);
    if (torn < 0)
        return torn;
    if (torn)
        part.what = walk->file->alive ? TB_PEEK_WRITING : TB_PEEK_TORN;
    else if (!zeros)
        part.what = TB_PEEK_DAMAGE;
    else if (walk->file->alive)
        part.what = TB_PEEK_WRITING;
    return show(walk, &part);
}

static int walk_segment(struct walk *walk)
{
    uint64_t pos = TB_FILE_HEADER_BYTES;
    for (;;) {
        struct tb_frame frame;
        const uint8_t *payload;
        int err = tb_scan_frame(walk->scan, pos, &frame, &payload);
        if (err == 0) {
            if ((err = show_frame(walk, &frame, payload)) != 0)
                return err;
            pos += tb_frame_room(frame.len);
            continue;
        }
        if (err != -ENODATA && err != -EBADMSG)
            return err;
        uint64_t next = walk->scan->end;
        bool zeros = true;
        err = tb_scan_resync(walk->scan, pos, &next, &zeros);
        if (err < 0 && err != -ENODATA)
            return err;
        bool at_end = err == -ENODATA;
        if (next > pos && (err = show_gap(walk, pos, next, at_end, zeros)) != 0)
            return err;
        if (at_end)
            break;
        pos = next;
    }
    if (walk->seq_end > walk->n_found)
        walk->file->n_lost = walk->seq_end - walk->n_found;
    return 0;
}

/* ---- a slot ---- */

/* The process record of an area: 1 and the frame, 0 when there is none, or an error. What is there
 * and no frame is shown. */
static int read_area(struct walk *walk, uint64_t at, uint64_t end, struct tb_frame *frame,
                     const uint8_t **payload)
{
    const uint8_t *bytes;
    int err = tb_scan_frame(walk->scan, at, frame, payload);
    if (err == 0)
        return frame->type == TB_FRAME_FULL && frame->kind == TB_KIND_PROCESS;
    if (err != -EBADMSG)
        return err == -ENODATA ? 0 : err;
    err = tb_scan_bytes(walk->scan, at, 4, &bytes);
    if (err < 0)
        return err == -ENODATA ? 0 : err;
    /* The first word comes last: without it this one was being written, and the other counts. */
    struct tb_peek_part part = {.what = TB_PEEK_DAMAGE, .offset = at, .end = end};
    if (tb_get32(bytes) == 0)
        part.what = walk->file->alive ? TB_PEEK_WRITING : TB_PEEK_TORN;
    err = show(walk, &part);
    return err;
}

static int show_area(struct walk *walk, uint64_t at, uint64_t end)
{
    struct tb_peek_part part = {.what = TB_PEEK_PROCESS, .offset = at, .end = end};
    int is_there = read_area(walk, at, end, &part.frame, &part.data);
    part.len = part.frame.len;
    return is_there == 1 ? show(walk, &part) : is_there;
}

/* The newer one last, so that it is the one before the record. */
static int show_areas(struct walk *walk)
{
    struct tb_frame a = {0};
    struct tb_frame b = {0};
    const uint8_t *payload;
    bool is_a = tb_scan_frame(walk->scan, TB_SLOT_AREA_A, &a, &payload) == 0;
    bool is_b = tb_scan_frame(walk->scan, TB_SLOT_AREA_B, &b, &payload) == 0;
    bool a_is_newer = is_a && is_b && tb_get64(a.uuid) > tb_get64(b.uuid);
    int err = 0;
    if (a_is_newer)
        err = show_area(walk, TB_SLOT_AREA_B, TB_SLOT_NOTES_AT);
    if (err == 0)
        err = show_area(walk, TB_SLOT_AREA_A, TB_SLOT_AREA_B);
    if (err == 0 && !a_is_newer)
        err = show_area(walk, TB_SLOT_AREA_B, TB_SLOT_NOTES_AT);
    return err;
}

/* Could there be a stream? A living process that is armed has none, whatever is in the pages. */
static bool has_stream(const struct tb_peek_file *file)
{
    if (file->slot_state == TB_SLOT_DONE)
        return false;
    return !file->alive || file->slot_state >= TB_SLOT_WRITING;
}

/* The crash as the agent would deliver it now: 0; -EAGAIN when there is none; -EBADMSG or another
 * error. is_bad: there is damage in the slot; that of the file beside it is shown there. */
static int read_crash(struct walk *walk, struct tb_spool_record *out, bool *is_bad)
{
    struct tb_visit *visit = &walk->peek->visit;
    struct tb_spool_stats stats = {0};
    struct tb_spool_stats of_more = {0};
    struct tb_source fresh = *walk->source; /* without the acknowledgements */
    int dirfd = visit->dirfd;
    fresh.marks = NULL;
    fresh.n_marks = fresh.cap_marks = 0;
    visit->alive = false; /* all that is there, now */
    visit->dirfd = -1;    /* not yet what is beside it */
    int err = tb_slot_read(&fresh, visit, &stats, out);
    visit->alive = walk->file->alive;
    visit->dirfd = dirfd;
    free(fresh.marks);
    *is_bad = err == -EBADMSG || stats.n_damaged > 0;
    if (err == 0 && stats.n_vanished > 0)
        return walk->file->alive ? -EAGAIN : 0;
    if (err == 0)
        (void)tb_more_append(walk->source, visit, &of_more, out);
    return err;
}

static int walk_stream(struct walk *walk)
{
    struct tb_spool_record record;
    struct tb_peek_part part = {.offset = TB_SLOT_CRASH_AT, .end = TB_SLOT_BYTES};
    bool is_bad;
    if (!has_stream(walk->file))
        return 0;
    look_up_ack(walk, &part);
    int err = read_crash(walk, &record, &is_bad);
    if (err == 0) {
        part.what = TB_PEEK_RECORD;
        part.data = record.data;
        part.len = record.len;
        part.frame = (struct tb_frame){.len = (uint32_t)record.len,
                                       .type = TB_FRAME_FULL,
                                       .class_ = (uint8_t)record.class_,
                                       .kind = (uint8_t)record.kind,
                                       .flags = (uint8_t)record.flags,
                                       .offset = TB_SLOT_CRASH_AT,
                                       .time_ns = record.time_ns};
        memcpy(part.frame.uuid, record.uuid, sizeof(part.frame.uuid));
        err = show(walk, &part);
    }
    if (err < 0 && err != -EAGAIN && err != -EBADMSG)
        return err;
    part = (struct tb_peek_part){
        .what = TB_PEEK_DAMAGE, .offset = TB_SLOT_CRASH_AT, .end = TB_SLOT_BYTES};
    return is_bad ? show(walk, &part) : (err > 0 ? err : 0);
}

static int walk_slot(struct walk *walk)
{
    struct tb_peek_part cut = {
        .what = TB_PEEK_DAMAGE, .offset = walk->scan->end, .end = TB_SLOT_BYTES};
    int err = show_areas(walk);
    if (err == 0)
        err = walk_stream(walk);
    if (err == 0 && walk->scan->end < TB_SLOT_BYTES)
        err = show(walk, &cut);
    return err;
}

/* ---- the other threads of a crash ---- */

static int walk_more(struct walk *walk)
{
    struct tb_peek_part part = {.what = TB_PEEK_THREAD};
    struct tb_more more;
    int err = 0;
    if (walk->scan->end > TB_MORE_FILE_BYTES_MAX)
        walk->scan->end = TB_MORE_FILE_BYTES_MAX;
    tb_more_begin(&more, NULL);
    while (err == 0) {
        part.offset = more.at;
        err = tb_more_next(&more, walk->scan, &part.frame, &part.data);
        part.len = part.frame.len;
        part.end = more.at;
        if (err == 0 && (err = show(walk, &part)) != 0)
            return err;
    }
    if (err != -EBADMSG)
        return err == -ENODATA ? 0 : err;
    return show_gap(walk, more.at, walk->scan->end, true, false);
}

/* ---- all ---- */

static int walk_file(struct walk *walk)
{
    if (walk->file->is_more)
        return walk_more(walk);
    return walk->file->is_slot ? walk_slot(walk) : walk_segment(walk);
}

static void forget_totals(struct tb_peek_file *file)
{
    file->n_records = file->n_acked = file->n_processes = file->n_threads = 0;
    file->n_unknown = file->n_lost = file->n_torn = file->n_holes = file->n_damaged = 0;
    file->is_sealed = false;
}

int tb_peek_walk(struct tb_peek *peek, struct tb_peek_file *file, tb_peek_each *each, void *arg)
{
    struct walk walk = {
        .peek = peek, .file = file, .scan = &peek->visit.scan, .each = each, .arg = arg};
    const struct tb_ack *acks;
    bool is_copy = file->has_header && file->state == TB_PEEK_REFUSED;
    forget_totals(file);
    if (is_copy)
        return 0;
    int err = tb_peek_enter(peek, file, &walk.source);
    if (err < 0)
        return err == -EPERM ? 0 : err;
    size_t n_acks = tb_acklog_find(&peek->acks, walk.source->id, &acks);
    err = tb_source_load(walk.source, acks, n_acks);
    if (err == 0)
        err = walk_file(&walk);
    if (err == -EOVERFLOW) {
        tb_peek_say(file, TB_PEEK_DAMAGED, "frames overlap as no damage makes them");
        err = 0;
    }
    tb_source_leave(&peek->visit);
    tb_source_free(walk.source);
    return err;
}
