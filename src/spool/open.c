/* open.c - opening and closing a spool for the agent: the lock, the watch, ack.log. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/id.h"
#include "base/pack.h"
#include "spool/quarantine.h"
#include "spool/state.h"

enum {
    COMPACT_BYTES = 1 << 20, /* an ack.log shorter than this is left alone while running */
    ENTRIES_MAX = 1 << 30,   /* bytes: all frames of 400 full segments */
};

static int say(char why[TB_SPOOL_WHY], int err, const char *path, const char *part)
{
    char text[128];
    (void)snprintf(
        why, TB_SPOOL_WHY,
        "spool %.240s/%s: %s; give the folder to the user that runs towbard (chown -R), or "
        "give another one with --spool",
        path, part, strerror_r(-err, text, sizeof(text)));
    return err;
}

/* One agent for each spool. The file keeps the holder's pid for the message to the second. */
static int take_lock(struct tb_spool *spool, const char *path, char why[TB_SPOOL_WHY])
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 1};
    char pid[32] = "";
    spool->lock_fd =
        openat(spool->agent_fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (spool->lock_fd < 0)
        return say(why, -errno, path, "agent/lock");
    if (fcntl(spool->lock_fd, F_OFD_SETLK, &lock) == 0) {
        int n = snprintf(pid, sizeof(pid), "%-20ld\n", (long)getpid());
        (void)tb_fd_pwrite_all(spool->lock_fd, pid, (size_t)n, 0); /* only for the message */
        return 0;
    }
    if (errno != EAGAIN && errno != EACCES)
        return say(why, -errno, path, "agent/lock");
    ssize_t n = tb_fd_pread_all(spool->lock_fd, pid, sizeof(pid) - 1, 0);
    pid[n > 0 ? strspn(pid, "0123456789") : 0] = '\0';
    (void)snprintf(
        why, TB_SPOOL_WHY,
        "spool %.240s: another towbard (pid %s) is draining it; stop that one first, or give "
        "this one a folder of its own with --spool",
        path, pid[0] ? pid : "unknown");
    return -EBUSY;
}

/* Best effort: without a watch the folder is read at every look. */
static void watch(struct tb_spool *spool, const char *path)
{
    char in[PATH_MAX];
    spool->blind = true;
    int n = snprintf(in, sizeof(in), "%s/in", path);
    if (n < 0 || (size_t)n >= sizeof(in))
        return;
    spool->wake_fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (spool->wake_fd < 0)
        return;
    uint32_t mask = IN_CREATE | IN_MODIFY | IN_ATTRIB | IN_CLOSE_WRITE | IN_MOVED_TO | IN_DELETE;
    if (inotify_add_watch(spool->wake_fd, in, mask | IN_ONLYDIR | IN_DONT_FOLLOW) < 0)
        tb_fd_close(&spool->wake_fd);
    spool->blind = spool->wake_fd < 0;
}

static int allocate(struct tb_spool *spool)
{
    spool->visit.scan.window = malloc(TB_SCAN_WINDOW);
    spool->visit.stream = malloc(TB_PAYLOAD_MAX_BYTES);
    spool->context.window = malloc(TB_SCAN_WINDOW);
    if (!spool->visit.scan.window || !spool->visit.stream || !spool->context.window)
        return -ENOMEM;
    return 0;
}

/* Reads every header, not the records: which acknowledgements still have a file is known then. */
static void attach_all(struct tb_spool *spool)
{
    spool->list_needed = true;
    tb_folder_look(spool);
    for (struct tb_source *source; (source = tb_folder_pick(spool));) {
        if (tb_spool_enter(spool, source) == 0)
            tb_source_leave(&spool->visit);
    }
    for (size_t i = 0; i < spool->n_sources; i++)
        tb_folder_touch(spool, spool->sources[i]);
}

static int open_parts(struct tb_spool *spool, const char *path, int flags, char why[TB_SPOOL_WHY])
{
    int err = 0;
    if (!(flags & TB_SPOOL_CREATE) && access(path, F_OK) < 0) {
        err = -errno;
        (void)snprintf(
            why, TB_SPOOL_WHY,
            "spool %.240s: it is not there; start towbard once so that it makes the folder, "
            "or give another one with --spool",
            path);
        return err;
    }
    if ((err = tb_spool_dir_agent(path, flags & TB_SPOOL_SHARED, &spool->in_fd, &spool->agent_fd,
                                  why)))
        return err;
    if ((err = take_lock(spool, path, why)))
        return err;
    if ((err = allocate(spool)) || (err = tb_index_init(&spool->index)))
        return say(why, err, path, "in");
    watch(spool, path);
    if ((err = tb_acklog_open(&spool->acks, spool->agent_fd)))
        return say(why, err, path, "agent/ack.log");
    tb_inflight_open(&spool->inflight, spool->agent_fd);
    tb_counts_open(&spool->totals, spool->agent_fd);
    return 0;
}

/* Is there no file in in/ whose id is not known? */
static bool knows_all(const struct tb_spool *spool)
{
    bool all = !spool->list_needed && !spool->is_crowded &&
               spool->n_sources - spool->n_known_foreign < TB_SPOOL_MAX_SOURCES;
    for (size_t i = 0; i < spool->n_sources; i++)
        all = all && (spool->sources[i]->state == TB_SOURCE_READY ||
                      spool->sources[i]->state == TB_SOURCE_FOREIGN);
    return all;
}

/* Those that got through, and those whose file is gone. */
static void forget_suspects(struct tb_spool *spool)
{
    bool all_known = knows_all(spool);
    for (size_t i = 0; i < TB_SUSPECTS_MAX; i++) {
        struct tb_suspect *suspect = &spool->inflight.suspects[i];
        if (suspect->deaths == 0)
            continue;
        const struct tb_source *source = tb_folder_find(spool, suspect->file_id);
        const uint32_t *mark = source ? tb_source_find(source, suspect->off8) : NULL;
        if (source ? mark && (*mark & TB_MARK_ACKED) : all_known)
            tb_inflight_forget(&spool->inflight, suspect);
    }
}

int tb_spool_open(const char *path, int flags, struct tb_spool **out, char why[TB_SPOOL_WHY])
{
    struct tb_spool *spool = calloc(1, sizeof(*spool));
    if (!spool) {
        (void)snprintf(why, TB_SPOOL_WHY, "spool %.240s: no memory", path);
        return -ENOMEM;
    }
    spool->in_fd = spool->agent_fd = spool->lock_fd = spool->wake_fd = -1;
    spool->visit.scan.fd = spool->context.fd = spool->acks.fd = spool->inflight.fd = -1;
    spool->totals.fd = -1;
    int err = open_parts(spool, path, flags, why);
    if (err < 0) {
        tb_spool_close(spool);
        return err;
    }
    tb_id_boot(spool->boot_id);
    spool->is_patient = (flags & TB_SPOOL_PATIENT) != 0;
    spool->opened_ns = tb_clock_mono_ns();
    attach_all(spool);
    forget_suspects(spool);
    /* A disk that is too full to rewrite the log can still be drained. */
    (void)tb_spool_compact(spool);
    *out = spool;
    return 0;
}

void tb_spool_close(struct tb_spool *spool)
{
    if (!spool)
        return;
    tb_source_leave(&spool->visit);
    for (size_t i = 0; i < spool->n_sources; i++)
        tb_source_free(spool->sources[i]);
    free(spool->sources);
    tb_index_done(&spool->index);
    tb_inflight_close(&spool->inflight);
    tb_counts_close(&spool->totals);
    free(spool->visit.scan.window);
    free(spool->visit.stream);
    free(spool->context.window);
    tb_acklog_close(&spool->acks);
    tb_fd_close(&spool->wake_fd);
    tb_fd_close(&spool->in_fd);
    tb_fd_close(&spool->agent_fd);
    tb_fd_close(&spool->lock_fd);
    free(spool);
}

int tb_spool_check_place(const struct tb_spool *spool, const char *path)
{
    char in[PATH_MAX];
    struct stat named;
    struct stat open;
    int n = snprintf(in, sizeof(in), "%s/in", path);
    if (n < 0 || (size_t)n >= sizeof(in) || fstat(spool->in_fd, &open) < 0)
        return 0; /* where it cannot be asked nothing is said */
    if (stat(in, &named) < 0)
        return errno == ENOENT || errno == ENOTDIR ? -ESTALE : 0;
    return named.st_ino == open.st_ino && named.st_dev == open.st_dev ? 0 : -ESTALE;
}

uint64_t tb_spool_room(const struct tb_spool *spool)
{
    struct statvfs fs;
    return fstatvfs(spool->in_fd, &fs) < 0 ? UINT64_MAX : (uint64_t)fs.f_bavail * fs.f_frsize;
}

/* Entries that open found for files that could not be looked into yet, if there are such files. */
static void pack_unknown(const struct tb_spool *spool, struct tb_buf *out)
{
    bool all_known = knows_all(spool);
    uint64_t last_id = 0;
    bool last_known = false;
    for (size_t i = 0; !all_known && i < spool->acks.n_loaded; i++) {
        const struct tb_ack *ack = &spool->acks.loaded[i];
        bool is_again = i > 0 && ack->file_id == last_id && ack->off8 == ack[-1].off8;
        if (i == 0 || ack->file_id != last_id)
            last_known = tb_folder_find(spool, ack->file_id) != NULL;
        last_id = ack->file_id;
        if (!last_known && !is_again)
            tb_acklog_pack(out, ack);
    }
}

int tb_spool_compact(struct tb_spool *spool)
{
    struct tb_buf entries;
    tb_buf_init(&entries, ENTRIES_MAX);
    for (size_t i = 0; i < spool->n_sources; i++) {
        const struct tb_source *source = spool->sources[i];
        for (size_t k = 0; source->state == TB_SOURCE_READY && k < source->n_marks; k++) {
            uint32_t mark = source->marks[k];
            if (!(mark & TB_MARK_ACKED))
                continue;
            struct tb_ack ack = {source->id, mark & TB_MARK_OFF8, TB_ACK_STORED};
            if (mark & TB_MARK_QUARANTINED)
                ack.status = TB_ACK_QUARANTINED;
            tb_acklog_pack(&entries, &ack);
        }
    }
    pack_unknown(spool, &entries);
    bool is_first = spool->compact_at == 0; /* what open loaded is all that there is */
    int err = tb_quarantine_keep_acks(spool->agent_fd, is_first ? &spool->acks : NULL, &entries);
    err = err ? err : entries.err;
    bool same =
        entries.len == spool->acks.end && spool->acks.n_damaged == 0 && !spool->acks.is_broken;
    if (err == 0 && !same)
        err = tb_acklog_replace(&spool->acks, &entries);
    if (err == 0)
        spool->acks.n_damaged = 0;
    spool->compact_at = 2 * spool->acks.end;
    if (spool->compact_at < COMPACT_BYTES)
        spool->compact_at = COMPACT_BYTES;
    tb_buf_done(&entries);
    return err;
}
