/* Notes in the slot: what is written is read back, anything else is not; a healthy process may lose
 * its file and its descriptor. */
#include "support.h"

#include "calls.h"

static const uint8_t BOOT[16] = {0xab, 0xcd};
enum { SALT = 0x1234 };

static void assert_is(const struct tb_slot_note *got, uint64_t number, const char *text)
{
    assert_int_equal(got->number, number);
    assert_int_equal(got->wall_ns, number * 1000);
    assert_int_equal(got->level, 3);
    assert_int_equal(got->tid, 77);
    assert_int_equal(got->len, strlen(text));
    assert_memory_equal(got->text, text, got->len);
}

static struct tb_slot_note note_of(uint64_t number, const char *text)
{
    return (struct tb_slot_note){.number = number,
                                 .wall_ns = number * 1000,
                                 .level = 3,
                                 .tid = 77,
                                 .text = text,
                                 .len = strlen(text)};
}

static void a_note_comes_back_as_it_went_in(void **state)
{
    (void)state;
    uint8_t bytes[TB_SLOT_NOTE_BYTES];
    struct tb_slot_note got;
    char text[TB_SLOT_NOTE_TEXT_MAX + 1];
    for (size_t len = 0; len < sizeof(text); len += 28) {
        memset(text, 'x', len);
        text[len] = '\0';
        struct tb_slot_note note = note_of(35, text);
        tb_slot_note_pack(&note, SALT, bytes);
        assert_int_equal(tb_slot_note_unpack(bytes, SALT, 3, &got), 0);
        assert_is(&got, 35, text);
    }
}

static void the_layout_is_that_of_the_page(void **state)
{
    (void)state;
    uint8_t bytes[TB_SLOT_NOTE_BYTES];
    struct tb_slot_note note = note_of(35, "text");
    tb_slot_note_pack(&note, SALT, bytes);
    assert_int_equal(tb_get32(bytes + 4), 3);
    assert_int_equal(tb_get64(bytes + 8), 35);
    assert_int_equal(tb_get64(bytes + 16), 35000);
    assert_int_equal(tb_get32(bytes + 24), 77);
    assert_int_equal(tb_get32(bytes + 28), 4);
    assert_memory_equal(bytes + 32, "text\0\0\0\0", 8);
    /* Behind the second area of process records, before the crash. */
    assert_int_equal(TB_SLOT_NOTES_AT,
                     TB_SLOT_AREA_B + TB_FRAME_HEADER_BYTES + TB_SLOT_CONTEXT_MAX);
    assert_int_equal(TB_SLOT_NOTES_AT + TB_SLOT_NOTES_MAX * TB_SLOT_NOTE_BYTES, TB_SLOT_CRASH_AT);
}

static void any_flipped_bit_a_wrong_place_or_a_lie_is_no_note(void **state)
{
    (void)state;
    uint8_t bytes[TB_SLOT_NOTE_BYTES];
    struct tb_slot_note got;
    struct tb_slot_note note = note_of(35, "text");
    tb_slot_note_pack(&note, SALT, bytes);
    for (size_t bit = 0; bit < sizeof(bytes) * 8; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_equal(tb_slot_note_unpack(bytes, SALT, 3, &got), -EBADMSG);
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    assert_int_equal(tb_slot_note_unpack(bytes, SALT, 4, &got), -EBADMSG);
    assert_int_equal(tb_slot_note_unpack(bytes, SALT + 1, 3, &got), -EBADMSG);
    note.number = 0;
    tb_slot_note_pack(&note, SALT, bytes);
    assert_int_equal(tb_slot_note_unpack(bytes, SALT, 0, &got), -EBADMSG);
    memset(bytes, 0, sizeof(bytes));
    assert_int_equal(tb_slot_note_unpack(bytes, SALT, 0, &got), -EBADMSG);
}

static void a_long_text_is_cut_before_a_character(void **state)
{
    (void)state;
    uint8_t bytes[TB_SLOT_NOTE_BYTES];
    struct tb_slot_note got;
    char text[400];
    for (size_t pad = 0; pad < 4; pad++) {
        memset(text, 'x', pad);
        for (size_t at = pad; at + 4 < sizeof(text); at += 4)
            memcpy(text + at, "\xf0\x9f\x90\x9e", 5); /* one character */
        struct tb_slot_note note = note_of(1, text);
        tb_slot_note_pack(&note, SALT, bytes);
        assert_int_equal(tb_slot_note_unpack(bytes, SALT, 1, &got), 0);
        assert_int_equal(got.len, pad + (TB_SLOT_NOTE_TEXT_MAX - pad) / 4 * 4);
        assert_memory_equal(got.text, text, got.len);
    }
    memset(text, 0x80, sizeof(text)); /* no text at all */
    struct tb_slot_note note = {.number = 1, .text = text, .len = sizeof(text)};
    tb_slot_note_pack(&note, SALT, bytes);
    assert_int_equal(tb_slot_note_unpack(bytes, SALT, 1, &got), 0);
    assert_true(got.len >= TB_SLOT_NOTE_TEXT_MAX - 3);
}

/* The note at place of the only slot: 0 or -EBADMSG. bytes is what text borrows from. */
static int note_at(const struct fixture *fixture, const struct tb_slot *slot, unsigned place,
                   uint8_t bytes[TB_SLOT_NOTE_BYTES], struct tb_slot_note *out)
{
    char path[256];
    only_file(fixture, ".slot", path);
    int fd = open(path, O_RDONLY);
    assert_true(fd >= 0);
    assert_int_equal(
        pread(fd, bytes, TB_SLOT_NOTE_BYTES, TB_SLOT_NOTES_AT + (off_t)place * TB_SLOT_NOTE_BYTES),
        TB_SLOT_NOTE_BYTES);
    close(fd);
    return tb_slot_note_unpack(bytes, slot->salt, place, out);
}

static void notes_stand_at_their_places_and_the_newest_replace_the_oldest(void **state)
{
    struct fixture *fixture = *state;
    enum { N = 21 };
    struct tb_slot_note notes[N];
    struct tb_slot_note got;
    struct tb_slot slot;
    char texts[N][8];
    uint8_t bytes[TB_SLOT_NOTE_BYTES];
    assert_int_equal(tb_slot_open(&slot, fixture->dirfd, BOOT, 42), 0);
    for (uint64_t i = 0; i < N; i++) {
        (void)snprintf(texts[i], sizeof(texts[i]), "no %u", (unsigned)i + 1);
        notes[i] = note_of(i + 1, texts[i]);
    }
    unsigned long before = atomic_load(&n_calls[SYS_pwritev]);
    tb_slot_notes(&slot, notes, 1);
    assert_int_equal(atomic_load(&n_calls[SYS_pwritev]), before + 1);
    assert_int_equal(note_at(fixture, &slot, 1, bytes, &got), 0);
    assert_is(&got, 1, "no 1");
    assert_int_equal(note_at(fixture, &slot, 2, bytes, &got), -EBADMSG);
    tb_slot_notes(&slot, notes, N); /* 6 to 21 are kept */
    for (unsigned place = 0; place < TB_SLOT_NOTES_MAX; place++) {
        uint64_t number = place < 6 ? 16 + place : place;
        assert_int_equal(note_at(fixture, &slot, place, bytes, &got), 0);
        assert_is(&got, number, texts[number - 1]);
    }
    tb_slot_notes(&slot, notes, 0);
    tb_slot_close(&slot, 1);
}

static void notes_of_numbers_that_jump_go_to_their_places_too(void **state)
{
    struct fixture *fixture = *state;
    struct tb_slot_note notes[] = {note_of(3, "three"), note_of(15, "fifteen"),
                                   note_of(16, "sixteen"), note_of(18, "eighteen")};
    static const unsigned places[] = {3, 15, 0, 2};
    struct tb_slot_note got;
    struct tb_slot slot;
    uint8_t bytes[TB_SLOT_NOTE_BYTES];
    assert_int_equal(tb_slot_open(&slot, fixture->dirfd, BOOT, 42), 0);
    tb_slot_notes(&slot, notes, 4);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(note_at(fixture, &slot, places[i], bytes, &got), 0);
        assert_is(&got, notes[i].number, notes[i].text);
    }
    tb_slot_close(&slot, 1);
}

static void a_file_that_was_cut_raises_no_signal(void **state)
{
    struct fixture *fixture = *state;
    struct tb_slot_note note = note_of(1, "text");
    struct tb_slot slot;
    struct stat st;
    char path[256];
    assert_int_equal(tb_slot_open(&slot, fixture->dirfd, BOOT, 42), 0);
    only_file(fixture, ".slot", path);
    assert_int_equal(truncate(path, 0), 0);
    tb_slot_notes(&slot, &note, 1);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_size, 0);
    tb_slot_close(&slot, 1);
}

static void a_slot_that_was_never_opened_is_left_alone(void **state)
{
    (void)state;
    struct tb_slot slot = {.fd = -1};
    struct tb_slot_note note = note_of(1, "text");
    unsigned long before = atomic_load(&n_calls[SYS_pwritev]);
    tb_slot_notes(&slot, &note, 1);
    assert_int_equal(atomic_load(&n_calls[SYS_pwritev]), before);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_note_comes_back_as_it_went_in),
        cmocka_unit_test(the_layout_is_that_of_the_page),
        cmocka_unit_test(any_flipped_bit_a_wrong_place_or_a_lie_is_no_note),
        cmocka_unit_test(a_long_text_is_cut_before_a_character),
        CASE(notes_stand_at_their_places_and_the_newest_replace_the_oldest),
        CASE(notes_of_numbers_that_jump_go_to_their_places_too),
        CASE(a_file_that_was_cut_raises_no_signal),
        CASE(a_slot_that_was_never_opened_is_left_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
