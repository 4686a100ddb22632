/* Back-off: never below the least, never above the most, and it widens with the tries. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <limits.h>

#include "agent/deliver/backoff.h"

enum { TIMES = 2000, MIN_MS = 100, MAX_MS = 5000 };

/* The longest of many. */
static int64_t longest_of(unsigned min_ms, unsigned max_ms, unsigned n_attempts)
{
    int64_t longest = 0;
    for (int i = 0; i < TIMES; i++) {
        int64_t wait_ms = tb_backoff_ms(min_ms, max_ms, n_attempts);
        assert_in_range(wait_ms, min_ms, max_ms);
        longest = wait_ms > longest ? wait_ms : longest;
    }
    return longest;
}

static void each_try_doubles_the_longest_wait_up_to_the_most(void **state)
{
    (void)state;
    for (unsigned n = 0; n < 5; n++) {
        int64_t longest = longest_of(MIN_MS, MAX_MS, n);
        assert_true(longest <= (int64_t)MIN_MS << (n + 1));
        assert_true(longest > (int64_t)MIN_MS << n); /* 2000 times the lower half: never */
    }
}

static void very_many_tries_and_very_long_waits_overflow_nothing(void **state)
{
    (void)state;
    assert_true(longest_of(MIN_MS, MAX_MS, UINT_MAX) > MAX_MS / 2);
    assert_true(longest_of(UINT_MAX - 1, UINT_MAX, UINT_MAX) >= UINT_MAX - 1);
    assert_int_equal(longest_of(1, 1, 3), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_try_doubles_the_longest_wait_up_to_the_most),
        cmocka_unit_test(very_many_tries_and_very_long_waits_overflow_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
