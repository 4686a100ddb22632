/* The other threads of a crash: they follow it, go with it, and never harm it. */
#include "support.h"

#include "clock.h"
#include "more.h"
#include "record/crash.h"
#include "spool/more_read.h"
#include "spool/quarantine.h"

static const uint8_t BOOT[16] = {0xab, 0xcd};
static const uint8_t UUID[16] = "the crash's uuid";
enum { CRASH_BYTES = 5008, HOUR_MS = 3601 * 1000 };

static const struct tb_spool_policy NO_CAPS = {
    .max_bytes = UINT64_MAX,
    .max_age_hours = {1 << 20, 1 << 20, 1 << 20, 1 << 20},
};

/* A crash of one chunk in the slot of a process that is gone; name is the file's. */
static void write_crash(const struct fixture *fixture, size_t cut, char name[TB_SPOOL_NAME])
{
    static uint8_t chunk[CRASH_BYTES];
    char path[256];
    struct tb_slot slot;
    assert_int_equal(more_payload(0, CRASH_BYTES - 8, chunk), CRASH_BYTES);
    assert_int_equal(tb_slot_open(&slot, fixture->dirfd, BOOT, 42), 0);
    tb_slot_begin(&slot, UUID, 77);
    assert_int_equal(tb_slot_write(&slot, chunk, CRASH_BYTES - cut), 0);
    tb_slot_end(&slot);
    tb_slot_state(&slot, TB_SLOT_COMPLETE, 1);
    tb_slot_close(&slot, 0);
    only_file(fixture, ".slot", path);
    (void)snprintf(name, TB_SPOOL_NAME, "%s", strrchr(path, '/') + 1);
}

static struct more_image *threads(uint32_t n, size_t data_len)
{
    struct more_image *image = more_new(UUID);
    for (uint32_t i = 0; i < n; i++)
        more_add(image, i + 1, data_len);
    return image;
}

/* The next record must be the crash and then n threads. */
static void assert_crash(struct fixture *fixture, uint32_t n, size_t data_len,
                         struct tb_spool_record *record)
{
    static uint8_t want[TB_PAYLOAD_MAX_BYTES];
    size_t len = more_payload(0, CRASH_BYTES - 8, want);
    for (uint32_t i = 0; i < n; i++)
        len += more_payload(i + 1, data_len, want + len);
    assert_int_equal(tb_spool_next(fixture->spool, record), 0);
    assert_int_equal(record->kind, TB_KIND_CRASH);
    assert_int_equal(record->flags, 0);
    assert_memory_equal(record->uuid, UUID, 16);
    assert_int_equal(record->len, len);
    assert_memory_equal(record->data, want, len);
}

static void ack(struct fixture *fixture, const struct tb_spool_record *record)
{
    tb_spool_ack(fixture->spool, record->file_id, record->off8, TB_ACK_STORED);
    assert_int_equal(tb_spool_flush(fixture->spool), 0);
}

static void threads_follow_their_crash_and_go_with_it(void **state)
{
    struct fixture *fixture = *state;
    struct tb_spool_record record;
    char name[TB_SPOOL_NAME];
    struct more_image *image = threads(20, 1000);
    write_crash(fixture, 0, name);
    open_spool(fixture);
    uint64_t alone = stats_of(fixture).bytes;
    assert_int_equal(more_put(image, fixture->dirfd, name), 0);
    assert_crash(fixture, 20, 1000, &record);
    tb_spool_rewind(fixture->spool);
    assert_crash(fixture, 20, 1000, &record); /* as often as it is asked for */
    assert_int_equal(tb_spool_next(fixture->spool, &record), -EAGAIN);
    pass_ms(1500);
    assert_int_equal(tb_spool_next(fixture->spool, &record), -EAGAIN);
    assert_int_equal(stats_of(fixture).n_refused, 0);
    assert_int_equal(stats_of(fixture).n_files, 1);
    assert_true(stats_of(fixture).bytes >= alone + image->len);
    assert_int_equal(stats_of(fixture).n_damaged, 0);
    tb_spool_rewind(fixture->spool);
    assert_crash(fixture, 20, 1000, &record);
    ack(fixture, &record);
    assert_int_equal(tb_spool_next(fixture->spool, &record), -EAGAIN);
    assert_int_equal(tb_spool_collect(fixture->spool), 1);
    assert_int_equal(count_files(fixture, "in", ""), 0);
    free(image);
}

static void the_context_of_the_crash_is_found_after_its_threads(void **state)
{
    struct fixture *fixture = *state;
    struct tb_spool_record record;
    struct tb_slot slot;
    const uint8_t *data;
    char path[256];
    size_t len;
    struct more_image *image = threads(3, 100);
    assert_int_equal(tb_slot_open(&slot, fixture->dirfd, BOOT, 42), 0);
    assert_int_equal(tb_slot_context(&slot, 1, "one", 3), 0);
    tb_slot_begin(&slot, UUID, 77);
    tb_slot_end(&slot); /* an empty stream ends at a chunk as well */
    tb_slot_state(&slot, TB_SLOT_COMPLETE, 1);
    only_file(fixture, ".slot", path);
    assert_int_equal(more_put(image, fixture->dirfd, strrchr(path, '/') + 1), 0);
    open_spool(fixture);
    assert_int_equal(tb_spool_next(fixture->spool, &record), 0); /* its owner still dies */
    assert_int_equal(record.len, 3 * 112);
    assert_int_equal(tb_spool_context(fixture->spool, &record, 0, &data, &len), 0);
    assert_memory_equal(data, "one", 3);
    tb_slot_close(&slot, 0);
    free(image);
}

static void a_crash_that_is_cut_within_a_chunk_stays_as_it_is(void **state)
{
    struct fixture *fixture = *state;
    struct tb_spool_record record;
    char name[TB_SPOOL_NAME];
    struct more_image *image = threads(3, 100);
    write_crash(fixture, 40, name);
    assert_int_equal(more_put(image, fixture->dirfd, name), 0);
    open_spool(fixture);
    assert_int_equal(tb_spool_next(fixture->spool, &record), 0);
    assert_int_equal(record.len, CRASH_BYTES - 40);
    free(image);
}

static void any_flipped_bit_costs_at_most_the_threads_behind_it(void **state)
{
    struct fixture *fixture = *state;
    struct tb_spool_record record;
    char name[TB_SPOOL_NAME];
    enum { N = 4, DATA = 40, THREAD = 56 + 48 };
    struct more_image *image = threads(N, DATA);
    write_crash(fixture, 0, name);
    open_spool(fixture);
    for (size_t bit = 0; bit < image->len * 8; bit += 5) {
        size_t at = bit / 8;
        /* A bit of the header is put right. */
        uint32_t n =
            at < TB_FILE_HEADER_BYTES ? N : (uint32_t)((at - TB_FILE_HEADER_BYTES) / THREAD);
        uint64_t before = stats_of(fixture).n_damaged;
        image->bytes[at] ^= (uint8_t)(1u << bit % 8);
        assert_int_equal(more_put(image, fixture->dirfd, name), 0);
        assert_crash(fixture, n, DATA, &record);
        assert_true(n == N || n == N - 1 || stats_of(fixture).n_damaged == before + 1);
        image->bytes[at] ^= (uint8_t)(1u << bit % 8);
        tb_spool_rewind(fixture->spool);
    }
    free(image);
}

static void a_cut_file_gives_the_threads_before_the_cut(void **state)
{
    struct fixture *fixture = *state;
    struct tb_spool_record record;
    char name[TB_SPOOL_NAME];
    enum { N = 3, DATA = 40, THREAD = 56 + 48 };
    struct more_image *image = threads(N, DATA);
    size_t whole = image->len;
    write_crash(fixture, 0, name);
    open_spool(fixture);
    for (size_t len = 0; len <= whole; len += 8) {
        image->len = len;
        assert_int_equal(more_put(image, fixture->dirfd, name), 0);
        size_t rest = len > TB_FILE_HEADER_BYTES ? len - TB_FILE_HEADER_BYTES : 0;
        assert_crash(fixture, (uint32_t)(rest / THREAD), DATA, &record);
        tb_spool_rewind(fixture->spool);
    }
    free(image);
}

/* One frame that does not belong behind two that do. */
static void what_is_no_thread_of_this_crash_ends_it(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        int type, kind, skip, is_other, cut;
    } lies[] = {
        {TB_FRAME_FULL, TB_KIND_CRASH, 0, 0, 0},   {TB_FRAME_MID, TB_KIND_THREADS, 0, 0, 0},
        {TB_FRAME_FULL, TB_KIND_THREADS, 1, 0, 0}, {TB_FRAME_FULL, TB_KIND_THREADS, 0, 1, 0},
        {TB_FRAME_FULL, TB_KIND_THREADS, 0, 0, 4}, {TB_FRAME_FULL, TB_KIND_THREADS, 0, 0, 48},
        {TB_FRAME_SEAL, TB_KIND_NONE, 0, 0, 0},
    };
    struct tb_spool_record record;
    char name[TB_SPOOL_NAME];
    write_crash(fixture, 0, name);
    open_spool(fixture);
    for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
        struct more_image *image = threads(2, 40);
        size_t len = more_payload(3, 40, image->bytes + image->len + TB_FRAME_HEADER_BYTES);
        image->seq += (uint64_t)lies[i].skip;
        image->uuid[3] ^= (uint8_t)lies[i].is_other;
        more_seal(image, lies[i].type, lies[i].kind, len - (size_t)lies[i].cut);
        more_add(image, 4, 40);
        assert_int_equal(more_put(image, fixture->dirfd, name), 0);
        assert_crash(fixture, 2, 40, &record);
        tb_spool_rewind(fixture->spool);
        free(image);
    }
    assert_int_equal(stats_of(fixture).n_damaged, sizeof(lies) / sizeof(lies[0]));
}

/* Left by a crash that the process survived: no damage. */
static void threads_of_another_crash_are_not_taken(void **state)
{
    struct fixture *fixture = *state;
    struct tb_spool_record record;
    char name[TB_SPOOL_NAME];
    struct more_image *image = more_new(BOOT);
    more_add(image, 1, 40);
    write_crash(fixture, 0, name);
    assert_int_equal(more_put(image, fixture->dirfd, name), 0);
    open_spool(fixture);
    assert_crash(fixture, 0, 0, &record);
    assert_int_equal(stats_of(fixture).n_damaged, 0);
    free(image);
}

static void threads_have_a_cap_below_what_a_frame_may_hold(void **state)
{
    struct fixture *fixture = *state;
    struct tb_spool_record record;
    struct tb_quarantined *things;
    char name[TB_SPOOL_NAME];
    char why[TB_SPOOL_WHY];
    size_t n;
    enum { DATA = (32 << 10) - 8, FITTING = 28 };
    assert_int_equal(TB_MORE_MAX_BYTES, TB_CRASH_MORE_MAX);
    assert_true(TB_MORE_MAX_BYTES + TB_SLOT_N_PAGES * TB_SLOT_FRAGMENT_MAX <= TB_PAYLOAD_MAX_BYTES);
    assert_true(TB_MORE_FILE_BYTES_MAX >=
                TB_MORE_MAX_BYTES + TB_FILE_HEADER_BYTES + 1024 * TB_FRAME_HEADER_BYTES);
    struct more_image *image = threads(40, DATA);
    write_crash(fixture, 0, name);
    assert_int_equal(more_put(image, fixture->dirfd, name), 0);
    open_spool(fixture);
    assert_crash(fixture, FITTING, DATA, &record);
    /* Whole through quarantine and back. */
    assert_int_equal(tb_spool_quarantine(fixture->spool, &record, "a test"), 0);
    assert_int_equal(tb_spool_flush(fixture->spool), 0);
    assert_int_equal(tb_spool_next(fixture->spool, &record), -EAGAIN);
    assert_int_equal(tb_spool_collect(fixture->spool), 1);
    assert_int_equal(count_files(fixture, "in", ""), 0);
    int in = -1;
    int agent = -1;
    close_spool(fixture);
    assert_int_equal(tb_spool_dir_agent(fixture->path, 0, &in, &agent, why), 0);
    assert_int_equal(tb_quarantine_list(agent, &things, &n), 0);
    assert_int_equal(n, 1);
    assert_int_equal(tb_quarantine_retry(agent, in, things[0].name), 0);
    free(things);
    close(in);
    close(agent);
    open_spool(fixture);
    assert_crash(fixture, FITTING, DATA, &record);
    free(image);
}

/* ---- what may stand there ---- */

static void make_link(int dirfd, const char *name)
{
    assert_int_equal(symlinkat("/etc/passwd", dirfd, name), 0);
}

static void make_pipe(int dirfd, const char *name)
{
    assert_int_equal(mkfifoat(dirfd, name, 0600), 0);
}

static void make_folder(int dirfd, const char *name)
{
    assert_int_equal(mkdirat(dirfd, name, 0700), 0);
}

static void make_giant(int dirfd, const char *name)
{
    int fd = openat(dirfd, name, O_WRONLY | O_CREAT, 0600);
    assert_int_equal(ftruncate(fd, (off_t)1 << 40), 0);
    close(fd);
}

static void make_garbage(int dirfd, const char *name)
{
    static uint8_t bytes[100000];
    memset(bytes, 0x5a, sizeof(bytes));
    int fd = openat(dirfd, name, O_WRONLY | O_CREAT, 0600);
    assert_int_equal(tb_fd_write_all(fd, bytes, sizeof(bytes)), 0);
    close(fd);
}

static void make_two_names(int dirfd, const char *name)
{
    struct more_image *image = threads(1, 40);
    assert_int_equal(more_put(image, dirfd, name), 0);
    assert_int_equal(linkat(dirfd, name, dirfd, "second-name", 0), 0);
    free(image);
}

static void what_is_no_file_of_threads_is_not_read_and_harms_no_crash(void **state)
{
    struct fixture *fixture = *state;
    static void (*const makers[])(int dirfd, const char *name) = {
        make_link, make_pipe, make_folder, make_giant, make_garbage, make_two_names};
    struct tb_spool_record record;
    char name[TB_SPOOL_NAME];
    char more[TB_SPOOL_NAME];
    for (size_t i = 0; i < sizeof(makers) / sizeof(makers[0]); i++) {
        write_crash(fixture, 0, name);
        assert_int_equal(tb_spool_name_beside(name, "more", more), 0);
        makers[i](fixture->dirfd, more);
        open_spool(fixture);
        assert_crash(fixture, 0, 0, &record);
        ack(fixture, &record);
        assert_int_equal(tb_spool_next(fixture->spool, &record), -EAGAIN);
        assert_int_equal(tb_spool_collect(fixture->spool), 1);
        close_spool(fixture);
        (void)unlinkat(fixture->dirfd, more, AT_REMOVEDIR);
        (void)unlinkat(fixture->dirfd, "second-name", 0);
        assert_int_equal(count_files(fixture, "in", ""), 0);
    }
}

/* The process was root when it made its slot, and is not any more. */
static void threads_in_a_file_of_another_user_are_read(void **state)
{
    struct fixture *fixture = *state;
    struct tb_spool_record record;
    struct more_image *image = threads(2, 40);
    char name[TB_SPOOL_NAME];
    char more[TB_SPOOL_NAME];
    if (geteuid() != 0)
        skip();
    write_crash(fixture, 0, name);
    assert_int_equal(tb_spool_name_beside(name, "more", more), 0);
    assert_int_equal(more_put(image, fixture->dirfd, more), 0);
    assert_int_equal(fchownat(fixture->dirfd, more, 4711, 4711, 0), 0);
    open_spool(fixture);
    assert_crash(fixture, 2, 40, &record);
    assert_int_equal(record.uid, geteuid());
    ack(fixture, &record);
    assert_int_equal(tb_spool_next(fixture->spool, &record), -EAGAIN);
    assert_int_equal(tb_spool_collect(fixture->spool), 1);
    close_spool(fixture);
    assert_int_equal(count_files(fixture, "in", ""), 0);
    free(image);
}

/* ---- alone ---- */

static struct tb_spool_evicted evict(struct fixture *fixture, const struct tb_spool_policy *policy)
{
    struct tb_spool_evicted out;
    assert_int_equal(tb_spool_evict(fixture->spool, policy, &out), 0);
    return out;
}

static void threads_alone_are_never_delivered_and_go_after_an_hour(void **state)
{
    struct fixture *fixture = *state;
    struct tb_spool_policy policy = NO_CAPS;
    struct tb_spool_record record;
    struct more_image *image = threads(3, 100);
    assert_int_equal(more_put(image, fixture->dirfd, "0-00000000-0000000000000001-0.slot"), 0);
    open_spool(fixture);
    assert_int_equal(tb_spool_next(fixture->spool, &record), -EAGAIN);
    assert_int_equal(stats_of(fixture).n_refused, 1);
    assert_int_equal(stats_of(fixture).n_quarantined, 0);
    policy.max_bytes = 1;
    assert_int_equal(evict(fixture, &policy).foreign, 0);
    pass_ms(HOUR_MS);
    assert_int_equal(evict(fixture, &policy).foreign, 1);
    assert_int_equal(count_files(fixture, "in", ""), 0);
    free(image);
}

static void threads_whose_slot_lives_never_go_by_age(void **state)
{
    struct fixture *fixture = *state;
    struct tb_spool_policy policy = NO_CAPS;
    struct tb_spool_record record;
    struct tb_slot slot;
    char path[256];
    struct more_image *image = threads(3, 100);
    assert_int_equal(tb_slot_open(&slot, fixture->dirfd, BOOT, 42), 0);
    only_file(fixture, ".slot", path);
    assert_int_equal(more_put(image, fixture->dirfd, strrchr(path, '/') + 1), 0);
    open_spool(fixture);
    policy.max_bytes = 1;
    pass_ms(HOUR_MS);
    assert_int_equal(tb_spool_next(fixture->spool, &record), -EAGAIN);
    assert_int_equal(evict(fixture, &policy).foreign, 0);
    assert_int_equal(count_files(fixture, "in", ".more"), 1);
    tb_slot_close(&slot, 1); /* it lived on, and ended well */
    assert_int_equal(evict(fixture, &policy).foreign, 0);
    assert_int_equal(count_files(fixture, "in", ""), 0);
    free(image);
}

static void threads_are_evicted_with_their_crash_and_their_bytes_count(void **state)
{
    struct fixture *fixture = *state;
    struct tb_spool_policy policy = NO_CAPS;
    char name[TB_SPOOL_NAME];
    struct more_image *image = threads(20, 32 << 10);
    write_crash(fixture, 0, name);
    assert_int_equal(more_put(image, fixture->dirfd, name), 0);
    open_spool(fixture);
    assert_true(stats_of(fixture).bytes >= image->len + TB_SLOT_BYTES);
    policy.max_bytes = image->len + TB_SLOT_BYTES - 4096;
    struct tb_spool_evicted out = evict(fixture, &policy);
    assert_int_equal(out.files, 1);
    assert_int_equal(out.records[TB_CLASS_CRASH], 1);
    assert_int_equal(out.foreign, 0);
    assert_true(out.bytes >= image->len + TB_SLOT_BYTES);
    assert_int_equal(count_files(fixture, "in", ""), 0);
    free(image);
}

/* In a folder that is listed in any order; and a slot that quarantine gives back. */
static void a_slot_that_comes_after_its_threads_takes_them(void **state)
{
    struct fixture *fixture = *state;
    struct tb_spool_record record;
    char name[TB_SPOOL_NAME];
    struct more_image *image = threads(3, 100);
    write_crash(fixture, 0, name);
    assert_int_equal(more_put(image, fixture->dirfd, name), 0);
    assert_int_equal(renameat(fixture->dirfd, name, fixture->dirfd, "../aside"), 0);
    open_spool(fixture);
    assert_int_equal(tb_spool_next(fixture->spool, &record), -EAGAIN);
    assert_int_equal(stats_of(fixture).n_refused, 1);
    assert_int_equal(renameat(fixture->dirfd, "../aside", fixture->dirfd, name), 0);
    assert_crash(fixture, 3, 100, &record);
    pass_ms(1500);
    assert_int_equal(tb_spool_next(fixture->spool, &record), -EAGAIN);
    assert_int_equal(stats_of(fixture).n_refused, 0);
    free(image);
}

static void a_slot_in_quarantine_leaves_its_threads_for_an_hour(void **state)
{
    struct fixture *fixture = *state;
    struct tb_spool_policy policy = NO_CAPS;
    struct tb_spool_record record;
    char name[TB_SPOOL_NAME];
    struct more_image *image = threads(3, 100);
    write_crash(fixture, 0, name);
    assert_int_equal(more_put(image, fixture->dirfd, name), 0);
    int fd = openat(fixture->dirfd, name, O_WRONLY);
    assert_int_equal(pwrite(fd, "x", 1, TB_SLOT_CRASH_AT + 100), 1);
    close(fd);
    open_spool(fixture);
    assert_int_equal(tb_spool_next(fixture->spool, &record), -EAGAIN);
    assert_int_equal(count_files(fixture, "agent/quarantine", ".slot"), 1);
    assert_int_equal(count_files(fixture, "in", ".more"), 1);
    pass_ms(1500);
    assert_int_equal(tb_spool_next(fixture->spool, &record), -EAGAIN);
    policy.max_bytes = 1;
    pass_ms(HOUR_MS);
    assert_int_equal(evict(fixture, &policy).foreign, 1);
    assert_int_equal(count_files(fixture, "in", ""), 0);
    free(image);
}

static void thousands_alone_are_counted_and_hold_nothing_up(void **state)
{
    struct fixture *fixture = *state;
    struct tb_spool_record record;
    char name[TB_SPOOL_NAME];
    enum { N = 5000 };
    for (int i = 0; i < N; i++) {
        (void)snprintf(name, sizeof(name), "0-00000000-%016x-0.more", (unsigned)i);
        close(openat(fixture->dirfd, name, O_WRONLY | O_CREAT, 0600));
    }
    struct more_image *image = threads(2, 40);
    write_crash(fixture, 0, name);
    assert_int_equal(more_put(image, fixture->dirfd, name), 0);
    open_spool(fixture);
    assert_crash(fixture, 2, 40, &record);
    pass_ms(1500);
    assert_int_equal(tb_spool_next(fixture->spool, &record), -EAGAIN);
    assert_int_equal(stats_of(fixture).n_refused, N);
    assert_int_equal(stats_of(fixture).n_files, 1);
    free(image);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(threads_follow_their_crash_and_go_with_it),
        CASE(the_context_of_the_crash_is_found_after_its_threads),
        CASE(a_crash_that_is_cut_within_a_chunk_stays_as_it_is),
        CASE(any_flipped_bit_costs_at_most_the_threads_behind_it),
        CASE(a_cut_file_gives_the_threads_before_the_cut),
        CASE(what_is_no_thread_of_this_crash_ends_it),
        CASE(threads_of_another_crash_are_not_taken),
        CASE(threads_have_a_cap_below_what_a_frame_may_hold),
        CASE(what_is_no_file_of_threads_is_not_read_and_harms_no_crash),
        CASE(threads_in_a_file_of_another_user_are_read),
        CASE(threads_alone_are_never_delivered_and_go_after_an_hour),
        CASE(threads_whose_slot_lives_never_go_by_age),
        CASE(threads_are_evicted_with_their_crash_and_their_bytes_count),
        CASE(a_slot_that_comes_after_its_threads_takes_them),
        CASE(a_slot_in_quarantine_leaves_its_threads_for_an_hour),
        CASE(thousands_alone_are_counted_and_hold_nothing_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
