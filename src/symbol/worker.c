/* worker.c - the symbolizer's process: see worker.h for what is said on its socket.
 *
 * One question is read whole, answered, and forgotten; nothing of it stays but a configuration and
 * the files of its modules (see cache.h), which the next one may need as well.
 * What cannot be a question ends the worker, since the stream has no place to start again. */
#include "symbol/worker.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/pack.h"
#include "symbol/answer/answer.h"
#include "symbol/answer/answer_places.h"
#include "symbol/news.h"
#include "symbol/sandbox.h"
#include "unwind/rows.h"

enum { ANSWER_HEADER_BYTES = 8 };

struct question {
    uint32_t op, process_len, body_len;
    uint8_t *data; /* the process record and then the body */
};

struct worker {
    int fd;
    struct tb_symbol_config config;
    struct tb_symbol_cache cache;
    char *reply; /* header and JSON; TB_SYMBOL_REPLY_MAX bytes of JSON at most */
};

/* 0; -ENODATA at the end of the stream before the first byte; -EBADMSG in the middle. */
static int read_exactly(int fd, void *out, size_t len)
{
    size_t done = 0;
    while (done < len) {
        ssize_t n = read(fd, (char *)out + done, len - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            return done == 0 ? -ENODATA : -EBADMSG;
        done += (size_t)n;
    }
    return 0;
}

static int read_question(int fd, struct question *out)
{
    uint8_t header[TB_SYMBOL_HEADER_BYTES];
    int err = read_exactly(fd, header, sizeof(header));
    if (err)
        return err;
    out->op = tb_get32(header + 4);
    out->process_len = tb_get32(header + 8);
    out->body_len = tb_get32(header + 12);
    if (tb_get32(header) != TB_SYMBOL_MAGIC)
        return -EBADMSG;
    if (out->process_len > TB_SYMBOL_BODY_MAX || out->body_len > TB_SYMBOL_BODY_MAX)
        return -EMSGSIZE;
    size_t len = (size_t)out->process_len + out->body_len;
    out->data = malloc(len + 1);
    if (!out->data)
        return -ENOMEM;
    err = read_exactly(fd, out->data, len);
    return err == -ENODATA ? -EBADMSG : err;
}

static int send_answer(struct worker *w, int answer_err, size_t len)
{
    tb_put32(w->reply, (uint32_t)answer_err);
    tb_put32(w->reply + 4, (uint32_t)len);
    return tb_fd_write_all(w->fd, w->reply, ANSWER_HEADER_BYTES + len);
}

static int answer_addresses(struct worker *w, const struct tb_process *process, const uint8_t *body,
                            size_t body_len, struct tb_json *out)
{
    size_t n = body_len / sizeof(uint64_t);
    uint64_t *addresses = malloc(body_len + 1);
    if (!addresses)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++)
        addresses[i] = tb_get64(body + i * sizeof(uint64_t));
    int err = tb_symbol_answer_addresses(&w->cache, &w->config, process, addresses, n, out);
    free(addresses);
    return err;
}

static int answer_crash(struct worker *w, const struct tb_process *process, const uint8_t *body,
                        size_t body_len, struct tb_json *out)
{
    struct tb_crash crash;
    int err = tb_crash_unpack(body, body_len, &crash);
    if (err)
        return err;
    err = tb_symbol_answer_crash(&w->cache, &w->config, process, &crash, out);
    tb_crash_done(&crash);
    return err;
}

static int configure(struct worker *w, const uint8_t *body, size_t body_len)
{
    struct tb_symbol_config config;
    int err = tb_symbol_config_read((const char *)body, body_len, &config);
    if (err)
        return err;
    tb_symbol_config_done(&w->config);
    w->config = config;
    return 0;
}

/* The next message of news, if there is one, goes behind the head of the answer. */
static int send_news(struct worker *w)
{
    uint8_t bytes[TB_SYMBOL_NEWS_BYTES];
    struct tb_symbol_shelf *shelf = &w->cache.shelf;
    uint64_t now_ns = tb_clock_mono_ns();
    struct tb_symbol_shelved *shelved =
        w->config.index_dir ? tb_symbol_shelf_news(shelf, now_ns) : NULL;
    tb_put32(w->reply, 0);
    tb_put32(w->reply + 4, shelved ? TB_SYMBOL_NEWS_BYTES : 0);
    int err = tb_fd_write_all(w->fd, w->reply, ANSWER_HEADER_BYTES);
    if (err || !shelved)
        return err;
    struct tb_symbol_news news = {.kind =
                                      shelved->fd >= 0 ? TB_SYMBOL_NEWS_NEW : TB_SYMBOL_NEWS_USED,
                                  .uid = shelved->key.uid,
                                  .build_id_len = shelved->key.build_id_len};
    memcpy(news.build_id, shelved->key.build_id, news.build_id_len);
    tb_symbol_news_pack(&news, bytes);
    err = tb_symbol_news_send(w->fd, bytes, shelved->fd);
    tb_symbol_shelf_told(shelf, shelved, now_ns);
    return err;
}

static int answer_question(struct worker *w, const struct question *q, struct tb_json *out)
{
    const uint8_t *body = q->data + q->process_len;
    struct tb_process process;
    if (q->op == TB_SYMBOL_CONFIG)
        return configure(w, body, q->body_len);
    if (q->op < TB_SYMBOL_ADDRESSES || q->op > TB_SYMBOL_PLACES)
        return -EINVAL;
    int err = tb_process_unpack(q->data, q->process_len, &process);
    if (err)
        return err;
    if (q->op == TB_SYMBOL_ADDRESSES)
        err = answer_addresses(w, &process, body, q->body_len, out);
    else if (q->op == TB_SYMBOL_PLACES)
        err = tb_symbol_answer_places(&w->cache, &w->config, &process, body, q->body_len, out);
    else
        err = answer_crash(w, &process, body, q->body_len, out);
    tb_process_done(&process);
    return err;
}

/* 0; -ENODATA when there are no more questions; else the worker cannot go on. */
static int serve_one(struct worker *w)
{
    struct question q = {0};
    struct tb_json json;
    int err = read_question(w->fd, &q);
    if (err) {
        free(q.data);
        if (err != -ENODATA)
            (void)send_answer(w, err, 0); /* so that the log says why */
        return err;
    }
    if (q.op == TB_SYMBOL_NEWS) {
        free(q.data);
        return send_news(w);
    }
    (void)tb_symbol_sandbox_renew();
    tb_json_init(&json, w->reply + ANSWER_HEADER_BYTES, TB_SYMBOL_REPLY_MAX);
    err = answer_question(w, &q, &json);
    free(q.data);
    if (err == 0 && q.op != TB_SYMBOL_CONFIG)
        err = tb_json_finish(&json);
    return send_answer(w, err, err == 0 ? json.len : 0);
}

int tb_symbol_worker(int fd)
{
    struct worker w = {.fd = fd, .reply = malloc(ANSWER_HEADER_BYTES + TB_SYMBOL_REPLY_MAX)};
    int err = w.reply ? tb_symbol_config_read("", 0, &w.config) : -ENOMEM;
    tb_symbol_cache_init(&w.cache);
    if (err == 0) {
        (void)tb_rows_load(); /* while libraries can still be opened */
        err = tb_symbol_sandbox(fd);
    }
    while (err == 0)
        err = serve_one(&w);
    tb_symbol_cache_done(&w.cache);
    tb_symbol_config_done(&w.config);
    free(w.reply);
    return err == -ENODATA ? 0 : 1;
}
