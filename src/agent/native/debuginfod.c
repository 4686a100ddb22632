/* debuginfod.c - see debuginfod.h. */
#include "agent/native/debuginfod.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/deliver/fetch.h"
#include "agent/log.h"
#include "agent/native/debuginfod_store.h"
#include "agent/native/wanted.h"
#include "agent/serve/status.h"
#include "base/clock.h"
#include "base/fd.h"

enum { URL_BYTES = 1200 };

struct tb_debuginfod {
    struct tb_debuginfod_options options;
    struct tb_fetcher *fetcher;
    int dirfd; /* -1: not opened yet */
    struct tb_debuginfod_memory memory;
    struct tb_wanted fetched; /* for the record at hand, not judged yet */
    uid_t uid;                /* whose record it is */
    uint64_t stored_bytes;    /* that the files take; set when the folder is opened */
    struct tb_debuginfod_counts counts;
};

/* What becomes of a build id, after one server or all of them. */
enum outcome {
    CAME,
    LACKING, /* the server does not have it */
    TROUBLE, /* it may have it: the answer did not come, or not whole */
    NO_ROOM  /* it cannot be kept here, whoever has it */
};

int tb_debuginfod_new(const struct tb_debuginfod_options *options, struct tb_debuginfod **out)
{
    struct tb_debuginfod *d = calloc(1, sizeof(*d));
    if (d == NULL)
        return -ENOMEM;
    d->options = *options;
    d->dirfd = -1;
    if (d->options.n_urls > TB_DEBUGINFOD_SERVERS)
        d->options.n_urls = TB_DEBUGINFOD_SERVERS;
    int err = tb_fetcher_new(&d->fetcher);
    if (err) {
        tb_debuginfod_free(d);
        return err;
    }
    *out = d;
    return 0;
}

void tb_debuginfod_free(struct tb_debuginfod *debuginfod)
{
    if (debuginfod == NULL)
        return;
    tb_fetcher_free(debuginfod->fetcher);
    tb_fd_close(&debuginfod->dirfd);
    free(debuginfod);
}

uint64_t tb_debuginfod_deadline(const struct tb_debuginfod *d)
{
    return tb_clock_mono_ns() + (uint64_t)d->options.timeout_ms * TB_NS_PER_MS;
}

const struct tb_debuginfod_counts *tb_debuginfod_counts(const struct tb_debuginfod *d)
{
    return &d->counts;
}

static unsigned left_ms(uint64_t deadline_ns)
{
    uint64_t now_ns = tb_clock_mono_ns();
    return now_ns < deadline_ns ? (unsigned)((deadline_ns - now_ns) / TB_NS_PER_MS) : 0;
}

/* What the indexes leave. */
static uint64_t room_of(const struct tb_debuginfod *d)
{
    struct tb_symbol_store_counts indexes = {0};
    if (d->options.indexes != NULL)
        tb_symbol_store_count(d->options.indexes, &indexes);
    uint64_t taken = (uint64_t)indexes.bytes;
    return taken < d->options.cache_bytes ? d->options.cache_bytes - taken : 0;
}

/* ---- one server ---- */

static void tell_trouble(struct tb_debuginfod *d, const char *url, const char *hex,
                         const struct tb_fetch_reply *reply)
{
    char shown[TB_STATUS_URL];
    char http[32];
    tb_status_url(url, shown);
    snprintf(http, sizeof(http), "it answers %d", reply->status);
    snprintf(d->counts.last_error, sizeof(d->counts.last_error), "%.100s: %.140s", shown,
             reply->error[0] != '\0' ? reply->error : http);
    tb_log(TB_LOG_WARNING, "debuginfod: no debug data of build id %s from %s", hex,
           d->counts.last_error);
    d->counts.failed++;
}

/* Whose fault it is that nothing came. A server that fails is left alone for a while; one that had
 * little time left because others took it is not said to fail. */
static enum outcome judge_reply(struct tb_debuginfod *d, size_t server, unsigned wait_ms, int err,
                                const struct tb_fetch_reply *reply)
{
    int is_refusal = reply->status == 401 || reply->status == 403 || reply->status == 407 ||
                     reply->status == 408 || reply->status == 429;
    if (err == 0 && reply->status >= 400 && reply->status < 500 && !is_refusal)
        return LACKING;
    int is_about_file = reply->status == 200; /* too long, too slow, no ELF file, cut */
    if (!is_about_file && wait_ms >= d->options.timeout_ms / 2)
        d->memory.servers_until_ns[server] =
            tb_clock_mono_ns() + (uint64_t)TB_DEBUGINFOD_NO_ANSWER_S * TB_NS_PER_S;
    return err == -ENOSPC || err == -EDQUOT ? NO_ROOM : TROUBLE;
}

/* What the file must be, and where it goes; request->fd is -1 when it cannot be kept. */
static enum outcome prepare(struct tb_debuginfod *d, uint64_t deadline_ns,
                            struct tb_fetch_request *request, struct tb_fetch_reply *reply)
{
    request->magic = "\177ELF";
    request->max_bytes = tb_debuginfod_store_room(d->dirfd, room_of(d));
    request->timeout_ms = left_ms(deadline_ns);
    request->fd = -1;
    memset(reply, 0, sizeof(*reply));
    int fd = request->max_bytes > 0 ? tb_debuginfod_store_begin(d->dirfd) : -ENOSPC;
    if (fd < 0) {
        snprintf(reply->error, sizeof(reply->error), "cannot keep it: %s", strerror(-fd));
        return NO_ROOM;
    }
    request->fd = fd;
    return CAME;
}

static enum outcome fetch_from(struct tb_debuginfod *d, size_t server, const char *hex,
                               const struct tb_fetch_request *request, struct tb_fetch_reply *reply)
{
    int err = tb_fetch(d->fetcher, request, reply);
    int is_whole = err == 0 && reply->status == 200;
    int stored = tb_debuginfod_store_end(d->dirfd, request->fd, is_whole ? hex : NULL);
    if (!is_whole)
        return judge_reply(d, server, request->timeout_ms, err, reply);
    if (stored == 0)
        return CAME;
    snprintf(reply->error, sizeof(reply->error), "cannot keep it: %s", strerror(-stored));
    return NO_ROOM;
}

static enum outcome ask_server(struct tb_debuginfod *d, size_t server, const char *hex,
                               uint64_t deadline_ns)
{
    const char *url = d->options.urls[server];
    char full[URL_BYTES];
    size_t len = strlen(url);
    struct tb_fetch_reply reply;
    struct tb_fetch_request request = {.url = full};
    snprintf(full, sizeof(full), "%.*s/buildid/%s/debuginfo",
             (int)(len > 0 && url[len - 1] == '/' ? len - 1 : len), url, hex);
    if (left_ms(deadline_ns) == 0)
        return TROUBLE;
    enum outcome outcome = prepare(d, deadline_ns, &request, &reply);
    if (outcome == CAME)
        outcome = fetch_from(d, server, hex, &request, &reply);
    if (outcome == TROUBLE || outcome == NO_ROOM)
        tell_trouble(d, url, hex, &reply);
    if (outcome == CAME) {
        char shown[TB_STATUS_URL];
        tb_status_url(url, shown);
        tb_log(TB_LOG_INFO, "debuginfod: the debug data of build id %s came from %s: %llu bytes",
               hex, shown, (unsigned long long)reply.bytes);
    }
    return outcome;
}

/* ---- one build id ---- */

static int may_ask(const struct tb_debuginfod *d, size_t server)
{
    return d->memory.servers_until_ns[server] <= tb_clock_mono_ns();
}

/* Asks the servers in order until one has it. */
static enum outcome ask_all(struct tb_debuginfod *d, const char *hex, uint64_t deadline_ns)
{
    enum outcome worst = LACKING;
    for (size_t i = 0; i < d->options.n_urls; i++) {
        enum outcome outcome = may_ask(d, i) ? ask_server(d, i, hex, deadline_ns) : TROUBLE;
        if (outcome == CAME || outcome == NO_ROOM)
            return outcome;
        if (outcome == TROUBLE)
            worst = TROUBLE;
    }
    return worst;
}

/* Is there a reason to ask for it, and somebody to ask? */
static int is_new(struct tb_debuginfod *d, const char *hex, uid_t uid)
{
    uint64_t now_ns = tb_clock_mono_ns();
    size_t n_up = 0;
    for (size_t i = 0; i < d->options.n_urls; i++)
        n_up += may_ask(d, i);
    return n_up > 0 && tb_debuginfod_may_wait(&d->memory, now_ns) &&
           !tb_debuginfod_is_lacking(&d->memory, hex, uid, now_ns) &&
           tb_debuginfod_admit(&d->memory, uid, now_ns);
}

static void fetch_one(struct tb_debuginfod *d, const char *hex, uint64_t deadline_ns)
{
    uint64_t begin_ns = tb_clock_mono_ns();
    enum outcome outcome = ask_all(d, hex, deadline_ns);
    tb_debuginfod_waited(&d->memory, begin_ns, tb_clock_mono_ns());
    if (outcome == CAME) {
        memcpy(d->fetched.ids[d->fetched.n++], hex, strlen(hex) + 1);
        d->counts.fetched++;
        return;
    }
    d->counts.not_found += outcome == LACKING;
    tb_debuginfod_lacks(&d->memory, hex, TB_DEBUGINFOD_ALL,
                        outcome == LACKING ? TB_DEBUGINFOD_NOT_FOUND_S : TB_DEBUGINFOD_NO_ANSWER_S,
                        tb_clock_mono_ns());
}

static int open_folder(struct tb_debuginfod *d)
{
    if (d->dirfd >= 0)
        return 0;
    d->dirfd = tb_debuginfod_store_open(d->options.folder);
    if (d->dirfd >= 0) {
        d->stored_bytes = tb_debuginfod_store_trim(d->dirfd, room_of(d));
        return 0;
    }
    snprintf(d->counts.last_error, sizeof(d->counts.last_error), "cannot use %.150s: %s",
             d->options.folder, strerror(-d->dirfd));
    d->dirfd = -1;
    return -EIO;
}

/* What was fetched before, and helps now, is kept the longer for it. */
static void note_use(struct tb_debuginfod *d, const char *answer, size_t len)
{
    struct tb_wanted seen;
    tb_wanted_seen(answer, len, &seen);
    for (size_t i = 0; i < seen.n; i++)
        tb_debuginfod_store_touch(d->dirfd, seen.ids[i]);
}

size_t tb_debuginfod_fetch(struct tb_debuginfod *d, const char *answer, size_t len, uid_t uid,
                           uint64_t deadline_ns)
{
    struct tb_wanted wanted;
    d->fetched.n = 0;
    d->uid = uid;
    if (d->options.cache_bytes == 0 || open_folder(d) != 0)
        return 0;
    if (d->stored_bytes > room_of(d)) /* there are more indexes now */
        d->stored_bytes = tb_debuginfod_store_trim(d->dirfd, room_of(d));
    note_use(d, answer, len);
    tb_wanted_read(answer, len, &wanted);
    for (size_t i = 0; i < wanted.n && left_ms(deadline_ns) > 0; i++) {
        const char *hex = wanted.ids[i];
        /* One that is there and did not help this module may well help another. */
        if (!tb_debuginfod_store_has(d->dirfd, hex) && is_new(d, hex, uid))
            fetch_one(d, hex, deadline_ns);
    }
    if (d->fetched.n > 0)
        d->stored_bytes = tb_debuginfod_store_trim(d->dirfd, room_of(d));
    return d->fetched.n;
}

void tb_debuginfod_judge(struct tb_debuginfod *d, const char *answer, size_t len)
{
    struct tb_wanted still;
    still.n = 0;
    if (answer != NULL)
        tb_wanted_read(answer, len, &still);
    for (size_t i = 0; i < d->fetched.n; i++) {
        const char *hex = d->fetched.ids[i];
        if (answer != NULL && !tb_wanted_has(&still, hex))
            continue;
        tb_debuginfod_store_remove(d->dirfd, hex);
        tb_debuginfod_lacks(&d->memory, hex, d->uid, TB_DEBUGINFOD_NOT_FOUND_S, tb_clock_mono_ns());
        d->counts.not_found++;
        tb_log(TB_LOG_WARNING,
               "debuginfod: what came for build id %s is of no use and was removed: %s", hex,
               answer != NULL ? "it is another file, or has no debug data"
                              : "the symbolizer failed over it");
    }
    d->fetched.n = 0;
}
