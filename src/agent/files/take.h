/* take.h - what was read from files goes into the spool, or is put aside with the reason.
 *
 * 1. A line that was taken, or put aside, is in a file; whether it survives a loss of power is
 *    known after tb_take_sync.
 * 2. Nothing is taken while segments of ours that the pipeline has not worked off hold more than a
 *    quarter of what the spool may use.
 * 3. A line over which the agent died three times is put aside, as the spool does with records.
 * 4. One thread uses it. Once it is left to itself it takes and keeps nothing more. */
#ifndef TB_AGENT_FILES_TAKE_H
#define TB_AGENT_FILES_TAKE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/config/config.h"
#include "agent/serve/ingest.h"
#include "spool/dir.h"
#include "spool/inflight.h"

enum {
    TB_TAKE_SEGMENTS = 64,            /* of ours, waiting for the pipeline */
    TB_TAKE_REJECTED_LINE = 64 << 10, /* bytes of a line that are kept */
    TB_TAKE_REJECTED_BYTES = 16 << 20 /* of each of the two files */
};

#define TB_TAKE_FOLDER "files" /* in the state folder */
#define TB_TAKE_REJECTED "rejected.jsonl"
#define TB_TAKE_REJECTED_OLD "rejected.1.jsonl"

/* A segment of ours that is full. */
struct tb_take_segment {
    int fd; /* O_PATH: its file is gone when it has no name */
    uint64_t bytes, since_ns;
};

struct tb_take {
    const struct tb_config *config;
    struct tb_ingest ingest;
    int has_ingest;
    int state_fd;                /* STATE/files; owned */
    struct tb_inflight inflight; /* the line in hand; STATE/files/inflight */
    int in_fd;                   /* SPOOL/in, to be synced; -1: it may not be read */
    struct tb_take_segment current[TB_N_CLASSES];
    struct tb_take_segment full[TB_TAKE_SEGMENTS];
    size_t n_full;
    uint64_t room_at_ns; /* when there was room; 0: to be looked at again */
    uint64_t said_ns;    /* when a line that was put aside was logged */
    int is_dirty;        /* the spool, since the last sync */
    int has_rejected;    /* the same of what was put aside */
    atomic_bool is_left; /* set by another thread: somebody else reads the files by now */
};

/* Where a line stands, and whose it is. */
struct tb_take_line {
    const char *path;
    uint8_t id[16];
    uint64_t at;
    const char *data;
    size_t len;
};

enum tb_taken { TB_TAKEN = 1, TB_TAKEN_REJECTED = 2 };

/* 0, or a negative errno with why. tb_take_close is right for both, and for zeroed memory with
 * descriptors of -1. */
int tb_take_open(const struct tb_config *config, struct tb_take *out, char why[TB_SPOOL_WHY]);
void tb_take_close(struct tb_take *take);
/* May more be taken now? 0; -EXFULL: when the pipeline has worked off some of it; -ECANCELED: not
 * by this one any more. */
int tb_take_room(struct tb_take *take);
/* Before anything is done with a line, 0 bytes of it included: true when the agent died over it
 * TB_DEATHS_MAX times, and it is to be put aside. */
bool tb_take_begin(struct tb_take *take, const struct tb_take_line *line);
/* No line is in hand. */
void tb_take_end(struct tb_take *take);
/* A line of a .rollbar file: enum tb_taken; or a negative errno when it could neither be taken nor
 * put aside and is to be tried again. */
int tb_take_item(struct tb_take *take, const struct tb_take_line *line);
/* The same for an item made here, that has its uuid. */
int tb_take_made(struct tb_take *take, const struct tb_take_line *line);
/* Puts a line aside: TB_TAKEN_REJECTED or a negative errno. data NULL: it was not even read. */
int tb_take_reject(struct tb_take *take, const struct tb_take_line *line, const char *why);
/* Makes all that was taken survive a loss of power. 0 or a negative errno. */
int tb_take_sync(struct tb_take *take);

#endif
