/* heap.c - what the C library's allocator notices, where the program was when it did. */
#include "relayd.h"

#include <stdlib.h>
#include <string.h>

struct request {
    char *body;
    size_t len;
};

static struct request *last; /* what is being served */

static struct request *request_new(size_t len)
{
    last = malloc(sizeof(*last));
    if (last == NULL)
        die("no memory");
    last->body = malloc(len);
    last->len = 0;
    text_copy(last->body, "request");
    return last;
}

static void request_done(struct request *request)
{
    free(request->body);
    request->len = 0;
}

static void finish_twice(void)
{
    struct request *request = request_new(40);
    request_done(request);
    request_done(request);
    served++;
}

/* Writes over the size of what comes next in the heap. */
static void append(struct request *request, const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++)
        request->body[request->len++] = text[i % 8];
}

static void grow(struct request *request)
{
    request->body = realloc(request->body, 4000);
}

static void overrun_and_grow(void)
{
    struct request *request = request_new(24);
    append(request, "overrun!", 64);
    grow(request);
}

static char *store;

static void store_new(size_t len)
{
    store = malloc(len);
    if (store != NULL)
        store[0] = '\0';
}

static void overrun_and_store(void)
{
    struct request *request = request_new(24);
    append(request, "\377\377\377\377\377\377\377\377", 64);
    store_new(60000);
    log_line("store", store);
}

static void forget(const char *name)
{
    free((void *)(uintptr_t)name);
}

static void free_constant(void)
{
    forget(setting("name"));
    served++;
}

static void release_inside(void)
{
    forget(request_new(100)->body + 8 * (1 + run_number % 2));
    served++;
}

const struct fault heap_faults[] = {
    {"request-free-twice", NULL, finish_twice}, {"heap-grow", NULL, overrun_and_grow},
    {"heap-store", NULL, overrun_and_store},    {"free-constant", NULL, free_constant},
    {"free-inside", NULL, release_inside},      {NULL, NULL, NULL}};
