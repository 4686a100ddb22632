/* state.h - the reader's insides, shared by the files that make it up. */
#ifndef TB_SPOOL_STATE_H
#define TB_SPOOL_STATE_H

#include "spool/acklog.h"
#include "spool/counts.h"
#include "spool/index.h"
#include "spool/inflight.h"
#include "spool/reader.h"
#include "spool/source.h"

enum {
    TB_SPOOL_MAX_SOURCES = 128 << 10, /* files known at a time; more wait for their turn */
    TB_SPOOL_MAX_FOREIGN = 4096,      /* names beside them that no producer makes */
    TB_SPOOL_PUT_AWAY = 16,
};

struct tb_spool {
    int in_fd, agent_fd, lock_fd;
    int wake_fd;                /* inotify, or -1 */
    bool blind;                 /* nothing tells of changes: the folder is read at each look */
    struct tb_source **sources; /* owned; in no order */
    size_t n_sources, cap_sources;
    size_t n_known_foreign; /* of n_sources */
    struct tb_index index;
    bool is_patient; /* TB_SPOOL_PATIENT */
    uint64_t opened_ns;
    unsigned listing; /* number of the last listing of in/ */
    uint64_t listed_ns;
    bool list_needed;
    /* Of the look at all that is there, whether anything tells of it or not: what listing, opening
     * and asking took since the last one began, and when that was. */
    uint64_t look_ns, polled_ns;
    bool is_poll; /* the listing is one of these */
    uint8_t boot_id[16];
    uint64_t quarantine_ns, quarantine_bytes; /* the folder's time when its bytes were summed */
    uint64_t n_foreign; /* all names in the last listing that no producer makes */
    /* When there are more files than TB_SPOOL_MAX_SOURCES, those that cannot be used make room at
     * each listing, and it goes on with the names behind those it took the last time. */
    bool is_crowded;
    size_t n_unknown, skip;    /* names without a source: met in this listing, to be passed over */
    struct tb_source *current; /* being read; visit is open */
    struct tb_visit visit;
    unsigned n_since_events;
    struct tb_scan context; /* window for tb_spool_context */
    struct tb_acklog acks;
    struct tb_inflight inflight;
    struct tb_counts totals;
    uint64_t compact_at; /* length of ack.log from which it is rewritten */
    /* Ids of the last files that went to quarantine with acknowledged records in them: acks was
     * loaded before, and must be read anew when one comes back. */
    uint64_t put_away[TB_SPOOL_PUT_AWAY];
    unsigned n_put_away;
    struct tb_spool_stats counts;
};

/* Reads out the events of inotify: marks what changed. */
void tb_folder_events(struct tb_spool *spool);
/* The same, and looks at the folder itself when that is due. Only while nothing is current. */
void tb_folder_look(struct tb_spool *spool);
/* Opens source i for a moment: whether its owner lives, its bytes and its header are known then,
 * and of a slot whether its process ended cleanly. It may be gone afterwards, and one that was
 * behind it in its place. Only while nothing is current. */
void tb_folder_ask(struct tb_spool *spool, size_t i);
/* Leaves the current file, lists the folder, asks all that the reader did not come to, and removes
 * what holds nothing: the reader may not come to them for long, as it starts over with the most
 * urgent ones while the database is away. */
void tb_folder_meet(struct tb_spool *spool);
/* tb_spool_collect for files of which nothing was acknowledged: no sync has to come before. */
void tb_spool_collect_spent(struct tb_spool *spool);
/* The source to read next: crashes first, then by class and age; NULL when none is worth it. */
struct tb_source *tb_folder_pick(const struct tb_spool *spool);
/* The READY source with that id, or NULL. */
struct tb_source *tb_folder_find(const struct tb_spool *spool, uint64_t file_id);
/* It is worth a visit. */
void tb_folder_touch(struct tb_spool *spool, struct tb_source *source);
/* What the stats have grown by since before was met in source. */
void tb_spool_tally(struct tb_spool *spool, struct tb_source *source,
                    const struct tb_spool_stats *before);
/* Moves what was counted of it to agent/counts: before its file goes. */
void tb_spool_keep_tally(struct tb_spool *spool, struct tb_source *source);
/* Was the file made since this machine started, as far as it says so? */
bool tb_spool_is_this_boot(const struct tb_spool *spool, const struct tb_file_header *header);
/* Writes into a record of source whose it is. */
void tb_spool_sign(const struct tb_spool *spool, const struct tb_source *source,
                   struct tb_spool_record *record);
/* Forgets a source; its file is somebody else's. */
void tb_folder_drop(struct tb_spool *spool, struct tb_source *source);

/* Opens source into spool->visit and reads its header if need be: 0, or -EAGAIN when there is
 * nothing to read in it now (source may be gone then). Moves to quarantine what is beyond use. */
int tb_spool_enter(struct tb_spool *spool, struct tb_source *source);

/* Stops reading the current file; it is gone on with later. */
void tb_spool_leave(struct tb_spool *spool);

/* Rewrites ack.log without the entries of files that are gone. */
int tb_spool_compact(struct tb_spool *spool);

#endif
