/* test_fair.c - several users of one spool: nobody's records hold up all others'. Only root has
 * several users. */
#include "support.h"

#include "calls.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "spool/quarantine.h"

enum { FLOODER = 10001, OTHER = 10002, SLICE = 64, FILES = 20, RECORDS = 300 };

/* Nothing here is about a loss of power or of room: the disk is not waited for, neither for a
 * thousand syncs of the quarantine nor for room of five hundred files, given and taken back. */
int fsync(int fd)
{
    (void)fd;
    return 0;
}

/* All files that are root's yet. */
static void give_to(const struct fixture *fixture, uid_t uid)
{
    int fd = openat(fixture->dirfd, ".", O_RDONLY | O_DIRECTORY);
    DIR *dir = fdopendir(fd);
    const struct dirent *entry;
    struct stat st;
    assert_non_null(dir);
    while ((entry = readdir(dir)))
        if (fstatat(fixture->dirfd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
            S_ISREG(st.st_mode) && st.st_uid == 0)
            assert_int_equal(fchownat(fixture->dirfd, entry->d_name, uid, uid, 0), 0);
    closedir(dir);
}

/* Files of that user with the records first .. first + n - 1 in each, one after the other. */
static void write_files_as(const struct fixture *fixture, uid_t uid, int class_, int n_files,
                           uint64_t first, uint64_t n)
{
    for (int i = 0; i < n_files; i++) {
        struct tb_writer writer;
        tb_writer_init(&writer, class_, fixture->dirfd);
        for (uint64_t k = 0; k < n; k++)
            assert_int_equal(append(&writer, first + (uint64_t)i * n + k), 0);
        tb_writer_close(&writer);
    }
    give_to(fixture, uid);
}

/* How many records come before the first one of that user; those before are in order. */
static uint64_t n_before(struct fixture *fixture, uid_t uid)
{
    struct tb_spool_record record;
    uint64_t n = 0;
    for (;; n++) {
        assert_int_equal(tb_spool_next(fixture->spool, &record), 0);
        if (record.uid == uid)
            return n;
        assert_int_equal(check_record(&record), n);
    }
}

static int is_root(void)
{
    return geteuid() == 0;
}

static void crashes_of_one_do_not_hold_up_those_of_another(void **state)
{
    struct fixture *fixture = *state;
    if (!is_root())
        skip();
    write_files_as(fixture, FLOODER, TB_CLASS_CRASH, FILES, 0, RECORDS);
    write_files_as(fixture, OTHER, TB_CLASS_CRASH, 1, 1000000, 1);
    open_spool(fixture);
    assert_in_range(n_before(fixture, OTHER), 0, 2 * SLICE);
}

static void crashes_of_one_do_not_hold_up_the_errors_of_another(void **state)
{
    struct fixture *fixture = *state;
    if (!is_root())
        skip();
    write_files_as(fixture, FLOODER, TB_CLASS_CRASH, FILES, 0, RECORDS);
    write_files_as(fixture, OTHER, TB_CLASS_INFO, 1, 1000000, 1);
    open_spool(fixture);
    assert_in_range(n_before(fixture, OTHER), 1, 9 * SLICE);
}

static void one_that_comes_later_waits_no_longer(void **state)
{
    struct fixture *fixture = *state;
    struct tb_spool_record record;
    if (!is_root())
        skip();
    write_files_as(fixture, FLOODER, TB_CLASS_CRASH, FILES, 0, RECORDS);
    open_spool(fixture);
    for (int i = 0; i < 2 * RECORDS; i++)
        assert_int_equal(tb_spool_next(fixture->spool, &record), 0);
    write_files_as(fixture, OTHER, TB_CLASS_CRASH, 1, 1000000, 1);
    for (int i = 0; i < 2 * SLICE; i++) {
        assert_int_equal(tb_spool_next(fixture->spool, &record), 0);
        if (record.uid == OTHER)
            return;
    }
    fail_msg("the other's crash was not among the next %d", 2 * SLICE);
}

/* Also of files that are as short as can be. */
static void very_many_files_are_no_more_turns(void **state)
{
    struct fixture *fixture = *state;
    if (!is_root())
        skip();
    write_files_as(fixture, FLOODER, TB_CLASS_CRASH, 500, 0, 1);
    write_files_as(fixture, OTHER, TB_CLASS_CRASH, 1, 1000000, 100);
    write_files_as(fixture, OTHER, TB_CLASS_ERROR, 1, 2000000, 100);
    open_spool(fixture);
    assert_in_range(n_before(fixture, OTHER), 0, 2 * SLICE);
}

static void all_is_delivered_once_and_of_each_in_order(void **state)
{
    enum { USERS = 5, EACH = 700 };
    struct fixture *fixture = *state;
    struct tb_spool_record record;
    uint64_t next[USERS] = {0};
    if (!is_root())
        skip();
    for (int u = 0; u < USERS; u++)
        write_files_as(fixture, FLOODER + (uid_t)u, TB_CLASS_ERROR, 7, 0, EACH / 7);
    open_spool(fixture);
    while (tb_spool_next(fixture->spool, &record) == 0) {
        unsigned u = record.uid - FLOODER;
        assert_in_range(u, 0, USERS - 1);
        assert_int_equal(check_record(&record), next[u]);
        next[u]++;
    }
    for (int u = 0; u < USERS; u++)
        assert_int_equal(next[u], EACH);
}

/* What the agent puts away is the reporter's all the same. */
static void nobody_pushes_out_of_quarantine_what_others_have(void **state)
{
    enum { N = TB_QUARANTINE_FILES / 2 + 10 };
    struct fixture *fixture = *state;
    struct tb_spool_record record;
    char name[256];
    int n_others = 0;
    if (!is_root())
        skip();
    write_files_as(fixture, OTHER, TB_CLASS_CRASH, 1, 1000000, 3);
    write_files_as(fixture, FLOODER, TB_CLASS_ERROR, 1, 0, N);
    open_spool(fixture);
    while (tb_spool_next(fixture->spool, &record) == 0) {
        if (record.uid == OTHER) {
            (void)snprintf(name, sizeof(name), "record %d", n_others++);
            assert_int_equal(tb_spool_quarantine(fixture->spool, &record, name), 0);
        } else {
            assert_int_equal(tb_spool_quarantine(fixture->spool, &record, "useless"), 0);
        }
    }
    assert_int_equal(n_others, 3);
    assert_in_range(count_files(fixture, "agent/quarantine", ".seg"), 3, TB_QUARANTINE_FILES / 2);
    /* Their names begin with their class. */
    (void)snprintf(name, sizeof(name), "%s/agent/quarantine", fixture->path);
    DIR *dir = opendir(name);
    const struct dirent *entry;
    int n_left = 0;
    assert_non_null(dir);
    while ((entry = readdir(dir)))
        n_left += strncmp(entry->d_name, "0-", 2) == 0 && strstr(entry->d_name, ".why") == NULL;
    closedir(dir);
    assert_int_equal(n_left, 3);
}

int main(void)
{
#define IN_SPOOL(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        IN_SPOOL(crashes_of_one_do_not_hold_up_those_of_another),
        IN_SPOOL(crashes_of_one_do_not_hold_up_the_errors_of_another),
        IN_SPOOL(one_that_comes_later_waits_no_longer),
        IN_SPOOL(very_many_files_are_no_more_turns),
        IN_SPOOL(nobody_pushes_out_of_quarantine_what_others_have),
        IN_SPOOL(all_is_delivered_once_and_of_each_in_order),
    };
    call_fails(SYS_fallocate, FOR_EVER, EOPNOTSUPP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
