/* files.h - the agent's reading of files: .rollbar files and logs. docs/rollbar-files.md.
 *
 * 1. It has a thread of its own, and writers of the spool of its own: a folder on a dead network
 *    disk stops nothing else.
 * 2. A line is in the spool, and the spool on the disk, before the place behind it is kept.
 * 3. Nothing in a folder makes it stop, spin, grow without bound, or follow a link. */
#ifndef TB_AGENT_FILES_H
#define TB_AGENT_FILES_H

#include <stdint.h>

#include "agent/config/config.h"
#include "spool/dir.h"

struct tb_files;

struct tb_files_counts {
    int64_t watched;  /* files known now */
    int64_t lines;    /* of .rollbar files, taken since start */
    int64_t messages; /* of logs, the same */
    int64_t rejected, too_long, unmatched, removed;
    int64_t behind_bytes; /* not read yet */
    int64_t unreadable;   /* files that cannot be read now */
    char trouble[256];    /* what stops the reading now; "" when nothing does */
};

/* Opens what it needs. *out is NULL when the settings name no files. config may go
 * after the call. 0, or a negative errno with why. */
int tb_files_open(const struct tb_config *config, struct tb_files **out, char why[TB_SPOOL_WHY]);
/* Without a thread: reads on for a while. 1 when something was taken and there may be more, 0 when
 * all was read that can be read now. */
int tb_files_step(struct tb_files *files);
/* The same and a thread that goes on until tb_files_stop. */
int tb_files_start(const struct tb_config *config, struct tb_files **out, char why[TB_SPOOL_WHY]);
/* Ends the thread and keeps the places. One that a file system has not let go after 5 s is left to
 * itself: it takes, keeps and removes nothing any more, and frees all when it is back. NULL is
 * fine.
 */
void tb_files_stop(struct tb_files *files);
/* From any thread; all zero for NULL. */
void tb_files_counts(struct tb_files *files, struct tb_files_counts *out);

#endif
