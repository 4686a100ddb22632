/* tls_server.c - see tls_server.h. One thread for each connection: with few connections nothing is
 * cheaper, and what the clients are measured against is the same for all. */
#include "tls_server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { REQUEST_BYTES = 64 << 10, BACKLOG = 256, DAY_S = 24 * 3600 };

static const char REPLY[] = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                            "X-Rate-Limit-Limit: 5000\r\nX-Rate-Limit-Remaining: 4999\r\n"
                            "X-Rate-Limit-Reset: 2000000000\r\n"
                            "X-Rate-Limit-Remaining-Seconds: 59\r\nContent-Length: 81\r\n\r\n"
                            "{\"err\":0,\"result\":{\"id\":null,\"uuid\":"
                            "\"00112233445566778899aabbccddeeff00112233\"}}\n";

static SSL_CTX *context;
static unsigned delay;

static X509 *make_certificate(EVP_PKEY *key)
{
    X509 *cert = X509_new();
    X509_NAME *name = X509_get_subject_name(cert);
    X509V3_CTX extensions;
    ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
    X509_set_version(cert, 2);
    X509_gmtime_adj(X509_getm_notBefore(cert), -DAY_S);
    X509_gmtime_adj(X509_getm_notAfter(cert), DAY_S);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"localhost", -1, -1,
                               0);
    X509_set_issuer_name(cert, name);
    X509_set_pubkey(cert, key);
    X509V3_set_ctx_nodb(&extensions);
    X509V3_set_ctx(&extensions, cert, cert, NULL, NULL, 0);
    X509_EXTENSION *names =
        X509V3_EXT_conf_nid(NULL, &extensions, NID_subject_alt_name, "DNS:localhost,IP:127.0.0.1");
    X509_add_ext(cert, names, -1);
    X509_EXTENSION_free(names);
    X509_sign(cert, key, EVP_sha256());
    return cert;
}

/* A new key and its certificate, which is also written to ca_file. */
static int make_context(const char *ca_file)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = key ? make_certificate(key) : NULL;
    FILE *file = cert ? fopen(ca_file, "we") : NULL;
    int err = file && PEM_write_X509(file, cert) == 1 ? 0 : -EIO;
    if (file)
        (void)fclose(file);
    context = SSL_CTX_new(TLS_server_method());
    if (err == 0 && (!context || SSL_CTX_use_certificate(context, cert) != 1 ||
                     SSL_CTX_use_PrivateKey(context, key) != 1))
        err = -EIO;
    X509_free(cert);
    EVP_PKEY_free(key);
    return err;
}

/* True when a whole request was read. */
static int read_request(SSL *ssl, char *request)
{
    size_t len = 0;
    size_t whole = 0;
    while (whole == 0 || len < whole) {
        int n = len < REQUEST_BYTES - 1
                    ? SSL_read(ssl, request + len, (int)(REQUEST_BYTES - 1 - len))
                    : 0;
        if (n <= 0)
            return 0;
        len += (size_t)n;
        request[len] = '\0';
        char *end = whole == 0 ? strstr(request, "\r\n\r\n") : NULL;
        char *length = end ? strcasestr(request, "\r\nContent-Length:") : NULL;
        if (end)
            whole = (size_t)(end - request) + 4 + (length ? strtoul(length + 17, NULL, 10) : 0);
    }
    return 1;
}

static void *serve(void *arg)
{
    SSL *ssl = arg;
    char *request = malloc(REQUEST_BYTES);
    if (request && SSL_accept(ssl) == 1) {
        while (read_request(ssl, request)) {
            if (delay > 0)
                (void)poll(NULL, 0, (int)delay);
            if (SSL_write(ssl, REPLY, sizeof(REPLY) - 1) <= 0)
                break;
        }
    }
    int fd = SSL_get_fd(ssl);
    (void)SSL_shutdown(ssl);
    SSL_free(ssl);
    close(fd);
    free(request);
    return NULL;
}

static void accept_all(int fd)
{
    for (;;) {
        int one = 1;
        pthread_t thread;
        int peer = accept(fd, NULL, NULL);
        SSL *ssl = peer >= 0 ? SSL_new(context) : NULL;
        if (!ssl)
            _exit(1);
        (void)setsockopt(peer, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
        SSL_set_fd(ssl, peer);
        if (pthread_create(&thread, NULL, serve, ssl) != 0)
            _exit(1);
        (void)pthread_detach(thread);
    }
}

static int listen_on_loopback(int *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t len = sizeof(address);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, len) < 0 || listen(fd, BACKLOG) < 0 ||
        getsockname(fd, (struct sockaddr *)&address, &len) < 0)
        return -errno;
    *port = ntohs(address.sin_port);
    return fd;
}

int bench_tls_start(const char *folder, unsigned delay_ms, struct bench_tls *out)
{
    (void)snprintf(out->ca_file, sizeof(out->ca_file), "%.200s/ca-%u.pem", folder, delay_ms);
    int fd = listen_on_loopback(&out->port);
    if (fd < 0)
        return fd;
    int err = make_context(out->ca_file);
    if (err < 0)
        return err;
    delay = delay_ms;
    (void)snprintf(out->url, sizeof(out->url), "https://localhost:%d/api/1/item/", out->port);
    out->pid = fork();
    if (out->pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        accept_all(fd);
    }
    close(fd);
    SSL_CTX_free(context);
    return out->pid < 0 ? -errno : 0;
}

void bench_tls_stop(struct bench_tls *server)
{
    (void)kill(server->pid, SIGKILL);
    (void)waitpid(server->pid, NULL, 0);
}
