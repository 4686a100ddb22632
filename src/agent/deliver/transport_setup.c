/* transport_setup.c - the settings of libcurl's handles that are the same for every request. */
#include "agent/deliver/transport_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"

enum {
    CONNECT_MS = 5000,
    IDLE_CONNECTION_S = 118, /* under the two minutes after which load balancers drop one */
    KEEP_ALIVE_S = 30,       /* so a peer that is gone is noticed on an idle connection */
    KEEP_ALIVE_EVERY_S = 10,
    AUTHORITIES_S = 24 * 3600,
    AUTHORITIES_MAX_BYTES = 8 << 20,
    UPLOAD_BYTES = 16 << 10 /* as TLS sends it; libcurl would get 64 KiB for each request */
};

/* What libcurl would say with the first request only. */
static int check_file(const char *section, const char *key, const char *path, const char *mark,
                      char why[TB_TRANSPORT_WHY])
{
    struct tb_buf text;
    tb_buf_init(&text, AUTHORITIES_MAX_BYTES);
    int err = path[0] ? tb_fd_slurp(AT_FDCWD, path, &text) : 0;
    if (err < 0) {
        (void)snprintf(why, TB_TRANSPORT_WHY, "cannot read %.20s.%s %.300s: %s", section, key, path,
                       strerrordesc_np(-err));
    } else if (path[0] && !strstr(tb_buf_str(&text), mark)) {
        (void)snprintf(why, TB_TRANSPORT_WHY, "%.20s.%s %.300s holds no %s in PEM form", section,
                       key, path, strstr(mark, "KEY") ? "key" : "certificate");
        err = -EINVAL;
    }
    if (text.len > 0) /* it may be a key */
        explicit_bzero(text.data, text.len);
    tb_buf_done(&text);
    return err;
}

int tb_transport_check(const struct tb_transport_limits *limits, char why[TB_TRANSPORT_WHY])
{
    static const char CERTIFICATE[] = "-----BEGIN CERTIFICATE-----";
    static const char KEY[] = "PRIVATE KEY-----";
    const char *section = limits->section;
    int err = check_file(section, "ca_file", limits->ca_file, CERTIFICATE, why);
    if (err == 0)
        err = check_file(section, "client_cert_file", limits->cert_file, CERTIFICATE, why);
    return err < 0 ? err : check_file(section, "client_key_file", limits->key_file, KEY, why);
}

/* Might libcurl find a proxy there? */
static bool has_proxy_environment(void)
{
    static const char *const NAMES[] = {"https_proxy", "HTTPS_PROXY", "http_proxy", "all_proxy",
                                        "ALL_PROXY"};
    for (size_t i = 0; i < sizeof(NAMES) / sizeof(NAMES[0]); i++) {
        if (getenv(NAMES[i]))
            return true;
    }
    return false;
}

/* Whom to trust, and by which way. */
static CURLcode set_way(const struct tb_transport *transport, CURL *easy)
{
    const struct tb_transport_limits *limits = &transport->limits;
    const char *system = curl_version_info(CURLVERSION_NOW)->cainfo;
    const char *file = limits->ca_file[0] ? limits->ca_file : system;
    CURLcode code;
    if ((code = curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2)) ||
        (code = curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L)) ||
        (code = curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L)) ||
        (code = curl_easy_setopt(easy, CURLOPT_CA_CACHE_TIMEOUT, (long)AUTHORITIES_S)))
        return code;
    /* libcurl keeps what it has read of a file only where no folder is searched too. */
    if (file && access(file, R_OK) == 0 &&
        ((code = curl_easy_setopt(easy, CURLOPT_CAINFO, file)) ||
         (code = curl_easy_setopt(easy, CURLOPT_CAPATH, NULL))))
        return code;
    /* "" is no proxy, and spares libcurl looking for one with each request. */
    return limits->proxy[0] || limits->is_direct || !has_proxy_environment()
               ? curl_easy_setopt(easy, CURLOPT_PROXY, limits->proxy)
               : CURLE_OK;
}

/* Who we are, where that is asked. */
static CURLcode set_client(const struct tb_transport *transport, CURL *easy)
{
    const char *cert = transport->limits.cert_file;
    const char *key = transport->limits.key_file[0] ? transport->limits.key_file : cert;
    CURLcode code;
    if (!cert[0])
        return CURLE_OK;
    if ((code = curl_easy_setopt(easy, CURLOPT_SSLCERT, cert)))
        return code;
    return curl_easy_setopt(easy, CURLOPT_SSLKEY, key);
}

static CURLcode set_times(const struct tb_transport *transport, CURL *easy)
{
    unsigned timeout_ms = transport->limits.timeout_ms;
    long connect_ms = timeout_ms < CONNECT_MS ? (long)timeout_ms : CONNECT_MS;
    CURLcode code;
    if ((code = curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, connect_ms)) ||
        (code = curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)timeout_ms)) ||
        (code = curl_easy_setopt(easy, CURLOPT_MAXAGE_CONN, (long)IDLE_CONNECTION_S)) ||
        (code = curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L)) ||
        (code = curl_easy_setopt(easy, CURLOPT_TCP_KEEPIDLE, (long)KEEP_ALIVE_S)) ||
        (code = curl_easy_setopt(easy, CURLOPT_TCP_KEEPINTVL, (long)KEEP_ALIVE_EVERY_S)))
        return code;
    /* An unanswered name server must not hold up the end of the program. */
    return curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
}

/* Settings that are the same for every request. */
static int set_up(const struct tb_transport *transport, struct transfer *transfer)
{
    CURL *easy = transfer->easy;
    CURLcode code;
    if ((code = curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L)) ||
        (code = curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https")) ||
        (code = curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1)) ||
        (code = curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L)) ||
        (code = set_way(transport, easy)) || (code = set_client(transport, easy)) ||
        (code = set_times(transport, easy)) ||
        (code = curl_easy_setopt(easy, CURLOPT_USERAGENT, "towbar/" TOWBAR_VERSION)) ||
        (code = curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->error)) ||
        (code = curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, tb_transfer_head)) ||
        (code = curl_easy_setopt(easy, CURLOPT_HEADERDATA, transfer)) ||
        (code = curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, tb_transfer_body)) ||
        (code = curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer)) ||
        (code = curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer)) ||
        (code = curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, (long)UPLOAD_BYTES)) ||
        (code = curl_easy_setopt(easy, CURLOPT_POST, 1L)))
        return code == CURLE_OUT_OF_MEMORY ? -ENOMEM : -ENOSYS;
    return 0;
}

void tb_transfer_free(struct transfer *transfer)
{
    if (!transfer)
        return;
    curl_easy_cleanup(transfer->easy);
    curl_slist_free_all(transfer->headers);
    curl_url_cleanup(transfer->url);
    tb_buf_done(&transfer->reply);
    free(transfer);
}

struct transfer *tb_transfer_new(const struct tb_transport *transport)
{
    struct transfer *transfer = calloc(1, sizeof(*transfer));
    if (!transfer)
        return NULL;
    tb_buf_init(&transfer->reply, TB_TRANSPORT_REPLY_BYTES);
    transfer->easy = curl_easy_init();
    transfer->url = curl_url();
    if (transfer->easy && transfer->url && set_up(transport, transfer) == 0)
        return transfer;
    tb_transfer_free(transfer);
    return NULL;
}
