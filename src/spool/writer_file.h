/* writer_file.h - one segment of a writer: create, reserve, write, sync, seal, close. All
 * signal-safe. */
#ifndef TB_SPOOL_WRITER_FILE_H
#define TB_SPOOL_WRITER_FILE_H

#include "spool/writer.h"

/* Creates a segment in writer->dirfd with the record's context as first frame. file must be the
 * caller's alone (opening); refs stays as it is. 0 or a negative errno, nothing left. */
int tb_writer_file_open(struct tb_writer_file *file, struct tb_writer *writer,
                        const struct tb_append *record);
/* Writes the record, and its context first when the file does not have it. 0; -EXFULL when the file
 * is full (it is sealed by then); -EBADF when the descriptor is not ours any more; or why else. */
int tb_writer_file_append(struct tb_writer_file *file, int class_, const struct tb_append *record);
/* Returns when all that was written to the file before the call is on the disk, and its name; or a
 * negative errno when that cannot be said: the file is given up then. Waits for a thread that syncs
 * already, but never for the one it interrupted. (writer_sync.c) */
int tb_writer_file_sync(struct tb_writer_file *file, const struct tb_writer *writer);
/* Is the descriptor still the file? */
int tb_writer_file_is_ours(const struct tb_writer_file *file);
/* Ends the file with a SEAL frame, unless that is done. */
void tb_writer_file_seal(struct tb_writer_file *file);
/* Ends it without a word: nothing is written to it any more. */
void tb_writer_file_give_up(struct tb_writer_file *file);
/* Gives back what was preallocated behind the SEAL, and closes. Nobody may write any more. */
void tb_writer_file_end(struct tb_writer_file *file);
/* Closes the descriptor if it is still ours; fine for a zeroed or closed one. */
void tb_writer_file_close(struct tb_writer_file *file);

#endif
