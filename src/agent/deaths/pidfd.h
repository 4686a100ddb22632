/* pidfd.h - a descriptor that stays with one process, and tells how it ended. */
#ifndef TB_AGENT_PIDFD_H
#define TB_AGENT_PIDFD_H

#include <sys/types.h>

enum tb_pidfd_end {
    TB_PIDFD_LIVES,
    TB_PIDFD_ENDED,  /* and the kernel does not say how: it is not reaped yet */
    TB_PIDFD_SILENT, /* and the kernel never says how: it is older than 6.15 */
    TB_PIDFD_KNOWN   /* *status is what wait would give */
};

/* The descriptor or a negative errno. */
int tb_pidfd_open(pid_t pid);
/* Never waits. */
enum tb_pidfd_end tb_pidfd_ask(int fd, int *status);

#endif
