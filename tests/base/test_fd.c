/* Descriptors: whole reads and writes, replacement that shows the old or the new. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"

struct folder {
    char path[40];
    int fd;
};

static int set_up(void **state)
{
    static struct folder folder;
    strcpy(folder.path, "/tmp/towbar-fd-XXXXXX");
    if (!mkdtemp(folder.path))
        return -1;
    folder.fd = open(folder.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    *state = &folder;
    return folder.fd < 0 ? -1 : 0;
}

static int tear_down(void **state)
{
    struct folder *folder = *state;
    static const char *const names[] = {"file", "other", ".file.new"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        (void)unlinkat(folder->fd, names[i], 0);
    close(folder->fd);
    return rmdir(folder->path);
}

static void closing_takes_none_and_keeps_errno(void **state)
{
    (void)state;
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    int kept = fd;
    errno = 77;
    tb_fd_close(&fd);
    assert_int_equal(fd, -1);
    assert_int_equal(errno, 77);
    assert_int_equal(fcntl(kept, F_GETFD), -1);
    tb_fd_close(&fd);
    assert_int_equal(fd, -1);
}

static void what_is_written_is_read_at_its_place(void **state)
{
    struct folder *folder = *state;
    char out[16];
    int fd = openat(folder->fd, "file", O_RDWR | O_CREAT, 0600);
    assert_int_equal(tb_fd_write_all(fd, "0123456789", 10), 0);
    assert_int_equal(tb_fd_pwrite_all(fd, "abc", 3, 4), 0);
    assert_int_equal(tb_fd_pread_all(fd, out, sizeof(out), 2), 8);
    assert_memory_equal(out, "23abc789", 8);
    assert_int_equal(tb_fd_pread_all(fd, out, 3, 4), 3);
    assert_int_equal(tb_fd_pread_all(fd, out, 3, 10), 0);
    assert_int_equal(tb_fd_sync(fd), 0);
    close(fd);
    assert_int_equal(tb_fd_pread_all(fd, out, 3, 0), -EBADF);
    assert_int_equal(tb_fd_write_all(fd, "x", 1), -EBADF);
    assert_int_equal(tb_fd_pwrite_all(fd, "x", 1, 0), -EBADF);
    assert_int_equal(tb_fd_sync(fd), -EBADF);
}

static void a_pipe_takes_more_than_it_holds_in_parts(void **state)
{
    (void)state;
    int pipe_fds[2];
    struct tb_buf buf;
    static char block[40000];
    memset(block, 'p', sizeof(block));
    tb_buf_init(&buf, 1 << 20);
    assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
    assert_int_equal(tb_fd_write_all(pipe_fds[1], block, sizeof(block)), 0);
    close(pipe_fds[1]);
    assert_int_equal(tb_fd_read_all(pipe_fds[0], &buf), 0);
    assert_int_equal(buf.len, sizeof(block));
    assert_memory_equal(buf.data, block, sizeof(block));
    close(pipe_fds[0]);
    tb_buf_done(&buf);
}

static void slurping_knows_its_limit(void **state)
{
    struct folder *folder = *state;
    struct tb_buf buf;
    assert_int_equal(tb_fd_replace(folder->fd, "file", "0123456789", 10), 0);
    tb_buf_init(&buf, 10);
    assert_int_equal(tb_fd_slurp(folder->fd, "file", &buf), 0);
    assert_string_equal(tb_buf_str(&buf), "0123456789");
    tb_buf_done(&buf);
    tb_buf_init(&buf, 9);
    assert_int_equal(tb_fd_slurp(folder->fd, "file", &buf), -EMSGSIZE);
    tb_buf_done(&buf);
    assert_int_equal(tb_fd_slurp(folder->fd, "other", &buf), -ENOENT);
}

static void replacing_leaves_nothing_else_behind(void **state)
{
    struct folder *folder = *state;
    struct tb_buf buf;
    struct stat st;
    assert_int_equal(tb_fd_replace(folder->fd, "file", "a longer first", 14), 0);
    assert_int_equal(tb_fd_replace(folder->fd, "file", "second", 6), 0);
    tb_buf_init(&buf, 100);
    assert_int_equal(tb_fd_slurp(folder->fd, "file", &buf), 0);
    assert_string_equal(tb_buf_str(&buf), "second");
    tb_buf_done(&buf);
    assert_int_equal(fstatat(folder->fd, "file", &st, 0), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(fstatat(folder->fd, ".file.new", &st, 0), -1);
}

static void a_replacement_that_cannot_be_made_keeps_the_old(void **state)
{
    struct folder *folder = *state;
    struct tb_buf buf;
    char name[300];
    memset(name, 'n', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    assert_int_equal(tb_fd_replace(folder->fd, name, "x", 1), -ENAMETOOLONG);
    assert_int_equal(tb_fd_replace(-1, "file", "x", 1), -EBADF);
    assert_int_equal(tb_fd_replace(folder->fd, "file", "old", 3), 0);
    /* A link in place of the temporary name is not followed. */
    assert_int_equal(symlinkat("other", folder->fd, ".file.new"), 0);
    assert_int_equal(tb_fd_replace(folder->fd, "file", "new", 3), -ELOOP);
    tb_buf_init(&buf, 100);
    assert_int_equal(tb_fd_slurp(folder->fd, "file", &buf), 0);
    assert_string_equal(tb_buf_str(&buf), "old");
    tb_buf_done(&buf);
    assert_int_equal(faccessat(folder->fd, "other", F_OK, 0), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(closing_takes_none_and_keeps_errno),
        cmocka_unit_test_setup_teardown(what_is_written_is_read_at_its_place, set_up, tear_down),
        cmocka_unit_test(a_pipe_takes_more_than_it_holds_in_parts),
        cmocka_unit_test_setup_teardown(slurping_knows_its_limit, set_up, tear_down),
        cmocka_unit_test_setup_teardown(replacing_leaves_nothing_else_behind, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_replacement_that_cannot_be_made_keeps_the_old, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
