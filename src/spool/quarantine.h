/* quarantine.h - what could not be used is kept in agent/quarantine with the reason beside it.
 *
 * The folder is bounded: the oldest things leave when new ones need their room. */
#ifndef TB_SPOOL_QUARANTINE_H
#define TB_SPOOL_QUARANTINE_H

#include <stddef.h>

enum { TB_QUARANTINE_BYTES = 32 << 20, TB_QUARANTINE_FILES = 1000 };

/* Moves name from in_fd; NAME.why says the reason. 0, or a negative errno and the file stays. */
int tb_quarantine_file(int agent_fd, int in_fd, const char *name, const char *reason);
/* Writes data as name, and NAME.why. 0 or a negative errno. */
int tb_quarantine_data(int agent_fd, const char *name, const void *data, size_t len,
                       const char *reason);

#endif
