/* notify.h - what the agent tells the service manager: sd_notify(3) on NOTIFY_SOCKET, without
 * libsystemd.
 *
 * Each message is one datagram to a Unix socket, by path or abstract ("@..."). Where nobody asked
 * for it, or nobody listens, nothing happens: the agent runs the same. The loop's thread. */
#ifndef TB_AGENT_NOTIFY_H
#define TB_AGENT_NOTIFY_H

#include <stdint.h>

/* "READY=1", or several such lines. */
void tb_notify(const char *state);
/* RELOADING=1, with the time that newer managers want beside it. */
void tb_notify_reloading(void);
/* How often WATCHDOG=1 has to come at least, in microseconds; 0: nobody waits for it. */
uint64_t tb_notify_watchdog_us(void);

#endif
