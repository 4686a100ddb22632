/* test_deliver_settle.c - verdicts, and a database that does not take them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "rollbar_world.h"

static void a_verdict_that_cannot_be_stored_is_no_reason_to_send_again(void **state)
{
    struct world *world = *state;
    script(world, &OK, 1);
    start(world);
    idle(world);
    add(world, "u1");
    assert_int_equal(tb_store_begin(world->store), 0); /* nobody else can write now */
    tb_deliver_wake(world->deliver);
    struct tb_deliver_status status = {0};
    uint64_t until = tb_clock_mono_ns() + (uint64_t)PATIENCE_MS * TB_NS_PER_MS;
    while (!status.store_error[0] && tb_clock_mono_ns() < until) {
        (void)poll(NULL, 0, 5); /* there is no event to wait for: SQLite waits inside */
        tb_deliver_status(world->deliver, &status);
    }
    assert_non_null(strstr(status.store_error, "locked"));
    assert_int_equal(http_server_count(world->server), 1);
    assert_int_equal(tb_store_commit(world->store), 0);
    wait_sent(world, 1);
    idle(world);
    tb_deliver_status(world->deliver, &status);
    assert_string_equal(status.store_error, "");
    assert_int_equal(http_server_count(world->server), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LIVED(a_verdict_that_cannot_be_stored_is_no_reason_to_send_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
