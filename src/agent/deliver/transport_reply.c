/* transport_reply.c - what came back: body, the headers that are kept, and failures in words. */
#include "agent/deliver/transport_internal.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "agent/deliver/fetch.h"
#include "base/clock.h"

/* The headers that say how long to wait and what was wrong. libcurl keeps all, but finding one
 * costs more than the rest of a reply. */
#define NAME(text)                                                                                 \
    {                                                                                              \
        text, sizeof(text) - 1                                                                     \
    }
static const struct {
    const char *text;
    size_t len;
} KEPT[TB_TRANSPORT_KEPT] = {NAME("X-Rate-Limit-Remaining"),
                             NAME("X-Rate-Limit-Remaining-Seconds"),
                             NAME("X-Rate-Limit-Reset"),
                             NAME("Retry-After"),
                             NAME("Date"),
                             NAME("x-amzn-ErrorType")};
#undef NAME

size_t tb_transfer_body(char *data, size_t size, size_t n, void *arg)
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
    for (size_t i = 0; i < TB_TRANSPORT_KEPT && colon; i++) {
        if (name_len != KEPT[i].len || strncasecmp(line, KEPT[i].text, name_len) != 0)
            continue;
        const char *from = colon + 1;
        const char *to = line + len;
        while (from < to && is_blank(*from))
            from++;
        while (from < to && is_blank(to[-1]))
            to--;
        if (transfer->has_kept[i] || (size_t)(to - from) >= TB_TRANSPORT_KEPT_BYTES)
            return;
        memcpy(transfer->kept[i], from, (size_t)(to - from));
        transfer->kept[i][to - from] = '\0';
        transfer->has_kept[i] = true;
        return;
    }
}

/* Of all replies to one request: there may be any number of 1xx before the last. */
size_t tb_transfer_head(char *data, size_t size, size_t n, void *arg)
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
static const char *explain(const struct tb_transport *transport, struct transfer *transfer,
                           CURLcode code)
{
    const char *said =
        tb_fetch_said(transfer->error[0] ? transfer->error : curl_easy_strerror(code));
    const char *section = transport->limits.section;
    long proxy_status = 0;
    (void)curl_easy_getinfo(transfer->easy, CURLINFO_HTTP_CONNECTCODE, &proxy_status);
    if (code == CURLE_PEER_FAILED_VERIFICATION && section[0])
        (void)snprintf(transfer->why, sizeof(transfer->why),
                       "the certificate is not trusted: %s (%.20s.ca_file can name its authority)",
                       said, section);
    else if (code == CURLE_PEER_FAILED_VERIFICATION)
        (void)snprintf(transfer->why, sizeof(transfer->why), "the certificate is not trusted: %s",
                       said);
    else if (transfer->head_bytes > TB_TRANSPORT_REPLY_BYTES)
        (void)snprintf(transfer->why, sizeof(transfer->why), "the answer's headers do not end");
    else if (proxy_status == 407)
        (void)snprintf(transfer->why, sizeof(transfer->why),
                       "the proxy wants a login: put user:password@ into %s",
                       strcmp(section, "rollbar") == 0 ? "rollbar.proxy" : "https_proxy");
    else
        (void)snprintf(transfer->why, sizeof(transfer->why), "%s", said);
    return transfer->why;
}

/* A header of the last head, or NULL. */
static const char *kept(const struct transfer *transfer, size_t which)
{
    return transfer->has_kept[which] ? transfer->kept[which] : NULL;
}

void tb_transfer_reply(const struct tb_transport *transport, struct transfer *transfer,
                       CURLcode code, struct tb_sink_reply *reply)
{
    long status = 0;
    memset(reply, 0, sizeof(*reply));
    reply->now_s = (int64_t)(tb_clock_wall_ns() / TB_NS_PER_S);
    /* A reply that was cut off by the peer is none: what it would have said is not known. */
    if (code != CURLE_OK && !(code == CURLE_WRITE_ERROR && transfer->is_cut)) {
        reply->error = explain(transport, transfer, code);
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
    reply->date = kept(transfer, 4);
    reply->error_type = kept(transfer, 5);
}
