/* writer_file.h - one segment of a writer: create, reserve, write, seal, close. All signal-safe. */
#ifndef TB_SPOOL_WRITER_FILE_H
#define TB_SPOOL_WRITER_FILE_H

#include "spool/writer.h"

/* Creates a segment in writer->dirfd with the record's context as first frame. file must be free
 * and the caller the holder of rotating; refs stays 0. 0 or a negative errno, nothing left. */
int tb_writer_file_open(struct tb_writer_file *file, struct tb_writer *writer,
                        const struct tb_append *record);
/* Writes the record, and its context first when the file does not have it. 0; -EXFULL when the file
 * is full (it is sealed by then); -EBADF when the descriptor is not ours any more; or why else. */
int tb_writer_file_append(struct tb_writer_file *file, int class_, const struct tb_append *record);
/* Ends the file with a SEAL frame, unless that is done. */
void tb_writer_file_seal(struct tb_writer_file *file);
/* Closes the descriptor if it is still ours; fine for a zeroed or closed one. */
void tb_writer_file_close(struct tb_writer_file *file);

#endif
