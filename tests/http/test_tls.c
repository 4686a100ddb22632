/* The certificate of a listener: what cannot be used leaves what was, and says why. */
#include <errno.h>
#include <event2/event.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "http/tls.h"
#include "../support/folder.h"

static char why[TB_TLS_WHY];

/* NAME.pem and NAME.key; the certificate says that it is of NAME. */
static void make_certificate(const char *name)
{
    char path[64];
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = X509_new();
    X509_NAME *who = X509_get_subject_name(cert);
    assert_non_null(key);
    assert_int_equal(X509_set_version(cert, 2), 1);
    (void)ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
    (void)X509_gmtime_adj(X509_getm_notBefore(cert), 0);
    (void)X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
    (void)X509_NAME_add_entry_by_txt(who, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1,
                                     0);
    (void)X509_set_issuer_name(cert, who);
    (void)X509_set_pubkey(cert, key);
    assert_true(X509_sign(cert, key, EVP_sha256()) > 0);
    (void)snprintf(path, sizeof(path), "%s.pem", name);
    FILE *file = fopen(in_folder(path), "w");
    assert_int_equal(PEM_write_X509(file, cert), 1);
    fclose(file);
    (void)snprintf(path, sizeof(path), "%s.key", name);
    file = fopen(in_folder(path), "w");
    assert_int_equal(PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL), 1);
    fclose(file);
    assert_int_equal(chmod(in_folder(path), 0600), 0);
    X509_free(cert);
    EVP_PKEY_free(key);
}

static int load(struct tb_tls *tls, const char *cert, const char *key)
{
    char cert_file[256];
    (void)snprintf(cert_file, sizeof(cert_file), "%s", in_folder(cert));
    why[0] = '\0';
    return tb_tls_load(tls, cert_file, in_folder(key), why);
}

static int begin(void **state)
{
    if (make_test_folder(state) != 0)
        return -1;
    make_certificate("one");
    make_certificate("two");
    return 0;
}

static struct tb_tls *tls_of_one(void)
{
    struct tb_tls *tls = NULL;
    char cert_file[256];
    (void)snprintf(cert_file, sizeof(cert_file), "%s", in_folder("one.pem"));
    assert_int_equal(tb_tls_new(cert_file, in_folder("one.key"), &tls, why), 0);
    return tls;
}

/* Whose certificate a client gets that connects now. */
static void is_certificate_of(struct tb_tls *tls, const char *name)
{
    int pair[2];
    char got[64] = "";
    struct event_base *base = event_base_new();
    struct bufferevent *bev = tb_tls_bufferevent(tls, base);
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    SSL *ssl = SSL_new(context);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
    assert_int_equal(bufferevent_setfd(bev, pair[0]), 0);
    (void)bufferevent_enable(bev, EV_READ | EV_WRITE);
    SSL_set_fd(ssl, pair[1]);
    SSL_set_connect_state(ssl);
    for (int i = 0; i < 1000 && SSL_do_handshake(ssl) != 1; i++)
        (void)event_base_loop(base, EVLOOP_NONBLOCK);
    assert_true(SSL_is_init_finished(ssl));
    X509 *cert = SSL_get1_peer_certificate(ssl);
    (void)X509_NAME_get_text_by_NID(X509_get_subject_name(cert), NID_commonName, got, sizeof(got));
    assert_string_equal(got, name);
    assert_true(SSL_version(ssl) >= TLS1_2_VERSION);
    X509_free(cert);
    SSL_free(ssl);
    SSL_CTX_free(context);
    bufferevent_free(bev); /* with its socket */
    (void)event_base_loop(base, EVLOOP_NONBLOCK);
    event_base_free(base);
    close(pair[1]);
}

static void a_new_certificate_is_for_those_who_come_then(void **state)
{
    (void)state;
    struct tb_tls *tls = tls_of_one();
    is_certificate_of(tls, "one");
    assert_int_equal(load(tls, "two.pem", "two.key"), 0);
    is_certificate_of(tls, "two");
    tb_tls_free(tls);
}

static void what_cannot_be_used_leaves_what_was(void **state)
{
    static const struct {
        const char *cert, *key, *word;
    } cases[] = {
        {"two.pem", "one.key", "key values mismatch"}, {"none.pem", "one.key", "tls.cert_file"},
        {"one.pem", "none.key", "tls.key_file"},       {"one.key", "one.key", "tls.cert_file"},
        {"one.pem", "text", "tls.key_file"},           {"one.pem", "open.key", "chmod"},
    };
    (void)state;
    struct tb_tls *tls = tls_of_one();
    put_file("text", "no key");
    assert_int_equal(chmod(in_folder("text"), 0600), 0);
    put_file("open.key", "");
    assert_int_equal(chmod(in_folder("open.key"), 0644), 0);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_true(load(tls, cases[i].cert, cases[i].key) < 0);
        if (strstr(why, cases[i].word) == NULL)
            fail_msg("%zu: %s", i, why);
    }
    is_certificate_of(tls, "one");
    tb_tls_free(tls);
}

static void who_is_not_tls_gets_no_farewell(void **state)
{
    (void)state;
    struct event_base *base = event_base_new();
    struct bufferevent *bev = bufferevent_socket_new(base, -1, 0);
    assert_int_equal(tb_tls_farewell(bev, "x", 1), 0);
    bufferevent_free(bev);
    event_base_free(base);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_new_certificate_is_for_those_who_come_then, begin,
                                        remove_test_folder),
        cmocka_unit_test_setup_teardown(what_cannot_be_used_leaves_what_was, begin,
                                        remove_test_folder),
        cmocka_unit_test(who_is_not_tls_gets_no_farewell),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
