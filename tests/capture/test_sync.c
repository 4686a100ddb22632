/* The option sync: errors and critical reports return when they are on the disk. */
#include "rig.h"

#include "../spool/calls.h"
#include "capture/lib.h"

static unsigned long n_syncs(void)
{
    return atomic_load(&n_calls[SYS_fdatasync]) + atomic_load(&n_calls[SYS_fsync]);
}

/* Which of the three levels are synced, as bits. */
static int which_are_synced(void)
{
    int bits = 0;
    unsigned long before = n_syncs();
    (void)towbar_report(TOWBAR_CRITICAL, "critical");
    bits |= n_syncs() != before ? 4 : 0;
    before = n_syncs();
    (void)towbar_error("error");
    bits |= n_syncs() != before ? 2 : 0;
    before = n_syncs();
    (void)towbar_warning("warning");
    return bits | (n_syncs() != before ? 1 : 0);
}

static int sync_by_option(struct rig *rig)
{
    int bad = towbar_init(TOWBAR_OPTIONS(.spool = rig->spool)) != 0;
    bad += which_are_synced() != 0;
    towbar_shutdown();
    bad += towbar_init(TOWBAR_OPTIONS(.spool = rig->spool, .sync = 1)) != 0;
    bad += which_are_synced() != 6;
    towbar_shutdown();
    setenv("TOWBAR_SYNC", "0", 1);
    bad += towbar_init(TOWBAR_OPTIONS(.spool = rig->spool)) != 0;
    bad += which_are_synced() != 0;
    towbar_shutdown();
    setenv("TOWBAR_SYNC", "1", 1);
    towbar_options old = {.size = offsetof(towbar_options, sync), .spool = rig->spool};
    bad += towbar_init(&old) != 0;
    return bad + (which_are_synced() != 6);
}

static void sync_is_for_errors_and_critical_reports_when_asked_for(void **state)
{
    assert_int_equal(rig_in_child(sync_by_option, *state), 0);
}

static int fail_to_sync(struct rig *rig)
{
    int bad = towbar_init(TOWBAR_OPTIONS(.spool = rig->spool, .sync = 1)) != 0;
    bad += towbar_error("synced") != 0;
    call_fails(SYS_fdatasync, 1, EIO);
    errno = 77;
    bad += towbar_error("not synced") != -EIO;
    bad += errno != 77;
    calls_work();
    bad += strstr(towbar_status(), "could not be kept") != NULL;
    for (int i = 0; i < TB_N_CLASSES; i++)
        bad += atomic_load(&tb_lib.n_lost[i]) != 0;
    return bad + (towbar_error("synced in another file") != 0);
}

static void a_report_that_could_not_be_synced_is_no_loss(void **state)
{
    struct rig *rig = *state;
    assert_int_equal(rig_in_child(fail_to_sync, rig), 0);
    assert_int_equal(rig_read(rig), 3);
    assert_int_equal(rig->stats.n_lost, 0);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)
    const struct CMUnitTest tests[] = {
        CASE(sync_is_for_errors_and_critical_reports_when_asked_for),
        CASE(a_report_that_could_not_be_synced_is_no_loss),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
