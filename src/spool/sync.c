/* sync.c - makes what is in the spool survive a loss of power, for when the database cannot.
 *
 * A file is synced when it has changed since, and for the last time when its owner is gone. What
 * a failed sync could not write the kernel forgets, so it is not tried again: the file counts as
 * synced, and the failure is counted. */
#include <errno.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/pack.h"
#include "spool/more_read.h"
#include "spool/slot.h"
#include "spool/state.h"

static bool is_synced(const struct tb_source *source, const struct tb_visit *visit)
{
    return source->synced_mtime_ns == visit->mtime_ns && source->synced_size == visit->size &&
           source->synced_size != 0;
}

/* A slot into which nobody has written a crash: that its process vanished is all that could be
 * lost, and very many processes may vanish at a time. */
static bool is_armed(const struct tb_source *source, const struct tb_visit *visit)
{
    uint8_t word[4];
    return source->is_slot && source->state == TB_SOURCE_READY &&
           tb_fd_pread_all(visit->scan.fd, word, sizeof(word), TB_SLOT_STATE_AT) == 4 &&
           tb_get32(word) == TB_SLOT_ARMED;
}

/* 1 when it was synced, 0 when that was not needed, or a negative errno. */
static int sync_file(struct tb_spool *spool, struct tb_source *source)
{
    struct tb_visit visit = {.scan = {.fd = -1}};
    uint64_t ino = source->ino;
    int err = tb_source_enter(source, spool->in_fd, &visit);
    if (err < 0)
        return 0; /* the next listing deals with it */
    if (source->ino != ino)
        tb_folder_touch(spool, source);
    if (is_armed(source, &visit)) {
        source->is_durable = !visit.alive;
        err = 0;
    } else if (!is_synced(source, &visit)) {
        err = fdatasync(visit.scan.fd) < 0 ? -errno : tb_more_sync(source, spool->in_fd);
        err = err < 0 ? err : 1;
        source->is_durable = !visit.alive;
        /* The times of a file are coarse: they tell of a later write only after a while. */
        if (tb_clock_wall_ns() > visit.mtime_ns + TB_NS_PER_S) {
            source->synced_mtime_ns = visit.mtime_ns;
            source->synced_size = visit.size;
        }
    }
    tb_source_leave(&visit);
    return err;
}

int tb_spool_sync(struct tb_spool *spool, int max_class)
{
    int first_err = 0;
    bool any = false;
    if (spool->current)
        tb_folder_events(spool);
    else
        tb_folder_look(spool);
    for (size_t i = 0; i < spool->n_sources; i++) {
        struct tb_source *source = spool->sources[i];
        if (source->class_ < 0 || source->class_ > max_class || source->is_durable ||
            source->state == TB_SOURCE_REFUSED)
            continue;
        int err = sync_file(spool, source);
        any = any || err != 0;
        if (err < 0) {
            spool->counts.n_sync_failed++;
            first_err = first_err ? first_err : err;
        }
    }
    /* The names of new files. */
    if (any && fsync(spool->in_fd) < 0) {
        spool->counts.n_sync_failed++;
        first_err = first_err ? first_err : -errno;
    }
    return first_err;
}
