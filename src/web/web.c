/* web.c - see web.h: routes, the database's handle, who may come in. */
#include "web/web.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <fcntl.h>

#include "base/fd.h"
#include "web/assets.h"
#include "web/emit.h"
#include "web/login.h"
#include "web/pages.h"
#include "web/query.h"
#include "web/settings.h"

enum { ADDRESS_TEXT = 128 };

struct tb_web {
    struct tb_pages pages;
    char *state_dir, *socket;
    int needs_token;
    char host[TB_VIEW_HOST];
    struct tb_links links; /* of the thread that answers */
    pthread_mutex_t lock;
    struct tb_links next_links; /* under lock, where has_next */
    int has_next;
    struct tb_store *store; /* NULL until a page needs it */
    dev_t dev;              /* of the file that store has open */
    ino_t ino;
    struct tb_web_groups *groups; /* of the thread that answers */
    struct tb_web_groups *next;   /* under lock: what groups will be; NULL: they stay */
};

/* ---- the database ---- */

static void close_store(struct tb_web *web)
{
    tb_store_close(web->store);
    web->store = NULL;
}

/* The file may have been moved aside and made anew. 0, or the store's error with why. */
static int open_store(struct tb_web *web, char why[TB_STORE_WHY])
{
    char path[PATH_MAX];
    struct stat st;
    int len = snprintf(path, sizeof(path), "%s/towbar.db", web->state_dir);
    int is_there = len > 0 && (size_t)len < sizeof(path) && stat(path, &st) == 0;
    if (web->store != NULL && is_there && st.st_dev == web->dev && st.st_ino == web->ino)
        return 0;
    close_store(web);
    int err = tb_store_open(web->state_dir, TB_STORE_READ, &web->store, why);
    if (err < 0)
        web->store = NULL;
    else if (is_there) {
        web->dev = st.st_dev;
        web->ino = st.st_ino;
    }
    return err;
}

/* ---- what needs no database ---- */

static int is_etag(const char *offered, const char *etag)
{
    return strstr(offered, etag) != NULL;
}

static int answer_asset(const struct tb_page_request *request, struct tb_page_reply *reply)
{
    for (size_t i = 0; i < tb_n_assets; i++) {
        const struct tb_asset *asset = &tb_assets[i];
        if (strcmp(request->path, asset->path) != 0)
            continue;
        int is_known = is_etag(request->etag, asset->etag);
        reply->status = is_known ? 304 : 200;
        reply->type = asset->type;
        snprintf(reply->etag, sizeof(reply->etag), "%s", asset->etag);
        if (!is_known)
            tb_buf_add(&reply->body, asset->data, asset->len);
        return 1;
    }
    return 0;
}

/* 1 when the visitor may go on, else the answer is there. */
static int let_in(struct tb_web *web, struct tb_view *view)
{
    char token[TB_LOGIN_TOKEN_TEXT] = "";
    char offered[TB_LOGIN_TOKEN_TEXT] = "";
    int is_login = strcmp(view->request->path, "/login") == 0;
    int err = web->needs_token ? tb_login_token(web->state_dir, token) : 0;
    if (is_login)
        (void)tb_query_get(view->request->query, "token", offered, sizeof(offered));
    if (web->needs_token && err < 0) {
        tb_view_problem(view, 503, "Nobody can log in",
                        "The agent's page token cannot be read. Restart towbard; its log says why "
                        "it could not make one.");
        return 0;
    }
    if (is_login && (!web->needs_token || tb_login_is(token, offered))) {
        if (web->needs_token)
            tb_login_cookie(token, view->reply->cookie);
        tb_view_redirect(view, 303, "/");
        return 0;
    }
    if (!is_login && (!web->needs_token || tb_login_has_cookie(view->request, token)))
        return 1;
    tb_view_problem(view, 401, "Please log in",
                    "This agent serves a whole host, so its pages need a login. Run towbar as root "
                    "or as the agent's user: it prints a link that logs this browser in.");
    return 0;
}

/* ---- routes ---- */

/* What the agent has written down of its address. */
static void read_address(const struct tb_web *web, char out[ADDRESS_TEXT])
{
    char path[PATH_MAX];
    ssize_t n = -1;
    int len = snprintf(path, sizeof(path), "%s/listen", web->state_dir);
    int fd =
        len > 0 && (size_t)len < sizeof(path) ? open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) : -1;
    if (fd >= 0)
        n = tb_fd_pread_all(fd, out, ADDRESS_TEXT - 1, 0);
    tb_fd_close(&fd);
    out[n > 0 ? n : 0] = '\0';
    out[strcspn(out, "\r\n")] = '\0';
}

/* "142", "142.txt" behind "/items/". */
static void route_item(struct tb_view *view, const char *rest)
{
    static const struct {
        const char *suffix;
        enum tb_twin twin;
    } TWINS[] = {{".txt", TB_TWIN_TEXT}, {".md", TB_TWIN_MARKDOWN}, {".json", TB_TWIN_JSON}};
    size_t len = strcspn(rest, ".");
    enum tb_twin twin = TB_TWIN_HTML;
    int is_known = rest[len] == '\0';
    for (size_t i = 0; i < sizeof(TWINS) / sizeof(TWINS[0]); i++)
        if (strcmp(rest + len, TWINS[i].suffix) == 0) {
            twin = TWINS[i].twin;
            is_known = 1;
        }
    tb_page_item(view, is_known ? tb_query_item(rest, len) : -1, twin);
}

static const char *behind(const char *path, const char *prefix)
{
    size_t len = strlen(prefix);
    return strncmp(path, prefix, len) == 0 ? path + len : NULL;
}

/* Is there a page at that path? */
static int is_page(const char *path)
{
    static const char *const PAGES[] = {"/", "/items", "/items/", "/traces", "/traces/", "/login"};
    for (size_t i = 0; i < sizeof(PAGES) / sizeof(PAGES[0]); i++)
        if (strcmp(path, PAGES[i]) == 0)
            return 1;
    return behind(path, "/items/") != NULL || behind(path, "/trace/") != NULL;
}

static void route(struct tb_web *web, struct tb_view *view)
{
    const char *path = view->request->path;
    const char *rest = behind(path, "/items/");
    char address[ADDRESS_TEXT];
    if (rest != NULL && *rest != '\0') {
        route_item(view, rest);
    } else if (behind(path, "/trace/") != NULL) {
        tb_page_trace(view, behind(path, "/trace/"));
    } else if (behind(path, "/traces") != NULL) {
        tb_page_traces(view);
    } else {
        read_address(web, address);
        tb_page_list(view, address);
    }
}

/* The settings were read again. */
static void take_links(struct tb_web *web)
{
    pthread_mutex_lock(&web->lock);
    if (web->has_next) {
        tb_links_done(&web->links);
        web->links = web->next_links;
        memset(&web->next_links, 0, sizeof(web->next_links));
        web->has_next = 0;
    }
    pthread_mutex_unlock(&web->lock);
}

static void turn_to_next(struct tb_web *web)
{
    pthread_mutex_lock(&web->lock);
    struct tb_web_groups *next = web->next;
    web->next = NULL;
    pthread_mutex_unlock(&web->lock);
    if (next == NULL)
        return;
    tb_web_groups_free(web->groups);
    web->groups = next;
}

static void answer(void *arg, const struct tb_page_request *request, struct tb_page_reply *reply)
{
    struct tb_web *web = arg;
    char why[TB_STORE_WHY] = "";
    turn_to_next(web);
    struct tb_view view = {.request = request,
                           .reply = reply,
                           .out = &reply->body,
                           .socket = web->socket,
                           .search = tb_web_groups_search(web->groups),
                           .now_ms = request->now_ms};
    memcpy(view.host, web->host, sizeof(view.host));
    take_links(web);
    view.links = &web->links;
    if (answer_asset(request, reply) || !is_page(request->path) || !let_in(web, &view))
        return;
    if (open_store(web, why) < 0) {
        tb_view_problem(&view, 503, "There is no database to show", why);
        return;
    }
    view.store = web->store;
    route(web, &view);
    if (reply->status == 503)
        close_store(web); /* whatever it was, the next page begins anew */
}

/* ---- the outside ---- */

int tb_web_new(const struct tb_web_options *options, struct tb_web **out)
{
    struct tb_web *web = calloc(1, sizeof(*web));
    if (web == NULL)
        return -ENOMEM;
    web->pages = (struct tb_pages){.arg = web, .answer = answer};
    web->state_dir = strdup(options->state_dir);
    web->socket = strdup(options->socket);
    web->needs_token = options->needs_token;
    if (gethostname(web->host, sizeof(web->host) - 1) < 0)
        memcpy(web->host, "this host", sizeof("this host"));
    pthread_mutex_init(&web->lock, NULL);
    int err = options->links != NULL ? tb_links_copy(options->links, &web->links) : 0;
    if (web->state_dir == NULL || web->socket == NULL || err) {
        tb_web_free(web);
        return -ENOMEM;
    }
    *out = web;
    return 0;
}

void tb_web_free(struct tb_web *web)
{
    if (web == NULL)
        return;
    close_store(web);
    tb_links_done(&web->links);
    tb_links_done(&web->next_links);
    tb_web_groups_free(web->groups);
    tb_web_groups_free(web->next);
    pthread_mutex_destroy(&web->lock);
    free(web->state_dir);
    free(web->socket);
    free(web);
}

int tb_web_set_links(struct tb_web *web, const struct tb_links *links)
{
    struct tb_links copy;
    int err = tb_links_copy(links, &copy);
    if (err)
        return -ENOMEM;
    pthread_mutex_lock(&web->lock);
    tb_links_done(&web->next_links);
    web->next_links = copy;
    web->has_next = 1;
    pthread_mutex_unlock(&web->lock);
    return 0;
}

int tb_web_set_search(struct tb_web *web, const struct tb_web_settings *settings)
{
    struct tb_web_groups *groups = NULL;
    int err = tb_web_groups_new(settings, &groups);
    if (err)
        return err;
    pthread_mutex_lock(&web->lock);
    struct tb_web_groups *passed_over = web->next;
    web->next = groups;
    pthread_mutex_unlock(&web->lock);
    tb_web_groups_free(passed_over);
    return 0;
}

const struct tb_pages *tb_web_pages(const struct tb_web *web)
{
    return &web->pages;
}
