/* tls.h - TLS for a listener: a certificate and its key, which may be changed while it runs.
 *
 * 1. TLS 1.2 and 1.3, with forward secrecy, no renegotiation, no compression, no sessions kept.
 * 2. The key's file may be read by its owner and group alone.
 * 3. A change is for those who connect after it; one that fails leaves what was. */
#ifndef TB_HTTP_TLS_H
#define TB_HTTP_TLS_H

#include <event2/bufferevent.h>

enum { TB_TLS_WHY = 512 };

struct tb_tls;

/* Reads PEM: the certificate with its chain, and its key. 0, or a negative errno with why. */
int tb_tls_new(const char *cert_file, const char *key_file, struct tb_tls **out,
               char why[TB_TLS_WHY]);
/* The same for a new one. In the loop's thread. */
int tb_tls_load(struct tb_tls *tls, const char *cert_file, const char *key_file,
                char why[TB_TLS_WHY]);
/* After the last bufferevent. NULL is nothing. */
void tb_tls_free(struct tb_tls *tls);
/* A server's end without a socket, which closes its socket when it is freed; NULL without memory.
 */
struct bufferevent *tb_tls_bufferevent(struct tb_tls *tls, struct event_base *base);

/* Writes text to the peer of bev, as far as that goes without waiting, and says that no more will
 * come. 1 when bev is a TLS one, else 0 and nothing is done. */
int tb_tls_farewell(struct bufferevent *bev, const char *text, size_t len);

#endif
