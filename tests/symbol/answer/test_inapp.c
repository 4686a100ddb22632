/* test_inapp.c - is a frame of the program's own code? By module, source path, function, settings.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "symbol/answer/inapp.h"

#define N(table) (sizeof(table) / sizeof((table)[0]))

struct place {
    const char *module; /* NULL: in none; "" stands for the main program */
    const char *file, *function;
    bool is_own;
};

static bool is_own(const char *program, const char *root, const struct tb_inapp_rules *rules,
                   const struct place *place)
{
    const struct tb_inapp_program what = {.path = program, .root = root, .rules = rules};
    const struct tb_module module = {
        .path = place->module && place->module[0] == '\0' ? program : place->module,
        .flags = place->module && place->module[0] == '\0' ? TB_MODULE_MAIN : 0};
    const struct tb_inapp_frame frame = {
        .module = place->module ? &module : NULL, .file = place->file, .function = place->function};
    return tb_inapp_is_own(&what, &frame);
}

static void check(const char *program, const char *root, const struct tb_inapp_rules *rules,
                  const struct place *places, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (is_own(program, root, rules, &places[i]) == places[i].is_own)
            continue;
        fail_msg("%s, a frame in %s, %s, %s: %s", program, places[i].module, places[i].file,
                 places[i].function, places[i].is_own ? "is the program's own" : "is a library's");
    }
}

static void the_main_program_is_in_app_wherever_it_lies(void **state)
{
    static const struct place places[] = {
        {"", NULL, NULL, true}, {"", "src/core/nginx.c", "main", true}, {NULL, NULL, NULL, false}};
    static const char *const programs[] = {"/opt/app/feedd", "/usr/sbin/nginx",
                                           "/usr/lib/postgresql/15/bin/postgres", "/lib/x",
                                           "feedd"};
    (void)state;
    for (size_t i = 0; i < N(programs); i++)
        check(programs[i], "", NULL, places, N(places));
}

static void modules_of_the_system_are_libraries_but_for_the_program_s_plug_ins(void **state)
{
    static const struct place nginx[] = {
        {"/lib/x86_64-linux-gnu/libc.so.6", NULL, "poll", false},
        {"/usr/lib/x86_64-linux-gnu/libevent-2.1.so.7.0.1", NULL, "event_base_loop", false},
        {"/usr/lib/x86_64-linux-gnu/libstdc++.so.6.0.30", NULL, NULL, false},
        {"[vdso]", NULL, NULL, false},
        {"/usr/lib/nginx/modules/ngx_stream_module.so", NULL, NULL, true},
        {"/usr/lib/x86_64-linux-gnu/nginx/x.so", NULL, NULL, true},
        {"/usr/lib/nginx-extras/x.so", NULL, NULL, false},
        {"/usr/lib/nginx", NULL, NULL, false},
        {"/opt/filters/libfilter.so", NULL, NULL, true},
        {"/usr/local/lib/libown.so.1", NULL, NULL, true},
        {"/opt/nginx/lib/libtowbar.so.0", NULL, NULL, false},
        {"/opt/nginx/lib/libc.so.6", NULL, NULL, false},
        {"/srv/app/node_modules/bcrypt/lib/bcrypt.node", NULL, NULL, false}};
    static const struct place postgres[] = {
        {"/usr/lib/postgresql/15/lib/plpgsql.so", NULL, NULL, true},
        {"/usr/lib/x86_64-linux-gnu/postgresql/x.so", NULL, NULL, true},
        {"/usr/lib/x86_64-linux-gnu/libpq.so.5", NULL, NULL, false}};
    static const struct place vendored[] = {
        {"/opt/vendor/feedd/lib/libqueue.so", NULL, NULL, true},
        {"/opt/vendor/feedd/vendor/libz.so", NULL, NULL, false},
        {"", "/opt/vendor/feedd/src/queue.c", NULL, true},
        {"", "/opt/vendor/feedd/third_party/zlib/inflate.c", NULL, false}};
    (void)state;
    check("/usr/sbin/nginx", "", NULL, nginx, N(nginx));
    check("/usr/lib/postgresql/15/bin/postgres", "", NULL, postgres, N(postgres));
    check("/opt/vendor/feedd/bin/feedd", "", NULL, vendored, N(vendored));
}

static void what_is_inlined_from_a_package_is_a_library_s(void **state)
{
    static const struct place places[] = {
        {"", "/usr/include/c++/12/bits/stl_vector.h", "std::vector<int>::at", false},
        {"", "/home/me/app/queue.cc", "queue_push", true},
        {"", "/usr/local/include/fmt/core.h", "fmt::print", false},
        {"", "/usr/lib/gcc/x86_64-linux-gnu/12/include/xmmintrin.h", "_mm_load_ps", false},
        {"", "/rustc/9fc6b43126/library/core/src/option.rs", "core::option::unwrap", false},
        {"", "/home/me/.cargo/registry/src/index.crates.io-6f17/serde-1.0.9/src/de.rs", NULL,
         false},
        {"", "/home/me/app/src/main.rs", "app::main", true},
        {"", "/home/me/go/pkg/mod/github.com/x/y@v1.2.3/y.go", "y.Do", false},
        {"", "/usr/local/go/src/runtime/panic.go", "runtime.gopanic", false},
        {"", "third_party/zlib/inflate.c", "inflate", false}};
    (void)state;
    check("/home/me/app/build/app", "", NULL, places, N(places));
}

static void below_the_root_only_what_is_further_in_counts(void **state)
{
    static const struct place places[] = {
        {"", "/usr/lib/python3/dist-packages/app/x.c", NULL, true},
        {"", "/usr/lib/python3/dist-packages/app/vendor/x.c", NULL, false},
        {"", "/usr/include/c++/12/vector", NULL, false}};
    static const struct place all[] = {{"", "/usr/include/zlib.h", NULL, false},
                                       {"", "/srv/x.c", NULL, true}};
    (void)state;
    check("/usr/bin/app", "/usr/lib/python3/dist-packages/app", NULL, places, N(places));
    check("/usr/bin/app", "/", NULL, all, N(all));
}

static void what_starts_or_ends_programs_is_nobody_s(void **state)
{
    static const struct place places[] = {
        {"", NULL, "_start", false},
        {"", "../csu/libc-start.c", "__libc_start_call_main", false},
        {"", NULL, "abort", false},
        {"", "src/vm.c", "raise", true},
        {"", NULL, "raise", false},
        {"", NULL, "__pthread_kill_implementation", false},
        {"", NULL, "__assert_fail", false},
        {"", NULL, "std::terminate", false},
        {"", "src/main.rs", "core::panicking::panic", false},
        {"", "/src/towbar/src/capture/report.c", "towbar_error", false},
        {"", NULL, "abort_transaction", true},
        {"", NULL, "start", true},
        {"/opt/x/libx.so", NULL, "start_thread", false}};
    (void)state;
    check("/opt/x/static", "", NULL, places, N(places));
}

static void patterns_decide_before_folders_but_not_before_the_run_time_system(void **state)
{
    char own_module[] = "/usr/lib/*/libown*";
    char own_source[] = "*/third_party/ours/*";
    char all[] = "*libc.so*";
    char generated[] = "src/generated/*";
    char plugin[] = "/opt/plugins/*";
    char *in_app[] = {own_module, own_source, all};
    char *library[] = {generated, plugin, own_module};
    const struct tb_inapp_rules rules = {
        .in_app = in_app, .n_in_app = N(in_app), .library = library, .n_library = N(library)};
    static const struct place places[] = {
        {"/usr/lib/x86_64-linux-gnu/libown.so.1", NULL, "f", true},
        {"/usr/lib/x86_64-linux-gnu/libother.so.1", NULL, "f", false},
        {"", "/srv/app/third_party/ours/x.c", "f", true},
        {"", "/srv/app/third_party/theirs/x.c", "f", false},
        {"", "/srv/app/src/generated/deep/x.c", "f", false},
        {"", "/srv/app/src/x.c", "f", true},
        {"/opt/plugins/a/b.so", NULL, "f", false},
        {"/opt/plugins/a/b.so", "/srv/app/third_party/ours/x.c", "f", true},
        {"/lib/x86_64-linux-gnu/libc.so.6", NULL, "poll", false},
        {"", "/srv/app/third_party/ours/x.c", "__assert_fail", false},
        {NULL, NULL, NULL, false}};
    (void)state;
    check("/srv/app/bin/app", "/srv/app", &rules, places, N(places));
}

static void the_program_is_named_by_its_record(void **state)
{
    struct tb_module modules[] = {{.path = "/opt/lib.so"},
                                  {.path = "/opt/feedd", .flags = TB_MODULE_MAIN}};
    struct tb_process process = {.exe = "", .root = "/srv", .modules = modules, .n_modules = 2};
    (void)state;
    assert_string_equal(tb_inapp_program_of(&process, NULL).path, "/opt/feedd");
    assert_string_equal(tb_inapp_program_of(&process, NULL).root, "/srv");
    process.exe = "/opt/other";
    assert_string_equal(tb_inapp_program_of(&process, NULL).path, "/opt/other");
    process.exe = "";
    process.n_modules = 0;
    assert_string_equal(tb_inapp_program_of(&process, NULL).path, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_main_program_is_in_app_wherever_it_lies),
        cmocka_unit_test(modules_of_the_system_are_libraries_but_for_the_program_s_plug_ins),
        cmocka_unit_test(what_is_inlined_from_a_package_is_a_library_s),
        cmocka_unit_test(below_the_root_only_what_is_further_in_counts),
        cmocka_unit_test(what_starts_or_ends_programs_is_nobody_s),
        cmocka_unit_test(patterns_decide_before_folders_but_not_before_the_run_time_system),
        cmocka_unit_test(the_program_is_named_by_its_record),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
