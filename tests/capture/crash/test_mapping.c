#include "capture/crash/mapping.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"

enum { PAGE = 4096 };

static struct tb_mappings seen;

static int open_maps(void)
{
    int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    return fd;
}

static uint64_t later(void)
{
    return tb_clock_mono_ns() + (uint64_t)10000 * TB_NS_PER_MS;
}

/* Three pages of different rights and a hole: rw, none, (hole), r. Returns their beginning. */
static char *make_pages(void)
{
    char *pages =
        mmap(NULL, 6 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    assert_ptr_not_equal(pages, MAP_FAILED);
    assert_int_equal(mprotect(pages + PAGE, PAGE, PROT_READ | PROT_WRITE), 0);
    assert_int_equal(munmap(pages + 3 * PAGE, PAGE), 0);
    assert_int_equal(mprotect(pages + 4 * PAGE, PAGE, PROT_READ), 0);
    return pages;
}

static void expect(size_t i, const char *lo, const char *hi, uint32_t rights)
{
    assert_true(i < seen.n);
    const struct tb_crash_mapping *about = &seen.mappings[i].about;
    assert_true(about->lo == (uint64_t)(uintptr_t)lo && about->hi == (uint64_t)(uintptr_t)hi);
    assert_int_equal(about->rights, rights);
    assert_int_equal(about->len, 0);
}

static void check_pages(int (*way)(int fd, uint64_t address))
{
    char *pages = make_pages();
    const char *at[] = {pages + 2 * PAGE, pages + 2 * PAGE + 7, pages + 3 * PAGE - 1};
    int fd = open_maps();
    for (int i = 0; i < 3; i++) { /* in the guard page */
        assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
        assert_int_equal(way(fd, (uint64_t)(uintptr_t)at[i]), 0);
        assert_int_equal(seen.n, 3);
        expect(0, pages + PAGE, pages + 2 * PAGE, TB_MAPPING_READ | TB_MAPPING_WRITE);
        expect(1, pages + 2 * PAGE, pages + 3 * PAGE, 0);
        expect(2, pages + 4 * PAGE, pages + 5 * PAGE, TB_MAPPING_READ);
    }
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    assert_int_equal(way(fd, (uint64_t)(uintptr_t)pages + 3 * PAGE), 0); /* in the hole */
    assert_int_equal(seen.n, 2);
    expect(0, pages + 2 * PAGE, pages + 3 * PAGE, 0);
    expect(1, pages + 4 * PAGE, pages + 5 * PAGE, TB_MAPPING_READ);
    close(fd);
    munmap(pages, 6 * PAGE);
}

static int by_ioctl(int fd, uint64_t address)
{
    return tb_mapping_ask(fd, address, &seen);
}

static int by_reading(int fd, uint64_t address)
{
    return tb_mapping_read(fd, address, later(), &seen);
}

static int has_ioctl(void)
{
    int fd = open_maps();
    int err = tb_mapping_ask(fd, 1 << 20, &seen);
    close(fd);
    return err == 0;
}

static void the_neighbours_are_found_by_ioctl(void **state)
{
    (void)state;
    if (!has_ioctl())
        skip();
    check_pages(by_ioctl);
}

static void the_neighbours_are_found_by_reading(void **state)
{
    (void)state;
    check_pages(by_reading);
}

static void the_neighbour_below_is_found_behind_many_and_far_away(void **state)
{
    (void)state;
    enum { MANY = 1000, HOLE = 64 << 20 };
    const size_t bytes = (size_t)MANY * 2 * PAGE;
    if (!has_ioctl())
        skip();
    char *pages =
        mmap(NULL, bytes + HOLE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    assert_ptr_not_equal(pages, MAP_FAILED);
    char *end = pages + bytes;
    for (int i = 0; i < MANY; i++)
        assert_int_equal(mprotect(pages + (size_t)i * 2 * PAGE, PAGE, PROT_READ), 0);
    assert_int_equal(munmap(end, HOLE), 0);
    int fd = open_maps();
    for (size_t behind = 0; behind < HOLE; behind = behind * 3 + 1) {
        assert_int_equal(tb_mapping_ask(fd, (uint64_t)(uintptr_t)end + behind, &seen), 0);
        expect(0, end - PAGE, end, 0);
    }
    for (size_t i = 2; i < MANY; i += 97) { /* between two */
        char *at = pages + i * 2 * PAGE;
        assert_int_equal(tb_mapping_ask(fd, (uint64_t)(uintptr_t)at, &seen), 0);
        expect(0, at - PAGE, at, 0);
        expect(1, at, at + PAGE, TB_MAPPING_READ);
    }
    close(fd);
    munmap(pages, bytes);
}

static void both_ways_say_the_same_of_everything_that_is_mapped(void **state)
{
    (void)state;
    static struct tb_mappings asked;
    if (!has_ioctl())
        skip();
    int list = open_maps();
    int fd = open_maps();
    FILE *lines = fdopen(list, "r");
    assert_non_null(lines);
    unsigned long lo;
    unsigned long hi;
    char line[8192];
    int n = 0;
    while (fgets(line, sizeof(line), lines)) {
        if (sscanf(line, "%lx-%lx", &lo, &hi) != 2 || strstr(line, "[v") || strstr(line, "[heap]"))
            continue;
        assert_int_equal(tb_mapping_ask(fd, lo, &asked), 0);
        assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
        assert_int_equal(by_reading(fd, lo), 0);
        size_t last = seen.n - (strcmp(seen.mappings[seen.n - 1].path, "[vsyscall]") == 0);
        assert_int_equal(asked.n, last);
        for (size_t i = 0; i < last; i++) {
            assert_true(asked.mappings[i].about.lo == seen.mappings[i].about.lo);
            assert_int_equal(asked.mappings[i].about.rights, seen.mappings[i].about.rights);
            assert_true(asked.mappings[i].about.offset == seen.mappings[i].about.offset);
            assert_string_equal(asked.mappings[i].path, seen.mappings[i].path);
        }
        n++;
    }
    assert_true(n > 5);
    fclose(lines);
    close(fd);
}

static void a_file_is_named_with_its_rights_and_offset(void **state)
{
    (void)state;
    char path[] = "/tmp/towbar-mapping-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, 4 * PAGE), 0);
    char *at = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 2 * PAGE);
    assert_ptr_not_equal(at, MAP_FAILED);
    unlink(path);
    assert_int_equal(tb_mapping_find((uint64_t)(uintptr_t)at + 1, later(), &seen), 0);
    size_t i = 0;
    while (i < seen.n && seen.mappings[i].about.lo != (uint64_t)(uintptr_t)at)
        i++;
    assert_true(i < seen.n);
    const struct tb_crash_mapping *about = &seen.mappings[i].about;
    assert_int_equal(about->rights, TB_MAPPING_READ | TB_MAPPING_SHARED);
    assert_true(about->offset == 2 * PAGE);
    assert_memory_equal(about->path, path, strlen(path));
    assert_string_equal(about->path + strlen(path), " (deleted)");
    munmap(at, PAGE);
    close(fd);
}

/* The kernel refuses to cut it: then the list is read. */
static void a_path_that_is_too_long_is_cut(void **state)
{
    (void)state;
    char folder[] = "/tmp/towbar-mapping-XXXXXX";
    char path[4096];
    assert_non_null(mkdtemp(folder));
    size_t len = (size_t)snprintf(path, sizeof(path), "%s", folder);
    for (int i = 0; i < 3; i++) {
        path[len++] = '/';
        memset(path + len, 'a' + i, 250);
        path[len += 250] = '\0';
        if (i < 2)
            assert_int_equal(mkdir(path, 0700), 0);
    }
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, 2 * PAGE), 0);
    char *at = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, PAGE);
    assert_ptr_not_equal(at, MAP_FAILED);
    for (int back = 0; back < 2; back++) { /* it is at the address, and below it */
        uint64_t address = (uint64_t)(uintptr_t)at + (uint64_t)back * PAGE;
        assert_int_equal(tb_mapping_find(address, later(), &seen), 0);
        size_t i = 0;
        while (i < seen.n && seen.mappings[i].about.lo != (uint64_t)(uintptr_t)at)
            i++;
        assert_true(i < seen.n);
        assert_int_equal(seen.mappings[i].about.len, TB_MAPPING_PATH - 1);
        assert_memory_equal(seen.mappings[i].about.path, path, TB_MAPPING_PATH - 1);
    }
    munmap(at, PAGE);
    close(fd);
    unlink(path);
    for (int i = 0; i < 3; i++) {
        *strrchr(path, '/') = '\0';
        assert_int_equal(rmdir(path), 0);
    }
}

static void an_address_outside_of_everything_has_one_neighbour(void **state)
{
    (void)state;
    assert_int_equal(tb_mapping_find(PAGE, later(), &seen), 0);
    assert_int_equal(seen.n, 1);
    assert_true(seen.mappings[0].about.lo > PAGE);
}

/* The kernel's own, and what no processor has: above all that is mapped, but for [vsyscall], which
 * only the list has. */
static void an_address_above_everything_has_its_neighbour_below(void **state)
{
    (void)state;
    const uint64_t addresses[] = {UINT64_MAX,        UINT64_MAX - PAGE,  (uint64_t)1 << 63,
                                  (uint64_t)3 << 62, 0xffff800000000000, ((uint64_t)1 << 63) + 1,
                                  (uint64_t)1 << 62};
    int fd = open_maps();
    for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
        assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
        assert_int_equal(by_reading(fd, addresses[i]), 0);
        assert_true(seen.n >= 1 && seen.mappings[0].about.hi <= addresses[i]);
        if (!has_ioctl())
            continue;
        assert_int_equal(by_ioctl(fd, addresses[i]), 0);
        assert_int_equal(seen.n, 1);
        assert_true(seen.mappings[0].about.hi <= addresses[i]);
        assert_true(seen.mappings[0].about.hi > (uint64_t)(uintptr_t)&fd);
    }
    close(fd);
}

static void when_the_time_is_up_reading_gives_up(void **state)
{
    (void)state;
    int fd = open_maps();
    assert_int_equal(tb_mapping_read(fd, (uint64_t)1 << 46, 0, &seen), -E2BIG);
    assert_int_equal(seen.n, 0);
    close(fd);
}

/* ---- text ---- */

static void a_line_is_read_or_left_out(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        int want;
        uint64_t lo, hi, offset;
        uint32_t rights;
        const char *path;
    } rows[] = {
        {"1000-3000 r-xp 0000f000 08:01 123                    /usr/lib/a b.so", 1, 0x1000, 0x3000,
         0xf000, 5, "/usr/lib/a b.so"},
        {"7ffffffde000-7ffffffff000 rw-s 00000000 00:00 0 [stack]", 1, 0x7ffffffde000,
         0x7ffffffff000, 0, 11, "[stack]"},
        {"1000-3000 ---p 00000000 00:00 0 ", 1, 0x1000, 0x3000, 0, 0, ""},
        {"1000-3000 ---p 00000000 00:00 0", 1, 0x1000, 0x3000, 0, 0, ""},
        {"1000-3000 ---p 00000000", 0, 0, 0, 0, 0, ""},
        {"3000-1000 ---p 00000000 00:00 0", 0, 0, 0, 0, 0, ""},
        {"1000-1000 ---p 00000000 00:00 0", 0, 0, 0, 0, 0, ""},
        {"-1000 ---p 00000000 00:00 0", 0, 0, 0, 0, 0, ""},
        {"1000-11111111111111111 ---p 0 0 0", 0, 0, 0, 0, 0, ""},
        {"1000-2000 r", 0, 0, 0, 0, 0, ""},
        {"1000-2000 ", 0, 0, 0, 0, 0, ""},
        {"1000", 0, 0, 0, 0, 0, ""},
        {"", 0, 0, 0, 0, 0, ""},
        {"x", 0, 0, 0, 0, 0, ""},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        static struct tb_mapping out;
        size_t len = strlen(rows[i].line);
        char *line = malloc(len + 1);
        assert_non_null(line);
        memcpy(line, rows[i].line, len + 1);
        line = realloc(line, len > 0 ? len : 1); /* no byte more than the line has */
        assert_int_equal(tb_mapping_parse(line, len, &out), rows[i].want);
        if (rows[i].want) {
            assert_true(out.about.lo == rows[i].lo && out.about.hi == rows[i].hi);
            assert_true(out.about.offset == rows[i].offset);
            assert_int_equal(out.about.rights, rows[i].rights);
            assert_string_equal(out.about.path, rows[i].path);
            assert_int_equal(out.about.len, strlen(rows[i].path));
        }
        free(line);
    }
}

/* A stream gives the text in other pieces than the kernel would: each byte by itself. */
static void a_list_in_pieces_is_put_together(void **state)
{
    (void)state;
    static const char text[] = "1000-2000 r--p 00000000 00:00 0 /a\n"
                               "2000-3000 rw-p 00000000 00:00 0 /b\n"
                               "junk\n"
                               "5000-6000 r--p 00000000 00:00 0 /c\n"
                               "6000-7000 r--p 00000000 00:00 0 /d\n";
    int ends[2]; /* messages keep their ends */
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends), 0);
    for (size_t i = 0; i < sizeof(text) - 1; i++)
        assert_int_equal(send(ends[1], text + i, 1, MSG_DONTWAIT), 1);
    close(ends[1]);
    assert_int_equal(by_reading(ends[0], 0x5800), 0);
    close(ends[0]);
    assert_int_equal(seen.n, 3);
    assert_string_equal(seen.mappings[0].about.path, "/b");
    assert_string_equal(seen.mappings[1].about.path, "/c");
    assert_string_equal(seen.mappings[2].about.path, "/d");
}

static void a_line_without_an_end_is_given_up(void **state)
{
    (void)state;
    static char text[64 << 10];
    int ends[2];
    memset(text, 'x', sizeof(text));
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], text, sizeof(text)), sizeof(text));
    close(ends[1]);
    assert_int_equal(by_reading(ends[0], 0x5800), -E2BIG);
    assert_int_equal(seen.n, 0);
    close(ends[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_neighbours_are_found_by_ioctl),
        cmocka_unit_test(the_neighbours_are_found_by_reading),
        cmocka_unit_test(the_neighbour_below_is_found_behind_many_and_far_away),
        cmocka_unit_test(both_ways_say_the_same_of_everything_that_is_mapped),
        cmocka_unit_test(a_file_is_named_with_its_rights_and_offset),
        cmocka_unit_test(a_path_that_is_too_long_is_cut),
        cmocka_unit_test(an_address_outside_of_everything_has_one_neighbour),
        cmocka_unit_test(an_address_above_everything_has_its_neighbour_below),
        cmocka_unit_test(when_the_time_is_up_reading_gives_up),
        cmocka_unit_test(a_line_is_read_or_left_out),
        cmocka_unit_test(a_list_in_pieces_is_put_together),
        cmocka_unit_test(a_line_without_an_end_is_given_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
