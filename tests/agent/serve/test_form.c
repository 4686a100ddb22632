/* The form field "payload" of old senders. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "agent/serve/form.h"

static void the_field_is_found_and_decoded(void **state)
{
    static const struct {
        const char *body, *payload; /* NULL: no form */
    } cases[] = {
        {"", NULL},
        {"payload", NULL},
        {"payload=", ""},
        {"payload=a", "a"},
        {"payload=a+b%20c%2B%26", "a b c+&"},
        {"x=1&payload=a&payload=b", "a"},
        {"xpayload=a", NULL},
        {"payload=%", "%"},
        {"payload=%4", "%4"},
        {"payload=%41%4", "A%4"},
        {"payload=%zz", "%zz"},
        {"{\"a\":\"&payload=b\"}", NULL},
        {" \n {&payload=b", NULL},
        {"[&payload=b", "b"},
        {"&&&", NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        size_t len = 0;
        int err;
        /* Exactly as much memory as there are bytes: a sanitizer sees a read behind it. */
        size_t n = strlen(cases[i].body);
        char *body = malloc(n > 0 ? n : 1);
        memcpy(body, cases[i].body, n);
        char *payload = tb_form_payload(body, n, &len, &err);
        free(body);
        assert_int_equal(err, 0);
        if ((payload == NULL) != (cases[i].payload == NULL))
            fail_msg("%s", cases[i].body);
        if (payload != NULL) {
            assert_string_equal(payload, cases[i].payload);
            assert_int_equal(len, strlen(payload));
        }
        free(payload);
    }
}

static void a_nul_in_the_field_is_kept(void **state)
{
    size_t len = 0;
    int err;
    (void)state;
    char *payload = tb_form_payload("payload=a%00b", 13, &len, &err);
    assert_non_null(payload);
    assert_int_equal(len, 3);
    assert_memory_equal(payload, "a\0b", 4);
    free(payload);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_field_is_found_and_decoded),
                                       cmocka_unit_test(a_nul_in_the_field_is_kept)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
