/* view.c - see view.h. */
#include "web/view.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "web/emit.h"
#include "web/words.h"

enum { MINUTE_MS = 60 * 1000, DAY_MS = 24 * 3600 * 1000 };

static const char HTML[] = "text/html; charset=utf-8";

static void put_nav(struct tb_buf *out, enum tb_nav nav)
{
    static const char HERE[] = " aria-current=\"page\"";
    tb_emit(out,
            "<nav aria-label=\"Main\"><a href=\"/\"%r>Items</a><a href=\"/traces\"%r>Traces</a>"
            "</nav>",
            nav == TB_NAV_ITEMS ? HERE : "", nav == TB_NAV_TRACES ? HERE : "");
}

/* What this agent is doing, in a line. */
static void put_pulse(struct tb_view *view)
{
    struct tb_store_pulse pulse;
    if (view->store == NULL ||
        tb_store_pulse(view->store, view->now_ms - DAY_MS, view->now_ms - MINUTE_MS, &pulse) < 0)
        return;
    const char *held = pulse.parked > 0   ? ": Rollbar refuses a token"
                       : pulse.is_refused ? ": Rollbar does not take it yet"
                                          : "";
    tb_emit(view->out,
            "<span class=\"agent\"><span class=\"dot%r\"></span>%h \xc2\xb7 queue %n%r \xc2\xb7 "
            "%n%r/min \xc2\xb7 ",
            *held != '\0' ? " held" : "", view->host, pulse.queued, held, pulse.recent,
            pulse.recent >= TB_STORE_RECENT ? "+" : "");
    if (pulse.last_ms > 0) {
        tb_emit(view->out, "last item ");
        tb_words_time(view->out, view->now_ms, pulse.last_ms, " ago");
    } else {
        tb_emit(view->out, "no item yet");
    }
    tb_emit(view->out, "</span>");
}

void tb_view_begin(struct tb_view *view, enum tb_nav nav, const char *title)
{
    view->reply->status = 200;
    view->reply->type = HTML;
    tb_emit(view->out,
            "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
            "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">"
            "<title>%.120h \xc2\xb7 towbar</title>"
            "<link rel=\"stylesheet\" href=\"/app.css\">"
            "<link rel=\"icon\" href=\"/icon.svg\" type=\"image/svg+xml\">"
            "<script src=\"/app.js\" defer></script></head>\n<body>"
            "<a class=\"skip\" href=\"#m\">Skip to content</a>\n"
            "<header class=\"top\"><b>towbar</b>",
            title);
    put_nav(view->out, nav);
    put_pulse(view);
    tb_emit(view->out, "</header>\n<main id=\"m\">\n");
}

void tb_view_end(struct tb_view *view)
{
    tb_emit(view->out, "</main></body></html>\n");
}

static int ends_in(const char *path, const char *suffix)
{
    size_t len = strlen(path);
    size_t n = strlen(suffix);
    return len >= n && strcmp(path + len - n, suffix) == 0;
}

/* A twin's problem is a twin: who asks for one is a program, or a person in a terminal. */
static int put_plain_problem(struct tb_view *view, int status, const char *text)
{
    const char *path = view->request->path;
    char mem[2 * TB_STORE_WHY];
    struct tb_json j;
    if (strncmp(path, "/items/", strlen("/items/")) != 0)
        return 0;
    if (ends_in(path, ".txt") || ends_in(path, ".md")) {
        view->reply->type = "text/plain; charset=utf-8";
        tb_buf_addf(view->out, "%s\n", text);
    } else if (ends_in(path, ".json")) {
        view->reply->type = "application/json";
        tb_json_init(&j, mem, sizeof(mem));
        tb_json_object(&j);
        tb_json_kint(&j, "err", 1);
        tb_json_kstr(&j, "message", text);
        tb_json_end(&j);
        (void)tb_json_finish(&j); /* a message cut short is still valid */
        tb_buf_add(view->out, mem, j.len);
        tb_buf_adds(view->out, "\n");
    } else {
        return 0;
    }
    view->reply->status = status;
    return 1;
}

void tb_view_problem(struct tb_view *view, int status, const char *title, const char *text)
{
    tb_buf_reset(view->out);
    if (put_plain_problem(view, status, text))
        return;
    view->store = NULL; /* what it would say is not the point here */
    tb_view_begin(view, TB_NAV_NONE, title);
    tb_emit(view->out, "<h1>%h</h1>\n<p>%h</p>\n", title, text);
    if (status == 404)
        tb_emit(view->out, "<p><a href=\"/\">All items</a></p>\n");
    tb_view_end(view);
    view->reply->status = status;
}

void tb_view_broken(struct tb_view *view, int err)
{
    char text[TB_STORE_WHY];
    if (err == -ENOMEM || view->store == NULL)
        snprintf(text, sizeof(text), "The agent is out of memory.");
    else
        snprintf(text, sizeof(text), "%s", tb_store_error(view->store));
    tb_view_problem(view, 503, "The database cannot be read", text);
}

void tb_view_redirect(struct tb_view *view, int status, const char *location)
{
    tb_buf_reset(view->out);
    view->reply->status = status;
    view->reply->type = HTML;
    snprintf(view->reply->location, sizeof(view->reply->location), "%s", location);
    tb_emit(view->out, "<!doctype html><title>Moved</title><a href=\"%a\">Here</a>\n", location);
}

void tb_view_finish(struct tb_view *view, int err)
{
    if (err < 0) {
        tb_view_broken(view, err);
        return;
    }
    tb_view_end(view);
    if (view->out->err == -EMSGSIZE)
        tb_view_problem(view, 500, "This page is too large",
                        "It would be larger than a page may be. The text twin is smaller: put "
                        ".txt behind the number.");
}
