/* spawn.c - see spawn.h. */
#include "agent/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <unistd.h>

/* Its own comes first: an agent that was started without the standard ones may have it there. */
static int set_files(posix_spawn_file_actions_t *files, const struct tb_spawn *how)
{
    int last = how->as_fd > STDERR_FILENO ? how->as_fd : STDERR_FILENO;
    int err = posix_spawn_file_actions_adddup2(files, how->fd, how->as_fd);
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO && !err; fd++)
        if (fd != how->as_fd && !(fd == STDERR_FILENO && how->keeps_stderr))
            err = posix_spawn_file_actions_addopen(files, fd, "/dev/null",
                                                   fd == STDIN_FILENO ? O_RDONLY : O_WRONLY, 0);
    return err ? err : posix_spawn_file_actions_addclosefrom_np(files, last + 1);
}

static int set_attributes(posix_spawnattr_t *attr, const struct tb_spawn *how)
{
    short flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF;
    sigset_t none;
    sigset_t all;
    sigemptyset(&none);
    sigfillset(&all);
    int err = posix_spawnattr_setsigmask(attr, &none);
    if (!err)
        err = posix_spawnattr_setsigdefault(attr, &all);
    if (!err && how->has_group)
        err = posix_spawnattr_setpgroup(attr, 0);
    if (how->has_group)
        flags |= POSIX_SPAWN_SETPGROUP;
    return err ? err : posix_spawnattr_setflags(attr, flags);
}

int tb_spawn(const struct tb_spawn *how, pid_t *pid)
{
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attr;
    *pid = -1;
    if (posix_spawn_file_actions_init(&files) != 0)
        return -ENOMEM;
    if (posix_spawnattr_init(&attr) != 0) {
        posix_spawn_file_actions_destroy(&files);
        return -ENOMEM;
    }
    int err = set_files(&files, how);
    if (!err)
        err = set_attributes(&attr, how);
    if (!err)
        err = posix_spawnp(pid, how->program, &files, &attr, how->argv, how->env);
    if (err)
        *pid = -1;
    posix_spawnattr_destroy(&attr);
    posix_spawn_file_actions_destroy(&files);
    return -err;
}
