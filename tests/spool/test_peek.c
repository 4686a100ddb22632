/* Looking at a spool shows all there is, says what is wrong, and changes nothing. */
#include "support.h"

#include <sys/wait.h>

#include "base/crc.h"
#include "clock.h"
#include "spool/peek.h"
#include "spool/quarantine.h"

static const uint8_t BOOT[16] = {0xab, 0xcd};
static const uint8_t UUID[16] = "the crash's uuid";

static struct tb_peek *look(const struct fixture *fixture)
{
    struct tb_peek *peek = NULL;
    char why[TB_SPOOL_WHY] = "";
    int err = tb_peek_open(fixture->path, &peek, why);
    if (err < 0)
        print_error("%s\n", why);
    assert_int_equal(err, 0);
    return peek;
}

/* What a walk met, in order: one letter for each part, small for what is acknowledged. */
struct met {
    char letters[64];
    size_t n;
    struct tb_peek_part parts[64];
};

static int note_part(void *arg, const struct tb_peek_file *file, const struct tb_peek_part *part)
{
    static const char letters[] = "RPST?htwD";
    struct met *met = arg;
    (void)file;
    assert_true(met->n < 63);
    met->parts[met->n] = *part;
    met->letters[met->n++] = part->is_put_away ? 'q' : part->is_acked ? 'r' : letters[part->what];
    return 0;
}

/* Walks the only file, or the one at index. */
static struct met walk_at(struct tb_peek *peek, size_t index, struct tb_peek_file *out)
{
    struct met met = {.n = 0};
    size_t n;
    struct tb_peek_file *files = tb_peek_files(peek, &n);
    assert_true(index < n);
    assert_int_equal(tb_peek_walk(peek, &files[index], note_part, &met), 0);
    *out = files[index];
    return met;
}

static void a_walk_shows_each_record_and_what_the_agent_has(void **state)
{
    struct fixture *fixture = *state;
    struct tb_spool_record record;
    struct tb_peek_file file;
    struct image *image = new_image(1);
    add_frame(image, TB_FRAME_FULL, TB_KIND_PROCESS, 1, 64);
    for (uint64_t n = 0; n < 4; n++)
        add_item(image, n, 100);
    add_frame(image, TB_FRAME_SEAL, TB_KIND_NONE, 0, 0);
    close(write_image(fixture, image));
    open_spool(fixture);
    assert_int_equal(tb_spool_next(fixture->spool, &record), 0);
    tb_spool_ack(fixture->spool, record.file_id, record.off8, TB_ACK_STORED);
    assert_int_equal(tb_spool_next(fixture->spool, &record), 0);
    assert_int_equal(tb_spool_quarantine(fixture->spool, &record, "a test"), 0);
    assert_int_equal(tb_spool_flush(fixture->spool), 0);
    struct tb_peek *peek = look(fixture); /* while the agent has it */
    assert_true(tb_peek_agent(peek)->is_running);
    assert_int_equal(tb_peek_agent(peek)->n_acks, 2);
    struct met met = walk_at(peek, 0, &file);
    assert_string_equal(met.letters, "PrqRRS");
    assert_int_equal(file.state, TB_PEEK_COMPLETE);
    assert_int_equal(file.n_records, 4);
    assert_int_equal(file.n_acked, 2);
    assert_int_equal(file.n_processes, 1);
    assert_int_equal(file.n_lost, 0);
    assert_true(file.is_sealed);
    assert_int_equal(file.uid, geteuid());
    assert_int_equal(met.parts[3].frame.time_ns, 3);
    assert_int_equal(met.parts[3].len, 100);
    tb_peek_close(peek);
    close_spool(fixture);
    peek = look(fixture);
    assert_false(tb_peek_agent(peek)->is_running);
    tb_peek_close(peek);
    free(image);
}

/* Everything of the spool that could change: names, sizes, times. */
static size_t take_picture(const struct fixture *fixture, struct stat *out, size_t max)
{
    static const char *const folders[] = {"", "/in", "/agent", "/agent/quarantine"};
    size_t n = 0;
    for (size_t i = 0; i < 4; i++) {
        char path[512];
        snprintf(path, sizeof(path), "%s%s", fixture->path, folders[i]);
        DIR *dir = opendir(path);
        const struct dirent *entry;
        while (dir && (entry = readdir(dir))) {
            if (strcmp(entry->d_name, "..") == 0)
                continue;
            assert_true(n < max);
            memset(&out[n], 0, sizeof(out[n]));
            assert_int_equal(fstatat(dirfd(dir), entry->d_name, &out[n], AT_SYMLINK_NOFOLLOW), 0);
            memset(&out[n].st_atim, 0, sizeof(out[n].st_atim));
            n++;
        }
        if (dir)
            closedir(dir);
    }
    return n;
}

static void looking_changes_nothing(void **state)
{
    struct fixture *fixture = *state;
    struct stat before[32];
    struct stat after[32];
    struct tb_peek_file file;
    struct image *image = new_image(1);
    add_item(image, 0, 100);
    close(write_image(fixture, image));
    close(openat(fixture->dirfd, "1-00000000-0000000000000001-0.seg", O_WRONLY | O_CREAT, 0600));
    for (int with_agent = 0; with_agent < 2; with_agent++) {
        size_t n = take_picture(fixture, before, 32);
        struct tb_peek *peek = look(fixture);
        assert_int_equal(tb_peek_agent(peek)->is_known, with_agent);
        assert_string_equal(walk_at(peek, 0, &file).letters, "R");
        tb_peek_close(peek);
        assert_int_equal(take_picture(fixture, after, 32), n);
        assert_memory_equal(before, after, n * sizeof(before[0]));
        if (with_agent == 0) { /* now agent/ is there, but neither ack.log nor quarantine */
            char path[128];
            open_spool(fixture);
            close_spool(fixture);
            snprintf(path, sizeof(path), "%s/agent/ack.log", fixture->path);
            assert_int_equal(unlink(path), 0);
        }
    }
    free(image);
}

static void what_is_missing_is_named_with_its_place(void **state)
{
    struct fixture *fixture = *state;
    struct tb_peek_file file;
    struct image *image = new_image(1);
    const size_t room = tb_frame_room(100);
    add_item(image, 0, 100);
    image->len += room; /* a write that never happened */
    image->seq++;
    add_item(image, 2, 100);
    size_t torn = image->len; /* one that was cut, and one behind it */
    add_item(image, 3, 100);
    memset(image->bytes + torn + 100, 0, room - 100);
    add_item(image, 7, 100);
    size_t damaged = image->len;
    add_item(image, 4, 100);
    image->bytes[damaged + 10] ^= 1;
    add_frame(image, TB_FRAME_MID, TB_KIND_ITEM, 5, 100);
    size_t end = image->len; /* the last write was cut in its header */
    add_item(image, 6, 100);
    memset(image->bytes + end + 20, 0, room - 20);
    int fd = write_image(fixture, image);
    lock_as_owner(fd);
    struct tb_peek *peek = look(fixture);
    assert_string_equal(walk_at(peek, 0, &file).letters, "RwRwRD?w");
    assert_int_equal(file.state, TB_PEEK_LIVE);
    tb_peek_close(peek);
    close(fd);
    peek = look(fixture);
    struct met met = walk_at(peek, 0, &file);
    assert_string_equal(met.letters, "RhRtRD?t");
    assert_int_equal(file.n_records, 3);
    assert_int_equal(file.n_holes, 1);
    assert_int_equal(file.n_torn, 2);
    assert_int_equal(file.n_damaged, 1);
    assert_int_equal(file.n_unknown, 1);
    assert_int_equal(file.n_lost, 3);
    assert_int_equal(met.parts[5].offset, damaged);
    assert_int_equal(met.parts[5].end, damaged + room);
    assert_int_equal(met.parts[7].offset, end);
    tb_peek_close(peek);
    free(image);
    /* The agent counts the same: what is torn is no damage. */
    open_spool(fixture);
    assert_int_equal(drain(fixture->spool, NULL, 8, 0), 3);
    assert_int_equal(stats_of(fixture).n_damaged, file.n_damaged + file.n_unknown);
    assert_int_equal(stats_of(fixture).n_lost, file.n_lost);
}

static void a_flipped_bit_of_the_last_record_is_no_torn_write(void **state)
{
    struct fixture *fixture = *state;
    struct tb_peek_file file;
    struct image *image = new_image(1);
    size_t at = image->len;
    add_item(image, 0, 100);
    image->bytes[at + TB_FRAME_HEADER_BYTES + 99] = 1;
    image->bytes[at + TB_FRAME_HEADER_BYTES + 50] ^= 1;
    close(write_image(fixture, image));
    struct tb_peek *peek = look(fixture);
    assert_string_equal(walk_at(peek, 0, &file).letters, "D");
    tb_peek_close(peek);
    free(image);
}

/* ---- what no producer makes ---- */

static enum tb_peek_state state_of(struct tb_peek *peek, const char *name, const char *why)
{
    size_t n;
    struct tb_peek_file *files = tb_peek_files(peek, &n);
    for (size_t i = 0; i < n; i++) {
        if (strcmp(files[i].name, name) != 0)
            continue;
        assert_int_equal(tb_peek_walk(peek, &files[i], NULL, NULL), 0);
        assert_int_equal(files[i].n_records, 0);
        if (!strstr(files[i].why, why))
            fail_msg("%s: %s", name, files[i].why);
        return files[i].state;
    }
    fail_msg("%s is not listed", name);
    return TB_PEEK_LIVE;
}

static void hostile_files_are_named_and_neither_opened_nor_followed(void **state)
{
    static const char *const names[] = {"1-00000000-0000000000000001-0.seg",
                                        "1-00000000-0000000000000002-0.seg",
                                        "1-00000000-0000000000000003-0.seg",
                                        "1-00000000-0000000000000004-0.seg",
                                        "1-00000000-0000000000000005-0.seg",
                                        "1-00000000-0000000000000006-0.seg",
                                        "a\nb \x1b[31m"};
    struct fixture *fixture = *state;
    int in_fd = fixture->dirfd;
    assert_int_equal(mkfifoat(in_fd, names[0], 0600), 0);
    assert_int_equal(symlinkat("/etc/passwd", in_fd, names[1]), 0);
    assert_int_equal(mkdirat(in_fd, names[2], 0700), 0);
    close(openat(in_fd, names[3], O_WRONLY | O_CREAT, 0600));
    assert_int_equal(linkat(in_fd, names[3], in_fd, names[4], 0), 0);
    int fd = openat(in_fd, names[5], O_WRONLY | O_CREAT, 0600);
    assert_int_equal(ftruncate(fd, 1ll << 40), 0);
    close(fd);
    close(openat(in_fd, names[6], O_WRONLY | O_CREAT, 0600));
    pass_ms(6000);
    struct tb_peek *peek = look(fixture);
    assert_int_equal(state_of(peek, names[0], "a pipe"), TB_PEEK_REFUSED);
    assert_int_equal(state_of(peek, names[1], "a symbolic link"), TB_PEEK_REFUSED);
    assert_int_equal(state_of(peek, names[2], "a folder"), TB_PEEK_REFUSED);
    assert_int_equal(state_of(peek, names[3], "other names"), TB_PEEK_REFUSED);
    assert_int_equal(state_of(peek, names[5], "longer than any file"), TB_PEEK_REFUSED);
    assert_int_equal(state_of(peek, names[6], "no program of ours"), TB_PEEK_REFUSED);
    tb_peek_close(peek);
}

static void a_header_says_what_becomes_of_its_file(void **state)
{
    struct fixture *fixture = *state;
    static const char empty[] = "1-00000000-0000000000000001-0.seg";
    static const char bad[] = "1-00000000-0000000000000002-0.seg";
    struct tb_peek_file file;
    struct image *image = new_image(1);
    test_skew_ns = 0;
    close(openat(fixture->dirfd, empty, O_WRONLY | O_CREAT, 0600));
    int fd = openat(fixture->dirfd, bad, O_WRONLY | O_CREAT, 0600);
    assert_int_equal(write(fd, "#!/bin/sh\n", 10), 10);
    close(fd);
    struct tb_peek *peek = look(fixture);
    assert_int_equal(state_of(peek, empty, "not written yet"), TB_PEEK_WAITING);
    tb_peek_close(peek);
    pass_ms(6000);
    add_item(image, 0, 100);
    image->bytes[40] ^= 4;
    close(write_image(fixture, image));
    peek = look(fixture);
    assert_int_equal(state_of(peek, empty, "nothing"), TB_PEEK_EMPTY);
    assert_int_equal(state_of(peek, bad, "header is damaged"), TB_PEEK_DAMAGED);
    assert_string_equal(walk_at(peek, 0, &file).letters, "R");
    assert_true(file.was_mended);
    tb_peek_close(peek);
    free(image);
}

static void files_come_as_the_agent_reads_them_and_copies_do_not(void **state)
{
    struct fixture *fixture = *state;
    struct tb_peek_file file;
    size_t n;
    for (int i = 0; i < 4; i++) {
        static const uint8_t classes[] = {TB_CLASS_INFO, TB_CLASS_CRASH, TB_CLASS_ERROR,
                                          TB_CLASS_ERROR};
        struct image *image = new_image((uint64_t)i + 1);
        image->bytes[12] = classes[i];
        tb_put64(image->bytes + 72, 100 - (uint64_t)i);
        tb_put32(image->bytes + 124, tb_crc32c(0, image->bytes, 124));
        add_item(image, (uint64_t)i, 100);
        close(write_image(fixture, image));
        if (i == 3)
            close(write_image(fixture, image));
        free(image);
    }
    struct tb_peek *peek = look(fixture);
    struct tb_peek_file *files = tb_peek_files(peek, &n);
    assert_int_equal(n, 5);
    int n_copies = 0;
    uint64_t order[5];
    size_t n_order = 0;
    for (size_t i = 0; i < n; i++) {
        if (files[i].state == TB_PEEK_REFUSED) {
            assert_non_null(strstr(files[i].why, "a copy"));
            assert_int_equal(walk_at(peek, i, &file).n, 0);
            n_copies++;
            continue;
        }
        order[n_order++] = tb_get64(walk_at(peek, i, &file).parts[0].frame.uuid);
    }
    assert_int_equal(n_copies, 1);
    assert_int_equal(order[0], 1);
    assert_int_equal(order[1], 3); /* the older one of two errors */
    assert_int_equal(order[2], 2);
    assert_int_equal(order[3], 0);
    tb_peek_close(peek);
}

/* ---- slots ---- */

static void a_slot_shows_its_crash_and_the_newest_process_before_it(void **state)
{
    struct fixture *fixture = *state;
    struct tb_slot slot;
    struct tb_peek_file file;
    assert_int_equal(tb_slot_open(&slot, fixture->dirfd, BOOT, 42), 0);
    assert_int_equal(tb_slot_context(&slot, 1, "first", 5), 0);
    assert_int_equal(tb_slot_context(&slot, 2, "second", 6), 0);
    assert_int_equal(tb_slot_context(&slot, 3, "third", 5), 0); /* over the first */
    struct tb_peek *peek = look(fixture);
    struct met met = walk_at(peek, 0, &file);
    assert_string_equal(met.letters, "PP"); /* armed: nothing more to read */
    assert_int_equal(file.slot_state, TB_SLOT_ARMED);
    tb_peek_close(peek);
    tb_slot_state(&slot, TB_SLOT_WRITING, 5);
    tb_slot_begin(&slot, UUID, 77);
    assert_int_equal(tb_slot_write(&slot, "a crash", 7), 0);
    tb_slot_end(&slot);
    tb_slot_state(&slot, TB_SLOT_HANDED_ON, 5);
    peek = look(fixture);
    met = walk_at(peek, 0, &file);
    assert_string_equal(met.letters, "PPR");
    assert_int_equal(met.parts[1].len, 5);
    assert_int_equal(tb_get64(met.parts[1].frame.uuid), 3);
    assert_int_equal(met.parts[2].offset, TB_SLOT_CRASH_AT);
    assert_int_equal(met.parts[2].len, 7);
    assert_memory_equal(met.parts[2].frame.uuid, UUID, 16);
    assert_int_equal(file.state, TB_PEEK_LIVE);
    tb_peek_close(peek);
    tb_slot_close(&slot, 1);
    peek = look(fixture);
    assert_string_equal(walk_at(peek, 0, &file).letters, "PP"); /* a clean exit */
    tb_peek_close(peek);
}

static void a_fragment_without_its_first_word_was_not_finished(void **state)
{
    struct fixture *fixture = *state;
    struct tb_slot slot;
    struct tb_peek_file file;
    struct tb_spool_record record;
    assert_int_equal(tb_slot_open(&slot, fixture->dirfd, BOOT, 42), 0);
    tb_slot_state(&slot, TB_SLOT_WRITING, 5);
    tb_slot_begin(&slot, UUID, 77);
    assert_int_equal(tb_slot_write(&slot, "a crash", 7), 0);
    tb_slot_end(&slot);
    tb_put32(slot.map + TB_SLOT_CRASH_AT, 0);
    tb_slot_close(&slot, 0);
    struct tb_peek *peek = look(fixture);
    struct met met = walk_at(peek, 0, &file);
    assert_string_equal(met.letters, "R"); /* what is said in its place */
    assert_memory_equal(met.parts[0].frame.uuid, file.header.id, 16);
    tb_peek_close(peek);
    open_spool(fixture);
    assert_int_equal(tb_spool_next(fixture->spool, &record), 0);
    assert_memory_equal(record.uuid, file.header.id, 16);
    assert_int_equal(stats_of(fixture).n_vanished, 1);
    assert_int_equal(stats_of(fixture).n_quarantined, 0);
}

/* ---- the agent's part ---- */

static void quarantine_comes_last_with_its_reasons(void **state)
{
    static const char bad[] = "1-00000000-0000000000000001-0.seg";
    struct fixture *fixture = *state;
    char path[128];
    char why[256];
    size_t n;
    struct image *image = new_image(1);
    add_item(image, 0, 100);
    close(write_image(fixture, image));
    open_spool(fixture);
    close_spool(fixture);
    test_skew_ns = 0;
    snprintf(path, sizeof(path), "%s/agent", fixture->path);
    int agent_fd = open(path, O_RDONLY | O_DIRECTORY);
    assert_int_equal(tb_quarantine_data(agent_fd, "0000000000000001-16.record", "{}", 2, "old"), 0);
    assert_int_equal(tb_quarantine_data(agent_fd, bad, "x", 1, "bad"), 0); /* young, but here */
    struct tb_peek *peek = look(fixture);
    struct tb_peek_file *files = tb_peek_files(peek, &n);
    assert_int_equal(n, 3);
    assert_false(files[0].in_quarantine);
    assert_true(files[1].in_quarantine);
    assert_int_equal(files[1].state, TB_PEEK_OLD);
    assert_string_equal(tb_peek_why(peek, &files[1], why, sizeof(why)), "old");
    assert_int_equal(files[2].state, TB_PEEK_DAMAGED);
    assert_string_equal(tb_peek_why(peek, &files[2], why, sizeof(why)), "bad");
    tb_peek_close(peek);
    close(agent_fd);
    free(image);
}

static void damage_of_the_agents_files_is_counted(void **state)
{
    struct fixture *fixture = *state;
    struct tb_spool_record record;
    char path[128];
    struct image *image = new_image(1);
    uint8_t bytes[128] = {1, 2, 3, 4, 5};
    for (uint64_t n = 0; n < 3; n++)
        add_item(image, n, 100);
    close(write_image(fixture, image));
    open_spool(fixture);
    while (tb_spool_next(fixture->spool, &record) == 0)
        tb_spool_ack(fixture->spool, record.file_id, record.off8, TB_ACK_STORED);
    assert_int_equal(tb_spool_flush(fixture->spool), 0);
    close_spool(fixture);
    snprintf(path, sizeof(path), "%s/agent/ack.log", fixture->path);
    int fd = open(path, O_RDWR);
    assert_int_equal(pwrite(fd, bytes, 4, 40), 4);
    close(fd);
    snprintf(path, sizeof(path), "%s/agent/counts", fixture->path);
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_int_equal(write(fd, bytes, 128), 128);
    close(fd);
    snprintf(path, sizeof(path), "%s/agent/inflight", fixture->path);
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_int_equal(write(fd, bytes, 128), 128); /* one bad entry, three free ones */
    close(fd);
    struct tb_peek *peek = look(fixture);
    assert_int_equal(tb_peek_agent(peek)->n_acks, 2);
    assert_int_equal(tb_peek_agent(peek)->n_bad_acks, 1);
    assert_int_equal(tb_peek_agent(peek)->n_inflight_bad, 1);
    assert_true(tb_peek_agent(peek)->counts_are_bad);
    tb_peek_close(peek);
    free(image);
}

static void what_is_no_spool_is_said_with_the_cure(void **state)
{
    struct fixture *fixture = *state;
    struct tb_peek *peek = NULL;
    char why[TB_SPOOL_WHY] = "";
    (void)fixture;
    assert_int_equal(tb_peek_open("/nowhere", &peek, why), -ENOENT);
    assert_non_null(strstr(why, "spool /nowhere: "));
    assert_non_null(strstr(why, "--spool"));
    assert_null(peek);
}

/* In a child, since the user is changed for good. */
static int look_as_nobody(const char *path, const char *what)
{
    char why[TB_SPOOL_WHY] = "";
    struct tb_peek *peek = NULL;
    if (setgid(65534) < 0 || setuid(65534) < 0)
        return 2;
    int err = tb_peek_open(path, &peek, why);
    bool is_said = strstr(why, what) && strstr(why, "sudo -u root towbar spool ls");
    return err == -EACCES && is_said ? 0 : 1;
}

static void a_drop_box_says_who_may_look_into_it(void **state)
{
    static const struct {
        mode_t mode;
        const char *what;
    } cases[] = {{03733, "it is a drop box"}, {0700, "it is a spool that only root"}};
    struct fixture *fixture = *state;
    char in[128];
    if (geteuid() != 0) {
        print_message("not as root: no second user to ask as\n");
        skip();
    }
    snprintf(in, sizeof(in), "%s/in", fixture->path);
    assert_int_equal(chmod(fixture->path, 0755), 0);
    for (int i = 0; i < 2; i++) {
        int status = -1;
        assert_int_equal(chmod(in, cases[i].mode), 0);
        pid_t pid = fork();
        if (pid == 0)
            _exit(look_as_nobody(fixture->path, cases[i].what));
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_walk_shows_each_record_and_what_the_agent_has, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(looking_changes_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_missing_is_named_with_its_place, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_flipped_bit_of_the_last_record_is_no_torn_write, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(hostile_files_are_named_and_neither_opened_nor_followed,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_header_says_what_becomes_of_its_file, set_up, tear_down),
        cmocka_unit_test_setup_teardown(files_come_as_the_agent_reads_them_and_copies_do_not,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_slot_shows_its_crash_and_the_newest_process_before_it,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_fragment_without_its_first_word_was_not_finished, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(quarantine_comes_last_with_its_reasons, set_up, tear_down),
        cmocka_unit_test_setup_teardown(damage_of_the_agents_files_is_counted, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_no_spool_is_said_with_the_cure, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_drop_box_says_who_may_look_into_it, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
