/* test_config_tls.c - certificates and keys that fit, and such that do not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "agent/config/config_tls.h"

static char folder[] = "/tmp/towbar-tls.XXXXXX";
static char cert[64], key[64], other[64], old[64], text[64], locked[64], open_to_all[64];
static char password[] = "secret";
static char why[TB_CONFIG_WHY];

static void write_pair(EVP_PKEY *pair, const char *cert_file, const char *key_file, long ends_s)
{
    X509 *made = X509_new();
    ASN1_INTEGER_set(X509_get_serialNumber(made), 1);
    X509_gmtime_adj(X509_getm_notBefore(made), -1000);
    X509_gmtime_adj(X509_getm_notAfter(made), ends_s);
    X509_set_pubkey(made, pair);
    assert_true(X509_sign(made, pair, EVP_sha256()) > 0);
    FILE *out = fopen(cert_file, "we");
    assert_non_null(out);
    assert_int_equal(PEM_write_X509(out, made), 1);
    fclose(out);
    X509_free(made);
    out = fopen(key_file, "we");
    assert_non_null(out);
    assert_int_equal(PEM_write_PrivateKey(out, pair, NULL, NULL, 0, NULL, NULL), 1);
    fclose(out);
}

static void write_locked(EVP_PKEY *pair)
{
    FILE *out = fopen(locked, "we");
    assert_non_null(out);
    assert_int_equal(PEM_write_PrivateKey(out, pair, EVP_aes_128_cbc(), NULL, 0, NULL, password),
                     1);
    fclose(out);
}

/* Somebody would type it, if he were asked. */
static int type_password(void)
{
    static const char line[] = "secret\n";
    int ends[2];
    return pipe(ends) < 0 || dup2(ends[0], STDIN_FILENO) < 0 ||
                   write(ends[1], line, sizeof(line) - 1) < 0
               ? -1
               : close(ends[1]);
}

static int make_files(void **state)
{
    (void)state;
    if (mkdtemp(folder) == NULL)
        return -1;
    snprintf(cert, sizeof(cert), "%s/cert.pem", folder);
    snprintf(key, sizeof(key), "%s/key.pem", folder);
    snprintf(other, sizeof(other), "%s/other.pem", folder);
    snprintf(old, sizeof(old), "%s/old.pem", folder);
    snprintf(text, sizeof(text), "%s/text.pem", folder);
    snprintf(locked, sizeof(locked), "%s/locked.pem", folder);
    snprintf(open_to_all, sizeof(open_to_all), "%s/open.pem", folder);
    (void)umask(077);
    EVP_PKEY *one = EVP_EC_gen("P-256");
    EVP_PKEY *two = EVP_EC_gen("P-256");
    write_pair(two, cert, other, 1000); /* its certificate is written over below */
    write_pair(one, old, key, -10);
    write_pair(one, cert, open_to_all, 1000);
    write_pair(one, cert, key, 1000);
    write_locked(one);
    if (chmod(open_to_all, 0644) != 0 || type_password() != 0)
        return -1;
    EVP_PKEY_free(one);
    EVP_PKEY_free(two);
    const char *const keys[] = {key, other, text};
    FILE *out = fopen(text, "we");
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        assert_int_equal(chmod(keys[i], 0600), 0);
    fputs("no certificate\n", out);
    return fclose(out);
}

static int remove_files(void **state)
{
    const char *const files[] = {cert, key, other, old, text, locked, open_to_all};
    (void)state;
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
        unlink(files[i]);
    return rmdir(folder);
}

static void a_pair_that_fits_can_be_used(void **state)
{
    (void)state;
    assert_int_equal(tb_config_tls_pair(cert, key, why), 0);
    assert_string_equal(why, "");
}

static void a_key_that_everybody_may_read_is_said(void **state)
{
    (void)state;
    assert_int_equal(chmod(key, 0644), 0);
    assert_true(tb_config_tls_pair(cert, key, why) < 0);
    assert_non_null(strstr(why, "everybody may read or change"));
    assert_int_equal(chmod(key, 0640), 0);
    assert_int_equal(tb_config_tls_pair(cert, key, why), 0);
}

static void what_does_not_fit_is_said(void **state)
{
    const struct {
        const char *cert, *key, *said;
    } cases[] = {{"/none/cert.pem", key, "tls.cert_file /none/cert.pem: No such file"},
                 {cert, "/none/key.pem", "tls.key_file /none/key.pem: No such file"},
                 {text, key, "it has to be PEM, the certificate first"},
                 {cert, text, "it has to be the PEM key of tls.cert_file"},
                 {cert, other, "it has to be the PEM key of tls.cert_file"},
                 {cert, locked, "without a password"},
                 {cert, open_to_all, "make it 0640 or stricter"},
                 {old, key, "has expired"}};
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_true(tb_config_tls_pair(cases[i].cert, cases[i].key, why) < 0);
        if (strstr(why, cases[i].said) == NULL)
            fail_msg("\"%s\" is not in: %s", cases[i].said, why);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pair_that_fits_can_be_used),
        cmocka_unit_test(a_key_that_everybody_may_read_is_said),
        cmocka_unit_test(what_does_not_fit_is_said),
    };
    return cmocka_run_group_tests(tests, make_files, remove_files);
}
