/* tls.c - see tls.h. */
#include "http/tls.h"

#include <errno.h>
#include <event2/bufferevent_ssl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct tb_tls {
    SSL_CTX *context;
};

static const unsigned char HTTP_1_1[] = "\x08http/1.1";

/* Nobody is there to type one. */
static int no_password(char *out, int size, int is_writing, void *arg)
{
    (void)out;
    (void)size;
    (void)is_writing;
    (void)arg;
    return 0;
}

/* A client that asks for other protocols alone gets none: it then speaks what it likes. */
static int choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                           const unsigned char *in, unsigned in_len, void *arg)
{
    (void)ssl;
    (void)arg;
    for (unsigned i = 0; i < in_len && in[i] < in_len - i; i += in[i] + 1U) {
        if (in[i] != HTTP_1_1[0] || memcmp(in + i + 1, HTTP_1_1 + 1, in[i]) != 0)
            continue;
        *out = in + i + 1;
        *out_len = in[i];
        return SSL_TLSEXT_ERR_OK;
    }
    return SSL_TLSEXT_ERR_NOACK;
}

static int refuse(char why[TB_TLS_WHY], const char *key, const char *file, const char *cure)
{
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());
    (void)snprintf(why, TB_TLS_WHY, "%s: cannot use %.250s: %.120s; %s", key, file,
                   reason != NULL ? reason : "it is not as it should be", cure);
    ERR_clear_error();
    return -EINVAL;
}

static int check_key_file(const char *file, char why[TB_TLS_WHY])
{
    struct stat st;
    if (stat(file, &st) < 0) {
        int err = -errno;
        (void)snprintf(why, TB_TLS_WHY, "tls.key_file: cannot use %.250s: %s", file,
                       strerror(-err));
        return err;
    }
    if ((st.st_mode & S_IRWXO) == 0)
        return 0;
    (void)snprintf(why, TB_TLS_WHY,
                   "tls.key_file: everybody may read or change %.250s: make it 0640 or stricter "
                   "(chmod 640)",
                   file);
    return -EPERM;
}

static int load_files(SSL_CTX *context, const char *cert_file, const char *key_file,
                      char why[TB_TLS_WHY])
{
    int err = check_key_file(key_file, why);
    if (err)
        return err;
    if (SSL_CTX_use_certificate_chain_file(context, cert_file) != 1)
        return refuse(why, "tls.cert_file", cert_file,
                      "it has to be PEM, the certificate first and then its chain");
    if (SSL_CTX_use_PrivateKey_file(context, key_file, SSL_FILETYPE_PEM) != 1)
        return refuse(why, "tls.key_file", key_file,
                      "it has to be the PEM key of tls.cert_file, without a password");
    if (SSL_CTX_check_private_key(context) != 1)
        return refuse(why, "tls.key_file", key_file, "it is not the key of tls.cert_file");
    return 0;
}

int tb_tls_load(struct tb_tls *tls, const char *cert_file, const char *key_file,
                char why[TB_TLS_WHY])
{
    ERR_clear_error();
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    if (context == NULL) {
        (void)snprintf(why, TB_TLS_WHY, "cannot begin TLS: out of memory");
        return -ENOMEM;
    }
    (void)SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    (void)SSL_CTX_set_cipher_list(context, "ECDHE+AESGCM:ECDHE+CHACHA20");
    (void)SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                           SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_NO_TICKET);
    (void)SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
    (void)SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_default_passwd_cb(context, no_password);
    SSL_CTX_set_alpn_select_cb(context, choose_protocol, NULL);
    int err = load_files(context, cert_file, key_file, why);
    if (err) {
        SSL_CTX_free(context);
        return err;
    }
    SSL_CTX_free(tls->context); /* connections keep theirs */
    tls->context = context;
    return 0;
}

int tb_tls_new(const char *cert_file, const char *key_file, struct tb_tls **out,
               char why[TB_TLS_WHY])
{
    struct tb_tls *tls = calloc(1, sizeof(*tls));
    if (tls == NULL) {
        (void)snprintf(why, TB_TLS_WHY, "cannot begin TLS: out of memory");
        return -ENOMEM;
    }
    int err = tb_tls_load(tls, cert_file, key_file, why);
    if (err)
        tb_tls_free(tls);
    else
        *out = tls;
    return err;
}

void tb_tls_free(struct tb_tls *tls)
{
    if (tls == NULL)
        return;
    SSL_CTX_free(tls->context);
    free(tls);
}

struct bufferevent *tb_tls_bufferevent(struct tb_tls *tls, struct event_base *base)
{
    SSL *ssl = SSL_new(tls->context);
    struct bufferevent *bev =
        ssl != NULL ? bufferevent_openssl_socket_new(base, -1, ssl, BUFFEREVENT_SSL_ACCEPTING,
                                                     BEV_OPT_CLOSE_ON_FREE)
                    : NULL;
    if (bev == NULL)
        SSL_free(ssl);
    else /* many clients close without a word at the level of TLS */
        bufferevent_openssl_set_allow_dirty_shutdown(bev, 1);
    return bev;
}

int tb_tls_farewell(struct bufferevent *bev, const char *text, size_t len)
{
    SSL *ssl = bufferevent_openssl_get_ssl(bev);
    if (ssl == NULL)
        return 0;
    if (SSL_is_init_finished(ssl)) {
        (void)SSL_write(ssl, text, (int)len);
        (void)SSL_shutdown(ssl);
    }
    ERR_clear_error();
    return 1;
}
