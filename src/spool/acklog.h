/* acklog.h - agent/ack.log: which records are in the database (docs/spool-format.md 5).
 *
 * 1. An entry that fails its checksum is ignored; a torn tail is written over.
 * 2. Losing entries, or the whole log, costs a second delivery under the same uuid, never a record.
 * 3. Its room on the disk is taken beforehand, so that acknowledging works on a full disk. */
#ifndef TB_SPOOL_ACKLOG_H
#define TB_SPOOL_ACKLOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

enum { TB_ACK_ENTRY_BYTES = 32 };

struct tb_ack {
    uint64_t file_id;
    uint32_t off8;
    uint8_t status; /* enum tb_ack_status */
};

struct tb_acklog {
    int dirfd; /* SPOOL/agent, the caller's */
    int fd;
    uint64_t end;          /* bytes of whole entries in the file */
    struct tb_buf noted;   /* entries not yet written */
    struct tb_ack *loaded; /* what open found, by file_id and off8 */
    size_t n_loaded;
    size_t n_damaged; /* entries that open ignored */
    bool is_broken;   /* the file lacks entries, or its name is another's now: replace mends it */
};

/* Opens or makes the log and loads it. 0 or a negative errno. */
int tb_acklog_open(struct tb_acklog *log, int dirfd);
/* The same for one who only looks: writes and makes nothing, and no log is an empty one. What was
 * loaded can be found; nothing can be noted. */
int tb_acklog_read(struct tb_acklog *log, int dirfd);
void tb_acklog_close(struct tb_acklog *log);
/* The entries loaded for one file: how many, and the first. */
size_t tb_acklog_find(const struct tb_acklog *log, uint64_t file_id, const struct tb_ack **first);
/* Appends one packed entry to out. */
void tb_acklog_pack(struct tb_buf *out, const struct tb_ack *ack);
/* Notes an entry for the next flush. What finds no room is left out, and the log is broken. */
void tb_acklog_note(struct tb_acklog *log, const struct tb_ack *ack);
/* Writes one entry now, in front of those that are noted: for what needs no sync of the database.
 * 0, or a negative errno and nothing is written. */
int tb_acklog_append(struct tb_acklog *log, const struct tb_ack *ack);
/* The i-th of the entries that are noted and not written; false behind the last. */
bool tb_acklog_noted(const struct tb_acklog *log, size_t i, struct tb_ack *out);
/* Writes what was noted in one write. 0, or a negative errno and it stays noted. */
int tb_acklog_flush(struct tb_acklog *log);
/* Makes the log hold exactly the packed entries, durably; what was noted must be among them. 0, or
 * a negative errno and the log is as before, or broken. */
int tb_acklog_replace(struct tb_acklog *log, const struct tb_buf *entries);

#endif
