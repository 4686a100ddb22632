/* spawn.h - starts a program with nothing of the agent's but what is said here: no descriptor, no
 * blocked or ignored signal (the agent's threads block signals and ignore SIGPIPE). */
#ifndef TB_AGENT_SPAWN_H
#define TB_AGENT_SPAWN_H

#include <stdbool.h>
#include <sys/types.h>

struct tb_spawn {
    const char *program; /* looked for in PATH when it has no slash */
    char *const *argv;
    char *const *env;
    int fd;            /* what it is given, */
    int as_fd;         /* and under which number; of 0, 1 and 2 the others are /dev/null */
    bool keeps_stderr; /* but 2 is the agent's */
    bool has_group;    /* of its own: it can be killed with what it started */
};

/* 0 or a negative errno: then *pid is -1. */
int tb_spawn(const struct tb_spawn *how, pid_t *pid);

#endif
