/* quarantine.h - what could not be used is kept in agent/quarantine, with the reason beside it as
 * NAME.why (docs/spool-format.md 11).
 *
 * 1. A thing is there whole, its reason before it, or not at all, whenever its writer dies.
 * 2. The folder is bounded: when new things need their room the oldest leave of the user who has
 *    most there.
 * 3. Putting in is the agent's alone; list, why, retry and remove work beside it.
 * All return 0 or a negative errno unless they say otherwise. */
#ifndef TB_SPOOL_QUARANTINE_H
#define TB_SPOOL_QUARANTINE_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

enum {
    TB_QUARANTINE_BYTES = 32 << 20,
    TB_QUARANTINE_FILES = 1000,
    TB_QUARANTINE_NAME = 256,
    TB_QUARANTINE_WHY = 4096
};

struct tb_quarantined {
    char name[TB_QUARANTINE_NAME];
    uint64_t bytes;    /* on the disk, with its reason */
    uint64_t since_ns; /* wall clock; when it was put there or last touched */
    unsigned n_files;  /* 2 with its reason */
    uint32_t uid; /* whose file it is: of a record the agent's, its header names the reporter */
};

/* Moves name from in_fd. On an error the file stays. */
int tb_quarantine_file(int agent_fd, int in_fd, const char *name, const char *reason);
/* Writes data as name; what had that name before is gone then. */
int tb_quarantine_data(int agent_fd, const char *name, const void *data, size_t len,
                       const char *reason);
/* The things there, the oldest first; no reasons, no folders. out is to be freed; none is no
 * error. */
int tb_quarantine_list(int agent_fd, struct tb_quarantined **out, size_t *n_out);
/* The reason without its newline, as it was written: "" when there is none. Returns out. */
const char *tb_quarantine_why(int agent_fd, const char *name, char out[TB_QUARANTINE_WHY]);
/* Moves name to in_fd: -EPROTONOSUPPORT when it has no name of a spool file, so that no reader
 * would take it; -EEXIST when in/ has that name. */
int tb_quarantine_retry(int agent_fd, int in_fd, const char *name);
int tb_quarantine_remove(int agent_fd, const char *name);
/* Removes the oldest, of who has most, until at most so much is left; returns the bytes that are
 * left. */
uint64_t tb_quarantine_trim(int agent_fd, uint64_t max_bytes, size_t max_files);
/* Appends the entries of ack.log that speak of files in quarantine: a retry brings such a file
 * back, and what was acknowledged of it must stay so. log: what the file holds now, or NULL to read
 * it. */
struct tb_acklog;
int tb_quarantine_keep_acks(int agent_fd, const struct tb_acklog *log, struct tb_buf *out);

#endif
