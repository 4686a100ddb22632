/* fuzz_http.c - bytes of a stranger on a connection of the HTTP server, in pieces. Whatever comes:
 *
 * 1. Each request that framing.h takes is handed to a route once, in order, with the body that
 *    framing.h found, or refused; none that framing.h refuses is.
 * 2. What goes back is answers of HTTP/1.x, each with its length, and nothing between them.
 * 3. The server takes the next connection. */
#include <errno.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "http/framing.h"
#include "http/http.h"

enum { TURNS = 200, INPUT_MAX = 60000, ANSWERS_MAX = 4 << 20, REQUESTS_MAX = 4096 };

static struct event_base *base;
static struct sockaddr_un at = {.sun_family = AF_UNIX};
static size_t bodies[REQUESTS_MAX]; /* as the routes saw them */
static size_t n_handed;

static void take(struct evhttp_request *request)
{
    if (n_handed < REQUESTS_MAX)
        bodies[n_handed] = evbuffer_get_length(evhttp_request_get_input_buffer(request));
    n_handed++;
    tb_http_reply(request, 200, "text/plain", "ok\n", 3);
}

static int take_any(void *arg, struct evhttp_request *request)
{
    (void)arg;
    take(request);
    return 1;
}

static size_t take_quickly(void *arg, enum tb_http_input input, const struct tb_quick *request,
                           char *out, size_t cap)
{
    (void)arg;
    (void)input;
    if (n_handed < REQUESTS_MAX)
        bodies[n_handed] = request->body_len;
    n_handed++;
    return (size_t)snprintf(out, cap, "ok\n");
}

static void remove_folder(void)
{
    (void)unlink(at.sun_path);
    *strrchr(at.sun_path, '/') = '\0';
    (void)rmdir(at.sun_path);
}

static void start(void)
{
    static const struct tb_http_options options = {.other = take_any, .quick = take_quickly};
    struct tb_http_options mine = options;
    struct tb_http *http;
    char folder[] = "/tmp/towbar-fuzz.XXXXXX";
    (void)signal(SIGPIPE, SIG_IGN);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    base = event_base_new();
    mine.base = base;
    if (mkdtemp(folder) == NULL || fd < 0)
        abort();
    (void)snprintf(at.sun_path, sizeof(at.sun_path), "%s/s", folder);
    if (bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 || listen(fd, 8) < 0 ||
        tb_http_new(&mine, &http) != 0 || tb_http_serve(http, fd, 0) != 0)
        abort();
    (void)atexit(remove_folder);
}

/* Lets the server do what it can, and reads what it says. */
static void turn(int fd, char *answers, size_t *len)
{
    for (int i = 0, idle = 0; i < TURNS && idle < 3; i++) {
        (void)event_base_loop(base, EVLOOP_NONBLOCK);
        ssize_t n = recv(fd, answers + *len, ANSWERS_MAX - *len, MSG_DONTWAIT);
        idle = n > 0 ? 0 : idle + 1;
        *len += n > 0 ? (size_t)n : 0;
    }
}

static const char *find(const char *text, size_t len, const char *word)
{
    return memmem(text, len, word, strlen(word));
}

/* How many of the final answers are 200; aborts at what is no answer. */
static size_t read_answers(const char *text, size_t len, size_t *n_refused)
{
    size_t n_well = 0;
    *n_refused = 0;
    while (len > 0) {
        const char *end = find(text, len, "\r\n\r\n");
        if (end == NULL ||
            (strncmp(text, "HTTP/1.1 ", 9) != 0 && strncmp(text, "HTTP/1.0 ", 9) != 0))
            abort();
        long status = strtol(text + 9, NULL, 10);
        size_t head = (size_t)(end - text) + 4;
        const char *at_length = find(text, head, "Content-Length: ");
        size_t body = at_length != NULL ? (size_t)strtoul(at_length + 16, NULL, 10) : 0;
        if (at_length == NULL && text[7] == '0')
            body = len - head; /* to its end, as HTTP/1.0 may */
        else if (at_length == NULL && status != 100)
            abort();
        if (len - head < body) /* to HEAD: the length alone */
            body = 0;
        if (body > 0 && strncmp(text + head, "HTTP/1.", 7) == 0)
            body = 0;
        n_well += status == 200;
        *n_refused += status >= 300;
        text += head + body;
        len -= head + body;
    }
    return n_well;
}

/* What framing.h alone makes of it: the whole requests before the first bad one. */
static size_t expect(const uint8_t *data, size_t size, size_t *expected)
{
    struct tb_framing f = {0};
    enum tb_framing_event event = TB_FRAMING_MORE;
    size_t n = 0;
    size_t used = 0;
    while (event != TB_FRAMING_BAD && n < REQUESTS_MAX) {
        used += tb_framing_feed(&f, data + used, size - used, &event);
        if (event == TB_FRAMING_MORE && used == size)
            break;
        if (event != TB_FRAMING_END)
            continue;
        expected[n++] = (size_t)f.body_len;
        tb_framing_next(&f);
    }
    return n;
}

static void check(const uint8_t *data, size_t size, const char *answers, size_t len)
{
    static size_t expected[REQUESTS_MAX];
    size_t n_refused;
    size_t n_expected = expect(data, size, expected);
    if (n_handed > n_expected || read_answers(answers, len, &n_refused) > n_handed)
        abort();
    for (size_t i = 0, k = 0; i < n_handed && i < REQUESTS_MAX; i++, k++) {
        /* Those between were refused: a foreign host, a page of another site. Only bodies of POST
         * are kept. */
        while (k < n_expected && expected[k] != bodies[i] && bodies[i] > 0)
            k++;
        if (k >= n_expected)
            abort();
    }
}

static void is_served(void)
{
    static const char request[] = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    static char answer[ANSWERS_MAX];
    size_t len = 0;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(fd, (struct sockaddr *)&at, sizeof(at)) < 0 ||
        send(fd, request, sizeof(request) - 1, 0) < 0)
        abort();
    turn(fd, answer, &len);
    if (len < 12 || strncmp(answer, "HTTP/1.1 200", 12) != 0)
        abort();
    close(fd);
    (void)event_base_loop(base, EVLOOP_NONBLOCK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char answers[ANSWERS_MAX];
    static unsigned n_runs;
    size_t len = 0;
    if (base == NULL)
        start();
    if (size < 1 || size > INPUT_MAX)
        return 0;
    size_t piece = data[0] % 2 ? size : (size_t)data[0] * data[0] + 1; /* the first byte says */
    data++;
    size--;
    n_handed = 0;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&at, sizeof(at)) < 0)
        abort();
    for (size_t i = 0; i < size; i += piece) {
        size_t n = size - i < piece ? size - i : piece;
        if (send(fd, data + i, n, MSG_NOSIGNAL) < 0)
            break;
        turn(fd, answers, &len);
    }
    turn(fd, answers, &len);
    close(fd);
    (void)event_base_loop(base, EVLOOP_NONBLOCK);
    check(data, size, answers, len);
    if (n_runs++ % 64 == 0)
        is_served();
    return 0;
}
