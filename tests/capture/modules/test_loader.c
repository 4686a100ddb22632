#include "capture/modules/loader.h"

#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "../lookups.h"

enum { PAGE = 4096 };

/* Two pages, the second of which cannot be read. */
static char *pages;

static int make_pages(void **state)
{
    (void)state;
    pages = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return pages == MAP_FAILED || mprotect(pages + PAGE, PAGE, PROT_NONE) != 0;
}

static int drop_pages(void **state)
{
    (void)state;
    lookup_hook = NULL;
    return munmap(pages, 2 * PAGE);
}

static struct link_map stranger;

static void say_stranger(struct dl_find_object *found)
{
    *found = (struct dl_find_object){.dlfo_map_start = (void *)0x10000,
                                     .dlfo_map_end = (void *)0x20000,
                                     .dlfo_link_map = &stranger};
}

static int read_stranger(char *name, struct tb_loaded_name *out)
{
    struct tb_loaded loaded;
    stranger = (struct link_map){.l_addr = 0x10000, .l_name = name};
    lookup_hook = say_stranger;
    int err = tb_loader_read((uint64_t)(uintptr_t)abs, &loaded, out);
    lookup_hook = NULL;
    return err;
}

static void library_is_told_with_its_name(void **state)
{
    (void)state;
    struct tb_loaded loaded;
    struct tb_loaded_name name;
    Dl_info info;
    assert_int_equal(dladdr((void *)(uintptr_t)abs, &info) != 0, 1);
    assert_int_equal(tb_loader_read((uint64_t)(uintptr_t)abs, &loaded, &name), 0);
    assert_string_equal(name.name, info.dli_fname);
    assert_int_equal(loaded.lo, (uintptr_t)info.dli_fbase);
    assert_true(loaded.lo < (uintptr_t)abs && (uintptr_t)abs < loaded.hi);
    assert_int_equal(tb_loader_read((uint64_t)(uintptr_t)pages, &loaded, &name), -ENOENT);
}

static void name_counts_when_its_end_can_be_read(void **state)
{
    (void)state;
    struct tb_loaded_name name;
    memset(pages, 'x', PAGE);
    assert_int_equal(read_stranger(pages + PAGE - 9, &name), -EAGAIN);
    pages[PAGE - 1] = '\0';
    assert_int_equal(read_stranger(pages + PAGE - 9, &name), 0);
    assert_string_equal(name.name, "xxxxxxxx");
    assert_int_equal(name.bias, 0x10000);
    assert_int_equal(read_stranger(pages, &name), 0); /* cut */
    assert_int_equal(strlen(name.name), sizeof(name.name) - 1);
}

static void names_that_are_nowhere_are_not_known(void **state)
{
    (void)state;
    struct tb_loaded_name name;
    assert_int_equal(read_stranger(NULL, &name), -EAGAIN);
    assert_int_equal(read_stranger((char *)16, &name), -EAGAIN);
    assert_int_equal(read_stranger(pages + PAGE, &name), -EAGAIN);
    assert_int_equal(read_stranger((char *)UINTPTR_MAX, &name), -EAGAIN);
}

static void say_nowhere(struct dl_find_object *found)
{
    say_stranger(found);
    found->dlfo_link_map = (struct link_map *)(void *)(pages + PAGE);
}

static void object_that_is_nowhere_is_not_known(void **state)
{
    (void)state;
    struct tb_loaded loaded;
    struct tb_loaded_name name;
    lookup_hook = say_nowhere;
    assert_int_equal(tb_loader_read((uint64_t)(uintptr_t)abs, &loaded, &name), -EAGAIN);
}

/* The first lookup alone: what came after it is what counts. */
static void say_stranger_once(struct dl_find_object *found)
{
    say_stranger(found);
    lookup_hook = NULL;
}

static void library_that_took_the_place_meanwhile_is_told(void **state)
{
    (void)state;
    struct tb_loaded loaded;
    struct tb_loaded_name name;
    static char of_before[] = "/of/before.so";
    stranger = (struct link_map){.l_name = of_before};
    lookup_hook = say_stranger_once;
    assert_int_equal(tb_loader_read((uint64_t)(uintptr_t)abs, &loaded, &name), 0);
    assert_string_not_equal(name.name, of_before);
    assert_true(loaded.lo < (uintptr_t)abs && (uintptr_t)abs < loaded.hi);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(library_is_told_with_its_name, make_pages, drop_pages),
        cmocka_unit_test_setup_teardown(name_counts_when_its_end_can_be_read, make_pages,
                                        drop_pages),
        cmocka_unit_test_setup_teardown(names_that_are_nowhere_are_not_known, make_pages,
                                        drop_pages),
        cmocka_unit_test_setup_teardown(object_that_is_nowhere_is_not_known, make_pages,
                                        drop_pages),
        cmocka_unit_test_setup_teardown(library_that_took_the_place_meanwhile_is_told, make_pages,
                                        drop_pages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
