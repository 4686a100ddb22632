/* Lines of a file that grows: whole ones, each at its place, in bounded memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "agent/files/lines.h"

static int fd = -1;
static struct tb_lines lines;
static struct tb_lines_place place;

static int begin(void **state)
{
    (void)state;
    fd = memfd_create("lines", MFD_CLOEXEC);
    place = (struct tb_lines_place){.offset = 0};
    tb_lines_init(&lines);
    return fd < 0;
}

static int end(void **state)
{
    (void)state;
    tb_lines_done(&lines);
    close(fd);
    return 0;
}

static void put(const void *data, size_t len)
{
    assert_true(lseek(fd, 0, SEEK_END) >= 0); /* the reader moves it */
    assert_int_equal(write(fd, data, len), len);
}

/* The next line must be that. */
static void expect(const char *text)
{
    struct tb_line line;
    assert_int_equal(tb_lines_next(&lines, &place, &line), 1);
    assert_int_equal(line.len, strlen(text));
    assert_memory_equal(line.data, text, line.len);
    place = line.next;
}

static void expect_none(void)
{
    struct tb_line line;
    assert_int_equal(tb_lines_next(&lines, &place, &line), 0);
}

static void again(void)
{
    tb_lines_begin(&lines, fd, 64 << 20);
}

static void a_line_without_its_end_waits(void **state)
{
    (void)state;
    put("one\ntw", 6);
    again();
    expect("one");
    expect_none();
    assert_int_equal(place.offset, 4);
    put("o\n\n", 3);
    again();
    expect("two");
    expect("");
    expect_none();
    assert_int_equal(place.offset, 9);
}

static void nuls_before_a_line_are_none_of_it(void **state)
{
    (void)state;
    put("a\n", 2);
    assert_int_equal(ftruncate(fd, (off_t)1 << 40), 0); /* a hole of a TiB */
    put("b\0c\n", 4);
    again();
    expect("a");
    struct tb_line line;
    assert_int_equal(tb_lines_next(&lines, &place, &line), 1);
    assert_int_equal(line.at, (uint64_t)1 << 40);
    assert_int_equal(line.len, 3); /* within a line they stay */
}

static void a_file_that_is_one_hole_costs_nothing(void **state)
{
    (void)state;
    put("a\nb", 3);
    assert_int_equal(ftruncate(fd, (off_t)1 << 50), 0);
    again();
    expect("a");
    struct tb_line line;
    int n = 0;
    for (; tb_lines_next(&lines, &place, &line) == 1; n++) {
        assert_null(line.data); /* too long */
        place = line.next;
    }
    assert_int_equal(n, 1);
    expect_none();
    assert_true(lines.budget > 0); /* of 64 MiB, for a file of a PiB */
}

static void the_longest_line_is_taken_and_one_byte_more_is_not(void **state)
{
    char *text = malloc(TB_LINE_MAX + 2);
    struct tb_line line;
    (void)state;
    assert_non_null(text);
    memset(text, 'x', TB_LINE_MAX + 2);
    put("first\n", 6);
    text[TB_LINE_MAX] = '\n';
    put(text, TB_LINE_MAX + 1);
    text[TB_LINE_MAX] = 'x';
    text[TB_LINE_MAX + 1] = '\n';
    put(text, TB_LINE_MAX + 2);
    put("last\n", 5);
    free(text);
    again();
    expect("first");
    assert_int_equal(tb_lines_next(&lines, &place, &line), 1);
    assert_non_null(line.data);
    assert_int_equal(line.len, TB_LINE_MAX);
    place = line.next;
    assert_int_equal(tb_lines_next(&lines, &place, &line), 1);
    assert_null(line.data);
    place = line.next;
    expect("last");
    expect_none();
}

static void a_line_too_long_that_has_no_end_yet_is_told_once(void **state)
{
    char *text = calloc(1, TB_LINE_MAX);
    struct tb_line line;
    int n = 0;
    (void)state;
    memset(text, 'x', TB_LINE_MAX);
    put(text, TB_LINE_MAX);
    put(text, TB_LINE_MAX);
    again();
    while (tb_lines_next(&lines, &place, &line) == 1) {
        assert_null(line.data);
        place = line.next;
        n++;
    }
    assert_int_equal(n, 1);
    assert_true(place.skips);
    assert_int_equal(place.offset,
                     2 * TB_LINE_MAX); /* kept, so that nobody looks through it again */
    put(text, TB_LINE_MAX);
    put("end\nnext\n", 9);
    free(text);
    again();
    expect("next");
    expect_none();
    assert_false(place.skips);
}

static void a_call_reads_no_more_than_its_budget(void **state)
{
    char *text = malloc(4 << 20);
    struct tb_line line;
    int n = 0;
    int got;
    (void)state;
    memset(text, 'x', 4 << 20);
    put(text, 4 << 20);
    put("\n", 1);
    free(text);
    do {
        tb_lines_begin(&lines, fd, 1 << 20);
        got = tb_lines_next(&lines, &place, &line);
        assert_true(++n < 10);
    } while (got == -EAGAIN);
    assert_int_equal(got, 1);
    assert_int_equal(line.len, 4 << 20);
    assert_true(n > 3);
}

static void random_pieces_give_the_same_lines(void **state)
{
    char text[4096];
    size_t at = 0;
    size_t taken = 0;
    (void)state;
    srand(7);
    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = (char)(rand() % 9 == 0 ? '\n' : 'a' + rand() % 20);
    text[sizeof(text) - 1] = '\n';
    while (at < sizeof(text)) {
        struct tb_line line;
        size_t len = (size_t)(rand() % 40) + 1;
        len = len < sizeof(text) - at ? len : sizeof(text) - at;
        put(text + at, len);
        at += len;
        again();
        while (tb_lines_next(&lines, &place, &line) == 1) {
            assert_int_equal(line.at, taken);
            assert_memory_equal(line.data, text + taken, line.len);
            assert_int_equal(text[taken + line.len], '\n');
            taken += line.len + 1;
            place = line.next;
        }
    }
    assert_int_equal(taken, sizeof(text));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_line_without_its_end_waits),
        TEST(nuls_before_a_line_are_none_of_it),
        TEST(a_file_that_is_one_hole_costs_nothing),
        TEST(the_longest_line_is_taken_and_one_byte_more_is_not),
        TEST(a_line_too_long_that_has_no_end_yet_is_told_once),
        TEST(a_call_reads_no_more_than_its_budget),
        TEST(random_pieces_give_the_same_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
