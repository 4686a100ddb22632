/* test_news.c - messages about indexes, with and without a descriptor. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/pack.h"
#include "symbol/news.h"

static int pair[2];

static int open_pair(void **state)
{
    (void)state;
    return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair);
}

static int close_pair(void **state)
{
    (void)state;
    close(pair[0]);
    close(pair[1]);
    return 0;
}

static void message_comes_back_as_it_was(void **state)
{
    const struct tb_symbol_news sent = {
        .kind = TB_SYMBOL_NEWS_USED, .uid = 4000000000U, .build_id_len = 20, .build_id = {7, 8}};
    struct tb_symbol_news got;
    uint8_t bytes[TB_SYMBOL_NEWS_BYTES];
    (void)state;
    tb_symbol_news_pack(&sent, bytes);
    assert_int_equal(tb_symbol_news_unpack(bytes, &got), 0);
    assert_memory_equal(&got, &sent, sizeof(sent));
}

static void nonsense_is_no_message(void **state)
{
    static const struct {
        uint32_t kind, build_id_len;
    } cases[] = {{0, 20}, {3, 20}, {1, 0}, {1, 1}, {1, TB_BUILD_ID_BYTES + 1}, {1, UINT32_MAX}};
    struct tb_symbol_news got;
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint8_t bytes[TB_SYMBOL_NEWS_BYTES] = {0};
        tb_put32(bytes, cases[i].kind);
        tb_put32(bytes + 8, cases[i].build_id_len);
        assert_int_equal(tb_symbol_news_unpack(bytes, &got), -EBADMSG);
    }
}

/* As the worker does: the head of the answer goes before it. */
static void descriptor_comes_with_its_message_alone(void **state)
{
    const uint8_t bytes[TB_SYMBOL_NEWS_BYTES] = {1, 2, 3};
    uint8_t got[TB_SYMBOL_NEWS_BYTES];
    char head[8];
    struct stat ours;
    struct stat theirs;
    int fd = 99;
    (void)state;
    int sent = open("/dev/null", O_RDONLY | O_CLOEXEC);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(write(pair[0], "headhead", 8), 8);
        assert_int_equal(tb_symbol_news_send(pair[0], bytes, i == 0 ? sent : -1), 0);
    }
    assert_int_equal(recv(pair[1], head, sizeof(head), 0), 8);
    assert_int_equal(tb_symbol_news_receive(pair[1], got, &fd), 0);
    assert_memory_equal(got, bytes, sizeof(bytes));
    assert_true(fd >= 0 && fd != sent);
    assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
    assert_int_equal(fstat(sent, &ours), 0);
    assert_int_equal(fstat(fd, &theirs), 0);
    assert_int_equal(ours.st_ino, theirs.st_ino);
    close(fd);
    close(sent);
    assert_int_equal(recv(pair[1], head, sizeof(head), 0), 8);
    assert_int_equal(tb_symbol_news_receive(pair[1], got, &fd), 0);
    assert_int_equal(fd, -1);
    assert_int_equal(tb_symbol_news_receive(pair[1], got, &fd), -EAGAIN);
}

static void too_many_descriptors_and_short_messages_are_refused(void **state)
{
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(3 * sizeof(int))];
    } control = {0};
    uint8_t bytes[TB_SYMBOL_NEWS_BYTES] = {0};
    const int fds[3] = {0, 1, 2};
    struct iovec part = {.iov_base = bytes, .iov_len = sizeof(bytes)};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof(control.room)};
    int fd = -1;
    (void)state;
    control.header.cmsg_level = SOL_SOCKET;
    control.header.cmsg_type = SCM_RIGHTS;
    control.header.cmsg_len = CMSG_LEN(sizeof(fds));
    memcpy(CMSG_DATA(&control.header), fds, sizeof(fds));
    int next = dup(0); /* the lowest free number: nothing may be left open */
    close(next);
    assert_int_equal(sendmsg(pair[0], &message, 0), sizeof(bytes));
    assert_int_equal(tb_symbol_news_receive(pair[1], bytes, &fd), -EPROTO);
    assert_int_equal(write(pair[0], bytes, 5), 5);
    assert_int_equal(tb_symbol_news_receive(pair[1], bytes, &fd), -EPROTO);
    assert_int_equal(shutdown(pair[0], SHUT_WR), 0);
    assert_int_equal(tb_symbol_news_receive(pair[1], bytes, &fd), -EPIPE);
    assert_int_equal(fd, -1);
    int again = dup(0);
    assert_int_equal(again, next);
    close(again);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(message_comes_back_as_it_was),
        cmocka_unit_test(nonsense_is_no_message),
        cmocka_unit_test_setup_teardown(descriptor_comes_with_its_message_alone, open_pair,
                                        close_pair),
        cmocka_unit_test_setup_teardown(too_many_descriptors_and_short_messages_are_refused,
                                        open_pair, close_pair),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
