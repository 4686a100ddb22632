/* http_server.h - a scripted HTTP/1.1 server on a free loopback port, for tests of clients.
 *
 * Each request is answered by the script's answer for it: a function of the request. The server
 * remembers what it saw; tests wait for a condition on that, never for a time. One thread accepts,
 * one more serves each connection. */
#ifndef TB_TESTS_AGENT_HTTP_SERVER_H
#define TB_TESTS_AGENT_HTTP_SERVER_H

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { HTTP_CONNECTIONS = 256, HTTP_REQUESTS = 4096, HTTP_HEAD = 8192, TLS_HANDSHAKE = 22 };

enum http_how {
    HTTP_ANSWER,  /* status, headers, body */
    HTTP_CUT,     /* half of the answer, then the connection ends */
    HTTP_CLOSE,   /* no answer, the connection ends */
    HTTP_HANG,    /* no answer until the server stops */
    HTTP_RAW,     /* body is all that is sent, then the connection ends */
    HTTP_ENDLESS, /* an answer whose body never ends */
    HTTP_FLOOD,   /* status, headers and no length, body, and then more without end */
    HTTP_DRIP     /* the answer, one byte each 20 ms, until the client goes */
};

struct http_answer {
    enum http_how how;
    int status;
    const char *headers; /* "Name: value\r\n" lines, or NULL */
    const char *body;    /* or NULL */
};

struct http_request {
    int number;      /* of the request, from 0 */
    int connection;  /* from 0 */
    int n_under_way; /* requests not answered yet, with this one, when it came */
    char head[1024];
    char *body; /* the server's */
    size_t body_len;
};

struct http_server {
    struct http_answer (*answer)(void *arg, const struct http_request *request);
    void *arg;
    int fd, port;
    pthread_t accepter;
    pthread_t threads[HTTP_CONNECTIONS];
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t changed;
    int fds[HTTP_CONNECTIONS];
    int n_connections, n_requests, n_under_way;
    bool is_stopping;
    struct http_request requests[HTTP_REQUESTS];
};

struct http_connection {
    struct http_server *server;
    int fd, number;
};

static inline bool http_send(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = send(fd, data, len, MSG_NOSIGNAL);
        if (n <= 0)
            return false;
        data += n;
        len -= (size_t)n;
    }
    return true;
}

/* Reads one request. False when the connection ended. */
static inline bool http_read(int fd, struct http_request *request)
{
    char head[HTTP_HEAD];
    size_t len = 0;
    char *end = NULL;
    while (!end) {
        ssize_t n = recv(fd, head + len, sizeof(head) - 1 - len, 0);
        if (n <= 0)
            return false;
        len += (size_t)n;
        head[len] = '\0';
        if (head[0] == TLS_HANDSHAKE)
            return false; /* no head's end will come: who waits for it keeps the client waiting */
        end = strstr(head, "\r\n\r\n");
    }
    size_t head_len = (size_t)(end - head) + 4;
    const char *length = strcasestr(head, "\r\nContent-Length:");
    request->body_len = length ? strtoul(length + 17, NULL, 10) : 0;
    request->body = calloc(1, request->body_len + 1);
    if (!request->body)
        return false;
    size_t have = len - head_len < request->body_len ? len - head_len : request->body_len;
    memcpy(request->body, end + 4, have);
    end[2] = '\0';
    (void)snprintf(request->head, sizeof(request->head), "%.*s", (int)sizeof(request->head) - 1,
                   head);
    while (have < request->body_len) {
        ssize_t n = recv(fd, request->body + have, request->body_len - have, 0);
        if (n <= 0)
            return false;
        have += (size_t)n;
    }
    return true;
}

static inline void http_wait_for_stop(struct http_server *server)
{
    pthread_mutex_lock(&server->lock);
    while (!server->is_stopping)
        pthread_cond_wait(&server->changed, &server->lock);
    pthread_mutex_unlock(&server->lock);
}

/* True when the connection goes on. */
static inline bool http_reply(struct http_server *server, int fd, const struct http_answer *answer)
{
    char head[1024];
    const char *body = answer->body ? answer->body : "";
    size_t len = strlen(body);
    bool is_endless = answer->how == HTTP_ENDLESS || answer->how == HTTP_FLOOD;
    int n = snprintf(head, sizeof(head),
                     "HTTP/1.1 %d X\r\nContent-Type: application/json\r\n%sContent-Length: %zu"
                     "\r\n\r\n",
                     answer->status, answer->headers ? answer->headers : "",
                     is_endless ? (size_t)1 << 40 : len);
    if (answer->how == HTTP_FLOOD)
        n = snprintf(head, sizeof(head), "HTTP/1.1 %d X\r\nConnection: close\r\n\r\n",
                     answer->status);
    switch (answer->how) {
    case HTTP_ANSWER:
        return http_send(fd, head, (size_t)n) && http_send(fd, body, len);
    case HTTP_CUT:
        (void)(http_send(fd, head, (size_t)n) && http_send(fd, body, len / 2));
        return false;
    case HTTP_RAW:
        (void)http_send(fd, body, len);
        return false;
    case HTTP_HANG:
        http_wait_for_stop(server);
        return false;
    case HTTP_FLOOD:
    case HTTP_ENDLESS: {
        char filler[4096];
        memset(filler, ' ', sizeof(filler));
        bool goes_on = http_send(fd, head, (size_t)n) && http_send(fd, body, len);
        while (goes_on)
            goes_on = http_send(fd, filler, sizeof(filler));
        return false;
    }
    case HTTP_DRIP:
        for (int i = 0; i < n && http_send(fd, head + i, 1); i++)
            (void)poll(NULL, 0, 20);
        return false;
    case HTTP_CLOSE:
    default:
        return false;
    }
}

static inline void *http_serve(void *arg)
{
    struct http_connection connection = *(struct http_connection *)arg;
    struct http_server *server = connection.server;
    bool goes_on = true;
    free(arg);
    while (goes_on) {
        struct http_request request = {.connection = connection.number};
        if (!http_read(connection.fd, &request)) {
            free(request.body);
            break;
        }
        pthread_mutex_lock(&server->lock);
        request.number = server->n_requests;
        request.n_under_way = ++server->n_under_way;
        bool has_room = server->n_requests < HTTP_REQUESTS && !server->is_stopping;
        if (has_room)
            server->requests[server->n_requests++] = request;
        pthread_cond_broadcast(&server->changed);
        pthread_mutex_unlock(&server->lock);
        if (!has_room) {
            free(request.body);
            break;
        }
        struct http_answer answer = server->answer(server->arg, &request);
        /* Before the answer: the client may be back with its next request at once. */
        if (answer.how == HTTP_ANSWER) {
            pthread_mutex_lock(&server->lock);
            server->n_under_way--;
            pthread_mutex_unlock(&server->lock);
        }
        goes_on = http_reply(server, connection.fd, &answer);
        if (answer.how != HTTP_ANSWER) {
            pthread_mutex_lock(&server->lock);
            server->n_under_way--;
            pthread_mutex_unlock(&server->lock);
        }
    }
    (void)shutdown(connection.fd, SHUT_RDWR);
    return NULL;
}

static inline void *http_accept(void *arg)
{
    struct http_server *server = arg;
    for (;;) {
        int fd = accept(server->fd, NULL, NULL);
        if (fd < 0)
            return NULL;
        int one = 1; /* head and body are two sends: without this each answer takes 40 ms */
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
        struct http_connection *connection = calloc(1, sizeof(*connection));
        pthread_mutex_lock(&server->lock);
        int number = server->n_connections;
        bool has_room = connection && number < HTTP_CONNECTIONS && !server->is_stopping;
        if (has_room) {
            *connection = (struct http_connection){server, fd, number};
            server->fds[number] = fd;
            has_room = pthread_create(&server->threads[number], NULL, http_serve, connection) == 0;
            server->n_connections += has_room;
        }
        pthread_mutex_unlock(&server->lock);
        if (!has_room) {
            free(connection);
            close(fd);
        }
    }
}

/* Listens on 127.0.0.1:port, 0 for a free one. NULL when that cannot be. */
static inline struct http_server *
http_server_start(int port, struct http_answer (*answer)(void *arg, const struct http_request *),
                  void *arg)
{
    struct http_server *server = calloc(1, sizeof(*server));
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    socklen_t len = sizeof(address);
    int one = 1;
    if (!server)
        return NULL;
    server->answer = answer;
    server->arg = arg;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    server->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    (void)setsockopt(server->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    pthread_condattr_t mono;
    (void)pthread_condattr_init(&mono);
    (void)pthread_condattr_setclock(&mono, CLOCK_MONOTONIC);
    (void)pthread_mutex_init(&server->lock, NULL);
    (void)pthread_cond_init(&server->changed, &mono);
    (void)pthread_condattr_destroy(&mono);
    if (bind(server->fd, (struct sockaddr *)&address, len) < 0 || listen(server->fd, 64) < 0 ||
        getsockname(server->fd, (struct sockaddr *)&address, &len) < 0 ||
        pthread_create(&server->accepter, NULL, http_accept, server) != 0) {
        close(server->fd);
        free(server);
        return NULL;
    }
    server->port = ntohs(address.sin_port);
    return server;
}

/* Ends all connections and threads; what was seen stays readable until http_server_free. */
static inline void http_server_stop(struct http_server *server)
{
    pthread_mutex_lock(&server->lock);
    server->is_stopping = true;
    pthread_cond_broadcast(&server->changed);
    pthread_mutex_unlock(&server->lock);
    (void)shutdown(server->fd, SHUT_RDWR);
    pthread_join(server->accepter, NULL);
    for (int i = 0; i < server->n_connections; i++)
        (void)shutdown(server->fds[i], SHUT_RDWR);
    for (int i = 0; i < server->n_connections; i++) {
        pthread_join(server->threads[i], NULL);
        close(server->fds[i]);
    }
    close(server->fd);
}

static inline void http_server_free(struct http_server *server)
{
    if (!server)
        return;
    for (int i = 0; i < server->n_requests; i++)
        free(server->requests[i].body);
    pthread_cond_destroy(&server->changed);
    pthread_mutex_destroy(&server->lock);
    free(server);
}

/* True when n requests have come, false after timeout_ms. */
static inline bool http_server_wait(struct http_server *server, int n, int timeout_ms)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += timeout_ms / 1000;
    until.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    int err = 0;
    pthread_mutex_lock(&server->lock);
    while (server->n_requests < n && err == 0)
        err = pthread_cond_timedwait(&server->changed, &server->lock, &until);
    bool result = server->n_requests >= n;
    pthread_mutex_unlock(&server->lock);
    return result;
}

static inline int http_server_count(struct http_server *server)
{
    pthread_mutex_lock(&server->lock);
    int n = server->n_requests;
    pthread_mutex_unlock(&server->lock);
    return n;
}

#endif
