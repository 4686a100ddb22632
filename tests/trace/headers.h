/* headers.h - a request's headers for the tests: a list that is read and written. */
#ifndef TB_TESTS_HEADERS_H
#define TB_TESTS_HEADERS_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "trace/context.h"

enum { HEADERS = 40, HEADER_NAME = 64 };

struct headers {
    struct {
        char name[HEADER_NAME];
        char *value; /* of exactly its length, so that a sanitizer sees a byte read too much */
        size_t len;
    } all[HEADERS];
    size_t n;
};

static inline void headers_add_n(struct headers *h, const char *name, const char *value, size_t len)
{
    if (h->n == HEADERS)
        abort();
    (void)snprintf(h->all[h->n].name, HEADER_NAME, "%s", name);
    h->all[h->n].value = malloc(len > 0 ? len : 1);
    if (h->all[h->n].value == NULL)
        abort();
    if (len > 0)
        memcpy(h->all[h->n].value, value, len);
    h->all[h->n++].len = len;
}

static inline void headers_add(struct headers *h, const char *name, const char *value)
{
    headers_add_n(h, name, value, strlen(value));
}

static inline void headers_done(struct headers *h)
{
    for (size_t i = 0; i < h->n; i++)
        free(h->all[i].value);
    h->n = 0;
}

static inline bool headers_get(void *arg, const char *name, unsigned nth, struct tb_slice *out)
{
    const struct headers *h = arg;
    for (size_t i = 0; i < h->n; i++) {
        if (strcasecmp(h->all[i].name, name) != 0 || nth-- > 0)
            continue;
        *out = (struct tb_slice){h->all[i].value, h->all[i].len};
        return true;
    }
    return false;
}

/* With a NUL behind the value: headers_text reads it as a string. */
static inline int headers_put(void *arg, const char *name, const char *value, size_t len)
{
    if (value[len] != '\0')
        abort();
    headers_add_n(arg, name, value, len + 1);
    ((struct headers *)arg)->all[((struct headers *)arg)->n - 1].len = len;
    return 0;
}

/* What was put under that name; "" for nothing. */
static inline const char *headers_text(const struct headers *h, const char *name)
{
    for (size_t i = 0; i < h->n; i++)
        if (strcmp(h->all[i].name, name) == 0)
            return h->all[i].value;
    return "";
}

#endif
