/* Quarantine keeps what came last and never more than its caps, whole or not at all, and gives back
 * what it took. */
#include "support.h"

#include "clock.h"
#include "spool/acklog.h"
#include "spool/quarantine.h"

static int open_agent(struct fixture *fixture)
{
    char path[96];
    open_spool(fixture);
    close_spool(fixture);
    (void)snprintf(path, sizeof(path), "%s/agent", fixture->path);
    return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* The only thing there. */
static struct tb_quarantined only_thing(int agent_fd)
{
    struct tb_quarantined *things = NULL;
    size_t n = 0;
    assert_int_equal(tb_quarantine_list(agent_fd, &things, &n), 0);
    assert_int_equal(n, 1);
    struct tb_quarantined thing = things[0];
    free(things);
    return thing;
}

static void the_oldest_leave_when_the_folder_is_full(void **state)
{
    struct fixture *fixture = *state;
    enum { LEN = 4 << 20, N = 12 };
    int agent_fd = open_agent(fixture);
    uint8_t *data = malloc(LEN);
    memset(data, 0x55, LEN);
    for (int i = 0; i < N; i++) {
        char name[16];
        (void)snprintf(name, sizeof(name), "thing-%02d", i);
        assert_int_equal(tb_quarantine_data(agent_fd, name, data, LEN, "a test"), 0);
        assert_int_equal(faccessat(agent_fd, "quarantine", F_OK, 0), 0);
        char kept[48];
        (void)snprintf(kept, sizeof(kept), "quarantine/%s", name);
        assert_int_equal(faccessat(agent_fd, kept, F_OK, 0), 0); /* the newest always stays */
    }
    int n = count_files(fixture, "agent/quarantine", "");
    assert_true(faccessat(agent_fd, "quarantine/thing-00", F_OK, 0) < 0);
    assert_in_range(n, 2, 2 * 8);
    free(data);
    close(agent_fd);
}

static void many_small_things_are_bounded_too(void **state)
{
    struct fixture *fixture = *state;
    int agent_fd = open_agent(fixture);
    assert_int_equal(mkdirat(agent_fd, "quarantine", 0700), 0);
    for (int i = 0; i < TB_QUARANTINE_FILES + 50; i++) {
        char name[32];
        (void)snprintf(name, sizeof(name), "quarantine/old-%04d", i);
        close(openat(agent_fd, name, O_WRONLY | O_CREAT, 0600));
    }
    assert_int_equal(tb_quarantine_data(agent_fd, "newest", "x", 1, "a test"), 0);
    assert_in_range(count_files(fixture, "agent/quarantine", ""), TB_QUARANTINE_FILES - 1,
                    TB_QUARANTINE_FILES);
    assert_int_equal(faccessat(agent_fd, "quarantine/newest.why", F_OK, 0), 0);
    close(agent_fd);
}

static void what_cannot_be_moved_stays_and_is_said(void **state)
{
    struct fixture *fixture = *state;
    int agent_fd = open_agent(fixture);
    assert_int_equal(tb_quarantine_file(agent_fd, fixture->dirfd, "not there", "a test"), -ENOENT);
    assert_int_equal(unlinkat(agent_fd, "quarantine", AT_REMOVEDIR), 0);
    close(openat(agent_fd, "quarantine", O_WRONLY | O_CREAT, 0600));
    assert_true(tb_quarantine_data(agent_fd, "x", "x", 1, "a test") < 0);
    close(agent_fd);
}

static void a_reason_is_one_line_and_can_be_asked_for(void **state)
{
    struct fixture *fixture = *state;
    char why[TB_QUARANTINE_WHY];
    int agent_fd = open_agent(fixture);
    struct tb_quarantined *things = (void *)1;
    size_t n = 1;
    assert_int_equal(tb_quarantine_list(agent_fd, &things, &n), 0);
    assert_int_equal(n, 0);
    assert_int_equal(tb_quarantine_data(agent_fd, "thing", "x", 1, "first\nsecond"), 0);
    assert_string_equal(tb_quarantine_why(agent_fd, "thing", why), "first second");
    assert_string_equal(tb_quarantine_why(agent_fd, "other", why), "");
    assert_string_equal(tb_quarantine_why(agent_fd, "../lock", why), "");
    struct tb_quarantined thing = only_thing(agent_fd);
    assert_string_equal(thing.name, "thing");
    assert_int_equal(thing.n_files, 2);
    assert_int_equal(tb_quarantine_remove(agent_fd, "thing"), 0);
    assert_int_equal(tb_quarantine_remove(agent_fd, "thing"), -ENOENT);
    assert_int_equal(count_files(fixture, "agent/quarantine", ""), 0);
    close(agent_fd);
}

static void what_a_killed_writer_left_is_cleared(void **state)
{
    static const char *const rubbish[] = {"quarantine/.thing.new", "quarantine/.thing.why.new",
                                          "quarantine/.thing.leaving", "quarantine/gone.why"};
    struct fixture *fixture = *state;
    struct stat st;
    int agent_fd = open_agent(fixture);
    assert_int_equal(mkdirat(agent_fd, "quarantine", 0700), 0);
    for (int i = 0; i < 4; i++)
        close(openat(agent_fd, rubbish[i], O_WRONLY | O_CREAT, 0600));
    assert_int_equal(tb_quarantine_data(agent_fd, "thing", "x", 1, "a test"), 0);
    (void)only_thing(agent_fd);
    for (int i = 0; i < 4; i++)
        assert_int_equal(fstatat(agent_fd, rubbish[i], &st, 0), -1);
    assert_int_equal(count_files(fixture, "agent/quarantine", ""), 2);
    close(agent_fd);
}

/* ---- records ---- */

static const uint8_t BOOT[16] = {0xab, 0xcd};
static const uint8_t UUID[16] = "the crash's uuid";

/* A process record of that generation: the fixed chunk alone, and padding to tell it by. */
static size_t make_context(uint64_t generation, uint8_t out[48])
{
    memset(out, 0, 48);
    tb_put16(out, 1);
    tb_put32(out + 4, 32);
    tb_put64(out + 8, generation);
    return 48;
}

static void add_context(struct image *image, uint64_t generation)
{
    size_t at = image->len;
    struct tb_frame frame = {.type = TB_FRAME_FULL,
                             .class_ = TB_CLASS_ERROR,
                             .kind = TB_KIND_PROCESS,
                             .offset = at,
                             .seq = image->seq++};
    frame.len = (uint32_t)make_context(generation, image->bytes + at + TB_FRAME_HEADER_BYTES);
    tb_put64(frame.uuid, generation);
    tb_frame_pack(&frame, IMAGE_SALT, image->bytes + at + TB_FRAME_HEADER_BYTES, image->bytes + at);
    image->len += tb_frame_room(frame.len);
}

static void assert_context(struct fixture *fixture, const struct tb_spool_record *record,
                           uint64_t generation, uint64_t want)
{
    const uint8_t *data;
    uint8_t bytes[48];
    size_t len;
    assert_int_equal(tb_spool_context(fixture->spool, record, generation, &data, &len), 0);
    assert_int_equal(len, make_context(want, bytes));
    assert_memory_equal(data, bytes, len);
}

/* Puts the next record away and takes it back with the agent running; the record as it comes then.
 */
static void put_away_and_retry(struct fixture *fixture, int agent_fd, struct tb_spool_record *out)
{
    assert_int_equal(tb_spool_next(fixture->spool, out), 0);
    assert_int_equal(tb_spool_quarantine(fixture->spool, out, "a test"), 0);
    assert_int_equal(tb_spool_flush(fixture->spool), 0);
    assert_int_equal(tb_spool_collect(fixture->spool), 0); /* its file was not read to the end */
    assert_int_equal(tb_spool_next(fixture->spool, out), -EAGAIN);
    assert_int_equal(tb_spool_collect(fixture->spool), 1);
    struct tb_quarantined thing = only_thing(agent_fd);
    assert_int_equal(tb_quarantine_retry(agent_fd, fixture->dirfd, thing.name), 0);
    assert_int_equal(count_files(fixture, "agent/quarantine", ""), 0);
    pass_ms(1100);
    assert_int_equal(tb_spool_next(fixture->spool, out), 0);
}

static void a_record_comes_back_under_its_uuid_with_the_process_it_refers_to(void **state)
{
    struct fixture *fixture = *state;
    struct tb_spool_record record;
    struct image *image = new_image(1);
    int agent_fd = open_agent(fixture);
    add_context(image, 7);
    add_context(image, 8);
    add_context(image, 9);
    add_item(image, 3, 12345);
    close(write_image(fixture, image));
    open_spool(fixture);
    put_away_and_retry(fixture, agent_fd, &record);
    assert_int_equal(check_record(&record), 3);
    assert_int_equal(record.class_, TB_CLASS_ERROR);
    assert_int_equal(record.uid, geteuid());
    assert_context(fixture, &record, 0, 9);
    assert_context(fixture, &record, 8, 8);
    tb_spool_ack(fixture->spool, record.file_id, record.off8, TB_ACK_STORED);
    assert_int_equal(tb_spool_next(fixture->spool, &record), -EAGAIN);
    assert_int_equal(tb_spool_collect(fixture->spool), 1);
    assert_int_equal(stats_of(fixture).n_damaged, 0);
    assert_int_equal(stats_of(fixture).n_lost, 0);
    free(image);
    close(agent_fd);
}

static void a_crash_of_a_full_slot_comes_back_whole(void **state)
{
    struct fixture *fixture = *state;
    enum { LEN = TB_SLOT_N_PAGES * TB_SLOT_FRAGMENT_MAX };
    struct tb_spool_record record;
    struct tb_slot slot;
    uint8_t context[48];
    uint8_t *stream = malloc(LEN);
    int agent_fd = open_agent(fixture);
    make_payload(5, stream, LEN);
    assert_int_equal(tb_slot_open(&slot, fixture->dirfd, BOOT, 42), 0);
    assert_int_equal(tb_slot_context(&slot, 2, context, make_context(2, context)), 0);
    tb_slot_begin(&slot, UUID, 77);
    assert_int_equal(tb_slot_write(&slot, stream, LEN), 0);
    assert_int_equal(tb_slot_write(&slot, "more", 4), -ENOSPC); /* says: truncated */
    tb_slot_end(&slot);
    tb_slot_state(&slot, TB_SLOT_COMPLETE, 1);
    tb_slot_close(&slot, 0);
    open_spool(fixture);
    put_away_and_retry(fixture, agent_fd, &record);
    assert_int_equal(record.kind, TB_KIND_CRASH);
    assert_int_equal(record.class_, TB_CLASS_CRASH);
    assert_int_equal(record.flags, TB_FRAME_TRUNCATED);
    assert_int_equal(record.time_ns, 77);
    assert_memory_equal(record.uuid, UUID, 16);
    assert_int_equal(record.len, LEN);
    assert_memory_equal(record.data, stream, LEN);
    assert_context(fixture, &record, 2, 2);
    free(stream);
    close(agent_fd);
}

static void a_record_that_is_put_away_twice_is_there_once(void **state)
{
    struct fixture *fixture = *state;
    struct tb_spool_record record;
    struct image *image = new_image(1);
    int agent_fd = open_agent(fixture);
    add_item(image, 3, 100);
    close(write_image(fixture, image));
    /* The first agent dies before it can acknowledge. */
    for (int i = 0; i < 2; i++) {
        open_spool(fixture);
        assert_int_equal(tb_spool_next(fixture->spool, &record), 0);
        assert_int_equal(tb_spool_quarantine(fixture->spool, &record, "a test"), 0);
        close_spool(fixture);
        assert_int_equal(unlinkat(agent_fd, "ack.log", 0), 0);
    }
    (void)only_thing(agent_fd);
    free(image);
    close(agent_fd);
}

/* ---- whole files ---- */

static void a_file_put_away_by_mistake_delivers_the_rest_once(void **state)
{
    struct fixture *fixture = *state;
    uint8_t seen[8] = {0};
    struct tb_spool_record record;
    struct image *image = new_image(1);
    int agent_fd = open_agent(fixture);
    for (uint64_t n = 0; n < 6; n++)
        add_item(image, n, 100);
    close(write_image(fixture, image));
    const char *name = strrchr(image->path, '/') + 1;
    open_spool(fixture);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(tb_spool_next(fixture->spool, &record), 0);
        seen[check_record(&record)]++;
        tb_spool_ack(fixture->spool, record.file_id, record.off8, TB_ACK_STORED);
    }
    assert_int_equal(tb_spool_flush(fixture->spool), 0);
    close_spool(fixture);
    assert_int_equal(tb_quarantine_file(agent_fd, fixture->dirfd, name, "by mistake"), 0);
    /* Opening leaves the acknowledgements of files that are gone out of the log. */
    for (int i = 0; i < 3; i++) {
        open_spool(fixture);
        assert_int_equal(drain(fixture->spool, seen, 6, 0), 0);
        close_spool(fixture);
    }
    assert_int_equal(tb_quarantine_retry(agent_fd, fixture->dirfd, name), 0);
    open_spool(fixture);
    assert_int_equal(drain(fixture->spool, seen, 6, 1), 2);
    for (int n = 0; n < 6; n++)
        assert_int_equal(seen[n], 1);
    free(image);
    close(agent_fd);
}

static void acknowledgements_of_what_is_away_do_not_multiply(void **state)
{
    struct fixture *fixture = *state;
    struct image *image = new_image(1);
    struct stat st;
    off_t size = 0;
    int agent_fd = open_agent(fixture);
    for (uint64_t n = 0; n < 6; n++)
        add_item(image, n, 100);
    close(write_image(fixture, image));
    const char *name = strrchr(image->path, '/') + 1;
    open_spool(fixture);
    assert_int_equal(drain(fixture->spool, NULL, 6, 1), 6);
    assert_int_equal(tb_spool_flush(fixture->spool), 0);
    close_spool(fixture);
    assert_int_equal(tb_quarantine_file(agent_fd, fixture->dirfd, name, "by mistake"), 0);
    /* One that cannot be looked into: what is acknowledged might be of it. */
    assert_int_equal(mkfifoat(fixture->dirfd, "1-00000000-0000000000000001-0.seg", 0600), 0);
    for (int i = 0; i < 4; i++) {
        reopen_spool(fixture);
        assert_int_equal(fstatat(agent_fd, "ack.log", &st, 0), 0);
        assert_true(st.st_size >= 6 * TB_ACK_ENTRY_BYTES);
        assert_true(i < 2 || st.st_size == size);
        size = st.st_size;
    }
    free(image);
    close(agent_fd);
}

static void a_log_that_is_rewritten_while_running_keeps_what_is_away(void **state)
{
    struct fixture *fixture = *state;
    enum { N_FILES = 3, N_EACH = 15000, N_OF_IT = 6, N_DONE = 4 };
    struct tb_spool_record record;
    struct stat st;
    int agent_fd = open_agent(fixture);
    struct image *image = new_image(1);
    for (uint64_t n = 0; n < N_OF_IT; n++)
        add_item(image, n, 8);
    close(write_image(fixture, image));
    const char *name = strrchr(image->path, '/') + 1;
    open_spool(fixture);
    for (int i = 0; i < N_DONE; i++) {
        assert_int_equal(tb_spool_next(fixture->spool, &record), 0);
        tb_spool_ack(fixture->spool, record.file_id, record.off8, TB_ACK_STORED);
    }
    assert_int_equal(tb_spool_flush(fixture->spool), 0);
    assert_int_equal(tb_quarantine_file(agent_fd, fixture->dirfd, name, "by mistake"), 0);
    tb_spool_rewind(fixture->spool);
    for (uint64_t id = 2; id < 2 + N_FILES; id++) {
        struct image *other = new_image(id);
        for (uint64_t n = 0; n < N_EACH; n++)
            add_item(other, n, 8);
        close(write_image(fixture, other));
        free(other);
    }
    pass_ms(1100);
    assert_int_equal(drain(fixture->spool, NULL, N_EACH, 1), N_FILES * N_EACH);
    assert_int_equal(tb_spool_collect(fixture->spool), N_FILES);
    assert_int_equal(tb_spool_flush(fixture->spool), 0);
    assert_int_equal(fstatat(agent_fd, "ack.log", &st, 0), 0);
    assert_int_equal(st.st_size, N_DONE * TB_ACK_ENTRY_BYTES); /* it was rewritten */
    close_spool(fixture);
    assert_int_equal(tb_quarantine_retry(agent_fd, fixture->dirfd, name), 0);
    open_spool(fixture);
    assert_int_equal(drain(fixture->spool, NULL, N_OF_IT, 1), N_OF_IT - N_DONE);
    free(image);
    close(agent_fd);
}

static void what_a_running_agent_stored_of_a_file_it_put_away_stays_stored(void **state)
{
    struct fixture *fixture = *state;
    struct tb_spool_record record;
    struct image *image = new_image(1);
    int agent_fd = open_agent(fixture);
    add_item(image, 0, 100);
    while (image->len + (600 << 10) < IMAGE_CAP) { /* as in test_segment_read.c: a forgery */
        size_t at = image->len;
        add_item(image, 1, 512 << 10);
        image->len = at + 64;
    }
    memset(image->bytes + IMAGE_CAP - 8, 0xff, 8);
    image->len = IMAGE_CAP;
    close(write_image(fixture, image));
    const char *name = strrchr(image->path, '/') + 1;
    open_spool(fixture);
    assert_int_equal(tb_spool_next(fixture->spool, &record), 0);
    tb_spool_ack(fixture->spool, record.file_id, record.off8, TB_ACK_STORED);
    assert_int_equal(tb_spool_next(fixture->spool, &record), -EAGAIN);
    assert_string_equal(only_thing(agent_fd).name, name);
    assert_int_equal(tb_quarantine_retry(agent_fd, fixture->dirfd, name), 0);
    pass_ms(1100);
    assert_int_equal(tb_spool_next(fixture->spool, &record), -EAGAIN);
    assert_string_equal(only_thing(agent_fd).name, name); /* it was looked at, and is no better */
    assert_int_equal(stats_of(fixture).n_quarantined, 2);
    free(image);
    close(agent_fd);
}

static void only_what_a_reader_would_take_is_retried(void **state)
{
    static const char old[] = "0000000000000001-16.record";
    static const char name[] = "1-00000000-0000000000000001-0.seg";
    struct fixture *fixture = *state;
    char why[TB_QUARANTINE_WHY];
    int agent_fd = open_agent(fixture);
    int in_fd = fixture->dirfd;
    assert_int_equal(tb_quarantine_retry(agent_fd, in_fd, name), -ENOENT);
    assert_int_equal(tb_quarantine_data(agent_fd, old, "{}", 2, "not JSON"), 0);
    assert_int_equal(tb_quarantine_data(agent_fd, name, "x", 1, "no header"), 0);
    assert_int_equal(tb_quarantine_retry(agent_fd, in_fd, old), -EPROTONOSUPPORT);
    assert_int_equal(tb_quarantine_retry(agent_fd, in_fd, "../lock"), -ENOENT);
    assert_int_equal(tb_quarantine_retry(agent_fd, in_fd, "0000000000000001-16.record.why"),
                     -ENOENT);
    assert_int_equal(tb_quarantine_remove(agent_fd, "../ack.log"), -ENOENT);
    assert_int_equal(tb_quarantine_remove(agent_fd, ""), -ENOENT);
    close(openat(in_fd, name, O_WRONLY | O_CREAT, 0600));
    assert_int_equal(tb_quarantine_retry(agent_fd, in_fd, name), -EEXIST);
    assert_string_equal(tb_quarantine_why(agent_fd, name, why), "no header");
    assert_int_equal(unlinkat(in_fd, name, 0), 0);
    assert_int_equal(tb_quarantine_retry(agent_fd, in_fd, name), 0);
    assert_int_equal(tb_quarantine_remove(agent_fd, old), 0);
    assert_int_equal(count_files(fixture, "agent/quarantine", ""), 0);
    close(agent_fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_oldest_leave_when_the_folder_is_full, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(many_small_things_are_bounded_too, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_cannot_be_moved_stays_and_is_said, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_reason_is_one_line_and_can_be_asked_for, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(what_a_killed_writer_left_is_cleared, set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            a_record_comes_back_under_its_uuid_with_the_process_it_refers_to, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_crash_of_a_full_slot_comes_back_whole, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_record_that_is_put_away_twice_is_there_once, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_file_put_away_by_mistake_delivers_the_rest_once, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(acknowledgements_of_what_is_away_do_not_multiply, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_log_that_is_rewritten_while_running_keeps_what_is_away,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            what_a_running_agent_stored_of_a_file_it_put_away_stays_stored, set_up, tear_down),
        cmocka_unit_test_setup_teardown(only_what_a_reader_would_take_is_retried, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
