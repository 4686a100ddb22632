/* transport.c - see transport.h. */
#include "agent/deliver/transport.h"

#include <curl/curl.h>
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/fd.h"

enum {
    CONNECT_MS = 5000,
    IDLE_CONNECTION_S = 118 /* under the two minutes after which load balancers drop one */
};

/* One request under way, or an idle handle that keeps its settings. */
struct transfer {
    CURL *easy;
    struct curl_slist *headers;
    void *tag;
    struct tb_buf reply;
    bool is_cut; /* the reply had more bytes than the limit */
    char error[CURL_ERROR_SIZE];
    struct transfer *next;
};

struct tb_transport {
    CURLM *multi;
    int wake_fd;
    struct tb_transport_limits limits;
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

static void transfer_free(struct transfer *transfer)
{
    if (!transfer)
        return;
    curl_easy_cleanup(transfer->easy);
    curl_slist_free_all(transfer->headers);
    tb_buf_done(&transfer->reply);
    free(transfer);
}

/* Settings that are the same for every request. */
static int set_up(struct tb_transport *transport, struct transfer *transfer)
{
    CURL *easy = transfer->easy;
    unsigned timeout_ms = transport->limits.timeout_ms;
    long connect_ms = timeout_ms < CONNECT_MS ? (long)timeout_ms : CONNECT_MS;
    CURLcode code;
    if ((code = curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L)) ||
        (code = curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https")) ||
        (code = curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1)) ||
        (code = curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L)) ||
        (code = curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L)) ||
        (code = curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L)) ||
        (code = curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, connect_ms)) ||
        (code = curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)timeout_ms)) ||
        (code = curl_easy_setopt(easy, CURLOPT_MAXAGE_CONN, (long)IDLE_CONNECTION_S)) ||
        /* An unanswered name server must not hold up the end of the program. */
        (code = curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L)) ||
        (code = curl_easy_setopt(easy, CURLOPT_USERAGENT, "towbar/" TOWBAR_VERSION)) ||
        (code = curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->error)) ||
        (code = curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_reply)) ||
        (code = curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer)) ||
        (code = curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer)) ||
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
    if (transfer->easy && set_up(transport, transfer) == 0)
        return transfer;
    transfer_free(transfer);
    return NULL;
}

int tb_transport_new(const struct tb_transport_limits *limits, struct tb_transport **out)
{
    (void)pthread_once(&curl_once, start_curl);
    if (curl_state != CURLE_OK)
        return -ENOMEM;
    struct tb_transport *transport = calloc(1, sizeof(*transport));
    if (!transport)
        return -ENOMEM;
    int err = -ENOMEM;
    transport->limits = *limits;
    transport->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (transport->wake_fd < 0) {
        err = -errno;
        goto out;
    }
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
    tb_fd_close(&transport->wake_fd);
    free(transport);
}

static int set_headers(struct transfer *transfer, const struct tb_sink_request *request)
{
    curl_slist_free_all(transfer->headers);
    /* Waiting for "100 Continue" costs a second where the server does not know it. */
    transfer->headers = curl_slist_append(NULL, "Expect:");
    for (size_t i = 0; i < request->n_headers && transfer->headers; i++) {
        struct curl_slist *longer = curl_slist_append(transfer->headers, request->headers[i]);
        if (!longer)
            return -ENOMEM;
        transfer->headers = longer;
    }
    return transfer->headers ? 0 : -ENOMEM;
}

static int set_request(struct transfer *transfer, const struct tb_sink_request *request)
{
    CURL *easy = transfer->easy;
    CURLcode code;
    int err = set_headers(transfer, request);
    if (err < 0)
        return err;
    if ((code = curl_easy_setopt(easy, CURLOPT_URL, request->url)) ||
        (code = curl_easy_setopt(easy, CURLOPT_HTTPHEADER, transfer->headers)) ||
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
    struct curl_waitfd wake = {.fd = transport->wake_fd, .events = CURL_WAIT_POLLIN};
    int n_running = 0;
    if (curl_multi_poll(transport->multi, &wake, 1, wait_ms, NULL) != CURLM_OK)
        return -EIO;
    if (wake.revents) {
        uint64_t count;
        (void)!read(transport->wake_fd, &count, sizeof(count));
    }
    return curl_multi_perform(transport->multi, &n_running) == CURLM_OK ? 0 : -EIO;
}

void tb_transport_wake(struct tb_transport *transport)
{
    uint64_t one = 1;
    /* It can only fail when it is awake a great many times already. */
    (void)!write(transport->wake_fd, &one, sizeof(one));
}

/* The number in a header of the final reply, or -1. */
static int64_t header_number(CURL *easy, const char *name)
{
    struct curl_header *header = NULL;
    if (curl_easy_header(easy, name, 0, CURLH_HEADER, -1, &header) != CURLHE_OK)
        return -1;
    char *end = NULL;
    errno = 0;
    long long value = strtoll(header->value, &end, 10);
    /* Out of range stays at the end of the range: an enormous number is still a number. */
    if (end == header->value || value < 0)
        return -1;
    return value;
}

static void fill_reply(struct transfer *transfer, CURLcode code, struct tb_sink_reply *reply)
{
    long status = 0;
    memset(reply, 0, sizeof(*reply));
    reply->rate_remaining = -1;
    reply->rate_remaining_s = -1;
    /* A reply that was cut off by the peer is none: what it would have said is not known. */
    if (code != CURLE_OK && !(code == CURLE_WRITE_ERROR && transfer->is_cut)) {
        reply->error = transfer->error[0] ? transfer->error : curl_easy_strerror(code);
        return;
    }
    (void)curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
    reply->status = (int)status;
    reply->body = tb_buf_str(&transfer->reply);
    reply->body_len = transfer->reply.len;
    reply->rate_remaining = header_number(transfer->easy, "X-Rate-Limit-Remaining");
    reply->rate_remaining_s = header_number(transfer->easy, "X-Rate-Limit-Remaining-Seconds");
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
