/* A start that meets a full disk: the library is on, and makes its crash slot when there is room.
 */
#include "rig.h"

#include <dirent.h>

#include "../spool/calls.h"
#include "base/clock.h"
#include "base/pack.h"
#include "capture/lib.h"
#include "capture/report/loss.h"
#include "spool/slot.h"

/* The slots in the spool; bytes are the head of one of them. */
static int count_slots(const struct rig *rig, uint8_t bytes[TB_SLOT_DROPS_AT + 16])
{
    char path[400];
    int n = 0;
    snprintf(path, sizeof(path), "%s/in", rig->spool);
    DIR *dir = opendir(path);
    const struct dirent *entry;
    while (dir && (entry = readdir(dir))) {
        if (!strstr(entry->d_name, ".slot"))
            continue;
        n++;
        snprintf(path, sizeof(path), "%s/in/%.255s", rig->spool, entry->d_name);
        int fd = open(path, O_RDONLY);
        (void)!pread(fd, bytes, TB_SLOT_DROPS_AT + 16, 0);
        close(fd);
    }
    if (dir)
        closedir(dir);
    return n;
}

/* From here on the disk is full for all that is not preallocated. */
static int start_full(const struct rig *rig, int error)
{
    call_fails(SYS_pwritev, FOR_EVER, error);
    int bad = towbar_init(TOWBAR_OPTIONS(.spool = rig->spool)) != 0;
    bad += rig_check_status("reporting to ");
    bad += rig_check_status("; crashes cannot be kept yet, as no crash slot can be made: ");
    bad += rig_check_status(strerrordesc_np(error));
    return bad + (tb_lib.slot.map != NULL);
}

/* As if a second had gone by. */
static void let_it_try(void)
{
    atomic_store(&tb_lib.slot_ns, 0);
}

static int goes_on(struct rig *rig)
{
    uint8_t head[TB_SLOT_DROPS_AT + 16] = {0};
    int bad = start_full(rig, ENOSPC);
    bad += towbar_error("held") != -ENOSPC;
    bad += towbar_warning("lost") != -ENOSPC;
    let_it_try();
    bad += towbar_warning("lost too") != -ENOSPC;
    bad += rig_check_status("1 reports wait in memory");
    bad += rig_check_status("2 reports could not be kept");
    bad += count_slots(rig, head) != 0;
    calls_work();
    let_it_try();
    errno = 4711;
    bad += towbar_error("finds room") != 0 || errno != 4711;
    bad += strstr(towbar_status(), "crashes cannot") != NULL;
    bad += tb_loss_n_kept() != 0;
    bad += count_slots(rig, head) != 1;
    bad += tb_get32(head + TB_SLOT_STATE_AT) != TB_SLOT_ARMED;
    bad += tb_get32(head + TB_SLOT_DROPS_AT + 4 * TB_CLASS_ERROR) != 0;
    bad += tb_get32(head + TB_SLOT_DROPS_AT + 4 * TB_CLASS_WARNING) != 2;
    let_it_try();
    bad += towbar_error("has its slot") != 0;
    bad += count_slots(rig, head) != 1;
    if (bad == 0)
        raise(SIGABRT);
    return bad;
}

/* Runs in a child that is to die of SIGABRT. */
static void assert_dies(int (*body)(struct rig *rig), struct rig *rig)
{
    int status = 0;
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0)
        _exit(body(rig));
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
}

static void assert_has_crash(struct rig *rig)
{
    struct tb_crash crash = rig_crash(rig);
    assert_int_equal(crash.fixed.signo, SIGABRT);
    tb_crash_done(&crash);
}

static void start_on_a_full_disk_is_made_good_by_the_reports(void **state)
{
    struct rig *rig = *state;
    assert_dies(goes_on, rig);
    assert_has_crash(rig);
    rig_assert_has(rig->records[1].data, "\"held\"");
    assert_int_equal(rig->n_records, 4);
    assert_int_equal(rig->stats.n_drops[TB_CLASS_WARNING], 2);
}

static int is_not_asked_for_twice(struct rig *rig)
{
    int bad = start_full(rig, EDQUOT);
    calls_work();
    for (int i = 0; i < 20; i++) {
        uint64_t before = tb_clock_mono_ns();
        atomic_store(&tb_lib.slot_ns, before);
        tb_lib_retry_slot();
        if (tb_clock_mono_ns() - before < TB_NS_PER_S)
            bad += tb_lib.slot.map != NULL;
    }
    return bad;
}

static void slot_is_not_tried_again_within_a_second(void **state)
{
    assert_int_equal(rig_in_child(is_not_asked_for_twice, *state), 0);
}

static int crashes_first(struct rig *rig)
{
    int bad = start_full(rig, ENFILE);
    calls_work();
    if (bad == 0)
        raise(SIGABRT);
    return bad;
}

static int crashes_amid(struct rig *rig)
{
    int bad = start_full(rig, ENOSPC);
    calls_work();
    (void)atomic_flag_test_and_set(&tb_lib.making); /* as one does that never comes back */
    let_it_try();
    bad += towbar_error("without a slot") != 0 || tb_lib.slot.map != NULL;
    if (bad == 0)
        raise(SIGABRT);
    return bad;
}

static int crashes_as_child(struct rig *rig)
{
    int bad = towbar_init(TOWBAR_OPTIONS(.spool = rig->spool)) != 0;
    call_fails(SYS_pwritev, FOR_EVER, ENOSPC);
    pid_t pid = fork();
    int status = 0;
    if (pid != 0) {
        bad += waitpid(pid, &status, 0) != pid || !WIFSIGNALED(status);
        towbar_shutdown();
        if (bad == 0)
            (void)signal(SIGABRT, SIG_DFL);
        if (bad == 0)
            raise(SIGABRT);
        return bad;
    }
    bad += towbar_error("held") != -ENOSPC;
    bad += rig_check_status("; crashes cannot be kept yet");
    calls_work();
    let_it_try();
    bad += towbar_error("finds room") != 0;
    bad += strstr(towbar_status(), "crashes cannot") != NULL || !tb_lib.slot.map;
    if (bad == 0)
        raise(SIGABRT);
    _exit(bad);
}

static void crash_handler_makes_the_slot_that_is_missing(void **state)
{
    static int (*const ways[])(struct rig *) = {crashes_first, crashes_amid, crashes_as_child};
    static const size_t n_records[] = {1, 2, 3};
    struct rig *rig = *state;
    for (size_t i = 0; i < 3; i++) {
        char folder[sizeof(rig->spool)];
        snprintf(folder, sizeof(folder), "%s/%zu", rig->folder, i);
        strcpy(rig->spool, folder);
        assert_dies(ways[i], rig);
        assert_has_crash(rig);
        assert_int_equal(rig->n_records, n_records[i]);
        assert_true(rig->records[0].process.generation > 0);
    }
}

static int crashes_in_vain(struct rig *rig)
{
    int bad = start_full(rig, ENOSPC);
    if (bad == 0)
        raise(SIGABRT);
    return bad;
}

static void crash_without_room_for_a_slot_still_dies_of_its_signal(void **state)
{
    uint8_t head[TB_SLOT_DROPS_AT + 16];
    struct rig *rig = *state;
    assert_dies(crashes_in_vain, rig);
    assert_int_equal(count_slots(rig, head), 0);
}

static int ends_with_room(struct rig *rig)
{
    int bad = start_full(rig, ENOSPC);
    bad += towbar_error("held to the end") != -ENOSPC;
    calls_work();
    towbar_shutdown();
    return bad;
}

static void what_is_held_without_a_slot_is_written_at_a_clean_end(void **state)
{
    struct rig *rig = *state;
    assert_int_equal(rig_in_child(ends_with_room, rig), 0);
    rig_assert_has(rig_only(rig, TB_KIND_NATIVE)->data, "\"held to the end\"");
    assert_int_equal(rig->stats.n_vanished, 0);
}

/* No descriptor is left, for the folder neither; in the end there are some again. */
static int has_no_descriptors(struct rig *rig)
{
    char in[128];
    struct rlimit limit;
    struct rlimit none;
    snprintf(in, sizeof(in), "%s/in", rig->spool);
    int bad = mkdir(rig->spool, 0700) != 0 || mkdir(in, 0700) != 0;
    int lowest = open("/dev/null", O_RDONLY | O_CLOEXEC);
    close(lowest);
    bad += getrlimit(RLIMIT_NOFILE, &limit) != 0;
    none = (struct rlimit){(rlim_t)lowest, limit.rlim_max};
    bad += setrlimit(RLIMIT_NOFILE, &none) != 0;
    bad += towbar_init(TOWBAR_OPTIONS(.spool = rig->spool)) != -EMFILE;
    bad += rig_check_status("; its folder in cannot be opened: Too many open files");
    bad += towbar_error("held") != -EMFILE;
    bad += setrlimit(RLIMIT_NOFILE, &limit) != 0;
    let_it_try();
    bad += towbar_error("written") != 0;
    bad += strstr(towbar_status(), "cannot") != NULL || tb_loss_n_kept() != 0;
    if (bad == 0)
        raise(SIGABRT);
    return bad;
}

static void start_without_a_descriptor_left_goes_on_when_there_are_some(void **state)
{
    struct rig *rig = *state;
    assert_dies(has_no_descriptors, rig);
    assert_has_crash(rig);
    assert_int_equal(rig->n_records, 3);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)
    const struct CMUnitTest tests[] = {
        CASE(start_on_a_full_disk_is_made_good_by_the_reports),
        CASE(slot_is_not_tried_again_within_a_second),
        CASE(crash_handler_makes_the_slot_that_is_missing),
        CASE(crash_without_room_for_a_slot_still_dies_of_its_signal),
        CASE(start_without_a_descriptor_left_goes_on_when_there_are_some),
        CASE(what_is_held_without_a_slot_is_written_at_a_clean_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
