/* Whom the HTTP server answers. What it answers is tested end to end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "agent/http.h"

static void only_loopback_names_are_local(void **state)
{
    static const struct {
        const char *host;
        int local;
    } cases[] = {{"localhost", 1},
                 {"localhost:7070", 1},
                 {"LocalHost:1", 1},
                 {"127.0.0.1", 1},
                 {"127.0.0.1:7070", 1},
                 {"127.8.9.1:1", 1},
                 {"[::1]", 1},
                 {"[::1]:7070", 1},
                 {"evil.example", 0},
                 {"localhost.evil", 0},
                 {"127.0.0.1.evil:1", 0},
                 {"127.evil", 0},
                 {"[::2]:1", 0},
                 {"[::1", 0},
                 {"[::1]x", 0},
                 {"10.0.0.1", 0},
                 {"", 0},
                 {"localhost:", 1},
                 {"localhost:a", 0},
                 {"127.0.0.1:80@evil", 0}};
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        if (tb_http_is_local_host(cases[i].host) != cases[i].local)
            fail_msg("\"%s\" should %sbe local", cases[i].host, cases[i].local ? "" : "not ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(only_loopback_names_are_local)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
