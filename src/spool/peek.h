/* peek.h - looking at a spool, live or dead, without touching it: for people and their tools.
 *
 * 1. Writes, makes, locks and watches nothing; opens files as strictly as the agent does.
 * 2. What it says of a live spool was true when it looked: files may come, grow and go meanwhile.
 * 3. Reads by the agent's own rules (source.h, scan.h, slot_read.c), but shows also what is
 *    acknowledged, and where what is missing was. */
#ifndef TB_SPOOL_PEEK_H
#define TB_SPOOL_PEEK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "spool/dir.h"
#include "spool/frame.h"

enum { TB_PEEK_FILES_MAX = 1 << 17, TB_PEEK_WHY = 256 };

enum tb_peek_state {
    TB_PEEK_LIVE,     /* its owner lives */
    TB_PEEK_COMPLETE, /* its owner is gone: nothing more comes */
    TB_PEEK_WAITING,  /* no header yet, and it may still come */
    TB_PEEK_EMPTY,    /* nothing was ever written to it */
    TB_PEEK_DAMAGED,  /* the file as a whole cannot be used; why says so */
    TB_PEEK_REFUSED,  /* nothing that the agent reads; why says so */
    TB_PEEK_OLD,      /* in quarantine: a payload alone, kept by an earlier version */
};

/* One file of in/ or quarantine. The totals are there after tb_peek_walk. */
struct tb_peek_file {
    char *name; /* owned; hostile */
    bool in_quarantine;
    enum tb_peek_state state;
    char why[TB_PEEK_WHY];
    bool has_header, was_mended; /* one flipped bit of the header was put right */
    bool is_slot, alive;
    bool is_more; /* the other threads of the crash in the slot of that name */
    int class_;   /* of the header, else of the name; -1 for neither */
    struct tb_file_header header;
    uint32_t slot_state; /* enum tb_slot_state */
    uint32_t drops[TB_N_CLASSES];
    uid_t uid;
    uint64_t size, bytes; /* its length, and what it takes on the disk */
    uint64_t mtime_ns;
    uint64_t n_records, n_acked; /* whole ones; of the acknowledged also those put away */
    uint64_t n_processes;        /* process records */
    uint64_t n_threads;          /* of a crash; in the file beside its slot */
    uint64_t n_unknown;          /* whole frames that this program does not know */
    uint64_t n_lost;             /* gaps in the count of records */
    uint64_t n_torn, n_holes, n_damaged;
    bool is_sealed;
};

enum tb_peek_what {
    TB_PEEK_RECORD,
    TB_PEEK_PROCESS, /* the process record for the records after it */
    TB_PEEK_SEAL,    /* or PAD */
    TB_PEEK_THREAD,  /* of a crash; in the file beside its slot */
    TB_PEEK_UNKNOWN, /* a whole frame of no known use */
    TB_PEEK_HOLE,    /* zeros, with good frames behind them */
    TB_PEEK_TORN,    /* the beginning of a write that its writer did not live to end */
    TB_PEEK_WRITING, /* the same while it lives */
    TB_PEEK_DAMAGE,
};

/* A piece of a file. For the first five there is a frame; data and len are its payload, of a slot
 * the whole stream with the threads of the file beside it, or what is said of a process that died
 * unseen. Borrowed for the call. */
struct tb_peek_part {
    enum tb_peek_what what;
    uint64_t offset, end;
    struct tb_frame frame;
    const uint8_t *data;
    size_t len;
    bool is_acked, is_put_away;
};
/* Nonzero stops the walk, which returns it. */
typedef int tb_peek_each(void *arg, const struct tb_peek_file *file,
                         const struct tb_peek_part *part);

struct tb_peek_agent {
    bool is_known;           /* SPOOL/agent could be read; what follows is 0 otherwise */
    int err;                 /* why not; -ENOENT: no agent was here yet */
    bool is_running;         /* some towbard has the lock */
    uint64_t n_acks;         /* whole entries of ack.log */
    uint64_t n_bad_acks;     /* entries that fail their checksum */
    uint64_t n_inflight_bad; /* entries of inflight that do */
    bool counts_are_bad;
};

struct tb_peek;

/* Lists the spool and reads the headers. 0, or a negative errno with why: what is wrong and how to
 * mend it; the agent's part may be unreadable all the same, see tb_peek_agent. */
int tb_peek_open(const char *spool, struct tb_peek **out, char why[TB_SPOOL_WHY]);
void tb_peek_close(struct tb_peek *peek);
const struct tb_peek_agent *tb_peek_agent(const struct tb_peek *peek);
/* Those of in/ first, in the order in which the agent would read them; then quarantine, the oldest
 * first. Borrowed. */
struct tb_peek_file *tb_peek_files(struct tb_peek *peek, size_t *n);
/* Were there more names than TB_PEEK_FILES_MAX? */
bool tb_peek_is_cut(const struct tb_peek *peek);
/* Reads a file from its start to its end, makes its totals, and shows each part (each may be NULL).
 * 0; -ENOENT when it is gone by now; what each said; or an error of reading. A file with nothing to
 * read in it is no error: see its state. */
int tb_peek_walk(struct tb_peek *peek, struct tb_peek_file *file, tb_peek_each *each, void *arg);
/* The reason of a thing in quarantine; "" when there is none. Returns out. */
const char *tb_peek_why(const struct tb_peek *peek, const struct tb_peek_file *file, char *out,
                        size_t cap);

#endif
