/* client.c - see client.h. */
#include "cli/client.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "agent/deliver/fetch.h"

static size_t take(char *data, size_t size, size_t n, void *arg)
{
    struct tb_buf *body = arg;
    tb_buf_add(body, data, size * n);
    return body->err == 0 ? size * n : 0;
}

static int to_errno(CURLcode code, const struct tb_buf *body)
{
    if (body->err != 0)
        return body->err;
    const struct {
        CURLcode code;
        int err;
    } known[] = {{CURLE_COULDNT_CONNECT, -ECONNREFUSED}, {CURLE_OPERATION_TIMEDOUT, -ETIMEDOUT},
                 {CURLE_GOT_NOTHING, -ECONNRESET},       {CURLE_RECV_ERROR, -ECONNRESET},
                 {CURLE_SEND_ERROR, -ECONNRESET},        {CURLE_PARTIAL_FILE, -ECONNRESET},
                 {CURLE_OUT_OF_MEMORY, -ENOMEM}};
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (known[i].code == code)
            return known[i].err;
    return -EIO;
}

int tb_client_ask(const struct tb_client_request *request, struct tb_buf *body,
                  char why[TB_CLIENT_WHY])
{
    long status = 0;
    int err = -ENOMEM;
    struct curl_slist *headers = NULL;
    char message[CURL_ERROR_SIZE] = "";
    CURL *curl = curl_easy_init();
    if (curl == NULL)
        goto out;
    if (request->header != NULL && (headers = curl_slist_append(NULL, request->header)) == NULL)
        goto out;
    if (request->json != NULL) {
        struct curl_slist *more = curl_slist_append(headers, "Content-Type: application/json");
        if (more == NULL)
            goto out;
        headers = more;
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request->json);
        curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, request->method);
    }
    curl_easy_setopt(curl, CURLOPT_URL, request->url);
    curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, request->socket);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, request->timeout_ms);
    curl_easy_setopt(curl, CURLOPT_PROXY, ""); /* never ask a proxy for this host's own agent */
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http");
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, body);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, message);
    CURLcode code = curl_easy_perform(curl);
    if (code != CURLE_OK) {
        long os_errno = 0;
        err = to_errno(code, body);
        curl_easy_getinfo(curl, CURLINFO_OS_ERRNO, &os_errno);
        /* curl's own text would speak of the host name in the URL, which is never asked. */
        if (code == CURLE_COULDNT_CONNECT)
            snprintf(why, TB_CLIENT_WHY, "%s",
                     os_errno != 0 ? strerror((int)os_errno) : "nobody listens there");
        else
            snprintf(why, TB_CLIENT_WHY, "%s",
                     tb_fetch_said(*message != '\0' ? message : curl_easy_strerror(code)));
        goto out;
    }
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    err = (int)status;
out:
    curl_slist_free_all(headers);
    curl_easy_cleanup(curl);
    if (err == -ENOMEM)
        snprintf(why, TB_CLIENT_WHY, "no memory");
    return err;
}

/* What a peer's handle has in common. NULL with why when there is no memory. */
static CURL *open_peer(const struct tb_client_peer *peer, char *message, char why[TB_CLIENT_WHY])
{
    CURL *curl = curl_easy_init();
    if (curl == NULL) {
        snprintf(why, TB_CLIENT_WHY, "no memory");
        return NULL;
    }
    curl_easy_setopt(curl, CURLOPT_URL, peer->url);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, peer->timeout_ms);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, peer->timeout_ms);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, message);
    if (peer->proxy != NULL && peer->proxy[0] != '\0')
        curl_easy_setopt(curl, CURLOPT_PROXY, peer->proxy);
    if (peer->ca_file != NULL && peer->ca_file[0] != '\0')
        curl_easy_setopt(curl, CURLOPT_CAINFO, peer->ca_file);
    return curl;
}

static int ask_peer(CURL *curl, const char *message, char why[TB_CLIENT_WHY])
{
    CURLcode code = curl_easy_perform(curl);
    curl_easy_cleanup(curl);
    if (code == CURLE_OK)
        return 0;
    snprintf(why, TB_CLIENT_WHY, "%s",
             tb_fetch_said(*message != '\0' ? message : curl_easy_strerror(code)));
    return code == CURLE_OPERATION_TIMEDOUT ? -ETIMEDOUT : -EIO;
}

int tb_client_connect(const struct tb_client_peer *peer, char why[TB_CLIENT_WHY])
{
    char message[CURL_ERROR_SIZE] = "";
    CURL *curl = open_peer(peer, message, why);
    if (curl == NULL)
        return -ENOMEM;
    curl_easy_setopt(curl, CURLOPT_CONNECT_ONLY, 1L);
    return ask_peer(curl, message, why);
}

static size_t take_date(char *line, size_t size, size_t n, void *arg)
{
    char text[64];
    int64_t *date_s = arg;
    if (size * n > 5 && size * n < sizeof(text) && strncasecmp(line, "Date:", 5) == 0) {
        snprintf(text, sizeof(text), "%.*s", (int)(size * n - 5), line + 5);
        time_t at = curl_getdate(text, NULL);
        *date_s = at > 0 ? (int64_t)at : 0;
    }
    return size * n;
}

int tb_client_date(const struct tb_client_peer *peer, int64_t *out, char why[TB_CLIENT_WHY])
{
    char message[CURL_ERROR_SIZE] = "";
    CURL *curl = open_peer(peer, message, why);
    if (curl == NULL)
        return -ENOMEM;
    *out = 0;
    curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, take_date);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, out);
    return ask_peer(curl, message, why);
}
