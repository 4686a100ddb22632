/* Libraries that are unloaded, and others in their place: every frame is right. */
#include "rig.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>

#include "base/clock.h"
#include "capture/lib.h"
#include "capture/modules/modules.h"
#include "capture/threads/stack.h"
#include "capture/modules/unload.h"
#include "unwind/rows.h"

enum { FRAMES_IN_LIBRARY = 4, FUNCTION_BYTES = 256, LIBRARY_BYTES = 0x5000, FRAMES_MAX = 64 };

/* ---- the marks ---- */

static void mark_holds_until_a_dlclose_succeeds(void **state)
{
    (void)state;
    uint64_t mark = tb_unload_mark();
    assert_false(tb_unload_is_since(mark));
    tb_unload_begin();
    assert_true(tb_unload_is_since(mark));
    assert_true(tb_unload_is_since(tb_unload_mark()));
    tb_unload_end(0);
    assert_false(tb_unload_is_since(mark));
    tb_unload_begin();
    tb_unload_end(1);
    assert_true(tb_unload_is_since(mark));
    assert_false(tb_unload_is_since(tb_unload_mark()));
}

/* What the child forgets is that its parent was in the middle. */
static int look_in_child(struct rig *rig)
{
    int bad = 0;
    (void)rig;
    uint64_t mark = tb_unload_mark();
    tb_unload_forked();
    bad += tb_unload_is_since(mark);
    tb_unload_begin();
    tb_unload_forked();
    bad += !tb_unload_is_since(mark);
    mark = tb_unload_mark();
    tb_unload_end(1); /* of the thread that forked */
    tb_unload_begin();
    bad += !tb_unload_is_since(tb_unload_mark());
    tb_unload_end(1);
    bad += !tb_unload_is_since(mark);
    return bad + tb_unload_is_since(tb_unload_mark());
}

static void fork_child_believes_no_mark_after_a_dlclose(void **state)
{
    assert_int_equal(rig_in_child(look_in_child, *state), 0);
}

/* ---- walks ---- */

static void build_library(struct rig *rig, const char *name, const char *room, const char *id)
{
    const char *const argv[] = {"cc",
                                "-shared",
                                "-fPIC",
                                "-O1",
                                "-fomit-frame-pointer",
                                "-fno-stack-protector",
                                room,
                                id,
                                "-o",
                                name,
                                TEST_SOURCE "/tests/capture/programs/shifting.c",
                                NULL};
    int status = rig_tool(rig, argv);
    if (status < 0) {
        print_message("there is no compiler here: skipped\n");
        skip();
    }
    if (status != 0)
        fail_msg("%s: %s%s", name, rig->out, rig->err);
}

static void run(struct rig *rig, const char *way, const char *first, const char *second)
{
    char one[96];
    char two[96];
    char path[512];
    char spool[96];
    char before[512];
    int is_relative = first[0] == '.';
    assert_non_null(getcwd(before, sizeof(before)));
    snprintf(one, sizeof(one), "%s/%s", is_relative ? "." : rig->folder, first);
    snprintf(two, sizeof(two), "%s/%s", is_relative ? "." : rig->folder, second);
    snprintf(path, sizeof(path), "%s/tests/programs/reloader", TEST_BIN);
    snprintf(spool, sizeof(spool), "%s/spool", rig->folder);
    const char *const argv[] = {path, way, one, two, NULL};
    setenv("TOWBAR_SPOOL", spool, 1);
    setenv("ASAN_OPTIONS", "handle_segv=0:use_sigaltstack=0:detect_leaks=0", 1);
    setenv("TSAN_OPTIONS", "handle_segv=0", 1);
    assert_int_equal(chdir(rig->folder), 0);
    (void)rig_tool(rig, argv);
    assert_int_equal(chdir(before), 0);
    unsetenv("TOWBAR_SPOOL");
    unsetenv("ASAN_OPTIONS");
    unsetenv("TSAN_OPTIONS");
    assert_int_equal(rig_said(rig, "first", 16), rig_said(rig, "second", 16));
}

/* The callback, the library's four functions, and the two of the program: 7 of 7. */
static void assert_frames(const struct rig *rig, const uint64_t *frames, size_t n)
{
    uint64_t here = rig_said(rig, "here", 16);
    uint64_t library = rig_said(rig, "first", 16);
    uint64_t outer = rig_said(rig, "outer", 16);
    uint64_t program = rig_said(rig, "main", 16);
    size_t at = 1 + FRAMES_IN_LIBRARY;
    if (n < at + 2)
        fail_msg("%zu frames", n);
    assert_in_range(frames[0], here, here + FUNCTION_BYTES);
    for (size_t i = 1; i < at; i++)
        assert_in_range(frames[i], library, library + LIBRARY_BYTES);
    assert_in_range(frames[at], outer, outer + FUNCTION_BYTES);
    assert_in_range(frames[at + 1], program, program + 2 * FUNCTION_BYTES);
}

static void assert_module(const struct rig *rig, const struct rig_record *record, const char *name)
{
    const struct tb_module *module =
        tb_process_module(&record->process, rig_said(rig, "first", 16) + 1);
    assert_non_null(module);
    assert_int_equal(module->path[0], '/');
    rig_assert_has(module->path, name);
}

/* The report's frames, oldest first there. */
static void assert_report(const struct rig *rig, const struct rig_record *record)
{
    uint64_t frames[FRAMES_MAX];
    size_t n = 0;
    const char *ends[FRAMES_MAX];
    for (const char *at = record->data; (at = strstr(at, "\"address\":\"")) && n < FRAMES_MAX; n++)
        ends[n] = at += strlen("\"address\":\"");
    for (size_t i = 0; i < n; i++)
        frames[i] = strtoull(ends[n - 1 - i], NULL, 16);
    assert_frames(rig, frames, n);
}

static void assert_all_reports(struct rig *rig, const char *second)
{
    assert_int_equal(rig_read(rig), 4);
    for (size_t i = 0; i < 4; i++) {
        int is_first = strstr(rig->records[i].data, "\"first\"") != NULL;
        assert_report(rig, &rig->records[i]);
        assert_module(rig, &rig->records[i], is_first ? "/one.so" : second);
    }
}

static void assert_crash(struct rig *rig, const char *second)
{
    uint64_t frames[FRAMES_MAX];
    struct tb_crash crash = rig_crash(rig);
    size_t n = crash.n_frames < FRAMES_MAX ? crash.n_frames : FRAMES_MAX;
    for (size_t i = 0; i < n; i++)
        frames[i] = crash.frames[i].ip;
    assert_frames(rig, frames, n);
    assert_module(rig, rig_only(rig, TB_KIND_CRASH), second);
    tb_crash_done(&crash);
}

static void build_both(struct rig *rig, const char *id)
{
    build_library(rig, "one.so", "-DROOM=300", id);
    build_library(rig, "two.so", "-DROOM=4000", id);
}

static void report_in_a_library_rebuilt_in_place_without_build_id(void **state)
{
    build_both(*state, "-Wl,--build-id=none");
    run(*state, "report-renamed", "one.so", "two.so");
    assert_all_reports(*state, "/one.so");
}

static void crash_in_a_library_rebuilt_in_place_without_build_id(void **state)
{
    build_both(*state, "-Wl,--build-id=none");
    run(*state, "crash-renamed", "one.so", "two.so");
    assert_crash(*state, "/one.so");
}

static void report_in_another_library_at_the_same_place(void **state)
{
    build_both(*state, "-Wl,--build-id=none");
    run(*state, "report", "one.so", "two.so");
    assert_all_reports(*state, "/two.so");
}

static void crash_in_another_library_at_the_same_place(void **state)
{
    build_both(*state, "-Wl,--build-id=none");
    run(*state, "crash", "one.so", "two.so");
    assert_crash(*state, "/two.so");
}

static void report_in_a_library_rebuilt_in_place_with_build_id(void **state)
{
    build_both(*state, "-Wl,--build-id");
    run(*state, "report-renamed", "one.so", "two.so");
    assert_all_reports(*state, "/one.so");
}

static void crash_in_a_library_rebuilt_in_place_with_build_id(void **state)
{
    build_both(*state, "-Wl,--build-id");
    run(*state, "crash-renamed", "one.so", "two.so");
    assert_crash(*state, "/one.so");
}

static void report_in_libraries_with_relative_names(void **state)
{
    build_both(*state, "-Wl,--build-id");
    run(*state, "report-renamed", "./one.so", "./two.so");
    assert_all_reports(*state, "/one.so");
}

static void crash_in_a_library_with_a_relative_name_at_the_same_place(void **state)
{
    build_both(*state, "-Wl,--build-id=none");
    run(*state, "crash", "./one.so", "./two.so");
    assert_crash(*state, "/two.so");
}

/* It was there when the library started. */
static void report_in_place_of_a_library_from_before_the_start(void **state)
{
    build_both(*state, "-Wl,--build-id");
    run(*state, "report-renamed-early", "one.so", "two.so");
    assert_all_reports(*state, "/one.so");
}

static void crash_in_place_of_a_library_from_before_the_start(void **state)
{
    build_both(*state, "-Wl,--build-id=none");
    run(*state, "crash-renamed-early", "one.so", "two.so");
    assert_crash(*state, "/one.so");
}

/* ---- a table that is not in the slot yet ---- */

/* A report has made the new table, and somebody is at storing the one before. */
static int crash_before_the_table_is_stored(struct rig *rig)
{
    static struct tb_stack walker;
    char plugin[512];
    size_t place;
    snprintf(plugin, sizeof(plugin), "%s/tests/programs/plugin.so", TEST_BIN);
    signal(SIGSEGV, SIG_DFL); /* cmocka's */
    if (towbar_init(TOWBAR_OPTIONS(.spool = rig->spool)) != 0)
        return 1;
    void *handle = dlopen(plugin, RTLD_NOW);
    void (*crash)(void);
    *(void **)&crash = handle ? dlsym(handle, "plugin_crash") : NULL;
    if (!crash)
        return 2;
    atomic_store(&tb_lib.storing, tb_clock_mono_ns());
    struct tb_modules *modules = tb_modules_take();
    struct tb_late *late = &walker.late;
    tb_stack_reset(&walker, modules);
    if (tb_late_find(late, modules, &walker.memory, (uint64_t)(uintptr_t)crash, &place) != 0 ||
        tb_modules_extend(&tb_lib.about, late->modules, late->code, late->n, late->mark) != 0)
        return 3;
    tb_modules_give(modules);
    tb_lib_store_modules();
    crash();
    return 4;
}

static void crash_in_a_module_of_a_table_that_was_not_stored_yet(void **state)
{
    struct rig *rig = *state;
    int status = 0;
    pid_t pid = fork();
    if (pid == 0)
        _exit(crash_before_the_table_is_stored(rig));
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    struct tb_crash crash = rig_crash(rig);
    const struct tb_module *module =
        tb_process_module(&rig_only(rig, TB_KIND_CRASH)->process, crash.frames[0].ip);
    assert_non_null(module);
    rig_assert_has(module->path, "/plugin.so");
    tb_crash_done(&crash);
}

/* ---- while others walk ---- */

static const struct tb_process about = {.pid = 1, .exe = "/the/program", .service = "s"};
static atomic_int is_over;

__attribute__((noinline)) static size_t walk(struct tb_stack *walker)
{
    struct tb_unwind_frame frames[32];
    struct tb_unwind_regs regs = tb_stack_caller();
    struct tb_modules *modules = tb_modules_take();
    tb_stack_begin(walker, modules, regs.sp);
    size_t n = tb_stack_walk(walker, regs, 0, frames, 32, NULL);
    tb_modules_give(modules);
    return n;
}

static void *walk_and_confirm(void *walker)
{
    size_t first = walk(walker);
    int bad = 0;
    while (!atomic_load(&is_over)) {
        bad += walk(walker) != first;
        (void)tb_modules_confirm(&about);
    }
    return bad == 0 && first >= 2 ? walker : NULL;
}

static void walks_beside_unloading_find_all_frames(void **state)
{
    (void)state;
    enum { N_THREADS = 2, ROUNDS = 300 };
    static struct tb_stack walkers[N_THREADS];
    pthread_t threads[N_THREADS];
    char plugin[512];
    void *result;
    snprintf(plugin, sizeof(plugin), "%s/tests/programs/plugin.so", TEST_BIN);
    assert_int_equal(tb_rows_load(), 0);
    assert_int_equal(tb_modules_load(&about), 0);
    for (int i = 0; i < N_THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, walk_and_confirm, &walkers[i]), 0);
    for (int i = 0; i < ROUNDS; i++) {
        void *handle = dlopen(plugin, RTLD_NOW);
        assert_non_null(handle);
        tb_unload_begin();
        assert_int_equal(dlclose(handle), 0);
        tb_unload_end(1);
    }
    atomic_store(&is_over, 1);
    for (int i = 0; i < N_THREADS; i++) {
        pthread_join(threads[i], &result);
        assert_ptr_equal(result, &walkers[i]);
    }
}

/* All modules of the table are the same: it holds again, and the rows made with it are kept. */
static void table_of_modules_with_build_ids_stays_when_something_else_went(void **state)
{
    (void)state;
    char plugin[512];
    snprintf(plugin, sizeof(plugin), "%s/tests/programs/plugin.so", TEST_BIN);
    assert_int_equal(tb_modules_load(&about), 0);
    assert_int_equal(tb_modules_confirm(&about), 0); /* without those that have none */
    struct tb_modules *before = tb_modules_take();
    void *handle = dlopen(plugin, RTLD_NOW);
    assert_non_null(handle);
    tb_unload_begin();
    assert_int_equal(dlclose(handle), 0);
    tb_unload_end(1);
    assert_true(tb_unload_is_since(atomic_load(&before->mark)));
    assert_int_equal(tb_modules_confirm(&about), 0);
    struct tb_modules *now = tb_modules_take();
    assert_ptr_equal(now, before);
    assert_false(tb_unload_is_since(atomic_load(&now->mark)));
    tb_modules_give(before);
    tb_modules_give(now);
}

static uint64_t walked_generation(struct tb_stack *walker)
{
    assert_true(walk(walker) >= 2);
    struct tb_modules *modules = tb_modules_take();
    uint64_t generation = modules->process.generation;
    tb_modules_give(modules);
    return generation;
}

/* Nothing went: the table is proven once, and the next walk is sure again. */
static void dlclose_that_unloads_nothing_costs_the_table_one_look(void **state)
{
    static struct tb_stack walker;
    (void)state;
    char plugin[512];
    snprintf(plugin, sizeof(plugin), "%s/tests/programs/plugin.so", TEST_BIN);
    void *first = dlopen(plugin, RTLD_NOW);
    void *second = dlopen(plugin, RTLD_NOW);
    assert_non_null(first);
    assert_ptr_equal(first, second);
    assert_int_equal(tb_modules_load(&about), 0);
    assert_int_equal(tb_modules_confirm(&about), 0);
    uint64_t generation = walked_generation(&walker);
    assert_true(walker.late.is_sure);
    tb_unload_begin();
    assert_int_equal(dlclose(second), 0);
    tb_unload_end(1);
    assert_int_equal(walked_generation(&walker), generation);
    assert_false(walker.late.is_sure);
    assert_int_equal(tb_modules_confirm(&about), 0);
    assert_int_equal(walked_generation(&walker), generation);
    assert_true(walker.late.is_sure);
    assert_int_equal(dlclose(first), 0);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mark_holds_until_a_dlclose_succeeds),
        CASE(fork_child_believes_no_mark_after_a_dlclose),
        CASE(report_in_a_library_rebuilt_in_place_without_build_id),
        CASE(crash_in_a_library_rebuilt_in_place_without_build_id),
        CASE(report_in_another_library_at_the_same_place),
        CASE(crash_in_another_library_at_the_same_place),
        CASE(report_in_a_library_rebuilt_in_place_with_build_id),
        CASE(crash_in_a_library_rebuilt_in_place_with_build_id),
        CASE(report_in_libraries_with_relative_names),
        CASE(crash_in_a_library_with_a_relative_name_at_the_same_place),
        CASE(report_in_place_of_a_library_from_before_the_start),
        CASE(crash_in_place_of_a_library_from_before_the_start),
        CASE(crash_in_a_module_of_a_table_that_was_not_stored_yet),
        cmocka_unit_test(walks_beside_unloading_find_all_frames),
        cmocka_unit_test(table_of_modules_with_build_ids_stays_when_something_else_went),
        cmocka_unit_test(dlclose_that_unloads_nothing_costs_the_table_one_look),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
