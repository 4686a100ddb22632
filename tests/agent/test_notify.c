/* What a service manager hears, at a path and at an abstract name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <cmocka.h>

#include "agent/notify.h"
#include "../support/folder.h"

static int listen_at(const char *path)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    size_t len = strlen(path);
    memcpy(at.sun_path, path, len);
    if (path[0] == '@')
        at.sun_path[0] = '\0';
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&at,
                          (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)),
                     0);
    return fd;
}

static void assert_hears(const char *path)
{
    char text[256];
    int fd = listen_at(path);
    setenv("NOTIFY_SOCKET", path, 1);
    tb_notify("READY=1\nSTATUS=up");
    ssize_t len = recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT);
    assert_true(len > 0);
    text[len] = '\0';
    assert_string_equal(text, "READY=1\nSTATUS=up");
    tb_notify_reloading();
    len = recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT);
    assert_true(len > 0);
    text[len] = '\0';
    assert_memory_equal(text, "RELOADING=1\nMONOTONIC_USEC=", 27);
    close(fd);
    unsetenv("NOTIFY_SOCKET");
}

static void a_path_and_an_abstract_name_are_heard(void **state)
{
    char name[64];
    (void)state;
    assert_hears(in_folder("notify"));
    snprintf(name, sizeof(name), "@towbar-test-notify-%d", (int)getpid());
    assert_hears(name);
}

static void nobody_there_is_no_matter(void **state)
{
    static const char *const paths[] = {"", "/", "relative", "/nonexistent/socket", "@"};
    char longest[300];
    (void)state;
    memset(longest, 'x', sizeof(longest) - 1);
    longest[0] = '/';
    longest[sizeof(longest) - 1] = '\0';
    unsetenv("NOTIFY_SOCKET");
    tb_notify("READY=1");
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        setenv("NOTIFY_SOCKET", paths[i], 1);
        tb_notify("READY=1");
    }
    setenv("NOTIFY_SOCKET", longest, 1);
    tb_notify("READY=1");
    unsetenv("NOTIFY_SOCKET");
}

static void the_watchdog_is_for_this_process_only(void **state)
{
    char pid[32];
    (void)state;
    unsetenv("WATCHDOG_PID");
    unsetenv("WATCHDOG_USEC");
    assert_int_equal(tb_notify_watchdog_us(), 0);
    setenv("WATCHDOG_USEC", "30000000", 1);
    assert_int_equal(tb_notify_watchdog_us(), 30000000);
    setenv("WATCHDOG_PID", "1", 1);
    assert_int_equal(tb_notify_watchdog_us(), 0);
    snprintf(pid, sizeof(pid), "%d", (int)getpid());
    setenv("WATCHDOG_PID", pid, 1);
    assert_int_equal(tb_notify_watchdog_us(), 30000000);
    setenv("WATCHDOG_USEC", "-1", 1);
    assert_int_equal(tb_notify_watchdog_us(), 0);
    setenv("WATCHDOG_USEC", "5s", 1);
    assert_int_equal(tb_notify_watchdog_us(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_path_and_an_abstract_name_are_heard, make_test_folder,
                                        remove_test_folder),
        cmocka_unit_test(nobody_there_is_no_matter),
        cmocka_unit_test(the_watchdog_is_for_this_process_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
