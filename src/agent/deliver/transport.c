/* transport.c - see transport.h. */
#include "agent/deliver/transport.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"

enum {
    CONNECT_MS = 5000,
    IDLE_CONNECTION_S = 118, /* under the two minutes after which load balancers drop one */
    KEEP_ALIVE_S = 30,       /* so a peer that is gone is noticed on an idle connection */
    KEEP_ALIVE_EVERY_S = 10,
    AUTHORITIES_S = 24 * 3600,
    AUTHORITIES_MAX_BYTES = 8 << 20,
    UPLOAD_BYTES = 16 << 10, /* as TLS sends it; libcurl would get 64 KiB for each request */
    N_KEPT = 4,
    KEPT_BYTES = 64
};

/* The headers that tell how long to wait. libcurl keeps all, but finding one costs more than the
 * rest of a reply. */
static const char *const KEPT[N_KEPT] = {"X-Rate-Limit-Remaining", "X-Rate-Limit-Remaining-Seconds",
                                         "X-Rate-Limit-Reset", "Retry-After"};

/* One request under way, or an idle handle that keeps its settings. */
struct transfer {
    CURL *easy;
    struct curl_slist *headers; /* those of set */
    CURLU *url;                 /* that of set, taken apart */
    struct {
        char url[1024];
        char head[TB_SINK_HEAD_BYTES];
        size_t head_len;
    } set; /* what easy was told last */
    void *tag;
    struct tb_buf reply;
    size_t head_bytes;
    char kept[N_KEPT][KEPT_BYTES]; /* values of KEPT in the last head */
    bool has_kept[N_KEPT];
    bool is_cut; /* the reply had more bytes than the limit */
    char error[CURL_ERROR_SIZE];
    char why[CURL_ERROR_SIZE + 128];
    struct transfer *next;
};

struct tb_transport {
    CURLM *multi;
    struct tb_transport_limits limits;
    char *proxy, *ca_file; /* those of limits */
    struct transfer *idle, *busy;
};

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;
static CURLcode curl_state;

static void start_curl(void)
{
    curl_state = curl_global_init(CURL_GLOBAL_DEFAULT);
}

static size_t take_reply(char *data, size_t size, size_t n, void *arg)
{
    struct transfer *transfer = arg;
    size_t len = size * n;
    size_t room = TB_TRANSPORT_REPLY_BYTES - transfer->reply.len;
    transfer->is_cut = transfer->is_cut || len > room;
    tb_buf_add(&transfer->reply, data, len < room ? len : room);
    /* A short count ends the transfer. */
    return transfer->is_cut || transfer->reply.err ? 0 : len;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* One line of a head. Of several with the same name the first counts; a value that is longer than
 * any number or date is none. */
static void keep_header(struct transfer *transfer, const char *line, size_t len)
{
    const char *colon = memchr(line, ':', len);
    size_t name_len = colon ? (size_t)(colon - line) : 0;
    for (size_t i = 0; i < N_KEPT && colon; i++) {
        if (name_len != strlen(KEPT[i]) || strncasecmp(line, KEPT[i], name_len) != 0)
            continue;
        const char *from = colon + 1;
        const char *to = line + len;
        while (from < to && is_blank(*from))
            from++;
        while (from < to && is_blank(to[-1]))
            to--;
        if (transfer->has_kept[i] || (size_t)(to - from) >= KEPT_BYTES)
            return;
        memcpy(transfer->kept[i], from, (size_t)(to - from));
        transfer->kept[i][to - from] = '\0';
        transfer->has_kept[i] = true;
        return;
    }
}

/* Of all replies to one request: there may be any number of 1xx before the last. */
static size_t take_head(char *data, size_t size, size_t n, void *arg)
{
    struct transfer *transfer = arg;
    size_t len = size * n;
    if (len > 5 && memcmp(data, "HTTP/", 5) == 0)
        memset(transfer->has_kept, 0, sizeof(transfer->has_kept));
    else
        keep_header(transfer, data, len);
    transfer->head_bytes += len;
    return transfer->head_bytes > TB_TRANSPORT_REPLY_BYTES ? 0 : len;
}

static void transfer_free(struct transfer *transfer)
{
    if (!transfer)
        return;
    curl_easy_cleanup(transfer->easy);
    curl_slist_free_all(transfer->headers);
    curl_url_cleanup(transfer->url);
    tb_buf_done(&transfer->reply);
    free(transfer);
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
    return limits->proxy[0] || !has_proxy_environment()
               ? curl_easy_setopt(easy, CURLOPT_PROXY, limits->proxy)
               : CURLE_OK;
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
        (code = set_way(transport, easy)) || (code = set_times(transport, easy)) ||
        (code = curl_easy_setopt(easy, CURLOPT_USERAGENT, "towbar/" TOWBAR_VERSION)) ||
        (code = curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->error)) ||
        (code = curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, take_head)) ||
        (code = curl_easy_setopt(easy, CURLOPT_HEADERDATA, transfer)) ||
        (code = curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_reply)) ||
        (code = curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer)) ||
        (code = curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer)) ||
        (code = curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, (long)UPLOAD_BYTES)) ||
        (code = curl_easy_setopt(easy, CURLOPT_POST, 1L)))
        return code == CURLE_OUT_OF_MEMORY ? -ENOMEM : -ENOSYS;
    return 0;
}

static struct transfer *transfer_new(struct tb_transport *transport)
{
    struct transfer *transfer = calloc(1, sizeof(*transfer));
    if (!transfer)
        return NULL;
    tb_buf_init(&transfer->reply, TB_TRANSPORT_REPLY_BYTES);
    transfer->easy = curl_easy_init();
    transfer->url = curl_url();
    if (transfer->easy && transfer->url && set_up(transport, transfer) == 0)
        return transfer;
    transfer_free(transfer);
    return NULL;
}

/* Is there an authority in the file? libcurl would say so with the first request only. */
static int check_authorities(const char *path, char why[TB_TRANSPORT_WHY])
{
    struct tb_buf text;
    tb_buf_init(&text, AUTHORITIES_MAX_BYTES);
    int err = path[0] ? tb_fd_slurp(AT_FDCWD, path, &text) : 0;
    if (err < 0) {
        (void)snprintf(why, TB_TRANSPORT_WHY, "cannot read rollbar.ca_file %.300s: %s", path,
                       strerrordesc_np(-err));
    } else if (path[0] && !strstr(tb_buf_str(&text), "-----BEGIN CERTIFICATE-----")) {
        (void)snprintf(why, TB_TRANSPORT_WHY,
                       "rollbar.ca_file %.300s holds no certificate in PEM form", path);
        err = -EINVAL;
    }
    tb_buf_done(&text);
    return err;
}

static int copy_limits(struct tb_transport *transport, const struct tb_transport_limits *limits)
{
    transport->limits = *limits;
    transport->limits.proxy = transport->proxy = strdup(limits->proxy);
    transport->limits.ca_file = transport->ca_file = strdup(limits->ca_file);
    return transport->proxy && transport->ca_file ? 0 : -ENOMEM;
}

int tb_transport_new(const struct tb_transport_limits *limits, struct tb_transport **out,
                     char why[TB_TRANSPORT_WHY])
{
    (void)pthread_once(&curl_once, start_curl);
    int err = curl_state == CURLE_OK ? check_authorities(limits->ca_file, why) : -ENOMEM;
    if (err < 0)
        return err;
    struct tb_transport *transport = calloc(1, sizeof(*transport));
    if (!transport)
        return -ENOMEM;
    err = copy_limits(transport, limits);
    if (err < 0)
        goto out;
    err = -ENOMEM;
    transport->multi = curl_multi_init();
    if (!transport->multi)
        goto out;
    long n = (long)limits->connections;
    if (curl_multi_setopt(transport->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, n) != CURLM_OK ||
        curl_multi_setopt(transport->multi, CURLMOPT_MAXCONNECTS, n) != CURLM_OK)
        goto out;
    *out = transport;
    return 0;
out:
    tb_transport_free(transport);
    return err;
}

static void free_list(struct tb_transport *transport, struct transfer *list)
{
    while (list) {
        struct transfer *next = list->next;
        if (transport->multi)
            (void)curl_multi_remove_handle(transport->multi, list->easy);
        transfer_free(list);
        list = next;
    }
}

void tb_transport_free(struct tb_transport *transport)
{
    if (!transport)
        return;
    free_list(transport, transport->busy);
    free_list(transport, transport->idle);
    (void)curl_multi_cleanup(transport->multi);
    free(transport->proxy);
    free(transport->ca_file);
    free(transport);
}

static int set_headers(struct transfer *transfer, const struct tb_sink_request *request)
{
    curl_slist_free_all(transfer->headers);
    /* Waiting for "100 Continue" costs a second where the server does not know it. */
    transfer->headers = curl_slist_append(NULL, "Expect:");
    const char *line = tb_sink_next_header(request, NULL);
    for (; line && transfer->headers; line = tb_sink_next_header(request, line)) {
        struct curl_slist *longer = curl_slist_append(transfer->headers, line);
        if (!longer)
            return -ENOMEM;
        transfer->headers = longer;
    }
    return transfer->headers ? 0 : -ENOMEM;
}

static bool is_set(const struct transfer *transfer, const struct tb_sink_request *request)
{
    return transfer->set.head_len == request->head_len && request->url[0] &&
           strcmp(transfer->set.url, request->url) == 0 &&
           memcmp(transfer->set.head, request->head, request->head_len) == 0;
}

/* libcurl takes a URL that is a text apart and puts it together again with each request. One that
 * cannot be taken apart is a text: then it says itself what is wrong. */
static CURLcode set_url(struct transfer *transfer, const char *url)
{
    CURLcode code;
    bool is_text =
        curl_url_set(transfer->url, CURLUPART_URL, url, CURLU_NON_SUPPORT_SCHEME) != CURLUE_OK;
    if ((code = curl_easy_setopt(transfer->easy, CURLOPT_URL, is_text ? url : NULL)))
        return code;
    return curl_easy_setopt(transfer->easy, CURLOPT_CURLU, is_text ? NULL : transfer->url);
}

/* URL and headers, which are mostly those of the last request. */
static int set_target(struct transfer *transfer, const struct tb_sink_request *request)
{
    CURLcode code;
    if (is_set(transfer, request))
        return 0;
    transfer->set.url[0] = '\0';
    int err = set_headers(transfer, request);
    if (err < 0)
        return err;
    if ((code = set_url(transfer, request->url)) ||
        (code = curl_easy_setopt(transfer->easy, CURLOPT_HTTPHEADER, transfer->headers)))
        return code == CURLE_OUT_OF_MEMORY ? -ENOMEM : -EINVAL;
    memcpy(transfer->set.url, request->url, sizeof(transfer->set.url));
    memcpy(transfer->set.head, request->head, request->head_len);
    transfer->set.head_len = request->head_len;
    return 0;
}

static int set_request(struct transfer *transfer, const struct tb_sink_request *request)
{
    CURL *easy = transfer->easy;
    CURLcode code;
    int err = set_target(transfer, request);
    if (err < 0)
        return err;
    if ((code = curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request->method)) ||
        (code = curl_easy_setopt(easy, CURLOPT_POSTFIELDS, tb_buf_str(&request->body))) ||
        (code = curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body.len)))
        return code == CURLE_OUT_OF_MEMORY ? -ENOMEM : -EINVAL;
    return 0;
}

int tb_transport_send(struct tb_transport *transport, const struct tb_sink_request *request,
                      void *tag)
{
    struct transfer *transfer = transport->idle;
    if (!transfer && !(transfer = transfer_new(transport)))
        return -ENOMEM;
    if (transfer == transport->idle)
        transport->idle = transfer->next;
    transfer->tag = tag;
    transfer->is_cut = false;
    transfer->head_bytes = 0;
    memset(transfer->has_kept, 0, sizeof(transfer->has_kept));
    transfer->error[0] = '\0';
    tb_buf_reset(&transfer->reply);
    int err = set_request(transfer, request);
    if (err == 0 && curl_multi_add_handle(transport->multi, transfer->easy) != CURLM_OK)
        err = -EINVAL;
    struct transfer **list = err < 0 ? &transport->idle : &transport->busy;
    transfer->next = *list;
    *list = transfer;
    return err;
}

int tb_transport_run(struct tb_transport *transport, int wait_ms)
{
    struct curl_waitfd wake = {.fd = transport->limits.wake_fd, .events = CURL_WAIT_POLLIN};
    int n_running = 0;
    if (curl_multi_poll(transport->multi, &wake, 1, wait_ms, NULL) != CURLM_OK)
        return -EIO;
    if (wake.revents) {
        uint64_t count;
        (void)!read(transport->limits.wake_fd, &count, sizeof(count));
    }
    return curl_multi_perform(transport->multi, &n_running) == CURLM_OK ? 0 : -EIO;
}

/* Does the cause stay until somebody changes something? */
static bool is_lasting(CURLcode code)
{
    /* Not CURLE_UNSUPPORTED_PROTOCOL: garbage in place of HTTP is that too. */
    static const CURLcode CODES[] = {CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_CACERT_BADFILE,
                                     CURLE_SSL_CERTPROBLEM, CURLE_SSL_ISSUER_ERROR};
    for (size_t i = 0; i < sizeof(CODES) / sizeof(CODES[0]); i++) {
        if (CODES[i] == code)
            return true;
    }
    return false;
}

/* What went wrong, for people, with the cure where there is one. */
static const char *explain(struct transfer *transfer, CURLcode code)
{
    const char *said = transfer->error[0] ? transfer->error : curl_easy_strerror(code);
    long proxy_status = 0;
    (void)curl_easy_getinfo(transfer->easy, CURLINFO_HTTP_CONNECTCODE, &proxy_status);
    if (code == CURLE_PEER_FAILED_VERIFICATION)
        (void)snprintf(
            transfer->why, sizeof(transfer->why),
            "the certificate is not trusted: %s (rollbar.ca_file can name its authority)", said);
    else if (transfer->head_bytes > TB_TRANSPORT_REPLY_BYTES)
        (void)snprintf(transfer->why, sizeof(transfer->why), "the answer's headers do not end");
    else if (proxy_status == 407)
        (void)snprintf(transfer->why, sizeof(transfer->why),
                       "the proxy wants a login: put user:password@ into rollbar.proxy");
    else
        (void)snprintf(transfer->why, sizeof(transfer->why), "%s", said);
    return transfer->why;
}

/* A header of the last head, or NULL. */
static const char *kept(const struct transfer *transfer, size_t which)
{
    return transfer->has_kept[which] ? transfer->kept[which] : NULL;
}

static void fill_reply(struct transfer *transfer, CURLcode code, struct tb_sink_reply *reply)
{
    long status = 0;
    memset(reply, 0, sizeof(*reply));
    reply->now_s = (int64_t)(tb_clock_wall_ns() / TB_NS_PER_S);
    /* A reply that was cut off by the peer is none: what it would have said is not known. */
    if (code != CURLE_OK && !(code == CURLE_WRITE_ERROR && transfer->is_cut)) {
        reply->error = explain(transfer, code);
        reply->is_lasting = is_lasting(code);
        return;
    }
    (void)curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
    reply->status = (int)status;
    reply->body = tb_buf_str(&transfer->reply);
    reply->body_len = transfer->reply.len;
    reply->is_cut = transfer->is_cut;
    reply->rate_remaining = kept(transfer, 0);
    reply->rate_remaining_s = kept(transfer, 1);
    reply->rate_reset = kept(transfer, 2);
    reply->retry_after = kept(transfer, 3);
}

int tb_transport_next(struct tb_transport *transport, void **tag, struct tb_sink_reply *reply)
{
    int n_left = 0;
    CURLMsg *message;
    while ((message = curl_multi_info_read(transport->multi, &n_left))) {
        if (message->msg != CURLMSG_DONE)
            continue;
        CURLcode code = message->data.result;
        CURL *easy = message->easy_handle;
        struct transfer *transfer = NULL;
        (void)curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&transfer);
        (void)curl_multi_remove_handle(transport->multi, easy);
        struct transfer **at = &transport->busy;
        while (*at != transfer)
            at = &(*at)->next;
        *at = transfer->next;
        transfer->next = transport->idle;
        transport->idle = transfer;
        fill_reply(transfer, code, reply);
        *tag = transfer->tag;
        return 1;
    }
    return 0;
}
