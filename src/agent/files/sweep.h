/* sweep.h - one look at all files: which there are, what is new in them, what is done with.
 *
 * A sweep finds the files by the paths of the settings, opens those with work, keeps the numbers of
 * those that are new, and then reads: first what was renamed, then the rest, TB_TAIL_BUDGET of
 * each. One thread sweeps. */
#ifndef TB_AGENT_FILES_SWEEP_H
#define TB_AGENT_FILES_SWEEP_H

#include <stdatomic.h>

#include "agent/files/table.h"
#include "agent/files/tail.h"
#include "agent/files/take.h"

enum { TB_SWEEP_OPEN = 64, TB_SWEEP_KEEP_MS = 2000 };

struct tb_sweep {
    const struct tb_config *config; /* borrowed */
    struct tb_files_source *sources;
    size_t n_sources;
    uint32_t watched[TB_PLACES_WATCHED_MAX]; /* keys of paths of logs */
    size_t n_watched;
    struct tb_table table;
    struct tb_tail **list; /* of the table; TB_PLACES_MAX */
    size_t n_list;
    struct tb_take take;
    struct tb_tail_reader reader;
    struct tb_files_counts counts;
    atomic_bool ends; /* set by another thread: no further file is read */
    int inotify_fd;   /* -1: there is none */
    unsigned number;
    unsigned n_open;
    uint64_t now_ns; /* monotonic, at its beginning */
    uint64_t kept_ns;
    bool is_changed; /* what is kept is not what is so */
    bool has_more;   /* a file was left because it needs a descriptor, or more time */
    bool waits;      /* a message is open in some file */
    bool said_full;
    bool has_failed; /* it was said that nothing can be taken */
};

/* 0, or a negative errno with why. Free with tb_sweep_close, whatever came back. */
int tb_sweep_open(const struct tb_config *config, struct tb_sweep *out, char why[TB_SPOOL_WHY]);
void tb_sweep_close(struct tb_sweep *sweep);
/* 1 when there is more to read at once, 0 when not, or a negative errno when nothing can be taken
 * or kept now (-EXFULL: until the pipeline has worked off more); counts.trouble says why. */
int tb_sweep_run(struct tb_sweep *sweep);
/* Puts all that was taken on the disk and keeps the places, if they have changed. */
int tb_sweep_keep(struct tb_sweep *sweep);

#endif
