#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <pthread.h>

#include "capture/notes.h"
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(last_sixty_four_are_kept_in_order),
        cmocka_unit_test(long_note_is_cut),
        cmocka_unit_test(reader_beside_writers_never_sees_a_torn_note),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
