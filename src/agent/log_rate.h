/* log_rate.h - how many lines of one kind are written: rule 3 of log.h. Any thread may call it. */
#ifndef TB_AGENT_LOG_RATE_H
#define TB_AGENT_LOG_RATE_H

#include <stdint.h>

#include "agent/log.h"

/* May this line be written? If not, it is counted and kept as the last of its kind. */
int tb_log_rate_take(enum tb_log_level level, const char *format, const char *text,
                     uint64_t now_ns);
/* Hands out the last line of each kind that was held back, once its window is over (all: now), and
 * how many there were. */
void tb_log_rate_due(uint64_t now_ns, int all,
                     void (*each)(void *arg, enum tb_log_level level, const char *text, uint64_t n),
                     void *arg);

#endif
