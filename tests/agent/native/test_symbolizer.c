/* The symbolizer's process: started, asked, given up and started again. This program is also the
 * worker that is started: what it does is what the question's body says. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "agent/native/symbolizer.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/pack.h"
#include "symbol/index/index.h"
#include "symbol/index/layout.h"
#include "symbol/news.h"

/* ---- the worker ---- */

static int read_all(int fd, void *data, size_t len)
{
    char *at = data;
    while (len > 0) {
        ssize_t n = read(fd, at, len);
        if (n <= 0)
            return -1;
        at += n;
        len -= (size_t)n;
    }
    return 0;
}

static void reply(int err, const char *text, uint32_t len)
{
    uint8_t head[8];
    tb_put32(head, (uint32_t)err);
    tb_put32(head + 4, len);
    (void)tb_fd_write_all(TB_SYMBOL_FD, head, sizeof(head));
    (void)tb_fd_write_all(TB_SYMBOL_FD, text, strlen(text));
}

static unsigned open_files(void)
{
    unsigned n = 0;
    char own[16];
    DIR *folder = opendir("/proc/self/fd");
    if (folder == NULL)
        return 0;
    snprintf(own, sizeof(own), "%d", dirfd(folder));
    for (const struct dirent *e = readdir(folder); e != NULL; e = readdir(folder))
        n += e->d_name[0] != '.' && strcmp(e->d_name, own) != 0;
    closedir(folder);
    return n;
}

static void look_around(char *out, size_t cap)
{
    unsigned n_env = 0;
    sigset_t mask;
    while (environ[n_env] != NULL)
        n_env++;
    sigprocmask(SIG_SETMASK, NULL, &mask);
    snprintf(out, cap, "files %u env %u token %d blocked %d", open_files(), n_env,
             getenv("ROLLBAR_ACCESS_TOKEN") != NULL, sigismember(&mask, SIGTERM));
}

static char settings[4096];
static char asked[64]; /* the question before: what is said of indexes after it */

static const struct tb_symbol_news index_news = {
    .kind = TB_SYMBOL_NEWS_NEW, .uid = 7, .build_id_len = 4, .build_id = {1, 2, 3, 4}};

static int make_index(void)
{
    uint8_t head[TB_SYMBOL_INDEX_HEADER_BYTES] = {0};
    int fd = memfd_create("index", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    tb_put32(head + TB_SYMBOL_AT_MAGIC, TB_SYMBOL_INDEX_MAGIC);
    tb_put32(head + TB_SYMBOL_AT_VERSION, TB_SYMBOL_INDEX_VERSION);
    tb_put64(head + TB_SYMBOL_AT_LEN, sizeof(head));
    tb_put32(head + TB_SYMBOL_AT_BUILD_ID_LEN, index_news.build_id_len);
    memcpy(head + TB_SYMBOL_AT_BUILD_ID, index_news.build_id, index_news.build_id_len);
    (void)tb_fd_write_all(fd, head, sizeof(head));
    (void)fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
    return fd;
}

static void send_news(void)
{
    char kind[sizeof(asked)];
    struct tb_symbol_news news = index_news;
    uint8_t bytes[TB_SYMBOL_NEWS_BYTES];
    int fd = -1;
    snprintf(kind, sizeof(kind), "%s", asked);
    if (strcmp(kind, "news die") == 0)
        _exit(3);
    if (strcmp(kind, "news hang") == 0)
        pause();
    if (strcmp(kind, "news long") == 0)
        reply(0, "x", 1000);
    if (strncmp(kind, "news ", 5) != 0) {
        reply(0, "", 0);
        return;
    }
    if (strcmp(kind, "news slow") == 0)
        (void)poll(NULL, 0, 100); /* its work */
    if (strcmp(kind, "news endless") == 0 || strcmp(kind, "news slow") == 0)
        news.kind = TB_SYMBOL_NEWS_USED;
    else
        asked[0] = '\0'; /* once */
    if (strcmp(kind, "news ok") == 0)
        fd = make_index();
    tb_symbol_news_pack(&news, bytes);
    if (strcmp(kind, "news nonsense") == 0)
        bytes[0] = 99;
    reply(0, "", sizeof(bytes));
    (void)tb_symbol_news_send(TB_SYMBOL_FD, bytes, fd);
    tb_fd_close(&fd);
}

static void answer(uint32_t op, const char *body)
{
    char text[256];
    if (op == TB_SYMBOL_NEWS) {
        send_news();
        return;
    }
    snprintf(asked, sizeof(asked), "%s", body);
    if (op == TB_SYMBOL_CONFIG) {
        snprintf(settings, sizeof(settings), "%s", body);
        reply(0, "", 0);
    } else if (strcmp(body, "look") == 0) {
        look_around(text, sizeof(text));
        reply(0, text, (uint32_t)strlen(text));
    } else if (strcmp(body, "settings") == 0) {
        reply(0, settings, (uint32_t)strlen(settings));
    } else if (strcmp(body, "die") == 0) {
        _exit(3);
    } else if (strcmp(body, "hang") == 0) {
        pause();
    } else if (strcmp(body, "refuse") == 0) {
        reply(-EBADMSG, "", 0);
    } else if (strcmp(body, "endless") == 0) {
        reply(0, "x", UINT32_MAX);
    } else if (strcmp(body, "cut") == 0) {
        reply(0, "abc", 100);
        _exit(0);
    } else if (strcmp(body, "odd") == 0) {
        reply(77, "", 0);
    } else {
        reply(0, body, (uint32_t)strlen(body));
    }
}

static int work(void)
{
    for (;;) {
        uint8_t head[16];
        if (read_all(TB_SYMBOL_FD, head, sizeof(head)) != 0)
            return 0;
        size_t len = (size_t)tb_get32(head + 8) + tb_get32(head + 12);
        char *body = calloc(1, len + 1);
        if (body == NULL || read_all(TB_SYMBOL_FD, body, len) != 0)
            return 1;
        answer(tb_get32(head + 4), body + tb_get32(head + 8));
        free(body);
    }
}

/* ---- the tests ---- */

static struct tb_config config;

static struct tb_symbolizer *start(const char *program, int deadline_ms)
{
    struct tb_symbolizer *s = NULL;
    const struct tb_symbolizer_options options = {
        .program = program, .config = &config, .deadline_ms = deadline_ms};
    assert_int_equal(tb_symbolizer_new(&options, &s), 0);
    return s;
}

static int ask(struct tb_symbolizer *s, const char *body, char *out, size_t cap)
{
    struct tb_buf answered;
    const struct tb_symbolizer_question question = {.op = TB_SYMBOL_CRASH,
                                                    .process = "process",
                                                    .process_len = 7,
                                                    .body = body,
                                                    .body_len = strlen(body)};
    tb_buf_init(&answered, TB_SYMBOL_REPLY_MAX);
    int err = tb_symbolizer_ask(s, &question, &answered);
    snprintf(out, cap, "%s", tb_buf_str(&answered));
    tb_buf_done(&answered);
    return err;
}

static void one_process_answers_many_questions(void **state)
{
    char out[256];
    struct tb_symbolizer *s = start(NULL, 0);
    (void)state;
    assert_int_equal(tb_symbolizer_pid(s), -1);
    assert_int_equal(ask(s, "first", out, sizeof(out)), 0);
    assert_string_equal(out, "first");
    pid_t pid = tb_symbolizer_pid(s);
    assert_true(pid > 0);
    assert_int_equal(ask(s, "second", out, sizeof(out)), 0);
    assert_string_equal(out, "second");
    assert_int_equal(tb_symbolizer_pid(s), pid);
    tb_symbolizer_free(s);
    assert_int_equal(kill(pid, 0), -1);
}

static void one_that_nobody_asks_ends_and_comes_again(void **state)
{
    char out[256];
    struct tb_symbolizer_work work;
    struct tb_symbolizer *s = start(NULL, 0);
    (void)state;
    assert_int_equal(tb_symbolizer_rest(s, 0), 0); /* there is none */
    assert_int_equal(ask(s, "first", out, sizeof(out)), 0);
    pid_t pid = tb_symbolizer_pid(s);
    assert_int_equal(tb_symbolizer_rest(s, 3600000), 0);
    assert_int_equal(tb_symbolizer_pid(s), pid);
    assert_int_equal(tb_symbolizer_rest(s, 0), 1);
    assert_int_equal(tb_symbolizer_pid(s), -1);
    assert_int_equal(kill(pid, 0), -1);
    assert_int_equal(ask(s, "second", out, sizeof(out)), 0);
    assert_string_equal(out, "second");
    tb_symbolizer_work(s, &work);
    assert_int_equal(work.answered, 2);
    assert_int_equal(work.starts, 2);
    tb_symbolizer_free(s);
}

static void the_process_gets_nothing_of_ours(void **state)
{
    char out[256];
    struct tb_symbolizer *s = start(NULL, 0);
    sigset_t mask;
    sigset_t before;
    int extra = dup(STDERR_FILENO); /* not even close-on-exec */
    (void)state;
    setenv("ROLLBAR_ACCESS_TOKEN", "secret", 1);
    sigfillset(&mask);
    sigprocmask(SIG_SETMASK, &mask, &before);
    assert_int_equal(ask(s, "look", out, sizeof(out)), 0);
    sigprocmask(SIG_SETMASK, &before, NULL);
    assert_string_equal(out, "files 4 env 2 token 0 blocked 0");
    close(extra);
    tb_symbolizer_free(s);
}

static void the_settings_reach_it(void **state)
{
    static char root[] = "/src";
    static char debug[] = "/dbg";
    static char own_pattern[] = "*/own/*";
    static char other_pattern[] = "*/gen/*";
    char *own = own_pattern;
    char *others = other_pattern;
    char *roots[] = {root};
    char *dirs[] = {debug};
    char out[256];
    (void)state;
    config = (struct tb_config){
        .source_roots = roots,
        .n_source_roots = 1,
        .debug_dirs = dirs,
        .n_debug_dirs = 1,
        .context_lines = 5,
        .rules = {.in_app = &own, .n_in_app = 1, .library = &others, .n_library = 1}};
    struct tb_symbolizer *s = start(NULL, 0);
    assert_int_equal(ask(s, "settings", out, sizeof(out)), 0);
    assert_string_equal(out, "source_root=/src\ndebug_dir=/dbg\ncontext_lines=5\n"
                             "in_app=*/own/*\nlibrary=*/gen/*\n");
    tb_symbolizer_free(s);
    memset(&config, 0, sizeof(config));
}

static void who_dies_hangs_or_talks_nonsense_is_replaced(void **state)
{
    static const struct {
        const char *body;
        int err;
    } cases[] = {{"die", -EPIPE},
                 {"hang", -ETIMEDOUT},
                 {"endless", -EPROTO},
                 {"cut", -EPIPE},
                 {"odd", -EPROTO}};
    char out[256];
    struct tb_symbolizer *s = start(NULL, 300);
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(ask(s, cases[i].body, out, sizeof(out)), cases[i].err);
        assert_string_equal(out, "");
        assert_int_equal(tb_symbolizer_pid(s), -1);
        assert_int_equal(ask(s, "again", out, sizeof(out)), 0);
        assert_string_equal(out, "again");
    }
    tb_symbolizer_free(s);
}

static void a_refusal_keeps_the_process(void **state)
{
    char out[256];
    struct tb_symbolizer *s = start(NULL, 0);
    (void)state;
    assert_int_equal(ask(s, "x", out, sizeof(out)), 0);
    pid_t pid = tb_symbolizer_pid(s);
    assert_int_equal(ask(s, "refuse", out, sizeof(out)), -EBADMSG);
    assert_int_equal(tb_symbolizer_pid(s), pid);
    tb_symbolizer_free(s);
}

static void one_that_died_between_questions_is_not_the_question_s_fault(void **state)
{
    char out[256];
    struct tb_symbolizer *s = start(NULL, 0);
    (void)state;
    assert_int_equal(ask(s, "x", out, sizeof(out)), 0);
    assert_int_equal(kill(tb_symbolizer_pid(s), SIGKILL), 0);
    /* The kernel needs a moment, in which the question may still meet the old socket. */
    siginfo_t info;
    assert_int_equal(waitid(P_PID, (id_t)tb_symbolizer_pid(s), &info, WEXITED | WNOWAIT), 0);
    assert_int_equal(ask(s, "y", out, sizeof(out)), 0);
    assert_string_equal(out, "y");
    tb_symbolizer_free(s);
}

static void a_program_that_is_not_there_is_an_error_each_time(void **state)
{
    char out[256];
    struct tb_symbolizer *s = start("/nowhere/towbard", 0);
    (void)state;
    assert_int_equal(ask(s, "x", out, sizeof(out)), -ENOENT);
    assert_int_equal(ask(s, "x", out, sizeof(out)), -ENOENT);
    tb_symbolizer_free(s);
    s = start("/bin/false", 0);
    assert_int_equal(ask(s, "x", out, sizeof(out)), -EPIPE);
    tb_symbolizer_free(s);
}

static void a_question_that_is_too_long_is_not_asked(void **state)
{
    struct tb_symbolizer *s = start(NULL, 0);
    const struct tb_symbolizer_question question = {
        .op = TB_SYMBOL_CRASH, .body = "", .body_len = TB_SYMBOL_BODY_MAX + 1};
    struct tb_buf out;
    (void)state;
    tb_buf_init(&out, 100);
    assert_int_equal(tb_symbolizer_ask(s, &question, &out), -EMSGSIZE);
    assert_int_equal(tb_symbolizer_pid(s), -1);
    tb_symbolizer_free(s);
}

/* What is said of indexes costs no answer; who lies in it is replaced. */
static void indexes_are_taken_after_the_answer(void **state)
{
    static const struct {
        const char *body;
        int is_replaced;
        int64_t files; /* in the store afterwards */
        int is_behind;
    } cases[] = {{"nothing", 0, 0, 0},       {"news ok", 0, 1, 0},  {"news endless", 0, 1, 1},
                 {"news slow", 0, 1, 1},     {"nothing", 0, 1, 0},  {"news slow", 0, 1, 1},
                 {"news without", 1, 1, 0},  {"news die", 1, 1, 0}, {"news long", 1, 1, 0},
                 {"news nonsense", 1, 1, 0}, {"news hang", 1, 1, 0}};
    char folder[] = "/tmp/towbar-symbolizer-XXXXXX";
    char out[256];
    char path[256];
    struct tb_symbol_store *store = NULL;
    struct tb_symbol_store_counts counts;
    struct tb_symbolizer_cost cost;
    struct tb_symbolizer *s = NULL;
    (void)state;
    assert_non_null(mkdtemp(folder));
    assert_int_equal(tb_symbol_store_open(folder, 1 << 20, &store), 0);
    const struct tb_symbolizer_options options = {.config = &config, .store = store};
    assert_int_equal(tb_symbolizer_new(&options, &s), 0);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(ask(s, cases[i].body, out, sizeof(out)), 0);
        assert_string_equal(out, cases[i].body);
        assert_int_equal(tb_symbolizer_pid(s) == -1, cases[i].is_replaced);
        tb_symbolizer_count(s, &counts);
        assert_int_equal(counts.files, cases[i].files);
        tb_symbolizer_spent(s, &cost);
        assert_true(cost.answer_ns > 0 && cost.news_ns > 0);
        assert_int_equal(cost.is_behind, cases[i].is_behind);
        if (strcmp(cases[i].body, "news slow") == 0) /* and not 25 s */
            assert_in_range(cost.news_ns / TB_NS_PER_MS, 500, 5000);
    }
    assert_int_equal(ask(s, "settings", out, sizeof(out)), 0);
    (void)snprintf(path, sizeof(path), "index_dir=%s/symbols\n", folder);
    assert_non_null(strstr(out, path));
    tb_symbolizer_free(s);
    tb_symbol_store_close(store);
    static const char *const made[] = {"symbols/01/020304-7.tbx", "symbols/01", "symbols", "."};
    for (size_t i = 0; i < sizeof(made) / sizeof(made[0]); i++) {
        (void)snprintf(path, sizeof(path), "%s/%s", folder, made[i]);
        assert_int_equal(remove(i + 1 < sizeof(made) / sizeof(made[0]) ? path : folder), 0);
    }
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "--symbol-worker") == 0)
        return work();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_process_answers_many_questions),
        cmocka_unit_test(one_that_nobody_asks_ends_and_comes_again),
        cmocka_unit_test(the_process_gets_nothing_of_ours),
        cmocka_unit_test(the_settings_reach_it),
        cmocka_unit_test(who_dies_hangs_or_talks_nonsense_is_replaced),
        cmocka_unit_test(a_refusal_keeps_the_process),
        cmocka_unit_test(one_that_died_between_questions_is_not_the_question_s_fault),
        cmocka_unit_test(a_program_that_is_not_there_is_an_error_each_time),
        cmocka_unit_test(a_question_that_is_too_long_is_not_asked),
        cmocka_unit_test(indexes_are_taken_after_the_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
