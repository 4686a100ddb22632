#include "capture/modules/gone.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "capture/modules/unload.h"

static const struct tb_process about = {.pid = 1, .exe = "/the/program", .service = "s"};
static struct tb_gone seen;

static void *open_plugin(void)
{
    char plugin[512];
    snprintf(plugin, sizeof(plugin), "%s/tests/programs/plugin.so", TEST_BIN);
    void *handle = dlopen(plugin, RTLD_NOW);
    assert_non_null(handle);
    return handle;
}

static uint64_t address_in(void *handle)
{
    return (uint64_t)(uintptr_t)dlsym(handle, "plugin_crash");
}

/* As the interposed one does it. Returns where plugin_crash was. */
static uint64_t close_plugin(void *handle)
{
    struct tb_gone library;
    uint64_t address = address_in(handle);
    tb_gone_look(handle, &library);
    assert_int_equal(dlclose(handle), 0);
    tb_gone_note(&library);
    return address;
}

static void library_that_was_closed_is_told_as_long_as_it_is_gone(void **state)
{
    (void)state;
    void *handle = open_plugin();
    uint64_t address = address_in(handle);
    assert_int_equal(tb_gone_find(address, &seen), -ENOENT);
    (void)close_plugin(handle);
    assert_int_equal(tb_gone_find(address, &seen), 0);
    assert_true(seen.module.lo <= address && address < seen.module.hi);
    assert_true(seen.code.low <= address && address < seen.code.high);
    assert_true(seen.code.high - seen.code.low < seen.module.hi - seen.module.lo);
    assert_non_null(strstr(seen.module.path, "/tests/programs/plugin.so"));
    assert_int_equal(seen.module.path[0], '/');
    assert_true(seen.module.build_id_len > 0 && seen.module.eh_frame_hdr > seen.module.lo);
    handle = open_plugin(); /* the C library takes the same place */
    assert_true(address_in(handle) != address || tb_gone_find(address, &seen) == -ENOENT);
    assert_int_equal(dlclose(handle), 0);
    assert_int_equal(tb_gone_find(address, &seen), 0);
}

static void library_that_stays_loaded_is_not_noted(void **state)
{
    (void)state;
    void *handle = open_plugin();
    void *again = open_plugin();
    uint64_t address = close_plugin(again);
    assert_int_equal(tb_gone_find(address, &seen), -ENOENT);
    assert_int_equal(dlclose(handle), 0);
}

static void what_is_no_handle_is_none(void **state)
{
    (void)state;
    static char zeros[4096];
    void *const handles[] = {NULL, (void *)16, zeros, (void *)(uintptr_t)open_plugin, &seen};
    for (size_t i = 0; i < sizeof(handles) / sizeof(handles[0]); i++) {
        tb_gone_look(handles[i], &seen);
        assert_true(seen.module.lo == 0 && seen.module.hi == 0);
        tb_gone_note(&seen);
    }
    assert_int_equal(tb_gone_get(TB_GONE_MAX, &seen), -ENOENT);
}

static struct tb_gone made_up(unsigned i)
{
    struct tb_gone library = {.module = {.lo = 0x1000 + 0x1000 * (uint64_t)i}};
    library.module.hi = library.module.lo + 0x1000;
    snprintf(library.path, sizeof(library.path), "/made/up/%u.so", i);
    return library;
}

static void only_the_last_ones_are_told_and_each_once(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 20; i++) {
        struct tb_gone library = made_up(i);
        tb_gone_note(&library);
        tb_gone_note(&library);
    }
    for (unsigned back = 0; back < TB_GONE_MAX; back++) {
        char want[32];
        snprintf(want, sizeof(want), "/made/up/%u.so", 19 - back);
        assert_int_equal(tb_gone_get(back, &seen), 0);
        assert_string_equal(seen.module.path, want);
    }
    assert_int_equal(tb_gone_find(0x1000, &seen), -ENOENT);
    assert_int_equal(tb_gone_find(0x1000 + 0x1000 * 19, &seen), 0);
    assert_int_equal(tb_gone_find(0x1000 + 0x1000 * 20, &seen), -ENOENT);
}

static void what_the_kernel_maps_and_the_program_itself_are_not_noted(void **state)
{
    (void)state;
    const struct tb_module vdso = {.lo = 0x500000, .hi = 0x501000, .path = "linux-vdso.so.1"};
    const struct tb_module program = {
        .lo = 0x500000, .hi = 0x501000, .path = "/the/program", .flags = TB_MODULE_MAIN};
    const struct tb_code code = {.low = 0};
    tb_gone_note_module(&vdso, &code);
    tb_gone_note_module(&program, &code);
    assert_int_equal(tb_gone_find(0x500000, &seen), -ENOENT);
}

/* Where nobody sees dlclose, as with the archive. */
static void a_table_made_anew_tells_what_it_has_no_more(void **state)
{
    (void)state;
    void *handle = open_plugin();
    assert_int_equal(tb_modules_load(&about), 0);
    uint64_t address = address_in(handle);
    for (unsigned i = 0; i < TB_GONE_MAX; i++) { /* nothing of before */
        struct tb_gone library = made_up(100 + i);
        tb_gone_note(&library);
    }
    assert_int_equal(dlclose(handle), 0);
    assert_int_equal(tb_gone_find(address, &seen), -ENOENT);
    tb_unload_begin();
    tb_unload_end(1);
    assert_int_equal(tb_modules_confirm(&about), 0);
    assert_int_equal(tb_gone_find(address, &seen), 0);
    assert_int_equal(tb_gone_get(0, &seen), 0);
    assert_non_null(strstr(seen.module.path, "plugin.so"));
    assert_true(seen.module.build_id_len > 0);
}

/* ---- threads ---- */

static atomic_int is_over;

static void *note_all_the_time(void *arg)
{
    unsigned i = *(unsigned *)arg;
    while (!atomic_load(&is_over)) {
        struct tb_gone library = made_up(i++ % 1000);
        tb_gone_note(&library);
    }
    return NULL;
}

static void one_that_is_read_meanwhile_is_whole(void **state)
{
    (void)state;
    enum { LOOKS = 20000 };
    pthread_t threads[2];
    unsigned starts[2] = {0, 500};
    static struct tb_gone one;
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, note_all_the_time, &starts[i]), 0);
    int n = 0;
    for (unsigned i = 0; i < LOOKS; i++) {
        unsigned number;
        if (tb_gone_get(i % TB_GONE_MAX, &one) != 0 ||
            sscanf(one.path, "/made/up/%u.so", &number) != 1)
            continue;
        assert_true(one.module.lo == 0x1000 + 0x1000 * (uint64_t)number);
        n++;
    }
    atomic_store(&is_over, 1);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    assert_true(n > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(library_that_was_closed_is_told_as_long_as_it_is_gone),
        cmocka_unit_test(library_that_stays_loaded_is_not_noted),
        cmocka_unit_test(what_is_no_handle_is_none),
        cmocka_unit_test(only_the_last_ones_are_told_and_each_once),
        cmocka_unit_test(what_the_kernel_maps_and_the_program_itself_are_not_noted),
        cmocka_unit_test(a_table_made_anew_tells_what_it_has_no_more),
        cmocka_unit_test(one_that_is_read_meanwhile_is_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
