/* log_time.h - the time that a line of a log states: ISO 8601, and as Python and Java write it. */
#ifndef TB_AGENT_FILES_LOG_TIME_H
#define TB_AGENT_FILES_LOG_TIME_H

#include <stddef.h>
#include <stdint.h>

/* Milliseconds since 1970, or -1 when text is none of
 *   2026-01-31T12:00:00  2026-01-31 12:00:00,123  2026-01-31T12:00:00.123456Z  ...+01:00  ...+0100
 * What names no zone is local time. */
int64_t tb_log_time(const char *text, size_t len);

#endif
