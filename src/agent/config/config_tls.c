/* config_tls.c - see config_tls.h. */
#include "agent/config/config_tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *tls_error(void)
{
    const char *text = ERR_reason_error_string(ERR_peek_last_error());
    return text != NULL ? text : "it cannot be used";
}

static int is_expired(SSL_CTX *tls)
{
    const X509 *certificate = SSL_CTX_get0_certificate(tls);
    return certificate != NULL && X509_cmp_current_time(X509_get0_notAfter(certificate)) < 0;
}

/* The agent does not start with such a key. */
static int is_open_to_all(const char *key)
{
    struct stat st;
    return stat(key, &st) == 0 && (st.st_mode & S_IRWXO) != 0;
}

/* "" when all is well. */
static void judge(SSL_CTX *tls, const char *cert, const char *key, char why[TB_CONFIG_WHY])
{
    why[0] = '\0';
    if (access(cert, R_OK) != 0)
        snprintf(why, TB_CONFIG_WHY, "tls.cert_file %.200s: %s", cert, strerror(errno));
    else if (access(key, R_OK) != 0)
        snprintf(why, TB_CONFIG_WHY, "tls.key_file %.200s: %s", key, strerror(errno));
    else if (is_open_to_all(key))
        snprintf(why, TB_CONFIG_WHY,
                 "tls.key_file %.200s: everybody may read or change it: chmod 640", key);
    else if (SSL_CTX_use_certificate_chain_file(tls, cert) != 1)
        snprintf(why, TB_CONFIG_WHY, "tls.cert_file %.200s is no PEM certificate: %.100s", cert,
                 tls_error());
    else if (SSL_CTX_use_PrivateKey_file(tls, key, SSL_FILETYPE_PEM) != 1)
        snprintf(why, TB_CONFIG_WHY,
                 "tls.key_file %.200s is no PEM key, or not that of the certificate: %.100s", key,
                 tls_error());
    else if (SSL_CTX_check_private_key(tls) != 1)
        snprintf(why, TB_CONFIG_WHY, "%.200s is not the key of %.200s", key, cert);
    else if (is_expired(tls))
        snprintf(why, TB_CONFIG_WHY, "the certificate %.200s has expired: renew it", cert);
}

int tb_config_tls_pair(const char *cert_file, const char *key_file, char why[TB_CONFIG_WHY])
{
    SSL_CTX *tls = SSL_CTX_new(TLS_server_method());
    if (tls == NULL) {
        snprintf(why, TB_CONFIG_WHY, "out of memory");
        return -ENOMEM;
    }
    judge(tls, cert_file, key_file, why);
    SSL_CTX_free(tls);
    ERR_clear_error();
    return why[0] != '\0' ? -EINVAL : 0;
}
