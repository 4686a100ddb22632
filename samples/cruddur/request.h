/* request.h - reads a request and finds its headers. */
#ifndef CRUDDUR_REQUEST_H
#define CRUDDUR_REQUEST_H

#include <stddef.h>

/* Reads up to the empty line that ends the headers; gives up on a client silent for 5 seconds. */
void request_receive(int fd, char *request, size_t cap);
/* For request_header: room for the values that it has handed out. */
struct request_headers {
    const char *request;
    size_t used;
    char values[4096];
};
/* The value of a header, or NULL; by the name in any case, as towbar_trace_extract asks for it.
 * headers: a struct request_headers, in which the value stays. */
const char *request_header(void *headers, const char *name);

#endif
