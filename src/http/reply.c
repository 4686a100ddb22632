/* reply.c - the answers of http.h, and see reply.h. */
#include "http/reply.h"

#include <event2/buffer.h>
#include <event2/util.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

#include "base/clock.h"
#include "base/json.h"
#include "http/http.h"

enum { ERROR_BYTES = 2048, NUMBER_BYTES = 24, DATE_BYTES = 32 };

void tb_http_reply(struct evhttp_request *request, int status, const char *type, const char *text,
                   size_t len)
{
    struct evkeyvalq *headers = evhttp_request_get_output_headers(request);
    struct evbuffer *body = evhttp_request_get_output_buffer(request);
    (void)evhttp_add_header(headers, "Content-Type", type);
    (void)evhttp_add_header(headers, "X-Content-Type-Options", "nosniff");
    if (status == 503)
        (void)evhttp_add_header(headers, "Retry-After", "1");
    else if (status == 401)
        (void)evhttp_add_header(headers, "WWW-Authenticate", "Bearer");
    if (evhttp_find_header(headers, "Cache-Control") == NULL)
        (void)evhttp_add_header(headers, "Cache-Control", "no-store");
    if (evhttp_request_get_command(request) != EVHTTP_REQ_HEAD) {
        (void)evbuffer_add(body, text, len);
    } else { /* how long it would be, and none of it: libevent would send it */
        char length[NUMBER_BYTES];
        (void)snprintf(length, sizeof(length), "%zu", len);
        (void)evhttp_add_header(headers, "Content-Length", length);
    }
    evhttp_send_reply(request, status, NULL, NULL);
}

void tb_http_error(struct evhttp_request *request, int status, const char *message)
{
    char mem[ERROR_BYTES];
    struct tb_json j;
    tb_json_init(&j, mem, sizeof(mem));
    tb_json_object(&j);
    tb_json_kint(&j, "err", 1);
    tb_json_kstr(&j, "message", message);
    tb_json_end(&j);
    (void)tb_json_finish(&j); /* a message cut short is still valid */
    tb_http_reply(request, status, "application/json", mem, j.len);
}

/* The value of the header Date, which libevent would format anew for each answer. */
static const char *date_now(void)
{
    static time_t at;
    static char date[DATE_BYTES];
    time_t now = (time_t)(tb_clock_wall_ns() / TB_NS_PER_S);
    struct tm tm;
    if (now != at && gmtime_r(&now, &tm) != NULL &&
        evutil_date_rfc1123(date, sizeof(date), &tm) > 0)
        at = now;
    return date;
}

size_t tb_reply_print(const char *json, size_t len, char *out, size_t cap)
{
    int n = snprintf(out, cap,
                     "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nDate: %s\r\n"
                     "Content-Length: %zu\r\n\r\n%.*s",
                     date_now(), len, (int)len, json);
    return n > 0 && (size_t)n < cap ? (size_t)n : 0;
}
