/* Notes in memory, and in the slot of a process that nobody sees die. */
#include "rig.h"

#include <pthread.h>

#include "capture/report/notes.h"
#include "spool/slot_note.h"
#include "towbar/towbar.h"

static void last_sixty_four_are_kept_in_order(void **state)
{
    (void)state;
    uint64_t number;
    uint64_t end;
    struct tb_note note;
    char text[32];
    tb_notes_range(&number, &end);
    uint64_t start = end;
    for (int i = 0; i < 100; i++)
        towbar_note(TOWBAR_WARNING, "number %d", i);
    tb_notes_range(&number, &end);
    assert_int_equal(end - start, 100);
    assert_int_equal(end - number, TB_NOTES_MAX);
    assert_int_equal(tb_notes_get(number - 1, &note), -EAGAIN);
    assert_int_equal(tb_notes_get(end, &note), -EAGAIN);
    uint64_t before_ns = 0;
    for (uint64_t i = number; i < end; i++) {
        assert_int_equal(tb_notes_get(i, &note), 0);
        snprintf(text, sizeof(text), "number %d", (int)(i - start));
        assert_string_equal(note.text, text);
        assert_int_equal(note.level, TOWBAR_WARNING);
        assert_int_equal(note.tid, gettid());
        assert_true(note.wall_ns >= before_ns);
        before_ns = note.wall_ns;
    }
}

static void long_note_is_cut(void **state)
{
    (void)state;
    uint64_t number;
    uint64_t end;
    struct tb_note note;
    char text[1000];
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    towbar_note(TOWBAR_INFO, "%s", text);
    tb_notes_range(&number, &end);
    assert_int_equal(tb_notes_get(end - 1, &note), 0);
    assert_int_equal(strlen(note.text), TB_NOTE_BYTES - 1);
}

/* Every note of these threads is one letter, repeated: a torn one would mix two. */
static void *write_letters(void *arg)
{
    char text[201];
    memset(text, *(const char *)arg, 200);
    text[200] = '\0';
    for (int i = 0; i < 20000; i++)
        towbar_note(TOWBAR_INFO, "%s", text);
    return NULL;
}

static int is_whole(const struct tb_note *note)
{
    return strlen(note->text) == 200 && strspn(note->text, (char[]){note->text[0], 0}) == 200;
}

static void reader_beside_writers_never_sees_a_torn_note(void **state)
{
    (void)state;
    static const char letters[] = "abc";
    pthread_t threads[3];
    struct tb_note note;
    uint64_t number = 0;
    uint64_t end = 0;
    size_t n_read = 0;
    tb_notes_range(&number, &end);
    uint64_t start = end;
    for (int i = 0; i < 3; i++)
        assert_int_equal(
            pthread_create(&threads[i], NULL, write_letters, (void *)(uintptr_t)&letters[i]), 0);
    while (end - start < 60000) {
        tb_notes_range(&number, &end);
        for (number = number < start ? start : number; number < end; number++) {
            if (tb_notes_get(number, &note) != 0)
                continue;
            assert_true(is_whole(&note));
            n_read++;
        }
    }
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    assert_true(n_read >= 1);
}

/* ---- in the slot ---- */

static struct tb_crash unseen(struct rig *rig, const char *way)
{
    rig->wants_unseen = 1;
    rig->program = "goodbye";
    rig_run(rig, way);
    struct tb_crash crash = rig_crash(rig);
    assert_int_equal(crash.fixed.signo, 0);
    return crash;
}

static void assert_note(const struct tb_crash *crash, size_t i, const char *text)
{
    char have[256];
    assert_true(i < crash->n_notes);
    snprintf(have, sizeof(have), "%.*s", (int)crash->notes[i].len, crash->notes[i].text);
    assert_string_equal(have, text);
}

static void few_notes_are_all_there_after_a_kill(void **state)
{
    struct tb_crash crash = unseen(*state, "notes");
    assert_int_equal(crash.n_notes, 11);
    assert_note(&crash, 0, "before the start");
    assert_note(&crash, 1, "note 1");
    assert_note(&crash, 10, "note 10");
    assert_int_equal(crash.notes[10].level, TOWBAR_WARNING);
    assert_true(crash.notes[10].wall_ns > 0);
    tb_crash_done(&crash);
}

/* Sixteen at once; of the rest, what comes while no more may be written is lost. */
static void storm_leaves_a_row_without_a_gap(void **state)
{
    struct tb_crash crash = unseen(*state, "storm");
    int first = 0;
    char text[32];
    assert_int_equal(crash.n_notes, TB_SLOT_NOTES_MAX);
    snprintf(text, sizeof(text), "%.*s", (int)crash.notes[0].len, crash.notes[0].text);
    assert_int_equal(sscanf(text, "note %d", &first), 1);
    assert_true(first >= 1);
    for (size_t i = 0; i < crash.n_notes; i++) {
        snprintf(text, sizeof(text), "note %d", first + (int)i);
        assert_note(&crash, i, text);
    }
    tb_crash_done(&crash);
}

static void report_takes_along_what_waits(void **state)
{
    struct tb_crash crash = unseen(*state, "storm-report");
    assert_int_equal(crash.n_notes, TB_SLOT_NOTES_MAX);
    assert_note(&crash, TB_SLOT_NOTES_MAX - 1, "note 1000");
    tb_crash_done(&crash);
}

static void child_has_its_own_with_those_before(void **state)
{
    struct tb_crash crash = unseen(*state, "child-notes");
    assert_int_equal(crash.n_notes, 2);
    assert_note(&crash, 0, "before the start");
    assert_note(&crash, 1, "of the child");
    tb_crash_done(&crash);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(last_sixty_four_are_kept_in_order),
        cmocka_unit_test(long_note_is_cut),
        cmocka_unit_test(reader_beside_writers_never_sees_a_torn_note),
        cmocka_unit_test_setup_teardown(few_notes_are_all_there_after_a_kill, rig_setup,
                                        rig_teardown),
        cmocka_unit_test_setup_teardown(storm_leaves_a_row_without_a_gap, rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(report_takes_along_what_waits, rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(child_has_its_own_with_those_before, rig_setup,
                                        rig_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
