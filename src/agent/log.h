/* log.h - what the agent says to its operator: one line on stderr for each event.
 *
 *   level=warning msg="the disk is full; trying again in 1 s"
 *
 * 1. A line is one write of at most TB_LOG_LINE bytes: lines of threads never mix.
 * 2. Quotes, backslashes and control characters in the message are escaped.
 * 3. Callers never pass a secret. Says nothing back: a lost log line is no error. Keeps errno. */
#ifndef TB_AGENT_LOG_H
#define TB_AGENT_LOG_H

enum tb_log_level { TB_LOG_ERROR, TB_LOG_WARNING, TB_LOG_INFO, TB_LOG_DEBUG };
enum { TB_LOG_LINE = 2048 };

void tb_log(enum tb_log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* What is less important than level is left out. INFO from the start. */
void tb_log_limit(enum tb_log_level level);

#endif
