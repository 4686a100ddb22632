/* Reports that find no room: kept in memory, counted in the slot, told; and the option sync. */
#include "rig.h"

#include <dirent.h>

#include "../spool/calls.h"
#include "base/pack.h"
#include "capture/loss.h"
#include "spool/slot.h"

struct slot {
    uint32_t state;
    uint32_t drops[TB_N_CLASSES];
};

/* Of the one slot in the spool; state 0 when there is none. */
static struct slot read_slot(const struct rig *rig)
{
    struct slot slot = {0};
    uint8_t bytes[24] = {0};
    char path[400];
    snprintf(path, sizeof(path), "%s/in", rig->spool);
    DIR *dir = opendir(path);
    const struct dirent *entry;
    while (dir && (entry = readdir(dir))) {
        if (!strstr(entry->d_name, ".slot"))
            continue;
        snprintf(path, sizeof(path), "%s/in/%.255s", rig->spool, entry->d_name);
        int fd = open(path, O_RDONLY);
        (void)!pread(fd, bytes, sizeof(bytes), TB_SLOT_STATE_AT);
        close(fd);
    }
    if (dir)
        closedir(dir);
    slot.state = tb_get32(bytes);
    for (int i = 0; i < TB_N_CLASSES; i++)
        slot.drops[i] = tb_get32(bytes + 8 + 4 * i);
    return slot;
}

static int has_drops(const struct rig *rig, uint32_t crash, uint32_t error, uint32_t warning)
{
    struct slot slot = read_slot(rig);
    if (slot.drops[0] == crash && slot.drops[1] == error && slot.drops[2] == warning)
        return 1;
    print_error("drops are %u %u %u\n", slot.drops[0], slot.drops[1], slot.drops[2]);
    return 0;
}

/* From here on the disk is full for all that is not preallocated. */
static void fill_disk(void)
{
    call_fails(SYS_pwritev, FOR_EVER, ENOSPC);
}

static int keep_and_write(struct rig *rig)
{
    int bad = towbar_init(TOWBAR_OPTIONS(.spool = rig->spool)) != 0;
    errno = 77;
    fill_disk();
    bad += towbar_error("first") != -ENOSPC;
    bad += towbar_error("second") != -ENOSPC;
    bad += towbar_report(TOWBAR_CRITICAL, "third") != -ENOSPC;
    bad += errno != 77;
    calls_work();
    bad += rig_check_status("3 reports wait in memory until they can be written: No space left");
    bad += towbar_error("fourth") != 0;
    bad += tb_loss_n_kept() != 1;
    bad += towbar_report(TOWBAR_CRITICAL, "fifth") != 0;
    bad += tb_loss_n_kept() != 0 || strstr(towbar_status(), "wait") != NULL;
    return bad;
}

static void errors_of_a_full_disk_are_written_when_it_has_room(void **state)
{
    struct rig *rig = *state;
    static const char *const want[] = {"\"third\"", "\"fifth\"", "\"first\"", "\"second\"",
                                       "\"fourth\""};
    assert_int_equal(rig_in_child(keep_and_write, rig), 0);
    assert_int_equal(rig_read(rig), 5); /* no record of a loss among them */
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(rig->records[i].kind, TB_KIND_NATIVE);
        rig_assert_has(rig->records[i].data, want[i]);
        assert_true(rig->records[i].process.generation > 0);
    }
    assert_int_equal(rig->stats.n_lost, 0);
}

static int count_in_slot(struct rig *rig)
{
    int bad = towbar_init(TOWBAR_OPTIONS(.spool = rig->spool)) != 0;
    bad += !has_drops(rig, 0, 0, 0);
    call_fails(SYS_openat, 4, ENOSPC);
    bad += towbar_report(TOWBAR_CRITICAL, "kept") != -ENOSPC;
    bad += towbar_error("kept") != -ENOSPC;
    bad += towbar_warning("lost") != -ENOSPC;
    bad += towbar_warning("lost too") != -ENOSPC;
    calls_work();
    bad += !has_drops(rig, 1, 1, 2);
    bad += rig_check_status("2 reports could not be kept: No space left");
    bad += towbar_error("finds room") != 0;
    bad += !has_drops(rig, 1, 0, 2);
    bad += towbar_warning("finds room") != 0;
    bad += !has_drops(rig, 1, 0, 0);
    if (bad == 0)
        raise(SIGKILL);
    return bad;
}

static void the_slot_has_what_was_refused_and_not_told(void **state)
{
    struct rig *rig = *state;
    int status = 0;
    pid_t pid = fork();
    if (pid == 0)
        _exit(count_in_slot(rig));
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, SIGKILL);
    assert_true(has_drops(rig, 1, 0, 0)); /* the copy died with the process */
    size_t n = rig_read(rig);
    size_t n_told = 0;
    for (size_t i = 0; i < n; i++) {
        if (rig->records[i].kind != TB_KIND_DROPCOUNT)
            continue;
        assert_string_equal(rig->records[i].data,
                            "{\"class\":2,\"count\":2,\"reason\":\"ENOSPC\"}");
        n_told++;
    }
    assert_int_equal(n_told, 1);
    assert_int_equal(n, 4);
}

static int end_with_room(struct rig *rig)
{
    int bad = towbar_init(TOWBAR_OPTIONS(.spool = rig->spool)) != 0;
    call_fails(SYS_openat, 2, ENOSPC);
    bad += towbar_error("kept to the end") != -ENOSPC;
    bad += towbar_warning("lost") != -ENOSPC;
    calls_work();
    towbar_shutdown();
    struct slot slot = read_slot(rig);
    bad += slot.state != TB_SLOT_DONE || !has_drops(rig, 0, 0, 0);
    bad += towbar_init(TOWBAR_OPTIONS(.spool = rig->spool)) != 0;
    return bad + (towbar_error("of the next life") != 0);
}

static void at_the_end_all_is_written_and_told(void **state)
{
    struct rig *rig = *state;
    assert_int_equal(rig_in_child(end_with_room, rig), 0);
    assert_int_equal(rig_read(rig), 3);
    rig_assert_has(rig->records[0].data, "kept to the end");
    rig_assert_has(rig->records[1].data, "of the next life");
    assert_int_equal(rig->records[2].kind, TB_KIND_DROPCOUNT);
}

static int end_without_room(struct rig *rig)
{
    int bad = towbar_init(TOWBAR_OPTIONS(.spool = rig->spool)) != 0;
    call_fails(SYS_openat, FOR_EVER, ENOSPC);
    bad += towbar_error("kept to the end") != -ENOSPC;
    bad += towbar_warning("lost") != -ENOSPC;
    towbar_shutdown();
    calls_work();
    return bad;
}

static void a_clean_end_on_a_full_disk_hides_no_loss(void **state)
{
    struct rig *rig = *state;
    assert_int_equal(rig_in_child(end_without_room, rig), 0);
    assert_int_equal(read_slot(rig).state, TB_SLOT_DONE);
    assert_true(has_drops(rig, 0, 1, 1));
}

/* ---- no descriptor left ---- */

static int without_descriptors(struct rig *rig)
{
    enum { MOST = 128 };
    const struct rlimit few = {MOST, MOST};
    int fds[MOST];
    int n = 0;
    int bad = setrlimit(RLIMIT_NOFILE, &few) != 0;
    bad += towbar_init(TOWBAR_OPTIONS(.spool = rig->spool)) != 0;
    while (n < MOST && (fds[n] = open("/dev/null", O_RDONLY)) >= 0)
        n++;
    bad += towbar_error("without a descriptor") != -EMFILE;
    bad += towbar_warning("lost") != -EMFILE;
    bad += rig_check_status("1 reports wait in memory");
    bad += !has_drops(rig, 0, 0, 0); /* opendir had none either */
    while (n > 0)
        close(fds[--n]);
    bad += !has_drops(rig, 0, 1, 1);
    bad += towbar_error("with one") != 0;
    bad += towbar_warning("with one") != 0;
    return bad + !has_drops(rig, 0, 0, 0);
}

static void first_report_without_a_descriptor_is_kept(void **state)
{
    struct rig *rig = *state;
    assert_int_equal(rig_in_child(without_descriptors, rig), 0);
    assert_int_equal(rig_read(rig), 4);
    rig_assert_has(rig->records[0].data, "without a descriptor");
    rig_assert_has(rig->records[1].data, "with one");
}

static int crash_without_descriptors(struct rig *rig)
{
    const struct rlimit none = {3, 3};
    signal(SIGSEGV, SIG_DFL);
    int bad = towbar_init(TOWBAR_OPTIONS(.spool = rig->spool)) != 0;
    bad += setrlimit(RLIMIT_NOFILE, &none) != 0;
    if (bad == 0)
        raise(SIGSEGV);
    return bad;
}

static void a_crash_needs_no_descriptor(void **state)
{
    struct rig *rig = *state;
    int status = 0;
    pid_t pid = fork();
    if (pid == 0)
        _exit(crash_without_descriptors(rig));
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(WTERMSIG(status), SIGSEGV);
    struct tb_crash crash = rig_crash(rig);
    assert_int_equal(crash.fixed.signo, SIGSEGV);
    tb_crash_done(&crash);
}

/* ---- fork ---- */

static int fork_with_copies(struct rig *rig)
{
    int status = 0;
    int bad = towbar_init(TOWBAR_OPTIONS(.spool = rig->spool)) != 0;
    call_fails(SYS_openat, 2, ENOSPC);
    bad += towbar_error("of the parent") != -ENOSPC;
    bad += towbar_warning("lost by the parent") != -ENOSPC;
    calls_work();
    pid_t pid = fork();
    if (pid == 0) {
        bad = tb_loss_n_kept() != 0;
        bad += towbar_error("of the child") != 0;
        towbar_shutdown();
        _exit(bad);
    }
    bad += waitpid(pid, &status, 0) != pid || status != 0;
    bad += tb_loss_n_kept() != 1;
    return bad + (towbar_error("of the parent again") != 0);
}

static void a_fork_child_leaves_the_copies_to_its_parent(void **state)
{
    struct rig *rig = *state;
    size_t n_first = 0;
    size_t n_told = 0;
    assert_int_equal(rig_in_child(fork_with_copies, rig), 0);
    assert_int_equal(rig_read(rig), 3); /* the warning's loss is told by no error: it is untold */
    for (size_t i = 0; i < rig->n_records; i++) {
        n_first += strstr(rig->records[i].data, "\"of the parent\"") != NULL;
        n_told += rig->records[i].kind == TB_KIND_DROPCOUNT;
    }
    assert_int_equal(n_first, 1);
    assert_int_equal(n_told, 0);
}

/* ---- sync ---- */

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
    bad += !has_drops(rig, 0, 0, 0);
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
        CASE(errors_of_a_full_disk_are_written_when_it_has_room),
        CASE(the_slot_has_what_was_refused_and_not_told),
        CASE(at_the_end_all_is_written_and_told),
        CASE(a_clean_end_on_a_full_disk_hides_no_loss),
        CASE(first_report_without_a_descriptor_is_kept),
        CASE(a_crash_needs_no_descriptor),
        CASE(a_fork_child_leaves_the_copies_to_its_parent),
        CASE(sync_is_for_errors_and_critical_reports_when_asked_for),
        CASE(a_report_that_could_not_be_synced_is_no_loss),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
