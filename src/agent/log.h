/* log.h - what the agent says to its operator: one line on stderr for each event.
 *
 *   level=warning msg="the disk is full; trying again in 1 s"
 *   <4>level=warning msg=...                                       where stderr is the journal
 *   {"time":"2026-11-26T07:40:17.123Z","level":"warning","msg":"the disk is full; ..."}
 *
 * 1. A line is one write of at most TB_LOG_LINE bytes: lines of threads never mix.
 * 2. Quotes, backslashes and control characters in the message are escaped; what is no UTF-8 is
 *    replaced in JSON.
 * 3. A kind of line (a call of tb_log; where its format is "%s", the beginning of its text too) is
 *    written TB_LOG_BURST times in TB_LOG_WINDOW_S; how many more there were is said afterwards,
 *    with the last of them.
 * 4. Callers never pass a secret. Says nothing back: a lost log line is no error. Keeps errno.
 * 5. It is for the operator alone: nothing of it becomes an item. */
#ifndef TB_AGENT_LOG_H
#define TB_AGENT_LOG_H

enum tb_log_level { TB_LOG_ERROR, TB_LOG_WARNING, TB_LOG_INFO, TB_LOG_DEBUG };
enum tb_log_format { TB_LOG_TEXT, TB_LOG_JSON };
enum { TB_LOG_LINE = 2048, TB_LOG_BURST = 50, TB_LOG_WINDOW_S = 10, TB_LOG_KINDS = 64 };

void tb_log(enum tb_log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* What is less important than level is left out. INFO from the start. */
void tb_log_limit(enum tb_log_level level);
/* TEXT from the start. Looks, too, whether stderr is the journal (JOURNAL_STREAM): call it before
 * there are threads, and again when the settings change. */
void tb_log_format(enum tb_log_format format);
/* Says what was held back and is due; all: also what is not due yet. Cheap; call it now and then.
 */
void tb_log_flush(int all);

#endif
