/* symbolizer.c - see symbolizer.h. */
#include "agent/native/symbolizer.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/spawn.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/pack.h"

/* After one answer; how long all may take, where the last one may still end; and how long the
 * worker may take to say the next. */
enum { NEWS_MAX = 256, NEWS_TOTAL_MS = 500, NEWS_MS = 2000 };
enum { QUESTION_BYTES = 16, ANSWER_BYTES = 8, QUESTION_MAGIC = 0x31574254 /* "TBW1" */ };

struct tb_symbolizer {
    char *program;
    struct tb_buf settings;        /* the body of TB_SYMBOL_CONFIG */
    struct tb_symbol_store *store; /* NULL: indexes are not kept */
    int deadline_ms;
    int fd; /* -1: no process */
    pid_t pid;
    int is_behind; /* the worker has more news */
    struct tb_symbolizer_cost cost;
    struct tb_symbolizer_work work;
    uint64_t asked_ns; /* the end of the last question, monotonic */
};

static void add_settings(struct tb_buf *out, const struct tb_config *config)
{
    for (size_t i = 0; i < config->n_source_roots; i++)
        tb_buf_addf(out, "source_root=%s\n", config->source_roots[i]);
    for (size_t i = 0; i < config->n_debug_dirs; i++)
        tb_buf_addf(out, "debug_dir=%s\n", config->debug_dirs[i]);
    if (config->n_debuginfod > 0 &&
        strchr(config->state_dir, '\n') == NULL) { /* what was fetched is looked for last */
        if (config->n_debug_dirs == 0)
            tb_buf_adds(out, "debug_dir=" TB_SYMBOL_DEBUG_DIR "\n");
        tb_buf_addf(out, "debug_dir=%s" TB_CONFIG_DEBUGINFOD_DIR "\n", config->state_dir);
    }
    tb_buf_addf(out, "context_lines=%u\n", config->context_lines);
    for (size_t i = 0; i < config->rules.n_in_app; i++)
        tb_buf_addf(out, "in_app=%s\n", config->rules.in_app[i]);
    for (size_t i = 0; i < config->rules.n_library; i++)
        tb_buf_addf(out, "library=%s\n", config->rules.library[i]);
}

int tb_symbolizer_new(const struct tb_symbolizer_options *options, struct tb_symbolizer **out)
{
    struct tb_symbolizer *s = calloc(1, sizeof(*s));
    if (s == NULL)
        return -ENOMEM;
    s->fd = -1;
    s->pid = -1;
    s->deadline_ms = options->deadline_ms > 0 ? options->deadline_ms : TB_SYMBOLIZER_DEADLINE_MS;
    s->program = strdup(options->program != NULL ? options->program : "/proc/self/exe");
    tb_buf_init(&s->settings, TB_SYMBOL_BODY_MAX);
    add_settings(&s->settings, options->config);
    s->store = tb_symbol_store_folder(options->store) != NULL ? options->store : NULL;
    const char *index_dir =
        s->store != NULL ? tb_symbol_store_folder(s->store) : options->index_dir;
    if (index_dir != NULL)
        tb_buf_addf(&s->settings, "index_dir=%s\n", index_dir);
    if (s->program == NULL || s->settings.err) {
        tb_symbolizer_free(s);
        return -ENOMEM;
    }
    *out = s;
    return 0;
}

static void end_process(struct tb_symbolizer *s)
{
    tb_fd_close(&s->fd);
    s->is_behind = 0;
    if (s->pid > 0) {
        kill(s->pid, SIGKILL);
        while (waitpid(s->pid, NULL, 0) < 0 && errno == EINTR)
            ;
    }
    s->pid = -1;
}

pid_t tb_symbolizer_pid(const struct tb_symbolizer *s)
{
    return s->pid;
}

void tb_symbolizer_count(const struct tb_symbolizer *s, struct tb_symbol_store_counts *out)
{
    tb_symbol_store_count(s->store, out);
}

/* ---- the process ---- */

static int spawn(struct tb_symbolizer *s, int child_fd)
{
    char name[] = "towbard";
    char mode[] = "--symbol-worker";
    char path[] = "PATH=/usr/bin:/bin";
    char locale[] = "LC_ALL=C";
    char *argv[] = {name, mode, NULL};
    char *env[] = {path, locale, NULL};
    const struct tb_spawn how = {.program = s->program,
                                 .argv = argv,
                                 .env = env,
                                 .fd = child_fd,
                                 .as_fd = TB_SYMBOL_FD,
                                 .keeps_stderr = true};
    return tb_spawn(&how, &s->pid);
}

/* ---- one exchange ---- */

static int wait_for(int fd, short events, uint64_t deadline_ns)
{
    for (;;) {
        uint64_t now = tb_clock_mono_ns();
        if (now >= deadline_ns)
            return -ETIMEDOUT;
        struct pollfd p = {.fd = fd, .events = events};
        int n = poll(&p, 1, (int)((deadline_ns - now) / TB_NS_PER_MS) + 1);
        if (n > 0)
            return 0;
        if (n < 0 && errno != EINTR)
            return -errno;
    }
}

static int send_all(int fd, const void *data, size_t len, uint64_t deadline_ns)
{
    const char *at = data;
    while (len > 0) {
        ssize_t n = send(fd, at, len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n >= 0) {
            at += n;
            len -= (size_t)n;
            continue;
        }
        if (errno != EAGAIN && errno != EINTR)
            return errno == ECONNRESET ? -EPIPE : -errno;
        int err = wait_for(fd, POLLOUT, deadline_ns);
        if (err)
            return err;
    }
    return 0;
}

static int receive_all(int fd, void *data, size_t len, uint64_t deadline_ns)
{
    char *at = data;
    while (len > 0) {
        int err = wait_for(fd, POLLIN, deadline_ns);
        if (err)
            return err;
        ssize_t n = recv(fd, at, len, MSG_DONTWAIT);
        if (n == 0)
            return -EPIPE;
        if (n < 0 && errno != EAGAIN && errno != EINTR)
            return errno == ECONNRESET ? -EPIPE : -errno;
        if (n > 0) {
            at += n;
            len -= (size_t)n;
        }
    }
    return 0;
}

static int receive_answer(int fd, uint64_t deadline_ns, struct tb_buf *answer)
{
    uint8_t head[ANSWER_BYTES];
    int err = receive_all(fd, head, sizeof(head), deadline_ns);
    if (err)
        return err;
    int32_t said = (int32_t)tb_get32(head);
    uint32_t len = tb_get32(head + 4);
    if (len > TB_SYMBOL_REPLY_MAX || said > 0)
        return -EPROTO;
    char *text = malloc((size_t)len + 1);
    if (text == NULL)
        return -ENOMEM;
    err = receive_all(fd, text, len, deadline_ns);
    if (!err && !said && answer != NULL)
        tb_buf_add(answer, text, len);
    free(text);
    if (err)
        return err;
    return answer != NULL && answer->err ? answer->err : said;
}

static int send_question(int fd, const struct tb_symbolizer_question *q, uint64_t deadline_ns)
{
    uint8_t head[QUESTION_BYTES];
    tb_put32(head, QUESTION_MAGIC);
    tb_put32(head + 4, (uint32_t)q->op);
    tb_put32(head + 8, (uint32_t)q->process_len);
    tb_put32(head + 12, (uint32_t)q->body_len);
    int err = send_all(fd, head, sizeof(head), deadline_ns);
    if (!err)
        err = send_all(fd, q->process, q->process_len, deadline_ns);
    if (!err)
        err = send_all(fd, q->body, q->body_len, deadline_ns);
    return err;
}

/* *alive tells whether the worker can be asked again: it answered, whatever it said. */
static int exchange(struct tb_symbolizer *s, const struct tb_symbolizer_question *q,
                    struct tb_buf *answer, int *alive)
{
    uint64_t deadline_ns = tb_clock_mono_ns() + (uint64_t)s->deadline_ms * TB_NS_PER_MS;
    int err = send_question(s->fd, q, deadline_ns);
    *alive = 0;
    if (err)
        return err;
    err = receive_answer(s->fd, deadline_ns, answer);
    *alive = err != -ETIMEDOUT && err != -EPIPE && err != -EPROTO && err != -ENOMEM;
    return err;
}

static int start(struct tb_symbolizer *s)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        return -errno;
    int err = spawn(s, pair[1]);
    close(pair[1]);
    s->fd = pair[0];
    if (!err) {
        struct tb_symbolizer_question settings = {.op = TB_SYMBOL_CONFIG,
                                                  .process = "",
                                                  .body = tb_buf_str(&s->settings),
                                                  .body_len = s->settings.len};
        int alive;
        err = exchange(s, &settings, NULL, &alive);
    }
    if (err)
        end_process(s);
    return err;
}

/* A worker that ended since the last question (out of memory, an upgrade) is no fault of this one.
 */
static void notice_death(struct tb_symbolizer *s)
{
    if (s->pid > 0 && waitpid(s->pid, NULL, WNOHANG) == s->pid) {
        s->pid = -1;
        s->is_behind = 0;
        tb_fd_close(&s->fd);
    }
}

/* Takes the next piece of news. 1; 0 when there is none; or why the worker cannot be asked again.
 */
static int take_news(struct tb_symbolizer *s)
{
    static const struct tb_symbolizer_question question = {
        .op = TB_SYMBOL_NEWS, .process = "", .body = ""};
    uint64_t deadline_ns = tb_clock_mono_ns() + (uint64_t)NEWS_MS * TB_NS_PER_MS;
    uint8_t head[ANSWER_BYTES];
    uint8_t bytes[TB_SYMBOL_NEWS_BYTES];
    struct tb_symbol_news news;
    int fd = -1;
    int err;
    if ((err = send_question(s->fd, &question, deadline_ns)) ||
        (err = receive_all(s->fd, head, sizeof(head), deadline_ns)))
        return err;
    if (tb_get32(head) != 0 || tb_get32(head + 4) == 0)
        return tb_get32(head) == 0 ? 0 : -EPROTO;
    if (tb_get32(head + 4) != TB_SYMBOL_NEWS_BYTES)
        return -EPROTO;
    do
        err = wait_for(s->fd, POLLIN, deadline_ns);
    while (!err && (err = tb_symbol_news_receive(s->fd, bytes, &fd)) == -EAGAIN);
    if (!err)
        err = tb_symbol_news_unpack(bytes, &news);
    if (!err)
        err = tb_symbol_store_take(s->store, &news, fd) == -EBADMSG ? -EPROTO : 0;
    tb_fd_close(&fd);
    return err ? err : 1;
}

static void take_all_news(struct tb_symbolizer *s)
{
    int more = 1;
    uint64_t end_ns = tb_clock_mono_ns() + (uint64_t)NEWS_TOTAL_MS * TB_NS_PER_MS;
    for (int i = 0; i < NEWS_MAX && more > 0 && tb_clock_mono_ns() < end_ns; i++)
        more = take_news(s);
    s->is_behind = more > 0;
    if (more < 0)
        end_process(s);
}

static int ask(struct tb_symbolizer *s, const struct tb_symbolizer_question *question,
               struct tb_buf *answer)
{
    s->cost = (struct tb_symbolizer_cost){.is_behind = s->is_behind};
    if (question->body_len > TB_SYMBOL_BODY_MAX || question->process_len > TB_SYMBOL_BODY_MAX)
        return -EMSGSIZE;
    notice_death(s);
    uint64_t start_ns = tb_clock_mono_ns();
    s->work.starts += s->fd < 0;
    int err = s->fd < 0 ? start(s) : 0;
    if (err) {
        s->cost.answer_ns = tb_clock_mono_ns() - start_ns;
        return err;
    }
    int alive;
    start_ns = tb_clock_mono_ns(); /* that it was gone is no fault of this question */
    err = exchange(s, question, answer, &alive);
    s->cost = (struct tb_symbolizer_cost){.answer_ns = tb_clock_mono_ns() - start_ns};
    if (!alive)
        end_process(s);
    else if (s->store != NULL)
        take_all_news(s);
    s->cost.news_ns = tb_clock_mono_ns() - start_ns - s->cost.answer_ns;
    s->cost.is_behind = s->is_behind;
    return err;
}

int tb_symbolizer_ask(struct tb_symbolizer *s, const struct tb_symbolizer_question *question,
                      struct tb_buf *answer)
{
    int err = ask(s, question, answer);
    s->work.answered += err == 0;
    s->work.failed += err != 0;
    s->work.answer_ns += s->cost.answer_ns;
    s->asked_ns = tb_clock_mono_ns();
    return err;
}

int tb_symbolizer_rest(struct tb_symbolizer *s, unsigned idle_ms)
{
    if (s->fd < 0 || tb_clock_mono_ns() - s->asked_ns < (uint64_t)idle_ms * TB_NS_PER_MS)
        return 0;
    if (s->is_behind)
        take_all_news(s);
    end_process(s);
    return 1;
}

void tb_symbolizer_work(const struct tb_symbolizer *s, struct tb_symbolizer_work *out)
{
    *out = s->work;
}

void tb_symbolizer_spent(const struct tb_symbolizer *s, struct tb_symbolizer_cost *out)
{
    *out = s->cost;
}

void tb_symbolizer_free(struct tb_symbolizer *s)
{
    if (s == NULL)
        return;
    if (s->is_behind)
        take_all_news(s);
    end_process(s);
    tb_buf_done(&s->settings);
    free(s->program);
    free(s);
}
