/* fetch.c - see fetch.h. */
#include "agent/deliver/fetch.h"

#include <curl/curl.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/fd.h"

enum { MAGIC_BYTES = 16, CONNECT_MS = 5000, OK = 200 };

struct tb_fetcher {
    CURL *easy;               /* keeps its connection for the next request */
    struct curl_slist *lines; /* the request's own headers, while it runs */
    const struct tb_fetch_request *request;
    struct tb_fetch_reply *reply;
    char begin[MAGIC_BYTES]; /* of the body, until it is known to be what it should be */
    size_t begin_len;
    int err; /* why the body was refused */
    char text[CURL_ERROR_SIZE];
};

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;
static CURLcode curl_state;

static void start_curl(void)
{
    curl_state = curl_global_init(CURL_GLOBAL_DEFAULT);
}

static int write_body(struct tb_fetcher *f, const char *data, size_t len)
{
    if (len > f->request->max_bytes - f->reply->bytes)
        return -EFBIG;
    f->reply->bytes += len;
    return f->request->fd >= 0 ? tb_fd_write_all(f->request->fd, data, len) : 0;
}

/* Collects the beginning until it can be compared, then writes it. */
static int take_body(struct tb_fetcher *f, const char *data, size_t len)
{
    size_t magic_len = strlen(f->request->magic);
    if (f->begin_len == magic_len)
        return write_body(f, data, len);
    size_t n = magic_len - f->begin_len < len ? magic_len - f->begin_len : len;
    memcpy(f->begin + f->begin_len, data, n);
    f->begin_len += n;
    if (memcmp(f->begin, f->request->magic, f->begin_len) != 0)
        return -EBADMSG;
    if (f->begin_len < magic_len)
        return 0;
    int err = write_body(f, f->begin, magic_len);
    return err || len == n ? err : write_body(f, data + n, len - n);
}

static size_t take(char *data, size_t size, size_t n, void *arg)
{
    struct tb_fetcher *f = arg;
    long status = 0;
    (void)curl_easy_getinfo(f->easy, CURLINFO_RESPONSE_CODE, &status);
    /* Few want the words of another answer. A short count ends the transfer. */
    f->err = status == OK || f->request->wants_refusal ? take_body(f, data, size * n) : -ECANCELED;
    return f->err ? 0 : size * n;
}

/* libcurl asks that at least each second. */
static int is_over(void *arg, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    const struct tb_fetcher *f = arg;
    (void)a, (void)b, (void)c, (void)d;
    return atomic_load(f->request->is_over);
}

int tb_fetcher_new(struct tb_fetcher **out)
{
    (void)pthread_once(&curl_once, start_curl);
    struct tb_fetcher *f = curl_state == CURLE_OK ? calloc(1, sizeof(*f)) : NULL;
    if (f == NULL)
        return -ENOMEM;
    f->easy = curl_easy_init();
    if (f->easy == NULL) {
        tb_fetcher_free(f);
        return -ENOMEM;
    }
    *out = f;
    return 0;
}

void tb_fetcher_free(struct tb_fetcher *fetcher)
{
    if (fetcher == NULL)
        return;
    curl_easy_cleanup(fetcher->easy);
    free(fetcher);
}

/* What most requests do not have. */
static CURLcode set_up_more(struct tb_fetcher *f, const struct tb_fetch_request *request)
{
    CURL *easy = f->easy;
    CURLcode code = CURLE_OK;
    for (size_t i = 0; i < request->n_headers; i++) {
        struct curl_slist *lines = curl_slist_append(f->lines, request->headers[i]);
        if (lines == NULL)
            return CURLE_OUT_OF_MEMORY;
        f->lines = lines;
    }
    if (request->n_headers > 0)
        code = curl_easy_setopt(easy, CURLOPT_HTTPHEADER, f->lines);
    if (code == CURLE_OK && request->post != NULL)
        code = curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request->post);
    if (code == CURLE_OK && request->method != NULL)
        code = curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request->method);
    if (code == CURLE_OK && request->is_direct)
        code = curl_easy_setopt(easy, CURLOPT_NOPROXY, "*");
    if (code == CURLE_OK && (request->is_direct || request->post != NULL))
        code = curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    if (code == CURLE_OK && request->wants_refusal)
        code = curl_easy_setopt(easy, CURLOPT_FAILONERROR, 0L);
    if (code == CURLE_OK && request->is_over != NULL &&
        (code = curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, is_over)) == CURLE_OK &&
        (code = curl_easy_setopt(easy, CURLOPT_XFERINFODATA, f)) == CURLE_OK)
        code = curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L);
    return code;
}

static CURLcode set_up(struct tb_fetcher *f, const struct tb_fetch_request *request)
{
    CURL *easy = f->easy;
    CURLcode code;
    long timeout_ms = (long)request->timeout_ms;
    const char *after = strncasecmp(request->url, "https:", 6) == 0 ? "https" : "http,https";
    curl_easy_reset(easy); /* connections stay */
    if ((code = curl_easy_setopt(easy, CURLOPT_URL, request->url)) ||
        (code = curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L)) ||
        (code = curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https")) ||
        (code = curl_easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS_STR, after)) ||
        (code = curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 1L)) ||
        (code = curl_easy_setopt(easy, CURLOPT_MAXREDIRS, (long)TB_FETCH_REDIRECTS)) ||
        (code = curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L)) ||
        (code = curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L)) ||
        (code = curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
                                 timeout_ms < CONNECT_MS ? timeout_ms : (long)CONNECT_MS)) ||
        (code = curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, timeout_ms)) ||
        (code = curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L)) ||
        (code = curl_easy_setopt(easy, CURLOPT_FAILONERROR, 1L)) ||
        (code =
             curl_easy_setopt(easy, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)request->max_bytes)) ||
        (code = curl_easy_setopt(easy, CURLOPT_USERAGENT, "towbar/" TOWBAR_VERSION)) ||
        (code = curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, f->text)) ||
        (code = curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take)) ||
        (code = curl_easy_setopt(easy, CURLOPT_WRITEDATA, f)))
        return code;
    return CURLE_OK;
}

const char *tb_fetch_said(const char *text)
{
    static const char QUOTE[] = "Unsupported proxy";
    return strncmp(text, QUOTE, sizeof(QUOTE) - 1) != 0
               ? text
               : "the proxy's address cannot be read: in its password @ is written %40, # %23, / "
                 "%2F";
}

/* What curl's result means, with the words for it. */
static int judge(struct tb_fetcher *f, CURLcode code)
{
    struct tb_fetch_reply *reply = f->reply;
    if (code == CURLE_OK && reply->status == OK && f->begin_len < strlen(f->request->magic))
        f->err = -EBADMSG;
    else if (code == CURLE_OK || code == CURLE_HTTP_RETURNED_ERROR || f->err == -ECANCELED)
        return 0;
    if (code == CURLE_FILESIZE_EXCEEDED)
        f->err = -EFBIG;
    if (f->err == -EFBIG)
        snprintf(reply->error, sizeof(reply->error), "the file has more than %llu bytes",
                 (unsigned long long)f->request->max_bytes);
    else if (f->err == -EBADMSG)
        snprintf(reply->error, sizeof(reply->error), "what came is not such a file");
    else if (f->err)
        snprintf(reply->error, sizeof(reply->error), "cannot write it: %s", strerror(-f->err));
    else
        snprintf(reply->error, sizeof(reply->error), "%.200s",
                 tb_fetch_said(f->text[0] != '\0' ? f->text : curl_easy_strerror(code)));
    if (f->err)
        return f->err;
    return code == CURLE_OPERATION_TIMEDOUT ? -ETIMEDOUT : -EIO;
}

int tb_fetch(struct tb_fetcher *f, const struct tb_fetch_request *request,
             struct tb_fetch_reply *reply)
{
    long status = 0;
    memset(reply, 0, sizeof(*reply));
    f->request = request;
    f->reply = reply;
    f->begin_len = 0;
    f->err = 0;
    f->text[0] = '\0';
    CURLcode code = set_up(f, request);
    if (code == CURLE_OK)
        code = set_up_more(f, request);
    if (code == CURLE_OK) {
        code = curl_easy_perform(f->easy);
        (void)curl_easy_getinfo(f->easy, CURLINFO_RESPONSE_CODE, &status);
    }
    reply->status = (int)status;
    int err = judge(f, code);
    (void)curl_easy_setopt(f->easy, CURLOPT_HTTPHEADER, NULL);
    curl_slist_free_all(f->lines);
    f->lines = NULL;
    f->request = NULL;
    f->reply = NULL;
    return err;
}
