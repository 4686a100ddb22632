/* The listening sockets, and what is said when one cannot be had. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <cmocka.h>

#include "http/listen.h"
#include "../support/folder.h"

static struct tb_listen_file bound;

static int connect_to(const char *path)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    snprintf(at.sun_path, sizeof(at.sun_path), "%s", path);
    if (connect(fd, (const struct sockaddr *)&at, sizeof(at)) == 0)
        return fd;
    close(fd);
    return -1;
}

static void port_0_takes_a_free_one_and_says_which(void **state)
{
    char address[TB_LISTEN_ADDRESS];
    char again[TB_LISTEN_ADDRESS];
    char why[TB_LISTEN_WHY];
    (void)state;
    int fd = tb_listen_tcp("127.0.0.1:0", address, why);
    assert_true(fd >= 0);
    assert_int_equal(strncmp(address, "127.0.0.1:", 10), 0);
    assert_string_not_equal(address + 10, "0");
    assert_int_equal(tb_listen_tcp(address, again, why), -EADDRINUSE);
    assert_non_null(strstr(why, address));
    assert_non_null(strstr(why, "in use"));
    assert_non_null(strstr(why, "--listen"));
    close(fd);
    fd = tb_listen_tcp("localhost:0", address, why);
    assert_int_equal(strncmp(address, "127.0.0.1:", 10), 0);
    close(fd);
}

static void what_is_no_address_is_refused(void **state)
{
    static const char *const bad[] = {"", ":", "nowhere.example:80", "127.0.0.1:x", "x"};
    char address[TB_LISTEN_ADDRESS];
    char why[TB_LISTEN_WHY];
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(tb_listen_tcp(bad[i], address, why), -EINVAL);
}

static void a_socket_left_behind_is_replaced_a_living_one_is_not(void **state)
{
    char why[TB_LISTEN_WHY];
    const char *path = in_folder("run/towbard.sock");
    (void)state;
    int first = tb_listen_unix(path, TB_LISTEN_MAKE_FOLDER, &bound, why);
    assert_true(first >= 0);
    assert_int_equal(tb_listen_unix(path, TB_LISTEN_MAKE_FOLDER, &bound, why), -EADDRINUSE);
    assert_non_null(strstr(why, path));
    int client = connect_to(path);
    assert_true(client >= 0); /* the refused one did not take its name away */
    close(client);
    close(first);
    first = tb_listen_unix(path, TB_LISTEN_MAKE_FOLDER, &bound, why);
    assert_true(first >= 0);
    client = connect_to(path);
    assert_true(client >= 0);
    close(client);
    close(first);
}

static void the_mode_says_who_may_connect(void **state)
{
    char why[TB_LISTEN_WHY];
    struct stat st;
    (void)state;
    int fd = tb_listen_unix(in_folder("own.sock"), 0, &bound, why);
    assert_int_equal(stat(in_folder("own.sock"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    close(fd);
    fd = tb_listen_unix(in_folder("all.sock"), TB_LISTEN_SHARED, &bound, why);
    assert_int_equal(stat(in_folder("all.sock"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0666);
    close(fd);
}

static void paths_that_cannot_be_are_named(void **state)
{
    char why[TB_LISTEN_WHY];
    char path[300];
    (void)state;
    memset(path, 'x', sizeof(path));
    path[0] = '/';
    path[200] = '\0';
    assert_int_equal(tb_listen_unix(path, 0, &bound, why), -ENAMETOOLONG);
    assert_non_null(strstr(why, "--socket"));
    assert_true(tb_listen_unix("/proc/none/x.sock", 0, &bound, why) < 0);
    assert_non_null(strstr(why, "/proc/none/x.sock"));
}

static void a_missing_folder_is_made_only_when_that_was_asked_for(void **state)
{
    char why[TB_LISTEN_WHY];
    struct stat st;
    (void)state;
    assert_int_equal(tb_listen_unix(in_folder("none/s.sock"), 0, &bound, why), -ENOENT);
    assert_non_null(strstr(why, in_folder("none ")));
    assert_non_null(strstr(why, "is missing"));
    assert_non_null(strstr(why, "--socket"));
    assert_int_equal(stat(in_folder("none"), &st), -1);
    int fd = tb_listen_unix(in_folder("none/s.sock"), TB_LISTEN_MAKE_FOLDER, &bound, why);
    assert_true(fd >= 0);
    assert_int_equal(stat(in_folder("none"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    close(fd);
    /* Only the last one. */
    assert_int_equal(tb_listen_unix(in_folder("a/b/s.sock"), TB_LISTEN_MAKE_FOLDER, &bound, why),
                     -ENOENT);
    assert_int_equal(stat(in_folder("a"), &st), -1);
}

static void what_is_not_a_socket_is_named_and_left_alone(void **state)
{
    char why[TB_LISTEN_WHY];
    struct stat st;
    (void)state;
    const char *file = put_file("file", "precious");
    const char *link = in_folder("link");
    assert_int_equal(symlink(file, link), 0);
    assert_int_equal(mkdir(in_folder("folder"), 0700), 0);
    const char *const taken[] = {file, link, in_folder("folder")};
    for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++) {
        bound = (struct tb_listen_file){0};
        assert_int_equal(tb_listen_unix(taken[i], 0, &bound, why), -EEXIST);
        assert_int_equal(bound.is_bound, 0);
        assert_non_null(strstr(why, "exists and is not a socket"));
        assert_non_null(strstr(why, taken[i]));
        assert_non_null(strstr(why, "--socket"));
        assert_int_equal(lstat(taken[i], &st), 0);
    }
    assert_int_equal(stat(file, &st), 0);
    assert_int_equal(st.st_size, 8);
}

static void only_the_file_that_was_bound_is_removed(void **state)
{
    char why[TB_LISTEN_WHY];
    struct tb_listen_file first = {0};
    struct tb_listen_file second = {0};
    const char *path = in_folder("s.sock");
    (void)state;
    tb_listen_remove(path, &first); /* nothing was bound: nothing to do */
    int fd = tb_listen_unix(path, 0, &first, why);
    assert_true(fd >= 0);
    /* Others put their own there, while the first is still open so that its inode stays its own. */
    assert_int_equal(unlink(path), 0);
    int other = tb_listen_unix(path, 0, &second, why);
    assert_true(other >= 0);
    tb_listen_remove(path, &first);
    assert_int_equal(access(path, F_OK), 0);
    tb_listen_remove(path, &second);
    assert_int_equal(access(path, F_OK), -1);
    put_file("s.sock", "a file now");
    tb_listen_remove(path, &second);
    assert_int_equal(access(path, F_OK), 0);
    close(fd);
    close(other);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_test_folder, remove_test_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(port_0_takes_a_free_one_and_says_which),
        TEST(what_is_no_address_is_refused),
        TEST(a_socket_left_behind_is_replaced_a_living_one_is_not),
        TEST(the_mode_says_who_may_connect),
        TEST(paths_that_cannot_be_are_named),
        TEST(a_missing_folder_is_made_only_when_that_was_asked_for),
        TEST(what_is_not_a_socket_is_named_and_left_alone),
        TEST(only_the_file_that_was_bound_is_removed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
