/* What a reader delivers, when, and what survives: docs/spool-format.md 5. */
#include "support.h"

#include <poll.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/crc.h"
#include "clock.h"

static void what_was_appended_is_delivered_in_order_and_collected(void **state)
{
    struct fixture *fixture = *state;
    struct tb_writer writer;
    struct tb_spool_record record;
    open_spool(fixture);
    tb_writer_init(&writer, TB_CLASS_ERROR, fixture->dirfd);
    for (uint64_t n = 0; n < 100; n++)
        assert_int_equal(append(&writer, n), 0);
    for (uint64_t n = 0; n < 100; n++) {
        assert_int_equal(tb_spool_next(fixture->spool, &record), 0);
        assert_int_equal(check_record(&record), n);
        assert_int_equal(record.class_, TB_CLASS_ERROR);
        assert_int_equal(record.uid, geteuid());
        assert_int_equal(record.pid, getpid());
        tb_spool_ack(fixture->spool, record.file_id, record.off8, TB_ACK_STORED);
    }
    assert_int_equal(tb_spool_next(fixture->spool, &record), -EAGAIN);
    assert_int_equal(tb_spool_flush(fixture->spool), 0);
    assert_int_equal(tb_spool_collect(fixture->spool), 0); /* its owner lives */
    tb_writer_close(&writer);
    assert_int_equal(tb_spool_next(fixture->spool, &record), -EAGAIN);
    assert_int_equal(tb_spool_collect(fixture->spool), 1);
    assert_int_equal(count_files(fixture, "in", ""), 0);
    assert_int_equal(stats_of(fixture).n_damaged, 0);
    assert_int_equal(stats_of(fixture).n_lost, 0);
}

/* A file with the records first .. first + n - 1, its owner gone. */
static void write_file_of(const struct fixture *fixture, int class_, uint64_t first, uint64_t n)
{
    struct tb_writer writer;
    tb_writer_init(&writer, class_, fixture->dirfd);
    for (uint64_t i = 0; i < n; i++)
        assert_int_equal(append(&writer, first + i), 0);
    tb_writer_close(&writer);
}

static uint64_t next_number(struct fixture *fixture)
{
    struct tb_spool_record record;
    assert_int_equal(tb_spool_next(fixture->spool, &record), 0);
    return check_record(&record);
}

static void classes_come_in_order_and_within_a_class_the_oldest_file_first(void **state)
{
    struct fixture *fixture = *state;
    write_file_of(fixture, TB_CLASS_INFO, 0, 1);
    write_file_of(fixture, TB_CLASS_ERROR, 1, 2);
    write_file_of(fixture, TB_CLASS_ERROR, 3, 1);
    write_file_of(fixture, TB_CLASS_CRASH, 4, 1);
    write_file_of(fixture, TB_CLASS_WARNING, 5, 1);
    open_spool(fixture);
    static const uint64_t want[] = {4, 1, 2, 3, 5, 0};
    for (size_t i = 0; i < 6; i++)
        assert_int_equal(next_number(fixture), want[i]);
}

static void a_crash_overtakes_a_backlog_of_errors(void **state)
{
    struct fixture *fixture = *state;
    write_file_of(fixture, TB_CLASS_ERROR, 0, 1000);
    open_spool(fixture);
    for (uint64_t n = 0; n < 100; n++)
        assert_int_equal(next_number(fixture), n);
    write_file_of(fixture, TB_CLASS_CRASH, 5000, 1);
    size_t n_before = 0;
    while (next_number(fixture) != 5000)
        n_before++;
    assert_in_range(n_before, 0, 64);
    assert_int_equal(next_number(fixture), 100 + n_before);
}

static void acknowledgements_survive_a_restart(void **state)
{
    struct fixture *fixture = *state;
    uint8_t seen[100] = {0};
    struct tb_spool_record record;
    write_file_of(fixture, TB_CLASS_ERROR, 0, 100);
    open_spool(fixture);
    for (uint64_t n = 0; n < 100; n++) {
        assert_int_equal(tb_spool_next(fixture->spool, &record), 0);
        if (n % 3 == 0)
            tb_spool_ack(fixture->spool, record.file_id, record.off8, TB_ACK_STORED);
    }
    assert_int_equal(stats_of(fixture).n_pending, 66);
    assert_int_equal(tb_spool_flush(fixture->spool), 0);
    reopen_spool(fixture);
    assert_int_equal(drain(fixture->spool, seen, 100, 1), 66);
    for (int n = 0; n < 100; n++)
        assert_int_equal(seen[n], n % 3 != 0);
    assert_int_equal(stats_of(fixture).n_lost, 0);
    assert_int_equal(tb_spool_flush(fixture->spool), 0);
    reopen_spool(fixture);
    assert_int_equal(drain(fixture->spool, seen, 100, 1), 0);
    assert_int_equal(tb_spool_collect(fixture->spool), 1);
    /* The log forgets files that are gone. */
    reopen_spool(fixture);
    char path[96];
    struct stat st;
    (void)snprintf(path, sizeof(path), "%s/agent/ack.log", fixture->path);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_size, 0);
}

static void a_restart_before_the_flush_delivers_again(void **state)
{
    struct fixture *fixture = *state;
    write_file_of(fixture, TB_CLASS_ERROR, 0, 10);
    open_spool(fixture);
    assert_int_equal(drain(fixture->spool, NULL, 100, 1), 10);
    reopen_spool(fixture);
    assert_int_equal(drain(fixture->spool, NULL, 100, 1), 10);
}

static void rewinding_delivers_what_was_not_acknowledged(void **state)
{
    struct fixture *fixture = *state;
    uint8_t seen[10] = {0};
    struct tb_spool_record record;
    write_file_of(fixture, TB_CLASS_ERROR, 0, 10);
    open_spool(fixture);
    for (int n = 0; n < 6; n++) {
        assert_int_equal(tb_spool_next(fixture->spool, &record), 0);
        if (n < 4)
            tb_spool_ack(fixture->spool, record.file_id, record.off8, TB_ACK_STORED);
    }
    tb_spool_rewind(fixture->spool);
    assert_int_equal(stats_of(fixture).n_pending, 0);
    assert_int_equal(drain(fixture->spool, seen, 10, 0), 6);
    assert_memory_equal(seen, "\0\0\0\0\1\1\1\1\1\1", 10);
    assert_int_equal(tb_spool_collect(fixture->spool), 0);
    tb_spool_rewind(fixture->spool);
    assert_int_equal(drain(fixture->spool, seen, 10, 1), 6);
    assert_int_equal(tb_spool_collect(fixture->spool), 1);
    assert_int_equal(stats_of(fixture).n_lost, 0);
}

static void a_second_agent_is_refused_and_told_whom_to_stop(void **state)
{
    struct fixture *fixture = *state;
    struct tb_spool *second = NULL;
    char why[TB_SPOOL_WHY];
    char pid[32];
    open_spool(fixture);
    assert_int_equal(tb_spool_open(fixture->path, TB_SPOOL_CREATE, &second, why), -EBUSY);
    assert_null(second);
    (void)snprintf(pid, sizeof(pid), "(pid %ld)", (long)getpid());
    assert_non_null(strstr(why, fixture->path));
    assert_non_null(strstr(why, pid));
    assert_non_null(strstr(why, "--spool"));
    reopen_spool(fixture); /* and the first is unharmed */
}

static void foreign_things_in_the_folder_do_no_harm(void **state)
{
    struct fixture *fixture = *state;
    static const char link_name[] = "1-00000000-0000000000000001-0.seg";
    static const char fifo_name[] = "1-00000000-0000000000000002-0.seg";
    static const char folder_name[] = "1-00000000-0000000000000003-0.seg";
    static const char giant_name[] = "1-00000000-0000000000000004-0.seg";
    static const char hard_name[] = "1-00000000-0000000000000005-0.seg";
    static const char secret[] = "secret, not to be read";
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char path[96];
    uint8_t seen[3] = {0};
    (void)snprintf(path, sizeof(path), "%s/secret", fixture->path);
    int fd = open(path, O_WRONLY | O_CREAT, 0600);
    assert_int_equal(write(fd, secret, sizeof(secret)), sizeof(secret));
    close(fd);
    assert_int_equal(symlinkat("../secret", fixture->dirfd, link_name), 0);
    assert_int_equal(linkat(AT_FDCWD, path, fixture->dirfd, hard_name, 0), 0);
    assert_int_equal(mknodat(fixture->dirfd, fifo_name, S_IFIFO | 0600, 0), 0);
    assert_int_equal(mkdirat(fixture->dirfd, folder_name, 0700), 0);
    fd = openat(fixture->dirfd, giant_name, O_WRONLY | O_CREAT, 0600);
    assert_int_equal(ftruncate(fd, INT64_C(1) << 40), 0);
    close(fd);
    close(openat(fixture->dirfd, "README", O_WRONLY | O_CREAT, 0600));
    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s/in/%s", fixture->path,
                   "1-00000000-0000000000000006-0.seg");
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    close(fd);
    write_file_of(fixture, TB_CLASS_ERROR, 0, 3);
    open_spool(fixture);
    assert_int_equal(drain(fixture->spool, seen, 3, 1), 3);
    for (int i = 0; i < 3; i++) {
        pass_ms(6000);
        assert_int_equal(drain(fixture->spool, seen, 3, 1), 0);
        assert_int_equal(stats_of(fixture).n_refused, 7);
    }
    assert_int_equal(tb_spool_collect(fixture->spool), 1);
    assert_int_equal(count_files(fixture, "in", ""), 7);
    assert_int_equal(stats_of(fixture).n_quarantined, 0);
}

static void a_file_that_is_no_spool_file_is_quarantined_with_the_reason(void **state)
{
    struct fixture *fixture = *state;
    static const char name[] = "1-00000000-0000000000000001-0.seg";
    char path[160];
    char text[512] = "";
    test_skew_ns = 0; /* the file is as young as it seems */
    int fd = openat(fixture->dirfd, name, O_WRONLY | O_CREAT, 0600);
    assert_int_equal(write(fd, "#!/bin/sh\n", 10), 10);
    close(fd);
    open_spool(fixture);
    assert_int_equal(drain(fixture->spool, NULL, 0, 1), 0);
    /* It may be a file that its maker is about to write. */
    assert_int_equal(count_files(fixture, "in", ".seg"), 1);
    pass_ms(6000);
    assert_int_equal(drain(fixture->spool, NULL, 0, 1), 0);
    assert_int_equal(count_files(fixture, "in", ".seg"), 0);
    assert_int_equal(stats_of(fixture).n_quarantined, 1);
    (void)snprintf(path, sizeof(path), "%s/agent/quarantine/%s.why", fixture->path, name);
    fd = open(path, O_RDONLY);
    assert_true(fd >= 0);
    assert_true(read(fd, text, sizeof(text) - 1) > 0);
    close(fd);
    assert_non_null(strstr(text, name));
    assert_non_null(strstr(text, "header is damaged"));
}

static void a_file_that_stayed_empty_is_removed_but_not_while_its_owner_lives(void **state)
{
    struct fixture *fixture = *state;
    int fd = openat(fixture->dirfd, "1-00000000-0000000000000001-0.seg", O_WRONLY | O_CREAT, 0600);
    lock_as_owner(fd);
    open_spool(fixture);
    pass_ms(60000);
    assert_int_equal(drain(fixture->spool, NULL, 0, 1), 0);
    assert_int_equal(count_files(fixture, "in", ".seg"), 1);
    close(fd);
    assert_int_equal(drain(fixture->spool, NULL, 0, 1), 0);
    assert_int_equal(count_files(fixture, "in", ".seg"), 0);
    assert_int_equal(stats_of(fixture).n_quarantined, 0);
}

static void a_file_of_a_newer_version_is_left_alone(void **state)
{
    struct fixture *fixture = *state;
    struct image *image = new_image(1);
    add_item(image, 0, 10);
    image->bytes[8] = 2;
    tb_put32(image->bytes + 124, tb_crc32c(0, image->bytes, 124));
    close(write_image(fixture, image));
    pass_ms(60000);
    open_spool(fixture);
    assert_int_equal(drain(fixture->spool, NULL, 0, 1), 0);
    assert_int_equal(stats_of(fixture).n_refused, 1);
    assert_int_equal(count_files(fixture, "in", ".seg"), 1);
    free(image);
}

static void a_quarantined_record_is_kept_with_its_reason_and_not_delivered_again(void **state)
{
    struct fixture *fixture = *state;
    struct tb_spool_record record;
    write_file_of(fixture, TB_CLASS_ERROR, 7, 1);
    open_spool(fixture);
    assert_int_equal(tb_spool_next(fixture->spool, &record), 0);
    assert_int_equal(tb_spool_quarantine(fixture->spool, &record, "not JSON at byte 3"), 0);
    assert_int_equal(tb_spool_flush(fixture->spool), 0);
    assert_int_equal(count_files(fixture, "agent/quarantine", ".seg"), 1); /* test_quarantine.c */
    assert_int_equal(count_files(fixture, "agent/quarantine", ".why"), 1);
    reopen_spool(fixture);
    assert_int_equal(drain(fixture->spool, NULL, 0, 1), 0);
    assert_int_equal(tb_spool_collect(fixture->spool), 1);
}

static void the_wake_descriptor_tells_of_a_record(void **state)
{
    struct fixture *fixture = *state;
    struct tb_writer writer;
    open_spool(fixture);
    struct pollfd wait = {.fd = tb_spool_wake_fd(fixture->spool), .events = POLLIN};
    assert_true(wait.fd >= 0);
    assert_int_equal(drain(fixture->spool, NULL, 0, 1), 0);
    assert_int_equal(poll(&wait, 1, 0), 0);
    tb_writer_init(&writer, TB_CLASS_ERROR, fixture->dirfd);
    for (uint64_t n = 0; n < 3; n++) {
        assert_int_equal(append(&writer, n), 0);
        assert_int_equal(poll(&wait, 1, 0), 1);
        assert_int_equal(drain(fixture->spool, NULL, 10, 1), 1);
        assert_int_equal(poll(&wait, 1, 0), 0); /* reading does not wake */
    }
    tb_writer_close(&writer);
}

static void without_a_watch_the_folder_is_read_at_every_look(void **state)
{
    struct fixture *fixture = *state;
    struct tb_writer writer;
    open_spool(fixture);
    assert_int_equal(inotify_rm_watch(tb_spool_wake_fd(fixture->spool), 1), 0);
    assert_int_equal(drain(fixture->spool, NULL, 10, 1), 0);
    tb_writer_init(&writer, TB_CLASS_ERROR, fixture->dirfd);
    for (uint64_t n = 0; n < 3; n++) {
        assert_int_equal(append(&writer, n), 0);
        assert_int_equal(drain(fixture->spool, NULL, 10, 1), 1);
    }
    tb_writer_close(&writer);
}

static void a_copy_of_a_file_is_not_delivered_twice(void **state)
{
    struct fixture *fixture = *state;
    struct image *image = new_image(9);
    add_item(image, 0, 100);
    close(write_image(fixture, image));
    close(write_image(fixture, image));
    open_spool(fixture);
    assert_int_equal(drain(fixture->spool, NULL, 10, 1), 1);
    assert_int_equal(stats_of(fixture).n_refused, 1);
    free(image);
}

static void bytes_and_files_in_the_folder_are_counted(void **state)
{
    struct fixture *fixture = *state;
    write_file_of(fixture, TB_CLASS_ERROR, 0, 10);
    open_spool(fixture);
    assert_int_equal(stats_of(fixture).n_files, 1);
    assert_in_range(stats_of(fixture).bytes, 128, TB_SEGMENT_BYTES);
    assert_int_equal(stats_of(fixture).n_read, 0);
    drain(fixture->spool, NULL, 10, 1);
    assert_int_equal(stats_of(fixture).n_read, 10);
    tb_spool_collect(fixture->spool);
    assert_int_equal(stats_of(fixture).n_files, 0);
    assert_int_equal(stats_of(fixture).bytes, 0);
}

static void a_file_that_vanishes_while_it_is_read_does_no_harm(void **state)
{
    struct fixture *fixture = *state;
    struct tb_spool_record record;
    const uint8_t *data;
    size_t len;
    char path[256];
    write_file_of(fixture, TB_CLASS_ERROR, 0, 10);
    only_file(fixture, ".seg", path);
    open_spool(fixture);
    assert_int_equal(tb_spool_next(fixture->spool, &record), 0);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(tb_spool_context(fixture->spool, &record, 0, &data, &len), -ENOENT);
    assert_int_equal(drain(fixture->spool, NULL, 10, 1), 9);
    tb_spool_ack(fixture->spool, record.file_id, record.off8, TB_ACK_STORED);
    pass_ms(1100);
    assert_int_equal(drain(fixture->spool, NULL, 10, 1), 0);
    assert_int_equal(stats_of(fixture).n_files, 0);
    tb_spool_ack(fixture->spool, record.file_id, record.off8, TB_ACK_STORED);
    assert_int_equal(tb_spool_flush(fixture->spool), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_was_appended_is_delivered_in_order_and_collected,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            classes_come_in_order_and_within_a_class_the_oldest_file_first, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_crash_overtakes_a_backlog_of_errors, set_up, tear_down),
        cmocka_unit_test_setup_teardown(acknowledgements_survive_a_restart, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_restart_before_the_flush_delivers_again, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(rewinding_delivers_what_was_not_acknowledged, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_second_agent_is_refused_and_told_whom_to_stop, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(foreign_things_in_the_folder_do_no_harm, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_file_that_is_no_spool_file_is_quarantined_with_the_reason,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            a_file_that_stayed_empty_is_removed_but_not_while_its_owner_lives, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_file_of_a_newer_version_is_left_alone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            a_quarantined_record_is_kept_with_its_reason_and_not_delivered_again, set_up,
            tear_down),
        cmocka_unit_test_setup_teardown(the_wake_descriptor_tells_of_a_record, set_up, tear_down),
        cmocka_unit_test_setup_teardown(without_a_watch_the_folder_is_read_at_every_look, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_copy_of_a_file_is_not_delivered_twice, set_up, tear_down),
        cmocka_unit_test_setup_teardown(bytes_and_files_in_the_folder_are_counted, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_file_that_vanishes_while_it_is_read_does_no_harm, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
