/* What the kernel says of the process costs the same whatever it has open. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <unistd.h>

#include "agent/serve/process_stats.h"
#include "base/clock.h"

enum { MORE = 10, TRIES = 100 };

static int64_t open_now(void)
{
    struct tb_process_stats stats;
    tb_process_stats(&stats);
    return stats.open_fds;
}

/* Two looks that are surely within a second; the descriptors between them are not counted. */
static void descriptors_are_counted_once_a_second(void **state)
{
    (void)state;
    for (int try = 0; try < TRIES; try++) {
        int fds[MORE];
        uint64_t began_ns = tb_clock_mono_ns();
        int64_t before = open_now();
        assert_true(before >= 3);
        for (int i = 0; i < MORE; i++)
            fds[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
        int64_t after = open_now();
        for (int i = 0; i < MORE; i++)
            close(fds[i]);
        /* The first count may be older by less than a second, so the second one may be new. */
        if (tb_clock_mono_ns() - began_ns < TB_NS_PER_S / 2 && after == before)
            return;
    }
    fail_msg("descriptors are counted each time");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(descriptors_are_counted_once_a_second)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
