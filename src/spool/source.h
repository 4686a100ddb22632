/* source.h - one file in in/ as the reader sees it: whose it is, how far it was read, what was
 * found in it and what of that is acknowledged. Descriptors are open during a visit only.
 *
 *   state     what is true                                   who moves it
 *   NEW       the header was not read yet                    enter -> READY
 *   READY     header known, acknowledgements loaded          -
 *   REFUSED   no file of a producer; left alone              enter -> NEW when it is one after all
 *   FOREIGN   a name that no producer makes; left alone      -
 *   BAD       useless; to quarantine when its owner is gone  the reader
 *
 * final is set when the owner is gone and all that the file will ever hold was seen: it may be
 * removed once nothing is pending. A file whose lock is held is never final. */
#ifndef TB_SPOOL_SOURCE_H
#define TB_SPOOL_SOURCE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "spool/acklog.h"
#include "spool/dir.h"
#include "spool/frame.h"
#include "spool/reader.h"
#include "spool/scan.h"

enum tb_source_state {
    TB_SOURCE_NEW,
    TB_SOURCE_READY,
    TB_SOURCE_REFUSED,
    TB_SOURCE_FOREIGN,
    TB_SOURCE_BAD
};

/* A mark is a frame's offset / 8 with what is known of it in the upper bits. */
enum {
    TB_MARK_OFF8 = (TB_SEGMENT_BYTES / 8) - 1,
    TB_MARK_FOUND = 1 << 26,   /* the frame was read */
    TB_MARK_RECORD = 1 << 27,  /* it was delivered */
    TB_MARK_CONTEXT = 1 << 28, /* it is a process record */
    TB_MARK_ACKED = 1 << 29,
    TB_MARK_QUARANTINED = 1 << 30, /* acknowledged as such */
};

struct tb_source {
    char *name; /* owned */
    int class_;
    bool is_slot;
    bool is_more;     /* the name of other threads; FOREIGN then, as its slot is not known */
    bool more_is_odd; /* of a slot: what has that name beside it is none of it */
    enum tb_source_state state;
    const char *why_bad;          /* a constant text, when BAD */
    bool waiting;                 /* time alone may bring more: visit it whenever we look */
    bool final;                   /* see above */
    bool counted;                 /* its lost records, or its vanished owner, are in the stats */
    bool drops_counted;           /* and what its slot says of drops */
    struct tb_spool_totals tally; /* what was counted of it and is not in agent/counts yet */
    unsigned listed;              /* listing that saw it last */
    struct tb_file_header header;
    uint64_t id; /* first 8 bytes of header.id */
    uint64_t dev, ino;
    uid_t uid;
    uint64_t bytes; /* on the disk; a slot's with the other threads beside it */
    uint64_t first_seen_ns;
    uint64_t gone_since_ns; /* monotonic: when its owner was first seen to be gone; 0 */
    uint64_t mtime_ns;      /* wall clock */
    bool is_odd;            /* when REFUSED: no regular file with one name */
    bool alive;             /* at the last visit */
    bool is_judged;         /* of a slot without an owner: whether it ended cleanly is known */
    bool is_dismissed;      /* of a slot: its owner is no use to tb_spool_clients */
    uint64_t *kinds; /* owned; of its pending records, when somebody asked and the owner was gone */
    size_t n_kinds;
    /* To leave a quiet file alone: its times when it was last read to the end. */
    uint64_t quiet_mtime_ns, quiet_size;
    /* Of sync.c: its times when it was last synced; nothing can come after that. */
    uint64_t synced_mtime_ns, synced_size;
    bool is_durable;
    uint32_t *marks; /* owned; sorted by offset */
    size_t n_marks, cap_marks;
    size_t n_found, n_pending;
    uint64_t seq_end; /* highest seq found + 1 */
    /* A segment. */
    uint64_t pos;            /* next place to look at */
    uint64_t resolved;       /* gaps that begin before it were waited for and counted */
    uint64_t hole;           /* lowest gap passed over while the owner lived; 0 none */
    uint64_t hole_seen_ns;   /* when it was last looked at again, */
    uint64_t hole_looked_at; /* and where; 0: never */
    unsigned hole_wait_s;    /* until the next time */
    uint64_t gap_at;         /* gap that is waited for */
    uint64_t gap_since_ns;
    /* A slot. */
    uint64_t writing_since_ns;
    /* Of index.c; at is of folder.c. heap_at is 0 when nothing makes it worth a visit. */
    struct tb_source *next_name, *next_id;
    bool has_id;
    size_t at, heap_at;
    int order_class, line;
    uint64_t order_ns;
};

/* One look at a file. */
struct tb_visit {
    int dirfd;  /* of the folder; the caller's */
    bool alive; /* asked before anything is read: when false, what is there is all of it */
    uint64_t now_ns;
    uint64_t size, mtime_ns; /* size: what is read of it */
    bool is_oversize;        /* longer than any file of a producer: not read behind that */
    struct tb_scan scan;     /* scan.fd: -1 outside a visit */
    uint8_t *stream;         /* TB_PAYLOAD_MAX_BYTES: room for a crash with its other threads */
};

/* kind: enum tb_file_kind. NULL when there is no memory. */
struct tb_source *tb_source_new(const char *name, int class_, int kind, uint64_t now_ns);
void tb_source_free(struct tb_source *source);
/* Opens name beneath dirfd as strictly as this kernel can, without waiting, and only what a
 * producer could have made: a descriptor and its st, or a negative errno. */
int tb_source_open(int dirfd, const char *name, struct stat *st);
/* Removes the file from its folder, and the other threads beside it. 0 or a negative errno. */
int tb_source_unlink(const struct tb_source *source, int in_fd);
/* Opens the file and measures it: 0; -ENOENT when it is gone; -EPERM when it is none that a
 * producer makes (state REFUSED); -EAGAIN for an error that may pass. */
int tb_source_enter(struct tb_source *source, int in_fd, struct tb_visit *visit);
void tb_source_leave(struct tb_visit *visit);
/* Reads the header of a NEW source: 0, then it is READY; -EAGAIN when it may yet be written;
 * -ENODATA when nothing was ever written; -EBADMSG when it is damaged beyond repair;
 * -EPROTONOSUPPORT for a newer version; -EPERM for one that is too long as well; or an error of
 * reading. n_damaged counts a repair. */
int tb_source_attach(struct tb_source *source, struct tb_visit *visit, uint64_t *n_damaged);
/* After -ENODATA: 0 when the file may be removed until it is left. Its maker, should it only have
 * stood still, finds it locked or without a name, and makes another. */
int tb_source_claim(struct tb_visit *visit);
/* The mark at off8, made if it is missing; NULL when there is no memory. */
uint32_t *tb_source_mark(struct tb_source *source, uint32_t off8);
/* The mark at off8, or NULL. */
uint32_t *tb_source_find(const struct tb_source *source, uint32_t off8);
/* Notes what ack.log says. */
int tb_source_load(struct tb_source *source, const struct tb_ack *acks, size_t n_acks);
/* Lets the record at off8 be delivered once more. */
void tb_source_unread(struct tb_source *source, uint32_t off8);
/* Forgets what was delivered and not acknowledged. */
void tb_source_rewind(struct tb_source *source);

/* The next record of a READY source that was not delivered yet: 0; -EAGAIN when there is none now;
 * -EBADMSG or -EOVERFLOW when the file must go to quarantine; or an error of reading. data is
 * borrowed until the next call with visit. Counts damage, losses and vanished owners in stats. */
int tb_segment_read(struct tb_source *source, struct tb_visit *visit, struct tb_spool_stats *stats,
                    struct tb_spool_record *out);
int tb_slot_read(struct tb_source *source, struct tb_visit *visit, struct tb_spool_stats *stats,
                 struct tb_spool_record *out);

#endif
