#include <stdio.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>

#include <cJSON.h>
#include <cmocka.h>

#include "base/fd.h"
#include "item/read.h"

enum { PROBLEMS = 8 };

static size_t problems_of(const char *text, char (*out)[TB_ITEM_PROBLEM], size_t max)
{
    struct tb_doc *doc = NULL;
    char why[TB_DOC_WHY];
    if (tb_doc_new(text, strlen(text), &doc, why) < 0)
        fail_msg("%s", why);
    size_t n = tb_item_problems(doc, tb_item_data(doc), out, max);
    tb_doc_free(doc);
    return n;
}

static void check_case(const cJSON *row)
{
    char got[PROBLEMS][TB_ITEM_PROBLEM];
    const char *name = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(row, "case"));
    const cJSON *want = cJSON_GetObjectItemCaseSensitive(row, "problems");
    char *text = cJSON_PrintUnformatted(cJSON_GetObjectItemCaseSensitive(row, "item"));
    size_t n = problems_of(text, got, PROBLEMS);
    cJSON_free(text);
    const cJSON *problem;
    size_t i = 0;
    cJSON_ArrayForEach(problem, want)
    {
        if (i >= n || strcmp(got[i], cJSON_GetStringValue(problem)) != 0)
            fail_msg("%s: %s", name, i < n ? got[i] : "is missing");
        i++;
    }
    if (n != i)
        fail_msg("%s: %s", name, got[i]);
}

/* The same file is what the fake Rollbar of tests/support must answer. */
static void every_refusal_is_told_in_rollbars_words(void **state)
{
    (void)state;
    struct tb_buf text;
    tb_buf_init(&text, 1 << 20);
    assert_int_equal(tb_fd_slurp(-1, TEST_DATA "/item/problems.json", &text), 0);
    cJSON *cases = cJSON_ParseWithLength(text.data, text.len);
    assert_true(cJSON_GetArraySize(cases) > 0);
    const cJSON *row;
    cJSON_ArrayForEach(row, cases)
    {
        check_case(row);
    }
    cJSON_Delete(cases);
    tb_buf_done(&text);
}

static void problems_beyond_the_room_are_counted(void **state)
{
    (void)state;
    static const char text[] = "{\"data\":{\"body\":{\"trace\":{\"frames\":[1,2,3,4],"
                               "\"exception\":{\"class\":\"E\"}}}}}";
    char got[2][TB_ITEM_PROBLEM];
    assert_int_equal(problems_of(text, got, 2), 5);
    assert_string_equal(got[1], "data.body.trace.frames.0 should be object.");
    assert_int_equal(problems_of(text, NULL, 0), 5);
}

/* A key with an escape in it is the same key, and of two of a name the last one counts. */
static void keys_are_known_in_every_form(void **state)
{
    static const struct {
        const char *level;
        size_t n;
    } cases[] = {{"\"level\":\"error\"", 0},
                 {"\"level\":7", 1},
                 {"\"lev\\u0065l\":7", 1},
                 {"\"level\":7,\"level\":\"error\"", 0},
                 {"\"level\":\"error\",\"level\":7", 1},
                 {"\"level\":7,\"lev\\u0065l\":\"error\"", 0},
                 {"\"\":7,\"l\":7,\"levels\":7,\"leve\":7", 0}};
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[256];
        char why[TB_DOC_WHY];
        char problems[2][TB_ITEM_PROBLEM];
        struct tb_doc *doc = NULL;
        int len = snprintf(text, sizeof(text),
                           "{\"data\":{\"environment\":\"e\",%s,"
                           "\"body\":{\"message\":{\"body\":\"hi\"}}}}",
                           cases[i].level);
        assert_int_equal(tb_doc_new(text, (size_t)len, &doc, why), 0);
        size_t n = tb_item_problems(doc, tb_item_data(doc), problems, 2);
        if (n != cases[i].n)
            fail_msg("%s: %zu problems", text, n);
        tb_doc_free(doc);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_are_known_in_every_form),
        cmocka_unit_test(every_refusal_is_told_in_rollbars_words),
        cmocka_unit_test(problems_beyond_the_room_are_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
