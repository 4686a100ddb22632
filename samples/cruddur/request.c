/* request.c - as much of HTTP/1.0 as feedd needs. */
#include "request.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/time.h>

void request_receive(int fd, char *request, size_t cap)
{
    struct timeval patience = {.tv_sec = 5};
    size_t len = 0;
    request[0] = '\0';
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    while (len + 1 < cap && strstr(request, "\r\n\r\n") == NULL) {
        ssize_t n = recv(fd, request + len, cap - 1 - len, 0);
        if (n <= 0)
            break;
        len += (size_t)n;
        request[len] = '\0';
    }
}

const char *request_header(void *headers, const char *name)
{
    struct request_headers *h = headers;
    size_t name_len = strlen(name);
    for (const char *line = strchr(h->request, '\n'); line != NULL; line = strchr(line, '\n')) {
        line++;
        if (strncasecmp(line, name, name_len) != 0 || line[name_len] != ':')
            continue;
        const char *value = line + name_len + 1 + strspn(line + name_len + 1, " ");
        size_t len = strcspn(value, "\r\n");
        if (len >= sizeof(h->values) - h->used)
            return NULL;
        char *copy = memcpy(h->values + h->used, value, len);
        copy[len] = '\0';
        h->used += len + 1;
        return copy;
    }
    return NULL;
}
