/* Who sends is known by user or address, in bounded memory, and each has a bucket of its own. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/clock.h"
#include "http/senders.h"

static struct tb_senders senders;
static const uint64_t T0 = UINT64_C(1000) * TB_NS_PER_S;

static int begin(void **state)
{
    (void)state;
    memset(&senders, 0, sizeof(senders));
    return 0;
}

static struct tb_peer user(uint32_t uid)
{
    struct tb_peer peer = {.kind = TB_PEER_USER};
    memcpy(peer.id, &uid, sizeof(uid));
    return peer;
}

static struct tb_sender *find(uint32_t uid, uint64_t now_ns)
{
    struct tb_peer peer = user(uid);
    return tb_senders_find(&senders, &peer, now_ns);
}

static void a_minute_fills_the_bucket(void **state)
{
    struct tb_rate rate = {0};
    struct tb_sender *s = find(1, T0);
    (void)state;
    for (int i = 0; i < 60; i++)
        assert_true(tb_sender_take(s, 60, T0, &rate));
    assert_false(tb_sender_take(s, 60, T0, &rate));
    assert_int_equal(rate.limit, 60);
    assert_true(rate.wait_s == 1 || rate.wait_s == 2);
    assert_false(tb_sender_take(s, 60, T0 + TB_NS_PER_S / 2, &rate));
    assert_true(tb_sender_take(s, 60, T0 + TB_NS_PER_S + 1000, &rate));
    assert_false(tb_sender_take(s, 60, T0 + TB_NS_PER_S + 1000, &rate));
    for (int i = 0; i < 60; i++) /* an hour fills it no more than a minute */
        assert_true(tb_sender_take(s, 60, T0 + UINT64_C(3600) * TB_NS_PER_S, &rate));
    assert_false(tb_sender_take(s, 60, T0 + UINT64_C(3600) * TB_NS_PER_S, &rate));
    assert_false(tb_sender_take(s, 60, T0, &rate)); /* a clock that goes back gives nothing */
}

static void each_has_a_bucket_of_its_own(void **state)
{
    struct tb_rate rate;
    (void)state;
    assert_true(tb_sender_take(find(1, T0), 1, T0, &rate));
    assert_false(tb_sender_take(find(1, T0), 1, T0, &rate));
    assert_true(tb_sender_take(find(2, T0), 1, T0, &rate));
    assert_int_equal(rate.wait_s, 61);
}

static void the_one_heard_longest_ago_is_forgotten(void **state)
{
    struct tb_rate rate;
    (void)state;
    for (uint32_t i = 0; i < TB_SENDERS; i++)
        assert_true(tb_sender_take(find(i, T0 + i), 1, T0 + i, &rate));
    (void)find(0, T0 + 1000);
    find(1, T0 + 1)->reserved = 1;
    struct tb_sender *one_more = find(TB_SENDERS, T0 + 1001); /* in the place of 2 */
    assert_true(tb_sender_take(one_more, 1, T0 + 1001, &rate));
    assert_false(tb_sender_take(find(0, T0 + 1002), 1, T0 + 1002, &rate));
    assert_false(tb_sender_take(find(1, T0 + 1003), 1, T0 + 1003, &rate));
    assert_true(tb_sender_take(find(2, T0 + 1004), 1, T0 + 1004, &rate));
}

static void those_for_whom_there_is_no_place_share_one(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < TB_SENDERS; i++)
        find(i, T0)->reserved = 1;
    assert_ptr_equal(find(5000, T0), find(5001, T0));
    assert_ptr_not_equal(find(5000, T0), find(0, T0));
    find(7, T0)->reserved = 0;
    assert_ptr_equal(find(5000, T0), &senders.all[7]);
}

static void the_user_at_the_other_end_is_known(void **state)
{
    int pair[2];
    uid_t uid = getuid();
    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    struct tb_peer peer = tb_peer_of(pair[0], 1);
    assert_int_equal(peer.kind, TB_PEER_USER);
    assert_memory_equal(peer.id, &uid, sizeof(uid));
    close(pair[0]);
    close(pair[1]);
}

/* Where there is IPv6: an IPv4 peer of a socket of both kinds is loopback too. */
static void all_of_loopback_is_one(void **state)
{
    struct sockaddr_in at = {.sin_family = AF_INET};
    socklen_t len = sizeof(at);
    (void)state;
    int server = socket(AF_INET, SOCK_STREAM, 0);
    int client = socket(AF_INET, SOCK_STREAM, 0);
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 5);
    assert_int_equal(bind(server, (struct sockaddr *)&at, len), 0);
    assert_int_equal(listen(server, 1), 0);
    assert_int_equal(getsockname(server, (struct sockaddr *)&at, &len), 0);
    assert_int_equal(connect(client, (struct sockaddr *)&at, len), 0);
    int fd = accept(server, NULL, NULL);
    struct tb_peer peer = tb_peer_of(fd, 0);
    assert_int_equal(peer.kind, TB_PEER_LOOPBACK);
    assert_int_equal(peer.id[12], 0);
    close(fd);
    close(client);
    close(server);
}

static void who_cannot_be_asked_is_foreign(void **state)
{
    (void)state;
    assert_int_equal(tb_peer_of(-1, 0).kind, TB_PEER_FOREIGN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_minute_fills_the_bucket, begin),
        cmocka_unit_test_setup(each_has_a_bucket_of_its_own, begin),
        cmocka_unit_test_setup(the_one_heard_longest_ago_is_forgotten, begin),
        cmocka_unit_test_setup(those_for_whom_there_is_no_place_share_one, begin),
        cmocka_unit_test_setup(the_user_at_the_other_end_is_known, begin),
        cmocka_unit_test_setup(all_of_loopback_is_one, begin),
        cmocka_unit_test_setup(who_cannot_be_asked_is_foreign, begin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
