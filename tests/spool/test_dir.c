/* The folders of a spool, and what is said when they cannot be had. */
#include "support.h"

#include <sys/wait.h>

#include "spool/dir.h"

static int set_up_path(void **state)
{
    static char path[64];
    strcpy(path, "/tmp/towbar-spool-XXXXXX");
    *state = path;
    return mkdtemp(path) ? 0 : -1;
}

static int tear_down_path(void **state)
{
    remove_tree(*state);
    return 0;
}

static mode_t mode_of(const char *folder, const char *name)
{
    char path[256];
    struct stat st;
    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    assert_int_equal(stat(path, &st), 0);
    return st.st_mode & 07777;
}

/* Every refusal names the path, the reason and a remedy. */
static void assert_why(const char *why, const char *path, const char *reason, const char *remedy)
{
    if (!strstr(why, path) || !strstr(why, reason) || !strstr(why, remedy))
        fail_msg("\"%s\" lacks \"%s\", \"%s\" or \"%s\"", why, path, reason, remedy);
}

static void a_missing_folder_is_named_with_the_remedy(void **state)
{
    char why[TB_SPOOL_WHY] = "";
    char path[96];
    (void)snprintf(path, sizeof(path), "%s/not/there", (char *)*state);
    assert_int_equal(tb_spool_dir_open(path, 0, why), -ENOENT);
    assert_why(why, path, "No such file or directory", "set TOWBAR_SPOOL");
    struct tb_spool *spool = NULL;
    assert_int_equal(tb_spool_open(path, 0, &spool, why), -ENOENT);
    assert_why(why, path, "not there", "--spool");
}

static void what_is_missing_is_made_private(void **state)
{
    char why[TB_SPOOL_WHY] = "";
    char path[96];
    (void)snprintf(path, sizeof(path), "%s/a/b", (char *)*state);
    int fd = tb_spool_dir_open(path, 1, why);
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(mode_of(*state, "a"), 0700);
    assert_int_equal(mode_of(path, "in"), 0700);
}

static void a_shared_spool_has_a_write_only_drop_box(void **state)
{
    char why[TB_SPOOL_WHY] = "";
    char path[96];
    int in_fd = -1;
    int agent_fd = -1;
    mode_t mask = umask(077);
    (void)snprintf(path, sizeof(path), "%s/shared", (char *)*state);
    assert_int_equal(tb_spool_dir_agent(path, 1, &in_fd, &agent_fd, why), 0);
    umask(mask);
    close(in_fd);
    close(agent_fd);
    assert_int_equal(mode_of(path, "in"), 03733);
    assert_int_equal(mode_of(path, "."), 0755);
    assert_int_equal(mode_of(path, "agent"), 0700);
    (void)snprintf(path, sizeof(path), "%s/own", (char *)*state);
    assert_int_equal(tb_spool_dir_agent(path, 0, &in_fd, &agent_fd, why), 0);
    close(in_fd);
    close(agent_fd);
    assert_int_equal(mode_of(path, "in"), 0700);
}

/* As a program of root leaves it that ran before the agent was installed. */
static void what_a_program_made_first_is_opened_by_a_shared_agent(void **state)
{
    char why[TB_SPOOL_WHY] = "";
    char path[96];
    int in_fd = -1;
    int agent_fd = -1;
    (void)snprintf(path, sizeof(path), "%s/first", (char *)*state);
    int fd = tb_spool_dir_open(path, 1, why);
    assert_true(fd >= 0);
    assert_int_equal(tb_spool_dir_agent(path, 0, &in_fd, &agent_fd, why), 0);
    close(in_fd);
    close(agent_fd);
    assert_int_equal(mode_of(path, "in"), 0700); /* an agent of one user leaves it so */
    assert_int_equal(mode_of(path, "."), 0700);
    assert_int_equal(tb_spool_dir_agent(path, 1, &in_fd, &agent_fd, why), 0);
    close(in_fd);
    close(agent_fd);
    assert_int_equal(mode_of(path, "in"), 03733);
    assert_int_equal(mode_of(path, "."), 0755);
    assert_int_equal(mode_of(path, "agent"), 0700);
    /* The program goes on in the folder that it has. */
    int file = openat(fd, "made-later", O_CREAT | O_EXCL | O_WRONLY, 0600);
    assert_true(file >= 0);
    close(file);
    close(fd);
}

static void a_mode_that_somebody_chose_is_kept(void **state)
{
    char why[TB_SPOOL_WHY] = "";
    char path[96];
    char in[128];
    int in_fd = -1;
    int agent_fd = -1;
    (void)snprintf(path, sizeof(path), "%s/chosen", (char *)*state);
    (void)snprintf(in, sizeof(in), "%s/in", path);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(mkdir(in, 0700), 0);
    assert_int_equal(chmod(path, 0750), 0);
    assert_int_equal(chmod(in, 0730), 0);
    assert_int_equal(tb_spool_dir_agent(path, 1, &in_fd, &agent_fd, why), 0);
    close(in_fd);
    close(agent_fd);
    assert_int_equal(mode_of(path, "in"), 0730);
    assert_int_equal(mode_of(path, "."), 0750);
}

/* Runs check as an ordinary user, in a child; skips the rest where the test is one already. */
static void as_nobody(int (*check)(const char *path), const char *path)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        if (geteuid() == 0 && (setgid(65534) < 0 || setuid(65534) < 0))
            _exit(99);
        _exit(check(path));
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static int is_refused(const char *path)
{
    char why[TB_SPOOL_WHY] = "";
    struct tb_spool *spool = NULL;
    int in_fd;
    int agent_fd;
    if (tb_spool_dir_open(path, 0, why) != -EACCES || !strstr(why, "Permission denied") ||
        !strstr(why, "start towbard as this user, or set TOWBAR_SPOOL"))
        return 1;
    if (tb_spool_dir_agent(path, 0, &in_fd, &agent_fd, why) != -EACCES || !strstr(why, path) ||
        !strstr(why, "chown"))
        return 2;
    return tb_spool_open(path, 0, &spool, why) == -EACCES ? 0 : 3;
}

static int may_write_but_not_list(const char *path)
{
    char why[TB_SPOOL_WHY] = "";
    struct tb_writer writer;
    int dirfd = tb_spool_dir_open(path, 0, why);
    if (dirfd < 0)
        return 1;
    tb_writer_init(&writer, TB_CLASS_ERROR, dirfd);
    if (append(&writer, 0) < 0)
        return 2;
    tb_writer_close(&writer);
    int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY);
    return fd < 0 || getuid() != 65534 ? 0 : 3;
}

static void a_folder_of_another_user_is_refused_with_the_remedy(void **state)
{
    char why[TB_SPOOL_WHY] = "";
    char path[96];
    char in[128];
    (void)snprintf(path, sizeof(path), "%s/private", (char *)*state);
    int fd = tb_spool_dir_open(path, 1, why);
    assert_true(fd >= 0);
    close(fd);
    chmod(*state, 0755);
    chmod(path, 0755);
    (void)snprintf(in, sizeof(in), "%s/in", path);
    chmod(in, 0500); /* not for its owner either, if that is not root */
    if (geteuid() != 0)
        chmod(path, 0500);
    as_nobody(is_refused, path);
    chmod(path, 0700);
}

static void another_user_can_write_into_a_shared_spool(void **state)
{
    char why[TB_SPOOL_WHY] = "";
    char path[96];
    struct tb_spool *spool = NULL;
    struct tb_spool_record record;
    (void)snprintf(path, sizeof(path), "%s/shared", (char *)*state);
    assert_int_equal(tb_spool_open(path, TB_SPOOL_CREATE | TB_SPOOL_SHARED, &spool, why), 0);
    chmod(*state, 0755);
    as_nobody(may_write_but_not_list, path);
    assert_int_equal(tb_spool_next(spool, &record), 0);
    assert_int_equal(record.uid, geteuid() == 0 ? 65534 : geteuid());
    tb_spool_close(spool);
}

/* Root's program first, the agent later, the other users after that: nobody is shut out. */
static void another_user_can_write_where_a_program_was_first(void **state)
{
    char why[TB_SPOOL_WHY] = "";
    char path[96];
    struct tb_writer writer;
    struct tb_spool *spool = NULL;
    struct tb_spool_record record;
    (void)snprintf(path, sizeof(path), "%s/first", (char *)*state);
    int dirfd = tb_spool_dir_open(path, 1, why);
    assert_true(dirfd >= 0);
    tb_writer_init(&writer, TB_CLASS_ERROR, dirfd);
    assert_true(append(&writer, 0) >= 0);
    assert_int_equal(tb_spool_open(path, TB_SPOOL_CREATE | TB_SPOOL_SHARED, &spool, why), 0);
    chmod(*state, 0755);
    as_nobody(may_write_but_not_list, path);
    assert_true(append(&writer, 0) >= 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(tb_spool_next(spool, &record), 0);
    tb_writer_close(&writer);
    close(dirfd);
    tb_spool_close(spool);
}

static void something_else_in_its_place_is_refused(void **state)
{
    char why[TB_SPOOL_WHY] = "";
    char path[96];
    char in[128];
    int in_fd;
    int agent_fd;
    (void)snprintf(path, sizeof(path), "%s/file", (char *)*state);
    close(open(path, O_WRONLY | O_CREAT, 0600));
    assert_int_equal(tb_spool_dir_open(path, 1, why), -ENOTDIR);
    assert_why(why, path, "Not a directory", "TOWBAR_SPOOL");
    assert_int_equal(tb_spool_dir_agent(path, 0, &in_fd, &agent_fd, why), -ENOTDIR);
    assert_why(why, path, "Not a directory", "--spool");
    /* A link in place of in/ could lead anywhere. */
    (void)snprintf(path, sizeof(path), "%s/linked", (char *)*state);
    mkdir(path, 0700);
    (void)snprintf(in, sizeof(in), "%s/in", path);
    assert_int_equal(symlink("/tmp", in), 0);
    assert_true(tb_spool_dir_open(path, 1, why) < 0);
    assert_why(why, path, "in", "TOWBAR_SPOOL");
    assert_true(tb_spool_dir_agent(path, 0, &in_fd, &agent_fd, why) < 0);
}

static void a_path_too_long_is_refused(void **state)
{
    (void)state;
    static char path[5000];
    char why[TB_SPOOL_WHY] = "";
    memset(path, 'x', sizeof(path) - 1);
    path[0] = '/';
    assert_int_equal(tb_spool_dir_open(path, 1, why), -ENAMETOOLONG);
    assert_non_null(strstr(why, "TOWBAR_SPOOL"));
}

static void names_are_random_and_parse(void **state)
{
    (void)state;
    unsigned char boot[16] = {0x9f, 0x3c, 0x2a, 0x17, 1};
    char name[TB_SPOOL_NAME];
    char other[TB_SPOOL_NAME];
    int kind = -1;
    tb_spool_name(2, boot, 4294967295u, "seg", name);
    assert_int_equal(strncmp(name, "2-9f3c2a17-", 11), 0);
    assert_string_equal(name + 27, "-4294967295.seg");
    assert_int_equal(tb_spool_name_parse(name, &kind), 2);
    assert_int_equal(kind, TB_FILE_SEGMENT);
    tb_spool_name(2, boot, 4294967295u, "seg", other);
    assert_string_not_equal(name, other);
    tb_spool_name(0, boot, 0, "slot", name);
    assert_string_equal(name + 27, "-0.slot");
    assert_int_equal(tb_spool_name_parse(name, &kind), 0);
    assert_int_equal(kind, TB_FILE_SLOT);
    assert_int_equal(tb_spool_name_beside(name, "more", other), 0);
    assert_string_equal(other + 27, "-0.more");
    assert_int_equal(strncmp(name, other, 27), 0);
    assert_int_equal(tb_spool_name_parse(other, &kind), 0);
    assert_int_equal(kind, TB_FILE_MORE);
    assert_int_equal(tb_spool_name_beside(other, "slot", other), 0);
    assert_string_equal(name, other);
}

static void a_name_beside_fits_or_is_refused(void **state)
{
    (void)state;
    char out[TB_SPOOL_NAME];
    char name[TB_SPOOL_NAME + 8];
    assert_int_equal(tb_spool_name_beside("", "more", out), -EINVAL);
    assert_int_equal(tb_spool_name_beside("no-suffix", "more", out), -EINVAL);
    for (size_t len = 1; len < sizeof(name); len++) {
        memset(name, 'x', len - 1);
        (void)snprintf(name + len - 1, sizeof(name) - len + 1, ".");
        int err = tb_spool_name_beside(name, "more", out);
        assert_int_equal(err, len + 4 < TB_SPOOL_NAME ? 0 : -EINVAL);
    }
}

static void other_names_do_not_parse(void **state)
{
    (void)state;
    static const char *const names[] = {
        "",
        ".",
        "..",
        "1",
        "1-",
        "README",
        "4-9f3c2a17-4b1d6e0a97c35f28-0.seg",
        "/-9f3c2a17-4b1d6e0a97c35f28-0.seg",
        "1-9f3c2a1-4b1d6e0a97c35f28-0.seg",
        "1-9f3c2a177-4b1d6e0a97c35f28-0.seg",
        "1-9F3C2A17-4b1d6e0a97c35f28-0.seg",
        "1-9f3c2a17-4b1d6e0a97c35f2-0.seg",
        "1-9f3c2a17-4b1d6e0a97c35f28-.seg",
        "1-9f3c2a17-4b1d6e0a97c35f28-12345678901.seg",
        "1-9f3c2a17-4b1d6e0a97c35f28-0.seg~",
        "1-9f3c2a17-4b1d6e0a97c35f28-0",
        "1-9f3c2a17-4b1d6e0a97c35f28-0.slot",
        "1-9f3c2a17-4b1d6e0a97c35f28-0.more",
        "0-9f3c2a17-4b1d6e0a97c35f28-0.more~",
        "1-9f3c2a17-4b1d6e0a97c35f28-/../0.seg",
    };
    int kind;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        assert_int_equal(tb_spool_name_parse(names[i], &kind), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_missing_folder_is_named_with_the_remedy, set_up_path,
                                        tear_down_path),
        cmocka_unit_test_setup_teardown(what_is_missing_is_made_private, set_up_path,
                                        tear_down_path),
        cmocka_unit_test_setup_teardown(a_shared_spool_has_a_write_only_drop_box, set_up_path,
                                        tear_down_path),
        cmocka_unit_test_setup_teardown(what_a_program_made_first_is_opened_by_a_shared_agent,
                                        set_up_path, tear_down_path),
        cmocka_unit_test_setup_teardown(a_mode_that_somebody_chose_is_kept, set_up_path,
                                        tear_down_path),
        cmocka_unit_test_setup_teardown(another_user_can_write_where_a_program_was_first,
                                        set_up_path, tear_down_path),
        cmocka_unit_test_setup_teardown(a_folder_of_another_user_is_refused_with_the_remedy,
                                        set_up_path, tear_down_path),
        cmocka_unit_test_setup_teardown(another_user_can_write_into_a_shared_spool, set_up_path,
                                        tear_down_path),
        cmocka_unit_test_setup_teardown(something_else_in_its_place_is_refused, set_up_path,
                                        tear_down_path),
        cmocka_unit_test(a_path_too_long_is_refused),
        cmocka_unit_test(names_are_random_and_parse),
        cmocka_unit_test(a_name_beside_fits_or_is_refused),
        cmocka_unit_test(other_names_do_not_parse),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
