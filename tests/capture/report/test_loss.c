/* Reports that find no room: kept in memory, counted in the slot, told. */
#include "rig.h"

#include <dirent.h>
#include <sched.h>
#include <sys/mount.h>

#include "../spool/calls.h"
#include "base/pack.h"
#include "capture/report/loss.h"
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

/* A file system that is really full, by a file of somebody else. */
static int fill_and_free(struct rig *rig)
{
    static char block[4096];
    char path[128];
    struct tb_spool *spool;
    struct tb_spool_record record;
    char why[TB_SPOOL_WHY];
    int n = 0;
    if (mkdir(rig->spool, 0700) != 0 || unshare(CLONE_NEWNS) != 0 ||
        mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("test", rig->spool, "tmpfs", 0, "size=1m") != 0)
        return 99;
    int bad = towbar_init(TOWBAR_OPTIONS(.spool = rig->spool)) != 0;
    snprintf(path, sizeof(path), "%s/filler", rig->spool);
    int fd = open(path, O_WRONLY | O_CREAT, 0600);
    while (write(fd, block, sizeof(block)) > 0)
        n++;
    bad += n == 0;
    bad += towbar_error("first") != -ENOSPC;
    bad += towbar_error("second") != -ENOSPC;
    bad += towbar_warning("lost") != -ENOSPC;
    bad += !has_drops(rig, 0, 2, 1);
    close(fd);
    unlink(path);
    bad += towbar_error("third") != 0;
    bad += !has_drops(rig, 0, 0, 1);
    towbar_shutdown();
    bad += !has_drops(rig, 0, 0, 0);
    if (tb_spool_open(rig->spool, TB_SPOOL_CREATE, &spool, why) != 0)
        return 50;
    for (n = 0; tb_spool_next(spool, &record) == 0; n++)
        continue;
    tb_spool_close(spool);
    return bad + (n != 4); /* and the record of the loss */
}

static void a_file_system_that_is_really_full_loses_no_error(void **state)
{
    int bad = rig_in_child(fill_and_free, *state);
    if (bad == 99) {
        print_message("this user may not mount a file system: skipped\n");
        skip();
    }
    assert_int_equal(bad, 0);
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

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)
    const struct CMUnitTest tests[] = {
        CASE(errors_of_a_full_disk_are_written_when_it_has_room),
        CASE(the_slot_has_what_was_refused_and_not_told),
        CASE(at_the_end_all_is_written_and_told),
        CASE(a_clean_end_on_a_full_disk_hides_no_loss),
        CASE(a_file_system_that_is_really_full_loses_no_error),
        CASE(first_report_without_a_descriptor_is_kept),
        CASE(a_crash_needs_no_descriptor),
        CASE(a_fork_child_leaves_the_copies_to_its_parent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
