/* test_aws_time.c - when credentials are asked for again: the clocks are the test's. */
#include "aws_world.h"

#include <time.h>

enum { MINUTE_S = 60, HOUR_S = 3600 };

uint64_t __wrap_tb_clock_wall_ns(void);
uint64_t __wrap_tb_clock_mono_ns(void);

static int64_t now_s;
static char bodies[8][512]; /* the server may still send one that is not the last */
static unsigned n_given;

uint64_t __wrap_tb_clock_wall_ns(void)
{
    return (uint64_t)now_s * 1000000000;
}

uint64_t __wrap_tb_clock_mono_ns(void)
{
    return (uint64_t)now_s * 1000000000;
}

/* From now on the server gives that key, until so many seconds from now. */
static void give(const char *key_id, int64_t for_s)
{
    char until[32];
    char *body = bodies[n_given++ % 8];
    struct tm tm;
    time_t at = (time_t)(now_s + for_s);
    assert_non_null(gmtime_r(&at, &tm));
    assert_true(strftime(until, sizeof(until), "%Y-%m-%dT%H:%M:%SZ", &tm) > 0);
    (void)snprintf(body, sizeof(bodies[0]),
                   "{\"AccessKeyId\":\"%s\",\"SecretAccessKey\":\"s\",\"Token\":\"t\","
                   "\"Expiration\":\"%s\"}",
                   key_id, until);
    answer_all((struct http_answer){.status = 200, .body = body});
}

static void has(const char *key_id, int n_requests)
{
    if (ask(false) < 0)
        fail_msg("%s", world.why);
    assert_string_equal(world.keys.key_id, key_id);
    assert_int_equal(http_server_count(world.server), n_requests);
}

static int make(void **state)
{
    if (world_make(state) < 0)
        return -1;
    now_s = 1795339661;
    serve(answer_it, "AWS_CONTAINER_CREDENTIALS_FULL_URI", "/");
    make_aws("", "");
    return 0;
}

static void new_ones_are_there_before_the_old_ones_end(void **state)
{
    (void)state;
    give("A", HOUR_S);
    has("A", 1);
    now_s += 44 * MINUTE_S;
    has("A", 1);
    give("B", HOUR_S);
    now_s += 2 * MINUTE_S;
    has("B", 2);
    now_s += 30 * MINUTE_S;
    has("B", 2);
}

static void the_old_ones_are_used_until_they_end(void **state)
{
    (void)state;
    give("A", HOUR_S);
    has("A", 1);
    now_s += 46 * MINUTE_S;
    answer_all((struct http_answer){.status = 500, .body = ""});
    has("A", 2);
    has("A", 2);
    now_s += MINUTE_S + 1;
    has("A", 3);
    now_s = 1795339661 + HOUR_S - 1;
    has("A", 4);
    now_s += MINUTE_S + 1;
    assert_int_equal(ask(false), -EACCES);
    assert_non_null(strstr(world.why, "HTTP 500"));
    give("B", HOUR_S);
    now_s += MINUTE_S + 1;
    has("B", http_server_count(world.server) + 1);
}

static void what_ends_soon_is_not_asked_for_without_end(void **state)
{
    (void)state;
    give("A", 5 * MINUTE_S);
    has("A", 1);
    has("A", 1);
    now_s += 31;
    has("A", 2);
    has("A", 2);
    now_s += 31;
    give("B", 10);
    has("B", 3);
    give("C", HOUR_S);
    now_s += 10;
    has("C", 4);
}

static void those_that_were_refused_are_tried_again_later(void **state)
{
    (void)state;
    give("A", 12 * HOUR_S);
    has("A", 1);
    assert_int_equal(ask(true), -EACCES);
    assert_int_equal(http_server_count(world.server), 2);
    assert_int_equal(ask(false), -EACCES);
    assert_int_equal(http_server_count(world.server), 2);
    now_s += MINUTE_S + 1;
    has("A", 3);
    assert_int_equal(ask(true), -EACCES);
    give("B", 12 * HOUR_S);
    now_s += MINUTE_S + 1;
    has("B", 5);
}

static void refused_ones_are_replaced_at_once(void **state)
{
    (void)state;
    give("A", 5 * MINUTE_S);
    has("A", 1);
    give("B", HOUR_S);
    assert_int_equal(ask(true), 0);
    assert_string_equal(world.keys.key_id, "B");
    assert_int_equal(http_server_count(world.server), 2);
}

static void a_clock_that_goes_back_does_no_harm(void **state)
{
    (void)state;
    give("A", HOUR_S);
    has("A", 1);
    now_s -= 10 * HOUR_S;
    has("A", 1);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, make, world_drop)
    const struct CMUnitTest tests[] = {
        TEST(new_ones_are_there_before_the_old_ones_end),
        TEST(the_old_ones_are_used_until_they_end),
        TEST(what_ends_soon_is_not_asked_for_without_end),
        TEST(those_that_were_refused_are_tried_again_later),
        TEST(refused_ones_are_replaced_at_once),
        TEST(a_clock_that_goes_back_does_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
