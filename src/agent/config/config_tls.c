/* config_tls.c - see config_tls.h. */
#include "agent/config/config_tls.h"

#include <errno.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "http/tls.h"

static int is_expired(const char *cert_file)
{
    FILE *in = fopen(cert_file, "re");
    X509 *cert = in != NULL ? PEM_read_X509(in, NULL, NULL, NULL) : NULL;
    int is = cert != NULL && X509_cmp_current_time(X509_get0_notAfter(cert)) < 0;
    X509_free(cert);
    if (in != NULL)
        (void)fclose(in);
    return is;
}

/* OpenSSL has no words for that. */
static int can_read(const char *name, const char *file, char why[TB_CONFIG_WHY])
{
    if (access(file, R_OK) == 0)
        return 1;
    snprintf(why, TB_CONFIG_WHY, "%s %.200s: %s", name, file, strerror(errno));
    return 0;
}

int tb_config_tls_pair(const char *cert_file, const char *key_file, char why[TB_CONFIG_WHY])
{
    struct tb_tls *tls = NULL;
    why[0] = '\0';
    if (!can_read("tls.cert_file", cert_file, why) || !can_read("tls.key_file", key_file, why))
        return -EINVAL;
    int err = tb_tls_new(cert_file, key_file, &tls, why);
    tb_tls_free(tls);
    if (!err && is_expired(cert_file)) {
        snprintf(why, TB_CONFIG_WHY, "the certificate %.200s has expired: renew it", cert_file);
        err = -EINVAL;
    }
    return err != 0 ? -EINVAL : 0;
}
