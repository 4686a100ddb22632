/* slot_read.c - the crash stream of a slot, see source.h and docs/spool-format.md 7.
 *
 *   state      owner alive                            owner gone
 *   armed      nothing                                died unseen: made up, counted, delivered
 *   writing    wait WRITING_S seconds, then deliver   deliver what is there
 *   complete   deliver                                deliver
 *   handed on  wait: an earlier handler decides       deliver
 *   done       nothing                                file removed */
#include "spool/source.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/pack.h"
#include "spool/more_read.h"
#include "spool/slot.h"
#include "spool/unseen.h"

enum {
    WRITING_S = 5,       /* a handler's whole budget is far below it */
    DROPS_MAX = 1 << 20, /* of a class: more is a forger's, who would spoil the sums for good */
};

/* The fragment of a page: its payload, or an error as from tb_scan_frame. */
static int read_page(struct tb_visit *visit, unsigned page, struct tb_frame *frame,
                     const uint8_t **payload)
{
    uint64_t at = TB_SLOT_CRASH_AT + (uint64_t)page * TB_SLOT_PAGE;
    const uint8_t *word;
    int err = tb_scan_frame(&visit->scan, at, frame, payload);
    /* The first word comes last: without it the fragment was not finished. */
    if (err == -EBADMSG && tb_scan_bytes(&visit->scan, at, 4, &word) == 0 && tb_get32(word) == 0)
        return -ENODATA;
    if (err < 0)
        return err;
    return frame->kind == TB_KIND_CRASH && frame->len <= TB_SLOT_FRAGMENT_MAX ? 0 : -EBADMSG;
}

/* Puts the fragments together in visit->stream: 0; -ENODATA when there is no stream; -EBADMSG when
 * its beginning is damaged. */
static int read_stream(struct tb_visit *visit, struct tb_spool_stats *stats,
                       struct tb_spool_record *out)
{
    struct tb_frame first;
    struct tb_frame frame;
    const uint8_t *payload;
    int err = read_page(visit, 0, &first, &payload);
    if (err < 0)
        return err;
    if (first.type != TB_FRAME_FIRST && first.type != TB_FRAME_FULL)
        return -EBADMSG;
    memcpy(visit->stream, payload, first.len);
    size_t len = first.len;
    int flags = first.flags;
    bool ended = first.type == TB_FRAME_FULL;
    for (unsigned page = 1; !ended && page < TB_SLOT_N_PAGES; page++) {
        err = read_page(visit, page, &frame, &payload);
        if (err == -EBADMSG)
            stats->n_damaged++;
        else if (err < 0 && err != -ENODATA)
            return err;
        /* Pages of an earlier stream may stand behind the end of this one. */
        if (err < 0 || frame.seq != first.seq + page ||
            memcmp(frame.uuid, first.uuid, sizeof(frame.uuid)) != 0 ||
            (frame.type != TB_FRAME_MID && frame.type != TB_FRAME_LAST))
            break;
        memcpy(visit->stream + len, payload, frame.len);
        len += frame.len;
        flags |= frame.flags;
        ended = frame.type == TB_FRAME_LAST;
    }
    *out = (struct tb_spool_record){.kind = TB_KIND_CRASH,
                                    .class_ = TB_CLASS_CRASH,
                                    .flags = ended ? flags : flags | TB_FRAME_TRUNCATED,
                                    .time_ns = first.time_ns,
                                    .data = visit->stream,
                                    .len = len,
                                    .off8 = TB_SLOT_CRASH_AT / 8};
    memcpy(out->uuid, first.uuid, sizeof(out->uuid));
    return 0;
}

/* Must the owner be given more time? */
static bool must_wait(struct tb_source *source, const struct tb_visit *visit, uint32_t state)
{
    if (!visit->alive || state == TB_SLOT_COMPLETE)
        return false;
    /* The end of a process is heard of a moment before its lock is gone: look again soon. */
    source->waiting = state == TB_SLOT_WRITING || state == TB_SLOT_HANDED_ON;
    if (state != TB_SLOT_WRITING)
        return true;
    if (source->writing_since_ns == 0)
        source->writing_since_ns = visit->now_ns;
    return visit->now_ns - source->writing_since_ns < (uint64_t)WRITING_S * TB_NS_PER_S;
}

static uint32_t smaller(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* What the writer refused and had no chance to tell. */
static int count_drops(struct tb_source *source, struct tb_visit *visit,
                       struct tb_spool_stats *stats)
{
    const uint8_t *bytes;
    if (visit->alive || source->drops_counted)
        return 0;
    int err = tb_scan_bytes(&visit->scan, TB_SLOT_DROPS_AT, (size_t)4 * TB_N_CLASSES, &bytes);
    if (err < 0)
        return err == -ENODATA ? 0 : err;
    for (size_t c = 0; c < TB_N_CLASSES; c++)
        stats->n_drops[c] += smaller(tb_get32(bytes + 4 * c), DROPS_MAX);
    source->drops_counted = true;
    return 0;
}

/* Nobody wrote a crash, and nobody will: says what the slot knows of its process. */
static int make_unseen(struct tb_source *source, struct tb_visit *visit,
                       struct tb_spool_stats *stats, struct tb_spool_record *out)
{
    const uint8_t *notes = NULL;
    int err = tb_scan_bytes(&visit->scan, TB_SLOT_NOTES_AT,
                            (size_t)TB_SLOT_NOTES_MAX * TB_SLOT_NOTE_BYTES, &notes);
    if (err < 0 && err != -ENODATA)
        return err;
    *out = (struct tb_spool_record){.kind = TB_KIND_CRASH,
                                    .class_ = TB_CLASS_CRASH,
                                    .time_ns = visit->mtime_ns,
                                    .data = visit->stream,
                                    .len = tb_unseen_pack(&source->header, visit->mtime_ns,
                                                          err == 0 ? notes : NULL, visit->stream),
                                    .off8 = TB_SLOT_CRASH_AT / 8};
    memcpy(out->uuid, source->header.id, sizeof(out->uuid));
    stats->n_vanished += !source->counted;
    source->counted = true;
    return 0;
}

/* The crash with its other threads, or what is said in its place: 0, -EAGAIN when there is nothing
 * yet, or an error as from read_stream. */
static int read_crash(struct tb_source *source, struct tb_visit *visit,
                      struct tb_spool_stats *stats, struct tb_spool_record *out)
{
    int err = read_stream(visit, stats, out);
    if (err == 0) {
        err = tb_more_append(source, visit, stats, out);
        source->waiting = err == -EAGAIN;
    } else if (err == -ENODATA && !visit->alive) {
        err = make_unseen(source, visit, stats, out);
    } else if (err == -ENODATA || (err == -EBADMSG && visit->alive)) {
        err = -EAGAIN; /* its lock keeps it here; what is there is kept when the owner is gone */
    }
    return err;
}

int tb_slot_read(struct tb_source *source, struct tb_visit *visit, struct tb_spool_stats *stats,
                 struct tb_spool_record *out)
{
    const uint8_t *bytes;
    int err = tb_scan_bytes(&visit->scan, TB_SLOT_STATE_AT, 4, &bytes);
    if (err < 0 && err != -ENODATA)
        return err;
    uint32_t state = err == 0 ? tb_get32(bytes) : 0;
    if (must_wait(source, visit, state))
        return -EAGAIN;
    if ((err = count_drops(source, visit, stats)) < 0)
        return err;
    source->final = !visit->alive;
    if (state == TB_SLOT_DONE)
        return -EAGAIN;
    uint32_t *mark = tb_source_mark(source, TB_SLOT_CRASH_AT / 8);
    if (!mark) {
        source->final = false; /* what is in it was not looked at */
        return -ENOMEM;
    }
    if (*mark & (TB_MARK_FOUND | TB_MARK_ACKED))
        return -EAGAIN;
    err = read_crash(source, visit, stats, out);
    if (err < 0) {
        source->final = false;
        return err;
    }
    *mark |= TB_MARK_FOUND | TB_MARK_RECORD;
    source->n_found++;
    source->n_pending++;
    return 0;
}
