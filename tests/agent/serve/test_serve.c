/* What opening and closing the agent's ends leaves on the disk. */
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <cmocka.h>

#include "agent/serve/serve.h"
#include "../support/folder.h"
#include "base/fd.h"
#include "spool/dir.h"

static char spool[128];
static char socket_path[100];
static char off[] = "off";

static int begin(void **state)
{
    char why[TB_SPOOL_WHY];
    if (make_test_folder(state) != 0)
        return -1;
    int fd = tb_spool_dir_open(in_folder("spool"), 1, why);
    if (fd >= 0)
        close(fd);
    return fd < 0 ? -1 : 0;
}

static struct tb_config settings(const char *name)
{
    snprintf(spool, sizeof(spool), "%s", in_folder("spool"));
    snprintf(socket_path, sizeof(socket_path), "%s", in_folder(name));
    return (struct tb_config){.listen = off, .socket = socket_path, .spool = spool};
}

static int is_answered(void)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    snprintf(at.sun_path, sizeof(at.sun_path), "%s", socket_path);
    int answered = connect(fd, (const struct sockaddr *)&at, sizeof(at)) == 0;
    close(fd);
    return answered;
}

static void its_own_socket_goes_with_it(void **state)
{
    char why[TB_LISTEN_WHY];
    struct tb_serve *serve = NULL;
    const struct tb_config config = settings("a.sock");
    (void)state;
    assert_int_equal(tb_serve_open(&config, &serve, why), 0);
    assert_true(is_answered());
    tb_serve_close(serve);
    assert_int_equal(access(socket_path, F_OK), -1);
}

static void a_file_in_the_sockets_place_stays(void **state)
{
    char why[TB_LISTEN_WHY];
    struct stat st;
    struct tb_serve *serve = NULL;
    const struct tb_config config = settings("precious");
    (void)state;
    put_file("precious", "precious");
    assert_int_equal(tb_serve_open(&config, &serve, why), -EEXIST);
    assert_non_null(strstr(why, "is not a socket"));
    assert_int_equal(stat(socket_path, &st), 0);
    assert_int_equal(st.st_size, 8);
}

static void a_second_one_leaves_the_firsts_socket_alone(void **state)
{
    char why[TB_LISTEN_WHY];
    struct tb_serve *first = NULL;
    struct tb_serve *second = NULL;
    const struct tb_config config = settings("live.sock");
    (void)state;
    assert_int_equal(tb_serve_open(&config, &first, why), 0);
    assert_int_equal(tb_serve_open(&config, &second, why), -EADDRINUSE);
    assert_non_null(strstr(why, "another towbard"));
    assert_true(is_answered());
    tb_serve_close(first);
}

/* What may change, changes at once or not at all. */
static void a_reload_takes_all_or_nothing(void **state)
{
    char why[TB_LISTEN_WHY] = "";
    char other_path[] = "/nowhere/else";
    char none[] = "/nowhere/cert.pem";
    char token[] = "0123456789abcdef";
    struct tb_serve *serve = NULL;
    const struct tb_config before = settings("reload.sock");
    struct tb_config after = before;
    struct tb_config wrong = before;
    (void)state;
    wrong.tls_cert_file = wrong.tls_key_file = none;
    after.socket = other_path;
    after.ingest_token = token;
    assert_int_equal(tb_serve_open(&before, &serve, why), 0);
    assert_true(tb_serve_reload(serve, &wrong, why) < 0);
    assert_non_null(strstr(why, "tls.key_file"));
    assert_int_equal(tb_serve_reload(serve, &after, why), 0);
    assert_true(is_answered());
    tb_serve_close(serve);
    assert_int_equal(access(socket_path, F_OK), -1); /* what was bound, not what is set now */
}

/* ---- beside the loop ---- */

enum { LARGE_BYTES = 700 << 10, PATIENCE_S = 30 };

static sem_t asked, goes_on;

static void slow_page(void *arg, const struct tb_page_request *request, struct tb_page_reply *reply)
{
    (void)arg;
    (void)request;
    (void)sem_post(&asked);
    while (sem_wait(&goes_on) != 0)
        ;
    reply->status = 200;
    reply->type = "text/plain";
    tb_buf_adds(&reply->body, "the page");
}

struct running {
    struct tb_serve *serve;
    struct tb_serve_options options;
    int err;
};

static void *run(void *arg)
{
    struct running *running = arg;
    running->err = tb_serve_run(running->serve, &running->options);
    return NULL;
}

static int say(const char *text, size_t len)
{
    const struct timeval patience = {.tv_sec = PATIENCE_S};
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    snprintf(at.sun_path, sizeof(at.sun_path), "%s", socket_path);
    assert_int_equal(connect(fd, (const struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
    assert_int_equal(tb_fd_write_all(fd, text, len), 0);
    return fd;
}

/* The first bytes of the answer on fd, which is closed. */
static const char *hear(int fd)
{
    static char answer[16];
    ssize_t got = recv(fd, answer, sizeof("HTTP/1.1 200") - 1, MSG_WAITALL);
    answer[got > 0 ? got : 0] = '\0';
    close(fd);
    return answer;
}

static const char *large_item(size_t *len)
{
    static char text[LARGE_BYTES + 512];
    char head[256];
    int body = snprintf(text + 256, 256,
                        "{\"data\":{\"environment\":\"e\",\"body\":{\"message\":{\"body\":\"");
    memset(text + 256 + body, 'x', LARGE_BYTES);
    body += LARGE_BYTES;
    body += snprintf(text + 256 + body, 256, "\"}}}}");
    int n = snprintf(head, sizeof(head),
                     "POST /api/1/item/ HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n", body);
    memcpy(text + 256 - n, head, (size_t)n);
    *len = (size_t)(n + body);
    return text + 256 - n;
}

static void a_slow_page_holds_up_no_large_item(void **state)
{
    static const char page[] = "GET /slow HTTP/1.1\r\nHost: a\r\n\r\n";
    const struct tb_pages pages = {.answer = slow_page};
    const struct tb_config config = settings("slow.sock");
    const struct tb_config_flags flags = {0};
    const struct tb_agent_pages shown = {.pages = &pages};
    struct running running = {.options.shown = &shown};
    char why[TB_LISTEN_WHY];
    pthread_t thread;
    size_t len = 0;
    const char *item = large_item(&len);
    (void)state;
    assert_int_equal(sem_init(&asked, 0, 0) | sem_init(&goes_on, 0, 0), 0);
    assert_int_equal(tb_reload_new(&flags, &config, NULL, &running.options.reload), 0);
    assert_int_equal(tb_serve_open(&config, &running.serve, why), 0);
    assert_int_equal(pthread_create(&thread, NULL, run, &running), 0);
    int slow_fd = say(page, sizeof(page) - 1);
    assert_int_equal(sem_wait(&asked), 0);
    assert_string_equal(hear(say(item, len)), "HTTP/1.1 200");
    sem_post(&goes_on);
    assert_string_equal(hear(slow_fd), "HTTP/1.1 200");
    assert_int_equal(kill(getpid(), SIGTERM), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(running.err, 0);
    tb_serve_close(running.serve);
    tb_reload_free(running.options.reload);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, remove_test_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(its_own_socket_goes_with_it),
        TEST(a_file_in_the_sockets_place_stays),
        TEST(a_reload_takes_all_or_nothing),
        TEST(a_slow_page_holds_up_no_large_item),
        TEST(a_second_one_leaves_the_firsts_socket_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
