/* towbar spool and what stands beside a crash, or in its place: the other threads, and processes
 * that died unseen. */
#include "run.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>

#include "../spool/more.h"
#include "base/fd.h"
#include "base/pack.h"
#include "record/crash.h"
#include "spool/reader.h"
#include "spool/slot.h"

static const uint8_t BOOT[16];
static const uint8_t UUID[16] = "0123456789abcde";

static int open_folder(const struct run *run)
{
    char why[TB_SPOOL_WHY] = "";
    int dirfd = tb_spool_dir_open(run->spool, 1, why);
    assert_true(dirfd >= 0);
    return dirfd;
}

static void name_of_slot(const struct run *run, char name[TB_SPOOL_NAME])
{
    char path[160];
    snprintf(path, sizeof(path), "%s/in", run->spool);
    DIR *dir = opendir(path);
    assert_non_null(dir);
    const struct dirent *entry;
    name[0] = '\0';
    while ((entry = readdir(dir))) {
        if (strstr(entry->d_name, ".slot"))
            snprintf(name, TB_SPOOL_NAME, "%.60s", entry->d_name);
    }
    closedir(dir);
    assert_true(name[0] != '\0');
}

/* A crash of a process that is gone, with n threads beside it; name is the slot's. */
static void make_crash(const struct run *run, uint32_t n, char name[TB_SPOOL_NAME])
{
    uint8_t fixed[8 + TB_CRASH_FIXED_BYTES] = {TB_CRASH_FIXED};
    struct tb_slot slot;
    int dirfd = open_folder(run);
    tb_put32(fixed + 4, TB_CRASH_FIXED_BYTES);
    tb_put32(fixed + 8, SIGSEGV);
    assert_int_equal(tb_slot_open(&slot, dirfd, BOOT, 1), 0);
    tb_slot_begin(&slot, UUID, 1790000000000000000ull);
    assert_int_equal(tb_slot_write(&slot, fixed, sizeof(fixed)), 0);
    tb_slot_end(&slot);
    tb_slot_state(&slot, TB_SLOT_COMPLETE, 1);
    tb_slot_close(&slot, 0);
    name_of_slot(run, name);
    struct more_image *image = more_new(UUID);
    for (uint32_t i = 0; i < n; i++)
        more_add(image, i, TB_CRASH_THREAD_BYTES);
    assert_int_equal(more_put(image, dirfd, name), 0);
    free(image);
    tb_fd_close(&dirfd);
}

static void symbolize_of_the_file_beside_a_slot_points_to_it(void **state)
{
    struct run *run = *state;
    char name[TB_SPOOL_NAME];
    char more[TB_SPOOL_NAME];
    make_crash(run, 3, name);
    assert_int_equal(tb_spool_name_beside(name, "more", more), 0);
    assert_int_equal(run_here(run, "symbolize", more), 1);
    run_has(run->err, more);
    run_has(run->err, "has the other threads of a crash, which is in ");
    run_has(run->err, name);
}

static void an_exception_is_shown_with_its_crash(void **state)
{
    struct run *run = *state;
    uint8_t chunks[8 + TB_CRASH_FIXED_BYTES + 8 + 24] = {TB_CRASH_FIXED};
    struct tb_slot slot;
    int dirfd = open_folder(run);
    tb_put32(chunks + 4, TB_CRASH_FIXED_BYTES);
    tb_put32(chunks + 8, SIGABRT);
    uint8_t *exception = chunks + 8 + TB_CRASH_FIXED_BYTES;
    tb_put16(exception, TB_CRASH_EXCEPTION);
    tb_put32(exception + 4, 24);
    memcpy(exception + 8, "St13runtime_error\0boom\0", 24);
    assert_int_equal(tb_slot_open(&slot, dirfd, BOOT, 1), 0);
    tb_slot_begin(&slot, UUID, 1790000000000000000ull);
    assert_int_equal(tb_slot_write(&slot, chunks, sizeof(chunks)), 0);
    tb_slot_end(&slot);
    tb_slot_state(&slot, TB_SLOT_COMPLETE, 1);
    tb_slot_close(&slot, 0);
    assert_int_equal(run_here(run, "spool", "cat"), 0);
    run_has(run->out, "SIGABRT at 0x0, exception St13runtime_error: boom");
    tb_fd_close(&dirfd);
}

static void threads_are_shown_with_their_crash_and_counted(void **state)
{
    struct run *run = *state;
    char name[TB_SPOOL_NAME];
    char more[TB_SPOOL_NAME];
    make_crash(run, 3, name);
    assert_int_equal(tb_spool_name_beside(name, "more", more), 0);
    assert_int_equal(run_here(run, "spool", "ls"), 0);
    run_has(run->out, "the other threads of the crash in the slot of that name");
    run_has(run->out, "1 record to take in");
    assert_int_equal(run_here(run, "spool", "ls", more, "--json"), 0);
    run_has(run->out, "\"kind\":\"threads\",\"state\":\"complete\"");
    run_has(run->out, "\"threads\":3,");
    assert_int_equal(run_here(run, "spool", "cat"), 0);
    run_has(run->out, "SIGSEGV at 0x0, 3 other threads");
    assert_int_equal(run_here(run, "spool", "verify"), 0);
    run_has(run->out, ".more: 3 threads whole");
    assert_int_equal(run_here(run, "spool", "show", more), 0);
    run_has(run->out, "what     threads of a crash of class crash, complete");
    run_has(run->out, "threads  3 whole, 0 torn, 0 damaged places");
    run_has(run->out, "next     nothing: it is taken in with its slot, and goes with it");
}

static void damaged_threads_are_said_and_their_crash_is_fine(void **state)
{
    struct run *run = *state;
    char name[TB_SPOOL_NAME];
    char more[TB_SPOOL_NAME];
    make_crash(run, 3, name);
    assert_int_equal(tb_spool_name_beside(name, "more", more), 0);
    int dirfd = open_folder(run);
    int fd = openat(dirfd, more, O_WRONLY);
    enum { FRAME_AND_THREAD = 56 + 8 + TB_CRASH_THREAD_BYTES };
    assert_int_equal(pwrite(fd, "X", 1, 128 + FRAME_AND_THREAD + 100), 1);
    close(fd);
    assert_int_equal(run_here(run, "spool", "verify"), 1);
    run_has(run->out, ".more: 1 thread whole; the other threads of the crash in the slot of that "
                      "name, 1 damaged place");
    run_has(run->out, ".slot: 1 record whole; a crash\n");
    run_has(run->out, "2 files, 1 damaged; records: 1 whole");
    assert_int_equal(run_here(run, "spool", "cat"), 0);
    run_has(run->out, "SIGSEGV at 0x0, 1 other thread\n");
    tb_fd_close(&dirfd);
}

static void threads_go_with_their_slot_and_alone_only_by_force(void **state)
{
    struct run *run = *state;
    char name[TB_SPOOL_NAME];
    char more[TB_SPOOL_NAME];
    make_crash(run, 1, name);
    assert_int_equal(tb_spool_name_beside(name, "more", more), 0);
    assert_int_equal(run_here(run, "spool", "rm", more), 1);
    run_has(run->err, "it belongs to the slot of that name and goes with it");
    assert_int_equal(run_here(run, "spool", "rm", name, more, "--force"), 0);
    run_has(run->out, "removed, with 1 record that nobody had");
    run_has(run->out, "it went with its slot");
    assert_int_equal(run_here(run, "spool", "ls"), 0);
    run_has(run->out, "Nothing is in the spool");
    make_crash(run, 1, name);
    int dirfd = open_folder(run);
    assert_int_equal(unlinkat(dirfd, name, 0), 0);
    assert_int_equal(tb_spool_name_beside(name, "more", more), 0);
    assert_int_equal(run_here(run, "spool", "ls"), 0);
    run_has(run->out, "refused: threads of a crash that is not here");
    assert_int_equal(run_here(run, "spool", "rm", more), 1);
    assert_int_equal(run_here(run, "spool", "rm", more, "--force"), 0);
    tb_fd_close(&dirfd);
}

/* ---- died unseen ---- */

static void make_unseen(const struct run *run)
{
    struct tb_slot slot;
    struct tb_slot_note notes[] = {
        {.number = 1, .wall_ns = 1, .text = "first", .len = 5},
        {.number = 2, .wall_ns = 2, .text = "on\x1b the way", .len = 11}};
    int dirfd = open_folder(run);
    assert_int_equal(tb_slot_open(&slot, dirfd, BOOT, 1), 0);
    tb_slot_notes(&slot, notes, 2);
    tb_slot_close(&slot, 0);
    tb_fd_close(&dirfd);
}

static struct tb_spool *agent(const struct run *run)
{
    char why[TB_SPOOL_WHY] = "";
    struct tb_spool *spool = NULL;
    assert_int_equal(tb_spool_open(run->spool, TB_SPOOL_CREATE, &spool, why), 0);
    return spool;
}

static void a_process_that_died_unseen_is_a_record_with_its_last_note(void **state)
{
    struct run *run = *state;
    make_unseen(run);
    assert_int_equal(run_here(run, "spool", "ls"), 0);
    run_has(run->out, "complete: its process died unseen");
    run_has(run->out, "1 record to take in");
    assert_int_equal(run_here(run, "spool", "cat"), 0);
    run_has(run->out, "died unseen, last note: on");
    run_has_not(run->out, "\x1b");
    assert_int_equal(run_here(run, "spool", "cat", "--json"), 0);
    run_has(run->out, "\"kind\":\"crash\"");
    run_has(run->out, "\"truncated\":false");
    assert_int_equal(run_here(run, "spool", "verify"), 0);
    run_has(run->out, "1 record whole; its process died unseen");
}

static void it_goes_to_quarantine_and_back_as_any_crash(void **state)
{
    struct run *run = *state;
    struct tb_spool_record record;
    uint8_t uuid[16];
    make_unseen(run);
    struct tb_spool *spool = agent(run);
    assert_int_equal(tb_spool_next(spool, &record), 0);
    memcpy(uuid, record.uuid, sizeof(uuid));
    assert_int_equal(tb_spool_quarantine(spool, &record, "a test"), 0);
    assert_int_equal(tb_spool_flush(spool), 0);
    assert_int_equal(tb_spool_next(spool, &record), -EAGAIN);
    assert_int_equal(tb_spool_collect(spool), 1);
    tb_spool_close(spool);
    assert_int_equal(run_here(run, "spool", "retry", "--all"), 0);
    assert_int_equal(run_here(run, "spool", "cat"), 0);
    run_has(run->out, "died unseen, last note: on");
    spool = agent(run);
    assert_int_equal(tb_spool_next(spool, &record), 0);
    assert_int_equal(record.kind, TB_KIND_CRASH);
    assert_memory_equal(record.uuid, uuid, 16);
    tb_spool_close(spool);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, run_setup, run_teardown)
    const struct CMUnitTest tests[] = {
        CASE(symbolize_of_the_file_beside_a_slot_points_to_it),
        CASE(an_exception_is_shown_with_its_crash),
        CASE(threads_are_shown_with_their_crash_and_counted),
        CASE(damaged_threads_are_said_and_their_crash_is_fine),
        CASE(threads_go_with_their_slot_and_alone_only_by_force),
        CASE(a_process_that_died_unseen_is_a_record_with_its_last_note),
        CASE(it_goes_to_quarantine_and_back_as_any_crash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
