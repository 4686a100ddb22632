/* listen.h - the agent's two listening sockets, and clear words when one cannot be had. */
#ifndef TB_HTTP_LISTEN_H
#define TB_HTTP_LISTEN_H

#include <sys/types.h>

enum { TB_LISTEN_WHY = 512, TB_LISTEN_ADDRESS = 64 };

/* Which file a Unix socket was given; zeroed it is none. */
struct tb_listen_file {
    int is_bound;
    dev_t dev;
    ino_t ino;
};

/* Binds "127.0.0.1:7070", "[::1]:7070" or "localhost:7070" (port 0: a free one). Returns the
 * descriptor and what was bound in address, or a negative errno with why. */
int tb_listen_tcp(const char *where, char address[TB_LISTEN_ADDRESS], char why[TB_LISTEN_WHY]);
enum tb_listen_flags {
    TB_LISTEN_SHARED = 1,     /* everybody may connect */
    TB_LISTEN_MAKE_FOLDER = 2 /* the folder is made if it is missing; not those above it */
};
/* Binds the Unix socket. Only a socket that nobody answers on is replaced: one that somebody
 * answers on gives -EADDRINUSE, any other file -EEXIST, and both stay. Returns the descriptor with
 * *file, or a negative errno with why. */
int tb_listen_unix(const char *path, unsigned flags, struct tb_listen_file *file,
                   char why[TB_LISTEN_WHY]);
/* Removes path if it is still the socket that was bound; else leaves it alone. */
void tb_listen_remove(const char *path, struct tb_listen_file *file);

#endif
