/* sweep_internal.h - what sweep.c and sweep_keep.c share. */
#ifndef TB_AGENT_FILES_SWEEP_INTERNAL_H
#define TB_AGENT_FILES_SWEEP_INTERNAL_H

#include "agent/files/sweep.h"

/* Opens the file, if a descriptor is to be had: 0, also when the next sweep must try again; or why
 * it cannot be read. */
int tb_sweep_open_tail(struct tb_sweep *s, struct tb_tail *tail, int dirfd, const char *name);
void tb_sweep_close_tail(struct tb_sweep *s, struct tb_tail *tail);
/* Removes the file if docs/rollbar-files.md lets us. */
void tb_sweep_remove(struct tb_sweep *s, struct tb_tail *tail, int dirfd, const char *name);
/* From now on files of that path are read from their beginning. */
void tb_sweep_note_watched(struct tb_sweep *s, struct tb_files_source *source);
/* Makes room in the table: a file that is not there, the one that has been gone longest. */
void tb_sweep_forget_one(struct tb_sweep *s);

#endif
