/* The drop counts in the slot: written by a healthy process, whatever happened to its file. */
#include "support.h"

#include "calls.h"

static const uint8_t BOOT[16] = {0xab, 0xcd};

static uint32_t drops_of(const struct fixture *fixture, int class_)
{
    char path[256];
    uint8_t word[4];
    only_file(fixture, ".slot", path);
    int fd = open(path, O_RDONLY);
    assert_true(fd >= 0);
    assert_int_equal(pread(fd, word, 4, 136 + 4 * class_), 4);
    close(fd);
    return tb_get32(word);
}

static void drops_stand_at_their_place_in_the_file(void **state)
{
    struct fixture *fixture = *state;
    struct tb_slot slot;
    assert_int_equal(tb_slot_open(&slot, fixture->dirfd, BOOT, 42), 0);
    for (int class_ = 0; class_ < TB_N_CLASSES; class_++) {
        assert_int_equal(drops_of(fixture, class_), 0);
        tb_slot_drops(&slot, class_, 10 + (uint32_t)class_);
    }
    tb_slot_drops(&slot, -1, 99);
    tb_slot_drops(&slot, TB_N_CLASSES, 99);
    for (int class_ = 0; class_ < TB_N_CLASSES; class_++)
        assert_int_equal(drops_of(fixture, class_), 10 + class_);
    tb_slot_drops(&slot, TB_CLASS_ERROR, 0);
    assert_int_equal(drops_of(fixture, TB_CLASS_ERROR), 0);
    tb_slot_close(&slot, 1); /* a clean end hides none */
    assert_int_equal(drops_of(fixture, TB_CLASS_INFO), 13);
}

static void drops_survive_a_crash_stream(void **state)
{
    struct fixture *fixture = *state;
    struct tb_slot slot;
    assert_int_equal(tb_slot_open(&slot, fixture->dirfd, BOOT, 42), 0);
    tb_slot_drops(&slot, TB_CLASS_ERROR, 7);
    tb_slot_state(&slot, TB_SLOT_WRITING, 5);
    tb_slot_begin(&slot, BOOT, 1);
    assert_int_equal(tb_slot_write(&slot, "stream", 6), 0);
    tb_slot_end(&slot);
    tb_slot_state(&slot, TB_SLOT_COMPLETE, 5);
    assert_int_equal(drops_of(fixture, TB_CLASS_ERROR), 7);
    tb_slot_close(&slot, 0);
}

static void a_file_that_was_cut_raises_no_signal(void **state)
{
    struct fixture *fixture = *state;
    struct tb_slot slot;
    struct stat st;
    char path[256];
    assert_int_equal(tb_slot_open(&slot, fixture->dirfd, BOOT, 42), 0);
    only_file(fixture, ".slot", path);
    assert_int_equal(truncate(path, 0), 0);
    tb_slot_drops(&slot, TB_CLASS_ERROR, 7);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_size, 0);
    tb_slot_close(&slot, 1);
}

static void a_descriptor_that_the_host_reused_is_not_written_to(void **state)
{
    struct fixture *fixture = *state;
    struct tb_slot slot;
    char stolen[96];
    struct stat st;
    assert_int_equal(tb_slot_open(&slot, fixture->dirfd, BOOT, 42), 0);
    (void)snprintf(stolen, sizeof(stolen), "%s/database", fixture->path);
    int database = open(stolen, O_RDWR | O_CREAT, 0600);
    assert_int_equal(dup2(database, slot.fd), slot.fd);
    tb_slot_drops(&slot, TB_CLASS_ERROR, 7);
    assert_int_equal(fstat(database, &st), 0);
    assert_int_equal(st.st_size, 0);
    assert_int_equal(drops_of(fixture, TB_CLASS_ERROR), 7); /* by the mapping */
    close(database);
    close(slot.fd);
    tb_slot_close(&slot, 1);
}

static void a_slot_that_was_never_opened_is_left_alone(void **state)
{
    (void)state;
    struct tb_slot slot = {.fd = -1};
    unsigned long before = atomic_load(&n_calls[SYS_pwritev]);
    tb_slot_drops(&slot, TB_CLASS_ERROR, 7);
    assert_int_equal(atomic_load(&n_calls[SYS_pwritev]), before);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(drops_stand_at_their_place_in_the_file),
        CASE(drops_survive_a_crash_stream),
        CASE(a_file_that_was_cut_raises_no_signal),
        CASE(a_descriptor_that_the_host_reused_is_not_written_to),
        CASE(a_slot_that_was_never_opened_is_left_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
