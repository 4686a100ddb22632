/* check_places.c - `towbar check`: spool, state, disk, socket and port. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/statvfs.h>
#include <sys/un.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/fd.h"
#include "cli/check.h"
#include "spool/dir.h"
#include "spool/fs.h"
#include "store/store.h"

enum { PATH_BYTES = 4096, KEEP_FREE_MAX_MIB = 1 << 10, MIB = 1 << 20 };

/* The folder, or the nearest one above it that is there. 0 or -errno. */
static int nearest(const char *path, char out[PATH_BYTES])
{
    int len = snprintf(out, PATH_BYTES, "%s", path);
    if (len < 0 || len >= PATH_BYTES)
        return -ENAMETOOLONG;
    while (access(out, F_OK) != 0) {
        char *slash = strrchr(out, '/');
        if (slash == NULL) {
            snprintf(out, PATH_BYTES, ".");
            return 0;
        }
        slash[slash == out] = '\0';
    }
    return 0;
}

/* Can the folder be made, when it is not there: is the nearest one above it writable? */
static int can_be_made(const char *path)
{
    char above[PATH_BYTES];
    if (nearest(path, above) != 0)
        return 0;
    /* Root may write to /proc and /sys, and yet no folder can be made there. */
    struct statfs fs;
    if (statfs(above, &fs) == 0 && (fs.f_type == PROC_SUPER_MAGIC || fs.f_type == SYSFS_MAGIC))
        return 0;
    return access(above, W_OK | X_OK) == 0;
}

static void check_folder(struct tb_check *check, const char *what, const char *path,
                         const char *option)
{
    if (can_be_made(path))
        tb_check_line(check, TB_CHECK_NONE, what, "%s is not there yet; towbard makes it", path);
    else
        tb_check_line(
            check, TB_CHECK_FAILED, what,
            "%s is not there and cannot be made by this user: make it, run as the agent's user, or "
            "name another with --%s",
            path, option);
}

/* The name of the file system when that is memory, else NULL. */
static const char *is_in_memory(int fd)
{
    struct statfs fs;
    const char *name = NULL;
    return fstatfs(fd, &fs) == 0 && tb_fs_judge((long)fs.f_type, &name) == TB_FS_MEMORY ? name
                                                                                        : NULL;
}

void tb_check_spool(struct tb_check *check)
{
    char why[TB_SPOOL_WHY] = "";
    const char *path = check->config->spool;
    int fd = tb_spool_dir_open(path, 0, why);
    if (fd == -ENOENT)
        check_folder(check, "spool", path, "spool");
    else if (fd < 0)
        tb_check_line(check, TB_CHECK_FAILED, "spool", "%s", why);
    else if (faccessat(fd, ".", W_OK | X_OK, AT_EACCESS) != 0)
        tb_check_line(check, TB_CHECK_FAILED, "spool", "%s cannot be written by this user: %s",
                      path, strerror(errno));
    else if (is_in_memory(fd))
        tb_check_line(
            check, TB_CHECK_WARNING, "spool",
            "%s is on %s, which is memory: what is not in the database yet is lost when the host "
            "goes down; a folder on a disk keeps it (--spool, TOWBAR_SPOOL)",
            path, is_in_memory(fd));
    else
        tb_check_line(check, TB_CHECK_WELL, "spool", "%s is writable", path);
    tb_fd_close(&fd);
}

/* By the rule of eviction: docs/spool-format.md 9. */
void tb_check_disk(struct tb_check *check)
{
    char path[PATH_BYTES];
    struct statvfs fs;
    if (nearest(check->config->spool, path) != 0 || statvfs(path, &fs) != 0 || fs.f_blocks == 0)
        return;
    unsigned long long free_mib = (unsigned long long)fs.f_bavail * fs.f_frsize / MIB;
    unsigned long long all_mib = (unsigned long long)fs.f_blocks * fs.f_frsize / MIB;
    unsigned long long keep_mib = all_mib * check->config->keep_free_percent / 100;
    if (keep_mib > KEEP_FREE_MAX_MIB)
        keep_mib = KEEP_FREE_MAX_MIB;
    if (free_mib > keep_mib)
        tb_check_line(check, TB_CHECK_WELL, "disk", "%llu MiB of %llu are free at %s", free_mib,
                      all_mib, path);
    else
        tb_check_line(
            check, TB_CHECK_WARNING, "disk",
            "%llu MiB of %llu are free at %s; below %llu (spool_limits.keep_free_percent) "
            "reports that wait are given up: free some space",
            free_mib, all_mib, path, keep_mib);
}

void tb_check_state(struct tb_check *check)
{
    char why[TB_STORE_WHY] = "";
    struct tb_store *store = NULL;
    struct tb_store_counts counts;
    const char *path = check->config->state_dir;
    int err = tb_store_open(path, TB_STORE_READ, &store, why);
    if (err == -ENOENT)
        check_folder(check, "state", path, "state-dir");
    else if (err == -EACCES && check->agent->is_up)
        tb_check_line(check, TB_CHECK_NONE, "state",
                      "%s: only root and the agent's user may read it; check as one of them", path);
    else if (err < 0)
        tb_check_line(check, TB_CHECK_FAILED, "state", "%s", why);
    else if (tb_store_counts(store, &counts) < 0)
        tb_check_line(check, TB_CHECK_FAILED, "state", "%s", tb_store_error(store));
    else
        tb_check_line(check, TB_CHECK_WELL, "state", "%s: %lld items, %lld occurrences", path,
                      (long long)counts.items, (long long)counts.occurrences);
    tb_store_close(store);
}

void tb_check_socket(struct tb_check *check)
{
    const char *path = check->config->socket;
    char folder[PATH_BYTES];
    if (strlen(path) >= sizeof(((struct sockaddr_un *)NULL)->sun_path)) {
        tb_check_line(check, TB_CHECK_FAILED, "socket",
                      "%s is longer than the %zu characters a socket may have", path,
                      sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1);
        return;
    }
    snprintf(folder, sizeof(folder), "%s", path);
    char *slash = strrchr(folder, '/');
    if (slash != NULL)
        slash[slash == folder] = '\0';
    if (check->agent->is_up)
        tb_check_line(check, TB_CHECK_WELL, "socket", "%s", path);
    else if (can_be_made(folder))
        tb_check_line(check, TB_CHECK_NONE, "socket", "nobody listens at %s; towbard makes it",
                      path);
    else
        tb_check_line(check, TB_CHECK_FAILED, "socket",
                      "this user cannot make %s: run as the agent's user, or name another with "
                      "--socket",
                      path);
}

/* Tries the address as the agent would. 0 or a negative errno. */
static int try_bind(const char *host, uint16_t port)
{
    const int one = 1;
    char bare[64];
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    const struct sockaddr *address = (const struct sockaddr *)&v4;
    socklen_t len = sizeof(v4);
    snprintf(bare, sizeof(bare), "%.*s", (int)strcspn(host + (*host == '['), "]"),
             host + (*host == '['));
    if (inet_pton(AF_INET6, bare, &v6.sin6_addr) == 1) {
        address = (const struct sockaddr *)&v6;
        len = sizeof(v6);
    } else if (inet_pton(AF_INET, bare, &v4.sin_addr) != 1) {
        v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK); /* "localhost" */
    }
    int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    int err = bind(fd, address, len) < 0 || listen(fd, 1) < 0 ? -errno : 0;
    close(fd);
    return err;
}

void tb_check_port(struct tb_check *check)
{
    const struct tb_agent_answer *agent = check->agent;
    const char *listen = check->config->listen;
    char host[64];
    const char *colon = strrchr(listen, ':'); /* tb_config_load has checked its form */
    if (colon == NULL || (size_t)(colon - listen) >= sizeof(host)) {
        tb_check_line(check, TB_CHECK_NONE, "port",
                      "listen is %s: the agent answers on its socket only", listen);
        return;
    }
    snprintf(host, sizeof(host), "%.*s", (int)(colon - listen), listen);
    int err = try_bind(host, (uint16_t)strtoul(colon + 1, NULL, 10));
    if (err == 0)
        tb_check_line(check, TB_CHECK_WELL, "port", "%s is free", listen);
    else if (err == -EADDRINUSE && agent->is_up && strcmp(agent->listen, listen) == 0)
        tb_check_line(check, TB_CHECK_WELL, "port", "%s is held by towbard", listen);
    else if (err == -EADDRINUSE)
        tb_check_line(
            check, TB_CHECK_FAILED, "port",
            "%s is in use by another program: stop that, or choose another with --listen or "
            "listen: (port 0 takes a free one)",
            listen);
    else
        tb_check_line(check, TB_CHECK_FAILED, "port", "%s cannot be used: %s", listen,
                      strerror(-err));
}
