/* reader.h - the agent's side of a spool: find, check, deliver and acknowledge records.
 *
 * 1. Reads by pread only, trusts no length before its checksum, resyncs after any damage.
 * 2. A record is delivered until it is acknowledged; acknowledgements survive in ack.log, and
 *    losing them means that the same uuid is delivered again.
 * 3. Records of kind process are context: never delivered, never acknowledged, found for a record
 *    by tb_spool_context.
 * 4. A crash slot is delivered as one record of kind crash: the payloads of its fragments in order.
 * 5. Nothing in the folder can make it stop, spin or follow a link.
 * 6. A file whose owner lives is never removed.
 * 7. A record over which the agent died is delivered when nothing else is left, and after three
 *    deaths goes to quarantine (docs/spool-format.md 10).
 * Not thread-safe. Besides when tb_spool_wake_fd is readable, call tb_spool_next once a second:
 * some things come with time alone (the end of a process, a record that a stopped thread never
 * wrote). */
#ifndef TB_SPOOL_READER_H
#define TB_SPOOL_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "spool/dir.h"
#include "spool/frame.h"

struct tb_spool;

struct tb_spool_record {
    int kind; /* TB_KIND_NATIVE, _ITEM, _CRASH or _DROPCOUNT */
    int class_;
    int flags; /* TB_FRAME_TRUNCATED also when a crash stream has no LAST */
    uint8_t uuid[16];
    uint64_t time_ns;
    uid_t uid;                /* owner of the file: the reporter */
    pid_t pid;                /* a hint, as are the next two */
    uint64_t start_ticks;     /* field 22 of /proc/PID/stat; 0 when it is not known */
    uint64_t created_mono_ns; /* when its file was made, by the clock of that boot */
    bool is_this_boot;        /* its file says that it is of the boot that runs now */
    bool names_boot;          /* of another one, where it is not; else nobody knows */
    const uint8_t *data;      /* borrowed until the next tb_spool_next */
    size_t len;
    uint64_t file_id; /* names file and place to tb_spool_ack and tb_spool_context */
    uint32_t off8;
    unsigned deaths; /* agents that died while they worked on it: handle it alone */
};

/* Over the lifetime of the spool, kept in agent/counts. Of the files that are there now it counts
 * what was met in them since open. */
struct tb_spool_totals {
    uint64_t evicted[TB_N_CLASSES]; /* records that left undelivered, by class */
    uint64_t evicted_bytes, evicted_files;
    uint64_t evicted_foreign;     /* files whose names no producer makes */
    uint64_t lost;                /* gaps in seq */
    uint64_t drops[TB_N_CLASSES]; /* told by the slots of processes that are gone */
    uint64_t vanished;            /* processes that died unseen */
    uint64_t damaged;
};

struct tb_spool_stats {
    uint64_t n_files, bytes;        /* now in in/ */
    uint64_t n_pending;             /* delivered, not yet acknowledged */
    uint64_t n_read;                /* records delivered since open */
    uint64_t n_damaged;             /* runs of bytes, or whole files, that failed a check */
    uint64_t n_lost;                /* gaps in seq; counted when the owner is gone */
    uint64_t n_vanished;            /* processes that died unseen */
    uint64_t n_drops[TB_N_CLASSES]; /* records that processes had refused and not told when they
                                       ended */
    uint64_t n_quarantined;         /* files and records moved to quarantine */
    uint64_t n_refused;     /* left alone in in/ now: not regular, linked, too large, unreadable,
                               of a newer version, foreign names */
    uint64_t n_sync_failed; /* files, and folders, that could not be synced */
    uint64_t n_suspects;    /* records over which an agent died, as far as they are remembered */
    struct tb_spool_totals total;
};

/* What may be kept how long; 0 percent means that it does not count. */
struct tb_spool_policy {
    uint64_t max_bytes;
    unsigned max_percent, keep_free_percent; /* of the file system's size */
    unsigned uid_percent;                    /* of the cap, for each user but the agent's own */
    unsigned max_age_hours[TB_N_CLASSES];
    /* The bug that a record is of, cheap to tell; tb_spool_context may be asked. NULL: all are one.
     */
    uint64_t (*kind)(void *arg, const struct tb_spool_record *record);
    void *arg;
};

/* A process that lives, as its crash slot says. */
struct tb_spool_client {
    uint64_t file_id; /* of the slot: that of the record it will be, should it die unseen */
    uid_t uid;        /* owner of the slot */
    pid_t pid;        /* a hint, as it sees itself; the rest too */
    uint64_t start_ticks, created_mono_ns;
    bool is_this_boot;
};

struct tb_spool_evicted {
    uint64_t records[TB_N_CLASSES];
    uint64_t files, bytes, foreign; /* foreign: names that no producer makes */
    uint64_t quarantine_bytes;      /* by which quarantine shrank */
};

/* TB_SPOOL_PATIENT: for an agent that goes on running: a record over which agents died waits a
 * second for each of them, so that an agent that is killed again and again, by somebody else, gets
 * to it in its calm moments only. */
enum tb_spool_flags { TB_SPOOL_CREATE = 1, TB_SPOOL_SHARED = 2, TB_SPOOL_PATIENT = 4 };
enum tb_ack_status { TB_ACK_STORED = 1, TB_ACK_QUARANTINED = 2 };

/* Opens SPOOL for the one agent that drains it; without TB_SPOOL_CREATE it must be there. 0; -EBUSY
 * when another agent has it; or another negative errno; why says what is wrong and how to mend it.
 * A process that the agent forks and that does not exec must close the spool: it keeps the lock. */
int tb_spool_open(const char *path, int flags, struct tb_spool **out, char why[TB_SPOOL_WHY]);
void tb_spool_close(struct tb_spool *spool);
/* The next record, crash class first, then by class and the age of its file; where several users
 * have some that are equally urgent in turn, after 64 records at most, and now and then also one
 * that is less urgent, whose user has waited longest (docs/spool-format.md 9). 0, or -EAGAIN when
 * all that is there now was delivered, or -ENOMEM. Looks at the folder again when it has run out.
 */
int tb_spool_next(struct tb_spool *spool, struct tb_spool_record *out);
/* The process record of that generation in the record's file: 0, -ENOENT, or an error of reading.
 * data is borrowed until the next tb_spool_next or tb_spool_context. generation 0 means the newest
 * before the record; in a slot, the newest. */
int tb_spool_context(struct tb_spool *spool, const struct tb_spool_record *record,
                     uint64_t generation, const uint8_t **data, size_t *len);
/* Says that the record is being worked on, before anybody looks into its data: should the agent die
 * now, it is under suspicion. Ends with the next tb_spool_begin, tb_spool_flush or tb_spool_rewind.
 */
void tb_spool_begin(struct tb_spool *spool, const struct tb_spool_record *record);
/* Notes that the record is in the database (or quarantined). After tb_spool_flush that survives the
 * agent's death; a power loss may undo it, then the record is delivered again. */
void tb_spool_ack(struct tb_spool *spool, uint64_t file_id, uint32_t off8, enum tb_ack_status how);
/* Keeps the record's bytes in quarantine/ with the reason, then acknowledges it. 0, or a negative
 * errno and the record is as before. */
int tb_spool_quarantine(struct tb_spool *spool, const struct tb_spool_record *record,
                        const char *reason);
/* Writes the noted acknowledgements. Call only after what was acknowledged has been synced: the log
 * may reach the disk before the database does. 0 or a negative errno (they stay noted). */
int tb_spool_flush(struct tb_spool *spool);
/* Removes files whose owner is gone and whose records are all acknowledged. Call only after what
 * was acknowledged has been synced. Returns how many. */
int tb_spool_collect(struct tb_spool *spool);
/* Removes what is too old and what is over the caps, in the order of docs/spool-format.md 9; never
 * a file whose owner lives. Records that were delivered and not acknowledged may be among them:
 * call it between batches; data of the last record is not good any more. 0 with out, or -ENOMEM. */
int tb_spool_evict(struct tb_spool *spool, const struct tb_spool_policy *policy,
                   struct tb_spool_evicted *out);
/* Bytes that its file system has free for its owner, or UINT64_MAX when that is not known. */
uint64_t tb_spool_room(const struct tb_spool *spool);
/* Makes the records in files of the classes up to max_class survive a loss of power. For when the
 * database takes nothing: else its own sync does. 0, or why not all of them could be. */
int tb_spool_sync(struct tb_spool *spool, int max_class);
/* Delivers again, from the start, all that is not acknowledged. For after a failed commit. */
void tb_spool_rewind(struct tb_spool *spool);
/* 0 when the folder that is read is still the one at path, which tb_spool_open was given; -ESTALE
 * when it was moved or removed: only opening it anew helps. */
int tb_spool_check_place(const struct tb_spool *spool, const char *path);
/* A descriptor that becomes readable when something is written (inotify), or -1. Reading it out is
 * tb_spool_next's work. */
int tb_spool_wake_fd(const struct tb_spool *spool);
/* Calls each for each slot whose owner lived at the last look, in no order. No I/O: it knows what
 * the reader knows. each must not call the spool; false: it shall not be called for this file
 * again. */
void tb_spool_clients(struct tb_spool *spool,
                      bool (*each)(void *arg, const struct tb_spool_client *client), void *arg);
void tb_spool_stats(const struct tb_spool *spool, struct tb_spool_stats *out);

#endif
