#include "image.h"

#include <dlfcn.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct tb_memory memory;

static struct tb_module module_of(const void *address)
{
    struct dl_find_object found;
    assert_int_equal(_dl_find_object((void *)(uintptr_t)address, &found), 0);
    return (struct tb_module){.lo = (uint64_t)(uintptr_t)found.dlfo_map_start,
                              .hi = (uint64_t)(uintptr_t)found.dlfo_map_end,
                              .bias = found.dlfo_link_map->l_addr};
}

static void look_up(const void *inside, const char *name, const void *want)
{
    struct tb_module module = module_of(inside);
    struct tb_dynsym table;
    uint64_t address = 0;
    tb_memory_reset(&memory);
    assert_int_equal(tb_dynsym_open(&table, &memory, &module), 0);
    assert_int_equal(tb_dynsym_find(&table, name, &address), want ? 0 : -ENOENT);
    assert_true(address == (uint64_t)(uintptr_t)want);
}

/* Not functions that the C library chooses when it is loaded: their symbols lead to the chooser. */
static void symbols_of_the_c_library_are_where_the_loader_finds_them(void **state)
{
    (void)state;
    static const char *const names[] = {"abort",   "qsort",  "getpid",  "malloc",
                                        "environ", "printf", "opendir", "sigaction"};
    void *handle = dlopen("libc.so.6", RTLD_NOW | RTLD_NOLOAD);
    assert_non_null(handle);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        look_up(dlsym(handle, "abort"), names[i], dlsym(handle, names[i]));
    dlclose(handle);
}

static void a_name_that_is_not_there_is_not_found(void **state)
{
    (void)state;
    static const char *const names[] = {
        "", "no_such_function", "__cxa_get_globals_fast",
        "a_name_that_is_longer_than_any_that_this_will_ever_be_asked_for_by_anybody"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        look_up(dlsym(RTLD_DEFAULT, "abort"), names[i], NULL);
}

static void what_is_no_module_has_no_symbols(void **state)
{
    (void)state;
    static char page[4096];
    struct tb_dynsym table;
    struct tb_module module = {.lo = (uint64_t)(uintptr_t)page,
                               .hi = (uint64_t)(uintptr_t)page + sizeof(page)};
    tb_memory_reset(&memory);
    assert_int_equal(tb_dynsym_open(&table, &memory, &module), -ENOENT);
    memcpy(page, ELFMAG, SELFMAG);
    tb_memory_reset(&memory);
    assert_int_equal(tb_dynsym_open(&table, &memory, &module), -ENOENT);
    module.lo = 16; /* not mapped */
    assert_int_equal(tb_dynsym_open(&table, &memory, &module), -ENOENT);
}

/* ---- a module of our own making ---- */

static int find_in(const struct tb_module *module, const char *name, uint64_t *address)
{
    struct tb_dynsym table;
    tb_memory_reset(&memory);
    int err = tb_dynsym_open(&table, &memory, module);
    return err ? err : tb_dynsym_find(&table, name, address);
}

static void what_is_not_defined_in_the_module_is_not_found(void **state)
{
    (void)state;
    static uint8_t image[IMAGE_BYTES];
    uint64_t address;
    const struct tb_module module = image_make(image, "here");
    assert_int_equal(find_in(&module, "here", &address), 0);
    assert_true(address == module.bias + IMAGE_SYMBOL_AT);
    assert_int_equal(find_in(&module, "away", &address), -ENOENT);
}

static void one_that_the_loader_has_relocated_is_the_same(void **state)
{
    (void)state;
    static uint8_t image[IMAGE_BYTES];
    uint64_t address;
    const struct tb_module module = image_make(image, "here");
    for (int i = 0; i < 3; i++) {
        ElfW(Dyn) entry;
        memcpy(&entry, image + DYNAMIC_AT + i * sizeof(entry), sizeof(entry));
        entry.d_un.d_ptr += module.bias;
        memcpy(image + DYNAMIC_AT + i * sizeof(entry), &entry, sizeof(entry));
    }
    assert_int_equal(find_in(&module, "here", &address), 0);
    assert_true(address == module.bias + IMAGE_SYMBOL_AT);
}

/* There is an answer, and no read that faults; chains without an end have one. */
static void any_byte_that_was_overwritten_ends_the_search(void **state)
{
    (void)state;
    static const uint8_t values[] = {0, 1, 0x7f, 0x80, 0xff};
    static uint8_t image[IMAGE_BYTES];
    size_t n_found = 0;
    for (size_t i = 0; i < sizeof(values) * IMAGE_BYTES; i++) {
        uint64_t address = 0;
        const struct tb_module module = image_make(image, "here");
        image[i / sizeof(values)] = values[i % sizeof(values)];
        n_found += find_in(&module, "here", &address) == 0;
    }
    assert_true(n_found > IMAGE_BYTES && n_found < sizeof(values) * IMAGE_BYTES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(symbols_of_the_c_library_are_where_the_loader_finds_them),
        cmocka_unit_test(a_name_that_is_not_there_is_not_found),
        cmocka_unit_test(what_is_no_module_has_no_symbols),
        cmocka_unit_test(what_is_not_defined_in_the_module_is_not_found),
        cmocka_unit_test(one_that_the_loader_has_relocated_is_the_same),
        cmocka_unit_test(any_byte_that_was_overwritten_ends_the_search),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
