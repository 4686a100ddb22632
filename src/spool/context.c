/* context.c - the process record that belongs to a delivered record. */
#include <errno.h>

#include "base/pack.h"
#include "spool/slot.h"
#include "spool/state.h"

/* A program has one process record for each change of its modules, and refers to the newest or the
 * one before. A forger's file may have thousands, which each of its records would have read. */
enum { LOOKED_AT_MAX = 16 };

/* The process record at offset, if it is whole and of the generation asked for (0: of any): 0,
 * -ENOENT or an error of reading. */
static int read_at(struct tb_scan *scan, uint64_t offset, uint64_t *generation,
                   const uint8_t **data, size_t *len)
{
    struct tb_frame frame;
    const uint8_t *payload;
    int err = tb_scan_frame(scan, offset, &frame, &payload);
    if (err == -ENODATA || err == -EBADMSG || err == -EOVERFLOW)
        return -ENOENT;
    if (err < 0)
        return err;
    uint64_t found = tb_get64(frame.uuid);
    if (frame.type != TB_FRAME_FULL || frame.kind != TB_KIND_PROCESS ||
        (*generation != 0 && *generation != found))
        return -ENOENT;
    *generation = found;
    *data = payload;
    *len = frame.len;
    return 0;
}

/* From the one nearest before the record backwards; then, for a given generation, those behind it:
 * a thread that was overtaken may have written it there. */
static int from_segment(const struct tb_source *source, struct tb_scan *scan, uint32_t off8,
                        uint64_t generation, const uint8_t **data, size_t *len)
{
    size_t behind = source->n_marks;
    unsigned n_looked_at = 0;
    for (size_t i = source->n_marks; i-- > 0 && n_looked_at < LOOKED_AT_MAX;) {
        if (!(source->marks[i] & TB_MARK_CONTEXT))
            continue;
        uint32_t at = source->marks[i] & TB_MARK_OFF8;
        if (at >= off8) {
            behind = i;
            continue;
        }
        n_looked_at++;
        int err = read_at(scan, at * (uint64_t)8, &generation, data, len);
        if (err != -ENOENT)
            return err;
    }
    n_looked_at = 0;
    for (size_t i = behind; generation != 0 && i < source->n_marks && n_looked_at < LOOKED_AT_MAX;
         i++) {
        if (!(source->marks[i] & TB_MARK_CONTEXT))
            continue;
        n_looked_at++;
        int err =
            read_at(scan, (source->marks[i] & TB_MARK_OFF8) * (uint64_t)8, &generation, data, len);
        if (err != -ENOENT)
            return err;
    }
    return -ENOENT;
}

/* Of the two areas the one with the generation asked for, else the newer one. */
static int from_slot(struct tb_scan *scan, uint64_t generation, const uint8_t **data, size_t *len)
{
    static const uint64_t areas[] = {TB_SLOT_AREA_A, TB_SLOT_AREA_B};
    uint64_t best = 0;
    uint64_t best_at = 0;
    for (int i = 0; i < 2; i++) {
        uint64_t found = generation;
        int err = read_at(scan, areas[i], &found, data, len);
        if (err < 0 && err != -ENOENT)
            return err;
        if (err == 0 && (best_at == 0 || found > best)) {
            best = found;
            best_at = areas[i];
        }
    }
    return best_at ? read_at(scan, best_at, &best, data, len) : -ENOENT;
}

int tb_spool_context(struct tb_spool *spool, const struct tb_spool_record *record,
                     uint64_t generation, const uint8_t **data, size_t *len)
{
    struct tb_source *source = tb_folder_find(spool, record->file_id);
    struct tb_visit visit = {.scan = spool->context};
    if (!source)
        return -ENOENT;
    uint64_t ino = source->ino;
    int err = tb_source_enter(source, spool->in_fd, &visit);
    if (err < 0)
        return -ENOENT;
    if (source->ino != ino)
        err = -ENOENT;
    else if (source->is_slot)
        err = from_slot(&visit.scan, generation, data, len);
    else
        err = from_segment(source, &visit.scan, record->off8, generation, data, len);
    tb_source_leave(&visit);
    return err;
}
