/* test_library.c - what is a library's, by the names of modules and folders. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/library.h"

#define N(table) (sizeof(table) / sizeof((table)[0]))

static void modules_of_the_run_time_system_are_known_by_name(void **state)
{
    static const char *const runtime[] = {"/lib/x86_64-linux-gnu/libc.so.6",
                                          "libc-2.31.so",
                                          "libm.so.6",
                                          "libpthread-2.31.so",
                                          "/lib64/ld-linux-x86-64.so.2",
                                          "ld-2.31.so",
                                          "[vdso]",
                                          "linux-vdso.so.1",
                                          "libstdc++.so.6.0.30",
                                          "libc++.so.1",
                                          "libc++abi.so.1.0",
                                          "libgcc_s.so.1",
                                          "libunwind-x86_64.so.8",
                                          "/opt/app/libtowbar.so.0",
                                          "ld-musl-x86_64.so.1",
                                          "libc.musl-x86_64.so.1",
                                          "libnss_files.so.2"};
    static const char *const other[] = {"libc-client.so.2007e", "libmagic.so.1", "libcurl.so.4",
                                        "libresolver.so",       "libdlib.so",    "feedd",
                                        "/srv/libc.so.6/feedd", "ldapd",         ""};
    (void)state;
    for (size_t i = 0; i < N(runtime); i++)
        assert_true(tb_library_is_runtime(runtime[i]));
    for (size_t i = 0; i < N(other); i++)
        assert_false(tb_library_is_runtime(other[i]));
}

static void packages_are_known_by_their_folders(void **state)
{
    static const char *const packages[] = {
        "/usr/lib/python3/dist-packages/flask/app.py",
        "/srv/venv/lib/python3.11/site-packages/flask/app.py",
        "site-packages/six.py",
        "/usr/lib/python3.11/http/client.py",
        "<frozen importlib._bootstrap>",
        "/srv/node_modules/express/index.js",
        "node_modules/x.js",
        "node:internal/process/task_queues",
        "/var/lib/gems/3.1.0/gems/rack-2.2.4/lib/rack.rb",
        "/usr/lib/ruby/3.1.0/net/http.rb",
        "/srv/app/vendor/symfony/console/Application.php",
        "vendor/x.c",
        "/home/me/go/pkg/mod/github.com/gin-gonic/gin@v1.9.1/context.go",
        "github.com/gin-gonic/gin@v1.9.1/context.go",
        "/usr/local/go/src/runtime/panic.go",
        "/rustc/9fc6b43126469e3858e2fe86cafb4f0fd5068869/library/core/src/option.rs",
        "/home/me/.cargo/registry/src/index.crates.io-6f17d22bba15001f/serde-1.0.9/src/de.rs",
        "/home/me/.cargo/git/checkouts/mio-0a1b/src/lib.rs",
        "/opt/gcc/include/c++/12/bits/stl_vector.h",
        "/opt/zig/lib/std/debug.zig",
        "src/third_party/zlib/inflate.c"};
    static const char *const own[] = {"/srv/app.py",
                                      "services/feedd.py",
                                      "queue.c",
                                      "",
                                      "/",
                                      "/srv/vendors/x.c",
                                      "src/my_vendor/x",
                                      "src/gems.c",
                                      "src/rustc/x.c",
                                      "lib/std/x.c",
                                      "src/user@v.c",
                                      "src/node/modules.js"};
    (void)state;
    for (size_t i = 0; i < N(packages); i++)
        assert_true(tb_library_is_package(packages[i], 0));
    for (size_t i = 0; i < N(own); i++)
        assert_false(tb_library_is_package(own[i], 0));
}

static void a_program_that_lives_below_vendor_is_not_all_a_vendor_s(void **state)
{
    size_t own = strlen("/opt/vendor/feedd/");
    (void)state;
    assert_false(tb_library_is_package("/opt/vendor/feedd/src/queue.c", own));
    assert_true(tb_library_is_package("/opt/vendor/feedd/vendor/zlib/inflate.c", own));
    assert_true(tb_library_is_package("/opt/vendor/feedd/src/queue.c", 0));
    assert_true(tb_library_is_package("/srv/node_modules/x/y.js", strlen("/srv/node_modules/x/")));
}

static void libraries_have_the_names_that_people_know(void **state)
{
    static const struct {
        const char *module, *file, *name;
    } cases[] = {
        {"libc.so.6", "libc.so.6", "libc"},
        {"libevent-2.1.so.7.0.1", "", "libevent-2.1"},
        {"[vdso]", "", "[vdso]"},
        {"", "/venv/lib/python3.11/site-packages/flask/app.py", "flask"},
        {"", "/venv/lib/python3.11/site-packages/six.py", "six"},
        {"", "/usr/lib/python3.11/threading.py", "threading.py"},
        {"", "/a/node_modules/express/node_modules/debug/src/node.js", "debug"},
        {"", "/a/node_modules/@babel/core/lib/index.js", "@babel/core"},
        {"", "/home/me/go/pkg/mod/github.com/gin-gonic/gin@v1.9.1/context.go", "gin"},
        {"", "/usr/local/go/src/net/http/server.go", "net"},
        {"", "/var/lib/gems/3.1.0/gems/rack-2.2.4/lib/rack.rb", "rack-2.2.4"},
        {"app", "/home/me/.cargo/registry/src/index.crates.io-6f17/serde-1.0.9/src/de.rs",
         "serde-1.0.9"},
        {"app", "/rustc/9fc6b43126469/library/core/src/option.rs", "core"},
        {"app", "serde-1.0.9/src/de.rs", "serde-1.0.9"},
        {"app", "github.com/gin-gonic/gin@v1.9.1/context.go", "gin"},
        {"app", "my-app/src/main.rs", "app"},
        {"app", "library/std/src/panicking.rs", "std"},
        {"app", "/usr/include/c++/12/bits/stl_vector.h", "libstdc++"},
        {"app", "/usr/lib/llvm-14/include/c++/v1/vector", "libc++"},
        {"app", "/usr/local/include/fmt/core.h", "core.h"},
        {"app", "src/third_party/zlib/inflate.c", "zlib"},
        {"/opt/app/libx.so", "", "libx"},
        {".so", "", ".so"},
        {"", "", ""},
        {"", "site-packages/", ""},
    };
    (void)state;
    for (size_t i = 0; i < N(cases); i++) {
        char name[TB_LIBRARY_NAME];
        tb_library_name(cases[i].module, cases[i].file, name);
        assert_string_equal(name, cases[i].name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(modules_of_the_run_time_system_are_known_by_name),
        cmocka_unit_test(packages_are_known_by_their_folders),
        cmocka_unit_test(a_program_that_lives_below_vendor_is_not_all_a_vendor_s),
        cmocka_unit_test(libraries_have_the_names_that_people_know),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
