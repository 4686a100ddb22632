/* request.h - reads a request and finds its headers. */
#ifndef CRUDDUR_REQUEST_H
#define CRUDDUR_REQUEST_H

#include <stddef.h>

/* Reads up to the empty line that ends the headers; gives up on a client silent for 5 seconds. */
void request_receive(int fd, char *request, size_t cap);
/* Copies the value of a header to out, "" when there is none, and returns out. */
const char *request_header(const char *request, const char *name, char *out, size_t cap);

#endif
