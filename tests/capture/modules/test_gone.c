#include "capture/modules/gone.h"

#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <malloc.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "capture/modules/unload.h"

#include "../lookups.h"

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

static int kill_for(unsigned nr)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog filter = {.len = sizeof(code) / sizeof(code[0]), .filter = code};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

/* A filter that the library does not know of, as one of before exec. */
static void no_memory_is_asked_of_the_kernel(void **state)
{
    (void)state;
    void *handle = open_plugin();
    pid_t pid = fork();
    if (pid == 0) {
        struct tb_gone library;
        if (!kill_for(__NR_process_vm_readv))
            _exit(77);
        tb_gone_look(handle, &library);
        int is_closed = dlclose(handle) == 0;
        tb_gone_note(&library);
        _exit(is_closed && tb_gone_get(0, &seen) == 0 && strstr(seen.path, "plugin.so") ? 0 : 1);
    }
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(dlclose(handle), 0);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
        skip();
    assert_int_equal(status, 0);
}

/* ---- others that go meanwhile ---- */

static void *handle_of_other;

/* As another thread does it between a lookup and what is done with it. */
static void close_other(struct dl_find_object *found)
{
    if (!handle_of_other || (void *)found->dlfo_link_map != handle_of_other)
        return;
    lookup_hook = NULL;
    assert_int_equal(dlclose(handle_of_other), 0);
    handle_of_other = NULL;
}

/* The one whose place the plugin has. */
static struct tb_gone one_below(void *plugin)
{
    struct tb_gone library = made_up(300);
    struct dl_find_object found;
    assert_int_equal(_dl_find_object((void *)(uintptr_t)address_in(plugin), &found), 0);
    snprintf(library.path, sizeof(library.path), "/below/plugin.so");
    library.module.lo = (uint64_t)(uintptr_t)found.dlfo_map_start;
    library.module.hi = (uint64_t)(uintptr_t)found.dlfo_map_end;
    return library;
}

static void library_that_goes_while_it_is_asked_for_is_gone(void **state)
{
    (void)state;
    handle_of_other = open_plugin();
    struct tb_gone library = one_below(handle_of_other);
    tb_gone_note(&library);
    lookup_hook = close_other;
    assert_int_equal(tb_gone_get(0, &seen), 0);
    assert_null(handle_of_other);
    assert_string_equal(seen.module.path, library.path);
}

static void library_that_goes_while_another_is_noted_does_no_harm(void **state)
{
    (void)state;
    const struct tb_code code = {.low = 0};
    handle_of_other = open_plugin();
    struct tb_gone library = one_below(handle_of_other);
    snprintf(library.path, sizeof(library.path), "/below/later.so");
    library.module.path = library.path;
    lookup_hook = close_other;
    tb_gone_note_module(&library.module, &code);
    assert_null(handle_of_other);
    assert_int_equal(tb_gone_get(0, &seen), 0);
    assert_string_equal(seen.module.path, library.path);
}

/* A library that was closed twice: the loader has it no more. */
static void handle_that_is_no_more_is_not_followed(void **state)
{
    (void)state;
    static struct link_map of_before;
    void *handle = open_plugin();
    memset(&of_before, 0xa5, sizeof(of_before));
    of_before.l_ld = ((struct link_map *)handle)->l_ld; /* where another is now */
    tb_gone_look(&of_before, &seen);
    assert_true(seen.module.lo == 0 && seen.module.hi == 0);
    assert_int_equal(dlclose(handle), 0);
}

/* ---- threads ---- */

enum { STORMERS = 4, STORM_ROUNDS = 150 };
static char storm_folder[] = "/tmp/towbar-gone-XXXXXX";

static void path_of_copy(long i, char *out, size_t cap)
{
    snprintf(out, cap, "%s/%ld.so", storm_folder, i);
}

static void give_way(struct dl_find_object *found)
{
    (void)found;
    sched_yield();
}

static void *load_and_close(void *arg)
{
    char path[128];
    long n = 0;
    path_of_copy((long)(intptr_t)arg, path, sizeof(path));
    for (int i = 0; i < STORM_ROUNDS; i++) {
        void *handle = dlopen(path, RTLD_NOW);
        struct tb_gone library;
        if (!handle)
            break;
        tb_gone_look(handle, &library);
        n += strcmp(library.path, path) == 0 && library.module.build_id_len > 0 &&
             dlclose(handle) == 0;
        tb_gone_note(&library);
        for (unsigned back = 0; back < TB_GONE_MAX; back++)
            (void)tb_gone_get(back, &library);
    }
    return (void *)(intptr_t)n;
}

static void libraries_may_go_and_come_in_all_threads_at_once(void **state)
{
    (void)state;
    pthread_t threads[STORMERS];
    char path[128], command[1024];
    assert_non_null(mkdtemp(storm_folder));
    for (long i = 0; i < STORMERS; i++) {
        path_of_copy(i, path, sizeof(path));
        snprintf(command, sizeof(command), "cp '%s/tests/programs/plugin.so' %s", TEST_BIN, path);
        assert_int_equal(system(command), 0);
    }
    lookup_hook = give_way;
    for (long i = 0; i < STORMERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, load_and_close, (void *)(intptr_t)i), 0);
    for (long i = 0; i < STORMERS; i++) {
        void *n = NULL;
        pthread_join(threads[i], &n);
        assert_int_equal((intptr_t)n, STORM_ROUNDS);
    }
    lookup_hook = NULL;
    snprintf(command, sizeof(command), "rm -r %s", storm_folder);
    assert_int_equal(system(command), 0);
}

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
    for (unsigned i = 0; i < LOOKS || n == 0; i++) { /* the threads may not have begun by then */
        unsigned number;
        if (i % LOOKS == 0)
            sched_yield();
        if (tb_gone_get(i % TB_GONE_MAX, &one) != 0 ||
            sscanf(one.path, "/made/up/%u.so", &number) != 1)
            continue;
        assert_true(one.module.lo == 0x1000 + 0x1000 * (uint64_t)number);
        n++;
    }
    atomic_store(&is_over, 1);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
}

int main(void)
{
    (void)mallopt(M_PERTURB, 0xa5); /* what was freed is nothing to be used */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(library_that_was_closed_is_told_as_long_as_it_is_gone),
        cmocka_unit_test(library_that_stays_loaded_is_not_noted),
        cmocka_unit_test(what_is_no_handle_is_none),
        cmocka_unit_test(only_the_last_ones_are_told_and_each_once),
        cmocka_unit_test(what_the_kernel_maps_and_the_program_itself_are_not_noted),
        cmocka_unit_test(a_table_made_anew_tells_what_it_has_no_more),
        cmocka_unit_test(no_memory_is_asked_of_the_kernel),
        cmocka_unit_test(library_that_goes_while_it_is_asked_for_is_gone),
        cmocka_unit_test(library_that_goes_while_another_is_noted_does_no_harm),
        cmocka_unit_test(handle_that_is_no_more_is_not_followed),
        cmocka_unit_test(libraries_may_go_and_come_in_all_threads_at_once),
        cmocka_unit_test(one_that_is_read_meanwhile_is_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
