/* The folder of debug files that were fetched. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <time.h>
#include <cmocka.h>

#include "agent/native/debuginfod_store.h"
#include "base/fd.h"
#include "../support/folder.h"

static const char id[] = "0123456789abcdef0123456789abcdef01234567";
static int dirfd_ = -1;

static int begin(void **state)
{
    if (make_test_folder(state) != 0)
        return -1;
    dirfd_ = tb_debuginfod_store_open(in_folder("state/symbols/debuginfod"));
    return dirfd_ >= 0 ? 0 : -1;
}

static int end(void **state)
{
    tb_fd_close(&dirfd_);
    return remove_test_folder(state);
}

static const char *made_up(unsigned n)
{
    static char hex[41];
    snprintf(hex, sizeof(hex), "%02x%038x", n % 256, n);
    return hex;
}

static const char *path_of(const char *hex)
{
    char name[128];
    snprintf(name, sizeof(name), "state/symbols/debuginfod/.build-id/%.2s/%s.debug", hex, hex + 2);
    return in_folder(name);
}

static void put(const char *hex, size_t len)
{
    char *bytes = calloc(1, len);
    assert_non_null(bytes);
    int fd = tb_debuginfod_store_begin(dirfd_);
    assert_true(fd >= 0);
    assert_int_equal(tb_fd_write_all(fd, bytes, len), 0);
    assert_int_equal(tb_debuginfod_store_end(dirfd_, fd, hex), 0);
    free(bytes);
}

/* Last needed n seconds after some day of 2001. */
static void set_use(const char *hex, int n)
{
    const struct timespec times[2] = {{.tv_sec = 1000000000 + n}, {.tv_nsec = UTIME_OMIT}};
    assert_int_equal(utimensat(AT_FDCWD, path_of(hex), times, 0), 0);
}

static void file_is_there_when_it_is_whole(void **state)
{
    struct stat st;
    (void)state;
    assert_false(tb_debuginfod_store_has(dirfd_, id));
    int fd = tb_debuginfod_store_begin(dirfd_);
    assert_int_equal(tb_fd_write_all(fd, "half", 4), 0);
    assert_false(tb_debuginfod_store_has(dirfd_, id));
    assert_int_equal(tb_debuginfod_store_end(dirfd_, fd, NULL), 0);
    assert_int_equal(fcntl(fd, F_GETFD), -1);
    assert_false(tb_debuginfod_store_has(dirfd_, id));
    assert_int_equal(access(in_folder("state/symbols/debuginfod/fetch.tmp"), F_OK), -1);
    put(id, 10);
    assert_true(tb_debuginfod_store_has(dirfd_, id));
    assert_int_equal(stat(path_of(id), &st), 0);
    assert_int_equal(st.st_size, 10);
    assert_int_equal(st.st_mode & 0777, 0600);
    tb_debuginfod_store_remove(dirfd_, id);
    assert_false(tb_debuginfod_store_has(dirfd_, id));
    tb_debuginfod_store_remove(dirfd_, id);
}

static void what_an_agent_left_that_died_is_removed(void **state)
{
    (void)state;
    put_file("state/symbols/debuginfod/fetch.tmp", "half");
    int again = tb_debuginfod_store_open(in_folder("state/symbols/debuginfod"));
    assert_true(again >= 0);
    assert_int_equal(access(in_folder("state/symbols/debuginfod/fetch.tmp"), F_OK), -1);
    close(again);
}

static void folder_that_is_none_is_an_error(void **state)
{
    (void)state;
    assert_int_equal(tb_debuginfod_store_open(put_file("file", "")), -ENOTDIR);
    assert_int_equal(symlink("state", in_folder("link")), 0);
    assert_true(tb_debuginfod_store_open(in_folder("link")) < 0);
}

static void files_needed_longest_ago_go_first(void **state)
{
    enum { N = 10, BYTES = 64 << 10 };
    (void)state;
    for (unsigned i = 0; i < N; i++) {
        put(made_up(i), BYTES);
        set_use(made_up(i), (int)(i * 7 % N));
    }
    assert_int_equal(tb_debuginfod_store_trim(dirfd_, UINT64_MAX), N * BYTES);
    assert_int_equal(tb_debuginfod_store_trim(dirfd_, (uint64_t)N * BYTES), N * BYTES);
    assert_int_equal(tb_debuginfod_store_trim(dirfd_, (uint64_t)4 * BYTES), 4 * BYTES);
    for (unsigned i = 0; i < N; i++)
        assert_int_equal(tb_debuginfod_store_has(dirfd_, made_up(i)), i * 7 % N >= N - 4);
    assert_int_equal(tb_debuginfod_store_trim(dirfd_, 0), 0);
    assert_false(tb_debuginfod_store_has(dirfd_, made_up(N - 1)));
}

/* Also of files that came within one tick of the kernel's clock. */
static void newest_file_goes_last(void **state)
{
    enum { BYTES = 8 << 10 };
    (void)state;
    for (unsigned i = 1; i <= 50; i++) {
        put(made_up(i), BYTES);
        assert_int_equal(tb_debuginfod_store_trim(dirfd_, BYTES), BYTES);
        assert_true(tb_debuginfod_store_has(dirfd_, made_up(i)));
    }
}

/* Indexes go by the time of change. */
static void need_is_noted_in_the_time_of_access_alone(void **state)
{
    struct stat before;
    struct stat after;
    (void)state;
    put(id, 10);
    set_use(id, 0);
    assert_int_equal(stat(path_of(id), &before), 0);
    tb_debuginfod_store_touch(dirfd_, id);
    assert_int_equal(stat(path_of(id), &after), 0);
    assert_true(after.st_atim.tv_sec > before.st_atim.tv_sec);
    assert_memory_equal(&after.st_mtim, &before.st_mtim, sizeof(after.st_mtim));
    tb_debuginfod_store_touch(dirfd_, made_up(1));
    assert_false(tb_debuginfod_store_has(dirfd_, made_up(1)));
}

static void room_is_bounded_by_the_cache(void **state)
{
    (void)state;
    assert_int_equal(tb_debuginfod_store_room(dirfd_, 5000), 5000);
    assert_int_equal(tb_debuginfod_store_room(dirfd_, 0), 0);
    assert_true(tb_debuginfod_store_room(dirfd_, UINT64_MAX) <= TB_DEBUGINFOD_FILE_BYTES_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(file_is_there_when_it_is_whole, begin, end),
        cmocka_unit_test_setup_teardown(what_an_agent_left_that_died_is_removed, begin, end),
        cmocka_unit_test_setup_teardown(folder_that_is_none_is_an_error, begin, end),
        cmocka_unit_test_setup_teardown(files_needed_longest_ago_go_first, begin, end),
        cmocka_unit_test_setup_teardown(newest_file_goes_last, begin, end),
        cmocka_unit_test_setup_teardown(need_is_noted_in_the_time_of_access_alone, begin, end),
        cmocka_unit_test_setup_teardown(room_is_bounded_by_the_cache, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
