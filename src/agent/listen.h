/* listen.h - the agent's two listening sockets, and clear words when one cannot be had. */
#ifndef TB_AGENT_LISTEN_H
#define TB_AGENT_LISTEN_H

enum { TB_LISTEN_WHY = 512, TB_LISTEN_ADDRESS = 64 };

/* Binds "127.0.0.1:7070", "[::1]:7070" or "localhost:7070" (port 0: a free one). Returns the
 * descriptor and what was bound in address, or a negative errno with why. */
int tb_listen_tcp(const char *where, char address[TB_LISTEN_ADDRESS], char why[TB_LISTEN_WHY]);
/* Binds the Unix socket; makes its folder if that is missing. A file that nobody answers on is
 * replaced, one that somebody answers on is not: -EADDRINUSE. shared: everybody may connect. */
int tb_listen_unix(const char *path, int shared, char why[TB_LISTEN_WHY]);

#endif
