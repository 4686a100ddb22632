/* A spool over its caps: docs/spool-format.md 9. The order is in test_evict_plan.c. */
#include "support.h"

#include "base/id.h"
#include "clock.h"
#include "spool/quarantine.h"
#include "spool/source.h"

enum { RECORD_BYTES = 1000, FILE_BYTES = 64 << 10, FOLDER_BYTES = 8 << 10 };

static const struct tb_spool_policy NO_CAPS = {
    .max_bytes = UINT64_MAX, .max_age_hours = {1000000, 1000000, 1000000, 1000000}};

int __real_tb_source_enter(struct tb_source *source, int in_fd, struct tb_visit *visit);
int __wrap_tb_source_enter(struct tb_source *source, int in_fd, struct tb_visit *visit);

static int n_entered;

int __wrap_tb_source_enter(struct tb_source *source, int in_fd, struct tb_visit *visit)
{
    n_entered++;
    return __real_tb_source_enter(source, in_fd, visit);
}

/* Each record is a bug of its own, but those with the same number / 100. */
static uint64_t kind_of(void *arg, const struct tb_spool_record *record)
{
    unsigned *n_calls = arg;
    (*n_calls)++;
    return 1000 + tb_get64(record->uuid) / 100;
}

/* n records in a file; its owner is gone unless writer is given. */
static void write_file_of(const struct fixture *fixture, struct tb_writer *writer, int class_,
                          uint64_t first, uint64_t n)
{
    struct tb_writer own;
    struct tb_writer *use = writer ? writer : &own;
    tb_writer_init(use, class_, fixture->dirfd);
    tb_id_boot(use->boot_id);
    for (uint64_t i = 0; i < n; i++)
        assert_int_equal(append_sized(use, first + i, RECORD_BYTES), 0);
    if (!writer)
        tb_writer_close(use);
    pass_ms(10); /* so that the ages differ */
}

static struct tb_spool_evicted evict(struct fixture *fixture, const struct tb_spool_policy *policy)
{
    struct tb_spool_evicted out;
    assert_int_equal(tb_spool_evict(fixture->spool, policy, &out), 0);
    return out;
}

/* The cap of the whole of which classes 1 to 3 may have so much. */
static uint64_t cap_of_chatter(uint64_t bytes)
{
    return (bytes / 75 + 1) * 100;
}

static void chatter_goes_before_crashes_and_every_record_is_counted(void **state)
{
    struct fixture *fixture = *state;
    struct tb_spool_policy policy = NO_CAPS;
    uint8_t seen[100] = {0};
    write_file_of(fixture, NULL, TB_CLASS_CRASH, 0, 10);
    write_file_of(fixture, NULL, TB_CLASS_WARNING, 10, 4);
    write_file_of(fixture, NULL, TB_CLASS_INFO, 20, 5);
    open_spool(fixture);
    policy.max_bytes = stats_of(fixture).bytes;
    struct tb_spool_evicted out = evict(fixture, &policy);
    assert_int_equal(out.files, 0);
    policy.max_bytes--;
    out = evict(fixture, &policy);
    assert_int_equal(out.files, 1);
    assert_int_equal(out.records[TB_CLASS_INFO], 5);
    policy.max_bytes = stats_of(fixture).bytes - 1;
    out = evict(fixture, &policy);
    assert_int_equal(out.records[TB_CLASS_WARNING], 4);
    assert_int_equal(drain(fixture->spool, seen, 100, 0), 10);
    for (int i = 0; i < 2; i++) {
        const struct tb_spool_totals total = stats_of(fixture).total;
        assert_int_equal(total.evicted[TB_CLASS_INFO], 5);
        assert_int_equal(total.evicted[TB_CLASS_WARNING], 4);
        assert_int_equal(total.evicted[TB_CLASS_CRASH], 0);
        assert_int_equal(total.evicted_files, 2);
        assert_true(total.evicted_bytes >= 9 * RECORD_BYTES);
        reopen_spool(fixture);
    }
}

static void only_what_is_not_acknowledged_counts_as_lost(void **state)
{
    struct fixture *fixture = *state;
    struct tb_spool_policy policy = NO_CAPS;
    struct tb_spool_record record;
    write_file_of(fixture, NULL, TB_CLASS_INFO, 0, 5);
    open_spool(fixture);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(tb_spool_next(fixture->spool, &record), 0);
        tb_spool_ack(fixture->spool, record.file_id, record.off8, TB_ACK_STORED);
    }
    policy.max_bytes = 1;
    assert_int_equal(evict(fixture, &policy).records[TB_CLASS_INFO], 3);
    assert_int_equal(count_files(fixture, "in", ""), 0);
    assert_int_equal(stats_of(fixture).n_files, 0);
    assert_int_equal(drain(fixture->spool, NULL, 0, 0), 0);
}

static void a_file_whose_owner_lives_is_never_evicted(void **state)
{
    struct fixture *fixture = *state;
    struct tb_spool_policy policy = NO_CAPS;
    struct tb_writer writer;
    uint8_t seen[3] = {0};
    policy.max_bytes = 1;
    policy.max_age_hours[TB_CLASS_INFO] = 0;
    write_file_of(fixture, &writer, TB_CLASS_INFO, 0, 2);
    open_spool(fixture);
    assert_int_equal(drain(fixture->spool, seen, 3, 0), 2);
    pass_ms(60 * 1000); /* not so long that the writer goes on to another file */
    assert_int_equal(evict(fixture, &policy).files, 0);
    assert_int_equal(append_sized(&writer, 2, RECORD_BYTES), 0);
    assert_int_equal(drain(fixture->spool, seen, 3, 0), 1);
    assert_int_equal(evict(fixture, &policy).files, 0);
    tb_writer_close(&writer);
    assert_int_equal(evict(fixture, &policy).records[TB_CLASS_INFO], 3); /* nobody read since */
}

/* With the database away every batch starts over with the first crash. */
static void read_the_first_and_fail(struct fixture *fixture)
{
    struct tb_spool_record record;
    assert_int_equal(tb_spool_next(fixture->spool, &record), 0);
    assert_int_equal(record.class_, TB_CLASS_CRASH);
    tb_spool_rewind(fixture->spool);
}

static void files_the_reader_never_came_to_go_before_crashes(void **state)
{
    struct fixture *fixture = *state;
    struct tb_spool_policy policy = NO_CAPS;
    uint8_t seen[100] = {0};
    write_file_of(fixture, NULL, TB_CLASS_CRASH, 0, 10);
    open_spool(fixture);
    uint64_t each = stats_of(fixture).bytes;
    assert_true(each > 0);
    read_the_first_and_fail(fixture);
    for (uint64_t n = 1; n < 4; n++) /* these came since */
        write_file_of(fixture, NULL, (int)n, n * 10, 10);
    pass_ms(1100);
    read_the_first_and_fail(fixture);
    assert_int_equal(stats_of(fixture).bytes, each);
    policy.max_bytes = cap_of_chatter(3 * each);
    assert_int_equal(evict(fixture, &policy).files, 0);
    assert_int_equal(stats_of(fixture).bytes, 4 * each);
    policy.max_bytes = each;
    struct tb_spool_evicted out = evict(fixture, &policy);
    assert_int_equal(out.files, 3);
    for (int c = 1; c < TB_N_CLASSES; c++)
        assert_int_equal(out.records[c], 10);
    assert_int_equal(drain(fixture->spool, seen, 100, 0), 10);
    assert_int_equal(stats_of(fixture).bytes, each);
}

static void files_that_looked_alive_go_before_crashes_when_their_owners_are_gone(void **state)
{
    struct fixture *fixture = *state;
    struct tb_spool_policy policy = NO_CAPS;
    struct tb_writer living;
    struct tb_writer dying;
    uint8_t seen[100] = {0};
    write_file_of(fixture, &living, TB_CLASS_INFO, 20, 5);
    write_file_of(fixture, &dying, TB_CLASS_INFO, 30, 5);
    for (uint64_t n = 0; n < 2; n++)
        write_file_of(fixture, NULL, TB_CLASS_CRASH, n * 10, 10);
    open_spool(fixture);
    assert_int_equal(drain(fixture->spool, seen, 100, 0), 30);
    tb_spool_rewind(fixture->spool);
    tb_writer_close(&dying);
    read_the_first_and_fail(fixture);
    policy.max_bytes = stats_of(fixture).bytes - 1;
    struct tb_spool_evicted out = evict(fixture, &policy);
    assert_int_equal(out.files, 0); /* it gave back what it had not used, which is enough */
    policy.max_bytes = stats_of(fixture).bytes - 1;
    out = evict(fixture, &policy);
    assert_int_equal(out.files, 1);
    assert_int_equal(out.records[TB_CLASS_INFO], 5);
    /* Of the other one the owner lives: now a crash has to go. */
    policy.max_bytes = stats_of(fixture).bytes - 1;
    out = evict(fixture, &policy);
    assert_int_equal(out.files, 1);
    assert_int_equal(out.records[TB_CLASS_CRASH], 10);
    assert_true(stats_of(fixture).bytes <= policy.max_bytes);
    tb_writer_close(&living);
}

static void the_slot_of_a_clean_exit_goes_before_all_else(void **state)
{
    struct fixture *fixture = *state;
    struct tb_spool_policy policy = NO_CAPS;
    struct tb_slot slots[3];
    uint8_t boot[16];
    uint8_t seen[100] = {0};
    tb_id_boot(boot);
    write_file_of(fixture, NULL, TB_CLASS_CRASH, 0, 10);
    write_file_of(fixture, NULL, TB_CLASS_INFO, 10, 10);
    open_spool(fixture);
    uint64_t bytes = stats_of(fixture).bytes;
    read_the_first_and_fail(fixture);
    for (int i = 0; i < 3; i++)
        assert_int_equal(tb_slot_open(&slots[i], fixture->dirfd, boot, 42), 0);
    tb_slot_close(&slots[0], 1);
    policy.max_bytes = cap_of_chatter(bytes + 2 * (uint64_t)TB_SLOT_BYTES);
    assert_int_equal(evict(fixture, &policy).files, 0);
    assert_int_equal(count_files(fixture, "in", ".slot"), 2);
    tb_slot_close(&slots[1], 1); /* it looked alive a moment ago */
    policy.max_bytes = bytes + TB_SLOT_BYTES + TB_SLOT_BYTES / 2;
    assert_int_equal(evict(fixture, &policy).files, 0);
    assert_int_equal(count_files(fixture, "in", ".slot"), 1);
    tb_slot_close(&slots[2], 1);
    assert_int_equal(drain(fixture->spool, seen, 100, 0), 20);
    assert_int_equal(stats_of(fixture).total.evicted_files, 0);
}

/* It is a report as any crash: what is chatty goes first. */
static void the_slot_of_a_process_that_died_unseen_goes_as_a_crash(void **state)
{
    struct fixture *fixture = *state;
    struct tb_spool_policy policy = NO_CAPS;
    struct tb_slot slot;
    uint8_t boot[16];
    tb_id_boot(boot);
    write_file_of(fixture, NULL, TB_CLASS_INFO, 10, 10);
    assert_int_equal(tb_slot_open(&slot, fixture->dirfd, boot, 42), 0);
    tb_slot_close(&slot, 0);
    open_spool(fixture);
    policy.max_bytes = stats_of(fixture).bytes - 1;
    struct tb_spool_evicted out = evict(fixture, &policy);
    assert_int_equal(out.records[TB_CLASS_INFO], 10);
    assert_int_equal(out.records[TB_CLASS_CRASH], 0);
    assert_int_equal(count_files(fixture, "in", ".slot"), 1);
    policy.max_bytes = 1;
    out = evict(fixture, &policy);
    assert_int_equal(out.records[TB_CLASS_CRASH], 1);
    assert_int_equal(stats_of(fixture).total.evicted[TB_CLASS_CRASH], 1);
    assert_int_equal(stats_of(fixture).total.vanished, 1);
    assert_int_equal(count_files(fixture, "in", ".slot"), 0);
}

/* Very many processes may vanish at a time, and the reader takes a while until it comes to them. */
static void slots_of_processes_that_died_unseen_are_opened_once_only(void **state)
{
    enum { N = 10 };
    struct fixture *fixture = *state;
    struct tb_slot slot;
    uint8_t boot[16];
    tb_id_boot(boot);
    for (int i = 0; i < N; i++) {
        assert_int_equal(tb_slot_open(&slot, fixture->dirfd, boot, 42), 0);
        tb_slot_close(&slot, 0);
    }
    open_spool(fixture);
    n_entered = 0;
    (void)evict(fixture, &NO_CAPS);
    assert_int_equal(n_entered, N);
    for (int i = 0; i < 5; i++)
        (void)evict(fixture, &NO_CAPS);
    assert_int_equal(n_entered, N);
    assert_int_equal(stats_of(fixture).total.vanished, 0); /* the reader has not been there */
    uint64_t n = 0;
    struct tb_spool_record record;
    while (tb_spool_next(fixture->spool, &record) == 0)
        n++;
    assert_int_equal(n, N);
}

static void what_is_too_old_goes_though_the_reader_did_not_come_to_it_again(void **state)
{
    struct fixture *fixture = *state;
    struct tb_spool_policy policy = NO_CAPS;
    struct tb_writer dying;
    policy.max_age_hours[TB_CLASS_INFO] = 1;
    policy.max_age_hours[TB_CLASS_WARNING] = 1;
    write_file_of(fixture, NULL, TB_CLASS_CRASH, 0, 1);
    write_file_of(fixture, &dying, TB_CLASS_INFO, 20, 5);
    open_spool(fixture);
    write_file_of(fixture, NULL, TB_CLASS_WARNING, 30, 5);
    read_the_first_and_fail(fixture);
    tb_writer_close(&dying);
    pass_ms(3601 * 1000);
    struct tb_spool_evicted out = evict(fixture, &policy);
    assert_int_equal(out.files, 2);
    assert_int_equal(out.records[TB_CLASS_INFO], 5);
    assert_int_equal(out.records[TB_CLASS_WARNING], 5);
}

/* Between creating a file and locking it nothing tells that it has an owner. */
static void a_file_without_a_header_is_never_evicted(void **state)
{
    struct fixture *fixture = *state;
    struct tb_spool_policy policy = NO_CAPS;
    policy.max_bytes = 1;
    test_skew_ns = 0; /* it is as young as it seems */
    int fd = openat(fixture->dirfd, "3-00000000-0000000000000001-0.seg", O_WRONLY | O_CREAT, 0600);
    assert_int_equal(posix_fallocate(fd, 0, FILE_BYTES), 0);
    open_spool(fixture);
    assert_int_equal(drain(fixture->spool, NULL, 0, 0), 0);
    assert_true(stats_of(fixture).bytes >= FILE_BYTES);
    assert_int_equal(evict(fixture, &policy).files, 0);
    assert_int_equal(count_files(fixture, "in", ".seg"), 1);
    close(fd);
}

static void the_first_and_the_last_of_a_kind_stay_longest(void **state)
{
    struct fixture *fixture = *state;
    unsigned n_calls = 0;
    struct tb_spool_policy policy = NO_CAPS;
    uint8_t seen[600] = {0};
    policy.kind = kind_of;
    policy.arg = &n_calls;
    for (uint64_t n = 100; n < 105; n++) /* one bug, five times */
        write_file_of(fixture, NULL, TB_CLASS_ERROR, n, 1);
    write_file_of(fixture, NULL, TB_CLASS_ERROR, 500, 1); /* another, once */
    open_spool(fixture);
    uint64_t each = stats_of(fixture).bytes / 6;
    policy.max_bytes = cap_of_chatter(6 * each);
    assert_int_equal(evict(fixture, &policy).files, 0);
    assert_int_equal(n_calls, 0); /* nobody had to know */
    policy.max_bytes = cap_of_chatter(3 * each);
    assert_int_equal(evict(fixture, &policy).files, 3);
    assert_int_equal(n_calls, 6);
    assert_int_equal(drain(fixture->spool, seen, 600, 0), 3);
    assert_int_equal(seen[100] + seen[104] + seen[500], 3);
    policy.max_bytes = cap_of_chatter(2 * each);
    assert_int_equal(evict(fixture, &policy).files, 1); /* then the oldest of these */
    assert_int_equal(n_calls, 6);
    tb_spool_rewind(fixture->spool);
    memset(seen, 0, sizeof(seen));
    assert_int_equal(drain(fixture->spool, seen, 600, 0), 2);
    assert_int_equal(seen[104] + seen[500], 2);
}

static void foreign_names_go_after_an_hour_and_only_when_there_is_too_much(void **state)
{
    struct fixture *fixture = *state;
    struct tb_spool_policy policy = NO_CAPS;
    static const char junk[] =
        "a name that is longer than any that a producer makes, by far, really.txt";
    int fd = openat(fixture->dirfd, junk, O_WRONLY | O_CREAT, 0600);
    assert_int_equal(posix_fallocate(fd, 0, FILE_BYTES), 0);
    close(fd);
    assert_int_equal(mkfifoat(fixture->dirfd, "1-00000000-0000000000000002-0.seg", 0600), 0);
    assert_int_equal(mkdirat(fixture->dirfd, "folder", 0700), 0);
    write_file_of(fixture, NULL, TB_CLASS_CRASH, 0, 20);
    open_spool(fixture);
    assert_int_equal(drain(fixture->spool, NULL, 20, 0), 20);
    assert_int_equal(stats_of(fixture).n_refused, 3);
    policy.max_bytes = FILE_BYTES + FOLDER_BYTES;
    pass_ms(3600 * 1000 - 1000);
    assert_int_equal(evict(fixture, &policy).foreign, 0); /* too young, and crashes go instead */
    assert_int_equal(count_files(fixture, "in", ""), 3);
    pass_ms(2000);
    struct tb_spool_evicted out = evict(fixture, &policy);
    assert_int_equal(out.foreign, 0); /* the cap is met */
    policy.max_bytes = FILE_BYTES - 1;
    out = evict(fixture, &policy);
    assert_true(out.foreign >= 1); /* the pipe takes no room, but may be older */
    assert_true(out.bytes >= FILE_BYTES);
    policy.max_bytes = 0;
    (void)evict(fixture, &policy);
    assert_in_range(count_files(fixture, "in", ""), 1, 2); /* the folder, for ever */
    assert_in_range(stats_of(fixture).total.evicted_foreign, 1, 2);
}

static void steps_of_the_wall_clock_by_a_year_evict_nothing(void **state)
{
    struct fixture *fixture = *state;
    struct tb_spool_policy policy = NO_CAPS;
    uint64_t year_ns = UINT64_C(31536000) * TB_NS_PER_S;
    for (int c = 0; c < TB_N_CLASSES; c++)
        policy.max_age_hours[c] = 24;
    for (int round = 0; round < 3; round++) {
        test_wall_skew_ns = round == 0 ? 0 : round == 1 ? year_ns : 0 - year_ns;
        write_file_of(fixture, NULL, TB_CLASS_INFO, (uint64_t)round, 1);
        for (int then = 0; then < 3; then++) {
            test_wall_skew_ns = then == 0 ? 0 : then == 1 ? year_ns : 0 - year_ns;
            open_spool(fixture);
            assert_int_equal(evict(fixture, &policy).files, 0);
            close_spool(fixture);
        }
    }
    open_spool(fixture);
    pass_ms(25 * 3600 * 1000);
    assert_int_equal(evict(fixture, &policy).files, 3); /* and nothing stays for ever */
    test_wall_skew_ns = 0;
}

static void a_file_of_another_boot_is_as_old_as_the_agent_knows_it(void **state)
{
    struct fixture *fixture = *state;
    struct tb_spool_policy policy = NO_CAPS;
    struct image *image = new_image(1); /* without a boot id */
    add_item(image, 0, 40);
    close(write_image(fixture, image));
    free(image);
    policy.max_age_hours[TB_CLASS_ERROR] = 1;
    pass_ms(2 * 3600 * 1000);
    open_spool(fixture);
    assert_int_equal(evict(fixture, &policy).files, 0);
    pass_ms(3600 * 1000 + 1000);
    assert_int_equal(evict(fixture, &policy).files, 1);
}

static void quarantine_counts_and_shrinks_before_crashes_go(void **state)
{
    struct fixture *fixture = *state;
    struct tb_spool_policy policy = NO_CAPS;
    struct tb_spool_record record;
    write_file_of(fixture, NULL, TB_CLASS_CRASH, 0, 3);
    open_spool(fixture);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(tb_spool_next(fixture->spool, &record), 0);
        assert_int_equal(tb_spool_quarantine(fixture->spool, &record, "for a test"), 0);
    }
    int agent_fd = openat(fixture->dirfd, "../agent", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    uint64_t held = tb_quarantine_trim(agent_fd, UINT64_MAX, SIZE_MAX);
    close(agent_fd);
    assert_true(held > 0);
    policy.max_bytes = stats_of(fixture).bytes + held;
    assert_int_equal(evict(fixture, &policy).quarantine_bytes, 0);
    policy.max_bytes--;
    struct tb_spool_evicted out = evict(fixture, &policy);
    assert_in_range(out.quarantine_bytes, 1, held);
    assert_int_equal(out.files, 0);
    policy.max_bytes = stats_of(fixture).bytes - 1;
    out = evict(fixture, &policy);
    assert_int_equal(count_files(fixture, "agent/quarantine", ""), 0);
    assert_int_equal(out.records[TB_CLASS_CRASH], 1);
}

static void a_share_of_a_full_file_system_leaves_16_mib(void **state)
{
    struct fixture *fixture = *state;
    struct tb_spool_policy policy = NO_CAPS;
    policy.keep_free_percent = 100; /* whatever is free is not enough */
    policy.max_percent = 100;
    write_file_of(fixture, NULL, TB_CLASS_INFO, 0, 100);
    open_spool(fixture);
    assert_int_equal(evict(fixture, &policy).files, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(chatter_goes_before_crashes_and_every_record_is_counted),
        TEST(only_what_is_not_acknowledged_counts_as_lost),
        TEST(a_file_whose_owner_lives_is_never_evicted),
        TEST(files_the_reader_never_came_to_go_before_crashes),
        TEST(files_that_looked_alive_go_before_crashes_when_their_owners_are_gone),
        TEST(the_slot_of_a_clean_exit_goes_before_all_else),
        TEST(the_slot_of_a_process_that_died_unseen_goes_as_a_crash),
        TEST(slots_of_processes_that_died_unseen_are_opened_once_only),
        TEST(what_is_too_old_goes_though_the_reader_did_not_come_to_it_again),
        TEST(a_file_without_a_header_is_never_evicted),
        TEST(the_first_and_the_last_of_a_kind_stay_longest),
        TEST(foreign_names_go_after_an_hour_and_only_when_there_is_too_much),
        TEST(steps_of_the_wall_clock_by_a_year_evict_nothing),
        TEST(a_file_of_another_boot_is_as_old_as_the_agent_knows_it),
        TEST(quarantine_counts_and_shrinks_before_crashes_go),
        TEST(a_share_of_a_full_file_system_leaves_16_mib),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
