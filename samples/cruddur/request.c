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

const char *request_header(const char *request, const char *name, char *out, size_t cap)
{
    size_t name_len = strlen(name);
    out[0] = '\0';
    for (const char *line = strchr(request, '\n'); line != NULL; line = strchr(line, '\n')) {
        line++;
        if (strncasecmp(line, name, name_len) == 0 && line[name_len] == ':') {
            const char *value = line + name_len + 1 + strspn(line + name_len + 1, " ");
            snprintf(out, cap, "%.*s", (int)strcspn(value, "\r\n"), value);
            break;
        }
    }
    return out;
}
