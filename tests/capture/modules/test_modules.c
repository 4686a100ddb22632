/* The module table, and walks over it, in this program. */
#include "rig.h"

#include <dlfcn.h>
#include <limits.h>
#include <pthread.h>

#include "capture/report/late.h"
#include "capture/modules/modules.h"
#include "capture/threads/stack.h"
#include "capture/modules/unload.h"
#include "unwind/rows.h"

static const struct tb_process about = {.pid = 1, .exe = "/the/program", .service = "s"};

static int is_code(const struct tb_modules *modules, const void *pointer)
{
    uint64_t address = (uint64_t)(uintptr_t)pointer;
    long i = tb_modules_find(modules, address);
    return i >= 0 && address >= modules->code[i].low && address < modules->code[i].high;
}

static void table_knows_code_from_data(void **state)
{
    (void)state;
    static int data;
    int local;
    assert_int_equal(tb_modules_load(&about), 0);
    struct tb_modules *modules = tb_modules_take();
    assert_non_null(modules);
    assert_true(is_code(modules, (const void *)(uintptr_t)table_knows_code_from_data));
    assert_true(is_code(modules, dlsym(RTLD_DEFAULT, "printf")));
    assert_false(is_code(modules, &data));
    assert_true(tb_modules_find(modules, (uint64_t)(uintptr_t)&data) >= 0);
    assert_int_equal(tb_modules_find(modules, (uint64_t)(uintptr_t)&local), -1);
    assert_int_equal(tb_modules_find(modules, 0), -1);
    for (size_t i = 1; i < modules->process.n_modules; i++)
        assert_true(modules->process.modules[i - 1].hi <= modules->process.modules[i].lo);
    struct tb_process process;
    assert_int_equal(tb_process_unpack(modules->record, modules->record_len, &process), 0);
    assert_int_equal(process.n_modules, modules->process.n_modules);
    assert_int_equal(process.generation, modules->process.generation);
    assert_string_equal(process.exe, "/the/program");
    tb_process_done(&process);
    tb_modules_give(modules);
}

/* Asks for address as a walk would. */
static int find_late(struct tb_late *late, const struct tb_modules *modules, const void *pointer)
{
    static struct tb_memory memory;
    size_t place = 99;
    tb_memory_reset(&memory);
    return tb_late_find(late, modules, &memory, (uint64_t)(uintptr_t)pointer, &place);
}

static void module_that_comes_later_is_noticed_and_added(void **state)
{
    (void)state;
    static struct tb_late late;
    char plugin[512];
    int local;
    snprintf(plugin, sizeof(plugin), "%s/tests/programs/plugin.so", TEST_BIN);
    assert_int_equal(tb_modules_load(&about), 0);
    struct tb_modules *old = tb_modules_take();
    size_t n_before = old->process.n_modules;
    void *handle = dlopen(plugin, RTLD_NOW);
    assert_non_null(handle);
    const void *function = dlsym(handle, "plugin_crash");
    late.n = 0;
    assert_int_equal(find_late(&late, old, function), 0);
    assert_int_equal(find_late(&late, old, function), 0);
    assert_int_equal(late.n, 1);
    assert_int_equal(find_late(&late, old, &about), 1);
    assert_int_equal(find_late(&late, old, &local), -ENOENT);
    assert_int_equal(find_late(&late, old, NULL), -ENOENT);
    assert_string_equal(late.modules[0].path, plugin);
    assert_true(late.modules[0].build_id_len >= 8);
    assert_true(late.modules[0].eh_frame_hdr > late.modules[0].lo);
    assert_int_equal(tb_modules_extend(&about, late.modules, late.code, late.n, tb_unload_mark()),
                     0);
    struct tb_modules *now = tb_modules_take();
    assert_true(now->process.generation > old->process.generation);
    assert_int_equal(now->process.n_modules, n_before + 1);
    assert_true(is_code(now, function));
    late.n = 0;
    assert_int_equal(find_late(&late, now, function), 1);
    /* The old one stays as it was for who holds it. */
    assert_int_equal(old->process.n_modules, n_before);
    assert_false(is_code(old, function));
    tb_modules_give(old);
    dlclose(handle);
    assert_int_equal(find_late(&late, now, function), -ENOENT);
    tb_modules_give(now);
}

static const char *const folder_of_plugin = TEST_BIN "/tests/programs";

/* The table has the plugin by its whole name, and knows it as the one that is there, from another
 * working directory too. */
static void assert_whole(const void *function)
{
    static struct tb_late late;
    static struct tb_memory memory;
    char plugin[PATH_MAX];
    struct tb_modules *modules = tb_modules_take();
    long place = tb_modules_find(modules, (uint64_t)(uintptr_t)function);
    assert_true(place >= 0);
    assert_string_equal(modules->process.modules[place].path,
                        realpath(TEST_BIN "/tests/programs/plugin.so", plugin));
    tb_late_begin(&late, modules);
    assert_int_equal(find_late(&late, modules, function), 1);
    tb_memory_reset(&memory);
    assert_true(
        tb_late_is_proven(&modules->process.modules[place], &modules->code[place], &memory));
    tb_modules_give(modules);
}

static void module_with_a_relative_name_gets_a_whole_one(void **state)
{
    char before[PATH_MAX];
    (void)state;
    assert_non_null(getcwd(before, sizeof(before)));
    assert_int_equal(chdir(folder_of_plugin), 0);
    void *handle = dlopen("./plugin.so", RTLD_NOW);
    assert_non_null(handle);
    assert_int_equal(tb_modules_load(&about), 0);
    assert_int_equal(chdir(before), 0);
    assert_whole(dlsym(handle, "plugin_crash"));
    dlclose(handle);
}

static void late_module_with_a_relative_name_gets_a_whole_one(void **state)
{
    static struct tb_late late;
    char before[PATH_MAX];
    (void)state;
    assert_non_null(getcwd(before, sizeof(before)));
    assert_int_equal(tb_modules_load(&about), 0);
    assert_int_equal(chdir(folder_of_plugin), 0);
    void *handle = dlopen("../programs/./plugin.so", RTLD_NOW);
    assert_non_null(handle);
    struct tb_modules *modules = tb_modules_take();
    tb_late_begin(&late, modules);
    assert_int_equal(find_late(&late, modules, dlsym(handle, "plugin_crash")), 0);
    tb_modules_give(modules);
    assert_int_equal(tb_modules_extend(&about, late.modules, late.code, late.n, late.mark), 0);
    assert_int_equal(chdir(before), 0);
    assert_whole(dlsym(handle, "plugin_crash"));
    dlclose(handle);
}

static void library_rebuilt_in_the_same_place_is_another_one(void **state)
{
    (void)state;
    static struct tb_late late;
    struct tb_modules *modules;
    char plugin[512];
    snprintf(plugin, sizeof(plugin), "%s/tests/programs/plugin.so", TEST_BIN);
    assert_int_equal(tb_modules_load(&about), 0);
    void *handle = dlopen(plugin, RTLD_NOW);
    assert_non_null(handle);
    const void *function = dlsym(handle, "plugin_crash");
    modules = tb_modules_take();
    late.n = 0;
    assert_int_equal(find_late(&late, modules, function), 0);
    tb_modules_give(modules);
    /* As if what was there before had had another build ID: nothing else tells them apart. */
    late.modules[0].build_id[0] ^= 1;
    assert_int_equal(tb_modules_extend(&about, late.modules, late.code, 1, tb_unload_mark()), 0);
    modules = tb_modules_take();
    late.n = 0;
    assert_int_equal(find_late(&late, modules, function), 0);
    assert_int_equal(tb_modules_extend(&about, late.modules, late.code, 1, tb_unload_mark()), 0);
    tb_modules_give(modules);
    modules = tb_modules_take();
    late.n = 0;
    assert_int_equal(find_late(&late, modules, function), 1);
    tb_modules_give(modules);
    dlclose(handle);
}

static void crash_record_has_the_late_modules_too(void **state)
{
    (void)state;
    static struct tb_late late;
    static uint8_t record[TB_PROCESS_RECORD_MAX];
    struct tb_process process;
    char plugin[512];
    snprintf(plugin, sizeof(plugin), "%s/tests/programs/plugin.so", TEST_BIN);
    assert_int_equal(tb_modules_load(&about), 0);
    void *handle = dlopen(plugin, RTLD_NOW);
    const void *function = dlsym(handle, "plugin_crash");
    struct tb_modules *modules = tb_modules_take();
    late.n = 0;
    assert_int_equal(find_late(&late, modules, function), 0);
    size_t len = tb_late_pack(&late, modules, 4711, 99, record, sizeof(record));
    assert_int_equal(tb_process_unpack(record, len, &process), 0);
    assert_int_equal(process.pid, 4711);
    assert_int_equal(process.generation, 99);
    assert_int_equal(process.n_modules, modules->process.n_modules + 1);
    assert_string_equal(tb_process_module(&process, (uint64_t)(uintptr_t)function)->path, plugin);
    tb_process_done(&process);
    tb_modules_give(modules);
    dlclose(handle);
}

static void tables_in_use_are_never_taken_away(void **state)
{
    (void)state;
    enum { N = 4 };
    struct tb_modules *held[N];
    for (int i = 0; i < N; i++) {
        assert_int_equal(tb_modules_load(&about), 0);
        held[i] = tb_modules_take();
    }
    assert_int_equal(tb_modules_load(&about), -EAGAIN);
    assert_int_equal(tb_modules_extend(&about, NULL, NULL, 0, tb_unload_mark()), -EAGAIN);
    for (int i = 0; i < N; i++) {
        assert_true(is_code(held[i], (const void *)(uintptr_t)tables_in_use_are_never_taken_away));
        for (int k = 0; k < i; k++)
            assert_ptr_not_equal(held[i], held[k]);
    }
    tb_modules_give(held[0]);
    assert_int_equal(tb_modules_load(&about), 0);
    for (int i = 1; i < N; i++)
        tb_modules_give(held[i]);
}

static atomic_int stop;

static void *take_and_look(void *arg)
{
    int *n_wrong = arg;
    while (!atomic_load(&stop)) {
        struct tb_modules *modules = tb_modules_take();
        *n_wrong += !is_code(modules, (const void *)(uintptr_t)take_and_look);
        *n_wrong += modules->process.n_modules < 3;
        tb_modules_give(modules);
    }
    return NULL;
}

static void readers_beside_a_refresh_see_whole_tables(void **state)
{
    (void)state;
    pthread_t threads[2];
    int n_wrong[2] = {0};
    (void)tb_modules_load(&about);
    atomic_store(&stop, 0);
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, take_and_look, &n_wrong[i]), 0);
    for (int i = 0; i < 2000; i++)
        (void)tb_modules_extend(&about, NULL, NULL, 0, tb_unload_mark());
    atomic_store(&stop, 1);
    for (int i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(n_wrong[i], 0);
    }
}

/* ---- walks ---- */

static struct tb_stack walker;
static struct tb_unwind_frame frames[64];
static size_t n_frames;

__attribute__((noinline, aligned(512))) static int walk_here(void)
{
    struct tb_modules *modules = tb_modules_take();
    struct tb_unwind_regs regs = tb_stack_caller();
    tb_stack_begin(&walker, modules, regs.sp);
    n_frames = tb_stack_walk(&walker, regs, 0, frames, 64, NULL);
    tb_modules_give(modules);
    return (int)n_frames + 0 * errno;
}

__attribute__((noinline, aligned(512))) static int descend(int depth)
{
    volatile int kept = depth;
    int found = depth > 0 ? descend(depth - 1) : walk_here();
    return found + 0 * kept;
}

static void assert_walk(int depth)
{
    assert_true(descend(depth) > depth + 1);
    for (int i = 0; i <= depth; i++) {
        assert_in_range(frames[i].ip, (uint64_t)(uintptr_t)descend,
                        (uint64_t)(uintptr_t)descend + 512);
        if (i > 0)
            assert_true(frames[i].sp > frames[i - 1].sp);
        assert_int_equal(frames[i].trust, i == 0 ? TB_TRUST_CONTEXT : TB_TRUST_CFI);
    }
}

static void walk_finds_every_caller_and_loads_from_the_stack(void **state)
{
    (void)state;
    assert_int_equal(tb_rows_load(), 0);
    tb_stack_setup();
    (void)tb_modules_load(&about);
    assert_walk(20);
    assert_true(walker.memory.high > walker.memory.low); /* bounds were found and proven */
    assert_walk(3);
}

static void *walk_in_thread(void *arg)
{
    assert_walk(20);
    assert_true(walker.memory.high > walker.memory.low);
    return arg;
}

static void walk_in_a_thread_knows_its_stack(void **state)
{
    (void)state;
    pthread_t thread;
    (void)tb_modules_load(&about);
    assert_int_equal(pthread_create(&thread, NULL, walk_in_thread, NULL), 0);
    pthread_join(thread, NULL);
    assert_true(n_frames > 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table_knows_code_from_data),
        cmocka_unit_test(module_that_comes_later_is_noticed_and_added),
        cmocka_unit_test(module_with_a_relative_name_gets_a_whole_one),
        cmocka_unit_test(late_module_with_a_relative_name_gets_a_whole_one),
        cmocka_unit_test(library_rebuilt_in_the_same_place_is_another_one),
        cmocka_unit_test(crash_record_has_the_late_modules_too),
        cmocka_unit_test(tables_in_use_are_never_taken_away),
        cmocka_unit_test(readers_beside_a_refresh_see_whole_tables),
        cmocka_unit_test(walk_finds_every_caller_and_loads_from_the_stack),
        cmocka_unit_test(walk_in_a_thread_knows_its_stack),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
