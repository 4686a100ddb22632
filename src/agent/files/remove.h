/* remove.h - whether a .rollbar file is done with for good (docs/rollbar-files.md, "Removing"). */
#ifndef TB_AGENT_FILES_REMOVE_H
#define TB_AGENT_FILES_REMOVE_H

#include <stdbool.h>
#include <stdint.h>

enum { TB_REMOVE_STILL_S = 60 };

/* Is it a name of a file that a writer is once done with: rollbar-relay.PID.TIME.rollbar, then pid
 * is written, or NAME_processed_DIGITS.rollbar, then pid becomes 0? */
bool tb_remove_name(const char *name, int *pid);
/* Is the process gone that had this number when the file was last written, mtime_ns? */
bool tb_remove_is_gone(int pid, int64_t mtime_ns);
/* Does nobody have the open file open for writing, as far as this user may know? */
bool tb_remove_is_closed(int fd);

#endif
