/* listen.c - see listen.h. */
#include "http/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"

enum { BACKLOG = 512, HOST_BYTES = 64 };

/* Splits "host:port"; tb_config_load has checked the form, this one must still not trust it. */
static int split(const char *where, char host[HOST_BYTES], const char **port)
{
    const char *colon = strrchr(where, ':');
    size_t len = colon != NULL ? (size_t)(colon - where) : 0;
    if (len == 0 || len >= HOST_BYTES)
        return -EINVAL;
    if (where[0] == '[' && where[len - 1] == ']') {
        where++;
        len -= 2;
    }
    memcpy(host, where, len);
    host[len] = '\0';
    if (strcmp(host, "localhost") == 0)
        memcpy(host, "127.0.0.1", sizeof("127.0.0.1"));
    *port = colon + 1;
    return 0;
}

static int bind_and_listen(const struct addrinfo *at)
{
    int one = 1;
    int fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
        bind(fd, at->ai_addr, at->ai_addrlen) < 0 || listen(fd, BACKLOG) < 0) {
        int err = -errno;
        close(fd);
        return err;
    }
    return fd;
}

static void name_address(int fd, char address[TB_LISTEN_ADDRESS])
{
    union {
        struct sockaddr any;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
    } bound;
    socklen_t len = sizeof(bound);
    char host[INET6_ADDRSTRLEN] = "";
    address[0] = '\0';
    memset(&bound, 0, sizeof(bound));
    if (getsockname(fd, &bound.any, &len) < 0)
        return;
    if (bound.any.sa_family == AF_INET6) {
        inet_ntop(AF_INET6, &bound.in6.sin6_addr, host, sizeof(host));
        snprintf(address, TB_LISTEN_ADDRESS, "[%s]:%u", host, ntohs(bound.in6.sin6_port));
    } else {
        inet_ntop(AF_INET, &bound.in.sin_addr, host, sizeof(host));
        snprintf(address, TB_LISTEN_ADDRESS, "%s:%u", host, ntohs(bound.in.sin_port));
    }
}

int tb_listen_tcp(const char *where, char address[TB_LISTEN_ADDRESS], char why[TB_LISTEN_WHY])
{
    char host[HOST_BYTES];
    const char *port;
    struct addrinfo *found = NULL;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE};
    if (split(where, host, &port) != 0 || getaddrinfo(host, port, &hints, &found) != 0) {
        snprintf(why, TB_LISTEN_WHY, "--listen %s is not an address of this host", where);
        return -EINVAL;
    }
    int fd = bind_and_listen(found);
    freeaddrinfo(found);
    if (fd == -EADDRINUSE)
        snprintf(why, TB_LISTEN_WHY,
                 "%s is in use by another program: stop it, or choose another "
                 "port with --listen 127.0.0.1:PORT (0 takes a free one, \"off\" does without)",
                 where);
    else if (fd < 0)
        snprintf(why, TB_LISTEN_WHY, "cannot listen on %s (--listen): %s", where, strerror(-fd));
    else
        name_address(fd, address);
    return fd;
}

/* ---- the Unix socket ---- */

/* Only a refused connection says that nobody is there: EAGAIN is a full backlog, and what is not
 * known is not taken away. */
static int is_dead(const struct sockaddr_un *at)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return 0;
    int dead = connect(fd, (const struct sockaddr *)at, sizeof(*at)) < 0 && errno == ECONNREFUSED;
    close(fd);
    return dead;
}

/* "" for the current folder, which is there. */
static void folder_of(const char *path, char out[sizeof(((struct sockaddr_un *)0)->sun_path)])
{
    const char *slash = strrchr(path, '/');
    size_t len = slash != NULL ? (size_t)(slash - path) : 0;
    memcpy(out, path, len);
    out[len] = '\0';
}

static int bind_unix(const struct sockaddr_un *at, int shared)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    /* The file is made with these permissions: there is no moment in which others may connect. The
     * mask belongs to the whole process, which has one thread while it starts. */
    mode_t mask = umask(shared ? 0111 : 0177);
    int err = bind(fd, (const struct sockaddr *)at, sizeof(*at)) < 0 ? -errno : 0;
    umask(mask);
    if (!err && listen(fd, BACKLOG) < 0) {
        err = -errno;
        (void)unlink(at->sun_path);
    }
    if (!err)
        return fd;
    close(fd);
    return err;
}

/* Makes room for the socket's file: only what a killed agent left behind goes. */
static int clear_place(const struct sockaddr_un *at, char why[TB_LISTEN_WHY])
{
    const char *path = at->sun_path;
    struct stat st;
    if (lstat(path, &st) < 0)
        return 0; /* bind says what is wrong, if anything is */
    if (!S_ISSOCK(st.st_mode)) {
        snprintf(why, TB_LISTEN_WHY,
                 "%s exists and is not a socket: move it away if it is not needed, or choose "
                 "another path with --socket",
                 path);
        return -EEXIST;
    }
    if (!is_dead(at)) {
        snprintf(why, TB_LISTEN_WHY,
                 "another towbard answers on %s: stop it, or choose another "
                 "socket with --socket",
                 path);
        return -EADDRINUSE;
    }
    struct tb_listen_file dead = {.is_bound = 1, .dev = st.st_dev, .ino = st.st_ino};
    tb_listen_remove(path, &dead);
    return 0;
}

int tb_listen_unix(const char *path, unsigned flags, struct tb_listen_file *file,
                   char why[TB_LISTEN_WHY])
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    char folder[sizeof(at.sun_path)];
    int shared = (flags & TB_LISTEN_SHARED) != 0;
    struct stat st;
    if (strlen(path) >= sizeof(at.sun_path)) {
        snprintf(why, TB_LISTEN_WHY,
                 "the socket's path %s is too long: at most %zu bytes; choose "
                 "another with --socket",
                 path, sizeof(at.sun_path) - 1);
        return -ENAMETOOLONG;
    }
    memcpy(at.sun_path, path, strlen(path) + 1);
    folder_of(path, folder);
    if (folder[0] != '\0' && (flags & TB_LISTEN_MAKE_FOLDER) != 0)
        (void)mkdir(folder, shared ? 0755 : 0700); /* bind says what is wrong with it */
    int err = clear_place(&at, why);
    if (err)
        return err;
    int fd = bind_unix(&at, shared);
    if (fd == -ENOENT)
        snprintf(why, TB_LISTEN_WHY,
                 "cannot make the socket %s: the folder %s is missing: make it, or choose another "
                 "path with --socket",
                 path, folder);
    else if (fd < 0)
        snprintf(why, TB_LISTEN_WHY, "cannot make the socket %s (--socket): %s", path,
                 strerror(-fd));
    else if (lstat(path, &st) == 0)
        *file = (struct tb_listen_file){.is_bound = 1, .dev = st.st_dev, .ino = st.st_ino};
    return fd;
}

void tb_listen_remove(const char *path, struct tb_listen_file *file)
{
    struct stat st;
    if (file->is_bound && lstat(path, &st) == 0 && S_ISSOCK(st.st_mode) && st.st_dev == file->dev &&
        st.st_ino == file->ino)
        (void)unlink(path);
    file->is_bound = 0;
}
