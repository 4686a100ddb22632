/* transport.c - see transport.h. */
#include "agent/deliver/transport_internal.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

enum { SENT_STATUS = 200, TOO_LARGE_STATUS = 413 };

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;
static CURLcode curl_state;

static void start_curl(void)
{
    curl_state = curl_global_init(CURL_GLOBAL_DEFAULT);
}

/* Takes over the texts of limits. */
static int copy_limits(struct tb_transport *transport)
{
    struct tb_transport_limits *limits = &transport->limits;
    const char **const texts[] = {&limits->section, &limits->proxy, &limits->ca_file,
                                  &limits->cert_file, &limits->key_file};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        transport->texts[i] = strdup(*texts[i]);
        if (!transport->texts[i])
            return -ENOMEM;
        *texts[i] = transport->texts[i];
    }
    return 0;
}

/* NULL is "". */
static void fill_texts(struct tb_transport_limits *limits)
{
    const char **const texts[] = {&limits->section, &limits->proxy, &limits->ca_file,
                                  &limits->cert_file, &limits->key_file};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        *texts[i] = *texts[i] ? *texts[i] : "";
}

int tb_transport_new(const struct tb_transport_limits *limits, struct tb_transport **out,
                     char why[TB_TRANSPORT_WHY])
{
    struct tb_transport_limits full = *limits;
    (void)pthread_once(&curl_once, start_curl);
    fill_texts(&full);
    int err = curl_state == CURLE_OK ? tb_transport_check(&full, why) : -ENOMEM;
    if (err < 0)
        return err;
    struct tb_transport *transport = calloc(1, sizeof(*transport));
    if (!transport)
        return -ENOMEM;
    transport->limits = full;
    transport->sent_end = &transport->sent;
    err = copy_limits(transport);
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
        tb_transfer_free(list);
        list = next;
    }
}

static void free_datagrams(struct tb_transport *transport)
{
    while (transport->sent) {
        struct datagram *next = transport->sent->next;
        free(transport->sent);
        transport->sent = next;
    }
    free(transport->told);
    tb_udp_free(transport->udp);
}

void tb_transport_free(struct tb_transport *transport)
{
    if (!transport)
        return;
    free_list(transport, transport->busy);
    free_list(transport, transport->idle);
    (void)curl_multi_cleanup(transport->multi);
    free_datagrams(transport);
    for (size_t i = 0; i < sizeof(transport->texts) / sizeof(transport->texts[0]); i++)
        free(transport->texts[i]);
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

/* ---- datagrams ---- */

static int send_datagram(struct tb_transport *transport, const struct tb_sink_request *request,
                         void *tag)
{
    struct datagram *datagram = calloc(1, sizeof(*datagram));
    int err = transport->udp ? 0 : tb_udp_new(&transport->udp);
    if (!datagram || err < 0) {
        free(datagram);
        return -ENOMEM;
    }
    datagram->tag = tag;
    datagram->err = tb_udp_send(transport->udp, request->url, tb_buf_str(&request->body),
                                request->body.len, datagram->why);
    *transport->sent_end = datagram;
    transport->sent_end = &datagram->next;
    return 0;
}

/* Is there one to tell of? */
static bool next_datagram(struct tb_transport *transport, void **tag, struct tb_sink_reply *reply)
{
    struct datagram *datagram = transport->sent;
    if (!datagram)
        return false;
    transport->sent = datagram->next;
    if (!transport->sent)
        transport->sent_end = &transport->sent;
    free(transport->told);
    transport->told = datagram;
    memset(reply, 0, sizeof(*reply));
    reply->now_s = (int64_t)(tb_clock_wall_ns() / TB_NS_PER_S);
    reply->status = datagram->err == 0 ? SENT_STATUS : 0;
    if (datagram->err == -EMSGSIZE)
        reply->status = TOO_LARGE_STATUS;
    reply->error = datagram->err < 0 ? datagram->why : NULL;
    reply->body = "";
    *tag = datagram->tag;
    return true;
}

/* ---- requests ---- */

int tb_transport_send(struct tb_transport *transport, const struct tb_sink_request *request,
                      void *tag)
{
    if (strncmp(request->url, TB_UDP_SCHEME, sizeof(TB_UDP_SCHEME) - 1) == 0)
        return send_datagram(transport, request, tag);
    struct transfer *transfer = transport->idle;
    if (!transfer && !(transfer = tb_transfer_new(transport)))
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
    if (transport->sent) /* there is something to be told already */
        wait_ms = 0;
    if (curl_multi_poll(transport->multi, &wake, 1, wait_ms, NULL) != CURLM_OK)
        return -EIO;
    if (wake.revents) {
        uint64_t count;
        (void)!read(transport->limits.wake_fd, &count, sizeof(count));
    }
    return curl_multi_perform(transport->multi, &n_running) == CURLM_OK ? 0 : -EIO;
}

int tb_transport_next(struct tb_transport *transport, void **tag, struct tb_sink_reply *reply)
{
    int n_left = 0;
    CURLMsg *message;
    if (next_datagram(transport, tag, reply))
        return 1;
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
        tb_transfer_reply(transport, transfer, code, reply);
        *tag = transfer->tag;
        return 1;
    }
    return 0;
}
