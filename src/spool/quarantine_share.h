/* quarantine_share.h - which things leave quarantine when it is full: of the user who has most in
 * it the oldest, again and again. So nobody can push out what others have there. Pure. */
#ifndef TB_SPOOL_QUARANTINE_SHARE_H
#define TB_SPOOL_QUARANTINE_SHARE_H

#include <stdbool.h>

#include "spool/quarantine.h"

/* Is there more than that? */
bool tb_quarantine_is_over(const struct tb_quarantined *things, size_t n, uint64_t max_bytes,
                           size_t max_files);
/* The next one to leave of those that have files (n_files is 0 of what has left), the oldest first
 * in things; the last one only when it is alone. n when there is enough room. */
size_t tb_quarantine_next(const struct tb_quarantined *things, size_t n, uint64_t max_bytes,
                          size_t max_files);

#endif
