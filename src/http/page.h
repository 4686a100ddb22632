/* page.h - a page as a function: the agent asks, whoever renders answers; neither knows the other.
 *
 * answer() is called beside the loop, one call at a time, and may read the database. */
#ifndef TB_HTTP_PAGE_H
#define TB_HTTP_PAGE_H

#include <stdint.h>

#include "base/buf.h"

/* In the state folder: what whoever wants to see the pages of a shared agent must know. The agent
 * makes it, whoever renders pages asks for it. */
#define TB_PAGE_TOKEN_FILE "page-token"

enum { TB_PAGE_LOCATION = 256, TB_PAGE_COOKIE = 256, TB_PAGE_ETAG = 64 };

/* All borrowed for the call. */
struct tb_page_request {
    const char *path;   /* decoded, begins with '/'; never NULL */
    const char *query;  /* as it came, without '?'; "" for none */
    const char *cookie; /* the Cookie header; "" for none */
    const char *etag;   /* the If-None-Match header; "" for none */
    int64_t now_ms;     /* wall clock */
};

struct tb_page_reply {
    int status;       /* HTTP; 0: there is no such page */
    const char *type; /* Content-Type; static */
    struct tb_buf body;
    char location[TB_PAGE_LOCATION]; /* of a redirect, or "" */
    char cookie[TB_PAGE_COOKIE];     /* Set-Cookie, or "" */
    char etag[TB_PAGE_ETAG];         /* or "" : never kept by browsers */
};

struct tb_pages {
    void *arg;
    /* body is initialised by the caller, who also frees it. */
    void (*answer)(void *arg, const struct tb_page_request *request, struct tb_page_reply *reply);
};

#endif
