/* What opening and closing the agent's ends leaves on the disk. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <cmocka.h>

#include "agent/serve/serve.h"
#include "../support/folder.h"
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

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, remove_test_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(its_own_socket_goes_with_it),
        TEST(a_file_in_the_sockets_place_stays),
        TEST(a_reload_takes_all_or_nothing),
        TEST(a_second_one_leaves_the_firsts_socket_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
