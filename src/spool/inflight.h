/* inflight.h - agent/inflight: the record that is being worked on, and those over which the agent
 * died (docs/spool-format.md 10).
 *
 * 1. begin is one small pwrite, never synced: it has to survive the agent, not the machine.
 * 2. What cannot be written or read costs the memory of a death, never a record.
 * 3. The table is full at TB_SUSPECTS_MAX: the one with the fewest deaths, then the oldest, goes.
 */
#ifndef TB_SPOOL_INFLIGHT_H
#define TB_SPOOL_INFLIGHT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TB_SUSPECTS_MAX = 63, TB_DEATHS_MAX = 3 /* then the record goes to quarantine */ };

struct tb_suspect {
    uint64_t file_id;
    uint32_t off8;
    uint8_t deaths;   /* 0: this place is free */
    bool is_put_off;  /* met while reading; to be handed out last */
    bool is_wanted;   /* its turn has come */
    uint64_t time_ns; /* wall clock, of the last death */
};

struct tb_inflight {
    int fd;        /* -1: nothing is kept */
    bool is_begun; /* entry 0 is in use */
    size_t n;      /* suspects; their places may have gaps */
    struct tb_suspect suspects[TB_SUSPECTS_MAX];
};

/* Opens or makes the file in dirfd and reads it; who was in flight becomes a suspect. Never fails:
 * without the file nothing is kept. */
void tb_inflight_open(struct tb_inflight *inflight, int dirfd);
void tb_inflight_close(struct tb_inflight *inflight);
/* That record is being worked on from now on; the one before it is forgotten. */
void tb_inflight_begin(struct tb_inflight *inflight, uint64_t file_id, uint32_t off8);
/* Nothing is being worked on. */
void tb_inflight_clear(struct tb_inflight *inflight);
/* The suspect of that name, or NULL. */
struct tb_suspect *tb_inflight_find(struct tb_inflight *inflight, uint64_t file_id, uint32_t off8);
/* It got through, or is gone. */
void tb_inflight_forget(struct tb_inflight *inflight, struct tb_suspect *suspect);

#endif
