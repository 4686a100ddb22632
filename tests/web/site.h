/* site.h - what the tests of the pages share: a state folder with a database, a visitor who asks
 * for pages, and a strict reader of the HTML that comes back.
 *
 * The reader knows only what our pages are made of: names of tags and attributes that we write.
 * Whatever a report smuggles in as markup is something that it does not know. */
#ifndef TB_TESTS_WEB_SITE_H
#define TB_TESTS_WEB_SITE_H

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "store/store.h"
#include "web/web.h"

/* 2026-11-25 19:00:00 UTC */
#define SITE_NOW_MS INT64_C(1795633200000)
#define SITE_NOW_NS (SITE_NOW_MS * 1000000)

struct site {
    char folder[64];
    struct tb_store *store; /* for writing */
    struct tb_web *web;
    struct tb_page_reply reply; /* of the last visit */
    const char *cookie, *etag;
};

static int site_remove(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    (void)st;
    (void)kind;
    (void)ftw;
    return remove(path);
}

static inline void site_open(struct site *site)
{
    char why[TB_STORE_WHY] = "";
    if (tb_store_open(site->folder, TB_STORE_WRITE, &site->store, why) < 0)
        fail_msg("%s", why);
}

/* Without a database. */
static inline int site_make_bare(void **state)
{
    struct site *site = calloc(1, sizeof(*site));
    assert_non_null(site);
    (void)snprintf(site->folder, sizeof(site->folder), "/tmp/towbar-web-XXXXXX");
    assert_non_null(mkdtemp(site->folder));
    const struct tb_web_options options = {.state_dir = site->folder, .socket = "/run/t.sock"};
    assert_int_equal(tb_web_new(&options, &site->web), 0);
    tb_buf_init(&site->reply.body, 16 << 20);
    site->cookie = site->etag = "";
    *state = site;
    return 0;
}

static inline int site_make(void **state)
{
    (void)site_make_bare(state);
    site_open(*state);
    return 0;
}

static inline int site_drop(void **state)
{
    struct site *site = *state;
    tb_web_free(site->web);
    tb_store_close(site->store);
    tb_buf_done(&site->reply.body);
    (void)nftw(site->folder, site_remove, 8, FTW_DEPTH | FTW_PHYS);
    free(site);
    return 0;
}

/* Asks for "/path?query"; returns the body. */
static inline const char *site_visit(struct site *site, const char *address)
{
    char path[4096];
    const char *query = strchr(address, '?');
    size_t len = query != NULL ? (size_t)(query - address) : strlen(address);
    assert_true(len < sizeof(path));
    memcpy(path, address, len);
    path[len] = '\0';
    const struct tb_page_request request = {.path = path,
                                            .query = query != NULL ? query + 1 : "",
                                            .cookie = site->cookie,
                                            .etag = site->etag,
                                            .now_ms = SITE_NOW_MS};
    struct tb_buf body = site->reply.body;
    tb_buf_reset(&body);
    memset(&site->reply, 0, sizeof(site->reply));
    site->reply.body = body;
    const struct tb_pages *pages = tb_web_pages(site->web);
    pages->answer(pages->arg, &request, &site->reply);
    assert_int_equal(site->reply.body.err, 0);
    return tb_buf_str(&site->reply.body);
}

static inline void site_has(const char *page, const char *text)
{
    if (strstr(page, text) == NULL) {
        (void)fprintf(stderr, "%s\n", page); /* fail_msg cuts */
        fail_msg("there is no \"%s\"", text);
    }
}

static inline void site_has_not(const char *page, const char *text)
{
    if (strstr(page, text) != NULL) {
        (void)fprintf(stderr, "%s\n", page); /* fail_msg cuts */
        fail_msg("there is \"%s\"", text);
    }
}

/* An occurrence of a minute ago; what differs is set by the caller. */
static inline struct tb_occurrence site_occurrence(const char *uuid, const char *data)
{
    const struct tb_occurrence made = {.uuid = uuid,
                                       .fingerprint = uuid,
                                       .environment = "production",
                                       .service = "feedd",
                                       .title = "SIGSEGV in queue_push",
                                       .level = "critical",
                                       .framework = "",
                                       .trace_id = "",
                                       .xray_trace_id = "",
                                       .span_id = "",
                                       .group_inputs = "{}",
                                       .occurred_ns = SITE_NOW_NS - UINT64_C(60000000001),
                                       .received_ns = SITE_NOW_NS - UINT64_C(59900000000),
                                       .data = data,
                                       .data_len = strlen(data)};
    return made;
}

static inline void site_add(struct site *site, const struct tb_occurrence *occurrence)
{
    if (tb_store_add(site->store, occurrence, NULL, 0) != 0)
        fail_msg("%s", tb_store_error(site->store));
}

/* ---- the reader of HTML ---- */

static inline int site_is_one_of(const char *word, size_t len, const char *list)
{
    for (const char *at = list; *at != '\0';) {
        size_t n = strcspn(at, " ");
        if (n == len && strncmp(at, word, len) == 0)
            return 1;
        at += n;
        at += *at == ' ';
    }
    return 0;
}

enum { SITE_DEPTH = 64 };
#define SITE_TAGS                                                                                  \
    "html head meta title link script body a header b nav span time main h1 h2 p div table thead " \
    "tbody tr th td br svg rect line text circle form input select option button details summary " \
    "pre code mark ul li dl dt dd aside section"
#define SITE_VOID "meta link br input"
#define SITE_ATTRIBUTES                                                                            \
    "lang charset name content rel href type src defer class aria-label aria-current aria-hidden " \
    "aria-pressed id datetime title data-suffix data-row data-copy data-said data-stack "          \
    "data-framed data-frames data-wait role width height x y rx x1 x2 y1 y2 cx cy r viewBox "      \
    "text-anchor action method value placeholder selected scope open hidden tabindex colspan"

struct site_reader {
    const char *page, *at;
    char open[SITE_DEPTH][16];
    int depth;
};

static inline void site_wrong(const struct site_reader *reader, const char *what)
{
    const char *from = reader->at - reader->page > 60 ? reader->at - 60 : reader->page;
    fail_msg("%s at: %.160s", what, from);
}

/* href="/...": only our own addresses. */
static inline void site_read_attribute(struct site_reader *reader)
{
    size_t len = strcspn(reader->at, "= >/");
    int is_address = site_is_one_of(reader->at, len, "href src action data-copy");
    if (!site_is_one_of(reader->at, len, SITE_ATTRIBUTES))
        site_wrong(reader, "an attribute that we do not write");
    reader->at += len;
    if (*reader->at != '=')
        return;
    if (reader->at[1] != '"')
        site_wrong(reader, "a value without quotes");
    reader->at += 2;
    if (is_address && reader->at[0] != '/' && reader->at[0] != '#')
        site_wrong(reader, "an address that is not ours");
    if (is_address && reader->at[1] == '/')
        site_wrong(reader, "an address of another host");
    size_t value = strcspn(reader->at, "\"<>");
    reader->at += value;
    if (*reader->at != '"')
        site_wrong(reader, "markup within a value");
    reader->at++;
}

static inline void site_read_tag(struct site_reader *reader)
{
    int closes = reader->at[1] == '/';
    const char *name = reader->at + 1 + closes;
    size_t len = strcspn(name, " >/");
    if (!site_is_one_of(name, len, SITE_TAGS))
        site_wrong(reader, "a tag that we do not write");
    reader->at = name + len;
    while (*reader->at == ' ') {
        reader->at++;
        site_read_attribute(reader);
    }
    int is_empty = *reader->at == '/';
    reader->at += is_empty;
    if (*reader->at != '>')
        site_wrong(reader, "a tag without its end");
    reader->at++;
    if (closes && (reader->depth == 0 || strncmp(reader->open[--reader->depth], name, len) != 0))
        site_wrong(reader, "an end without its beginning");
    if (closes || is_empty || site_is_one_of(name, len, SITE_VOID))
        return;
    if (reader->depth == SITE_DEPTH || len >= sizeof(reader->open[0]))
        site_wrong(reader, "too deep");
    memset(reader->open[reader->depth], 0, sizeof(reader->open[0]));
    memcpy(reader->open[reader->depth++], name, len);
}

static inline void site_check_html(const char *page)
{
    static const char DOCTYPE[] = "<!doctype html>\n";
    struct site_reader reader = {.page = page, .at = page};
    if (strncmp(page, DOCTYPE, strlen(DOCTYPE)) != 0)
        site_wrong(&reader, "no page");
    reader.at += strlen(DOCTYPE);
    while (*reader.at != '\0') {
        if (*reader.at == '<') {
            site_read_tag(&reader);
            continue;
        }
        if (*reader.at == '>' || *reader.at == '\x1b')
            site_wrong(&reader, "unescaped text");
        if (*reader.at == '&' && strncmp(reader.at, "&lt;", 4) != 0 &&
            strncmp(reader.at, "&gt;", 4) != 0 && strncmp(reader.at, "&amp;", 5) != 0 &&
            strncmp(reader.at, "&quot;", 6) != 0 && strncmp(reader.at, "&#39;", 5) != 0)
            site_wrong(&reader, "an entity that we do not write");
        reader.at++;
    }
    if (reader.depth != 0)
        site_wrong(&reader, "a tag that is never closed");
}

/* A page that is there and well-formed. */
static inline const char *site_page(struct site *site, const char *address)
{
    const char *page = site_visit(site, address);
    if (site->reply.status != 200)
        fail_msg("%s: %d %s", address, site->reply.status, page);
    assert_string_equal(site->reply.type, "text/html; charset=utf-8");
    site_check_html(page);
    return page;
}

#endif
