/* Patterns, known forms, and what becomes of a text that cannot be scrubbed. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "agent/pipeline/scrub_patterns.h"

/* ---- what cannot be scrubbed ---- */

/* The item with these rules, and how many secrets there were. */
static size_t clean_with(const struct tb_scrub_rules *rules, const char *item, size_t len,
                         struct tb_buf *out)
{
    struct tb_scrub own;
    struct tb_doc *doc = NULL;
    char why[TB_SCRUB_WHY];
    size_t n = 0;
    tb_buf_reset(out);
    assert_int_equal(tb_scrub_init(&own, rules, why), 0);
    assert_int_equal(tb_doc_new(item, len, &doc, why), 0);
    assert_int_equal(tb_scrub_item(&own, doc, &n), 0);
    assert_int_equal(tb_doc_render(doc, out), 0);
    tb_doc_free(doc);
    tb_scrub_done(&own);
    return n;
}

/* {"a":"TEXT","b":"kept"} with n times piece in TEXT. */
static void put_item(struct tb_buf *out, const char *piece, size_t n)
{
    tb_buf_init(out, TB_DOC_BYTES);
    tb_buf_adds(out, "{\"a\":\"");
    for (size_t i = 0; i < n; i++)
        tb_buf_adds(out, piece);
    tb_buf_adds(out, "\",\"b\":\"kept\"}");
}

static void a_text_that_cannot_be_scrubbed_is_masked_and_the_item_stays(void **state)
{
    static char slow[] = "(a+)+b";
    static char nested[] = "(?:x+x+)+y";
    static char any[] = "ZQ[0-9]+";
    char *patterns[] = {slow, nested, any};
    const struct tb_scrub_rules none = {.keys = NULL};
    const struct tb_scrub_rules with = {.patterns = patterns, .n_patterns = 3};
    const struct {
        const struct tb_scrub_rules *rules;
        const char *piece;
        size_t n;
    } cases[] = {
        {&none, "[", TB_DOC_DEPTH + 1},                       /* JSON that is too deep */
        {&with, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaac b", 1}, /* steps from one place */
        {&with, "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxz y", 1},
        {&with, "word ", (256 << 10) / 5 + 1}, /* too long for patterns */
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct tb_buf item;
        struct tb_buf out;
        tb_buf_init(&out, TB_DOC_BYTES);
        put_item(&item, cases[i].piece, cases[i].n);
        assert_int_equal(clean_with(cases[i].rules, tb_buf_str(&item), item.len, &out), 1);
        assert_string_equal(tb_buf_str(&out), "{\"a\":\"********\",\"b\":\"kept\"}");
        tb_buf_done(&item);
        tb_buf_done(&out);
    }
}

static void json_that_was_quoted_too_often_is_masked(void **state)
{
    struct tb_buf text;
    struct tb_buf quoted;
    struct tb_buf out;
    const struct tb_scrub_rules none = {.keys = NULL};
    (void)state;
    tb_buf_init(&text, TB_DOC_BYTES);
    tb_buf_init(&quoted, TB_DOC_BYTES);
    tb_buf_init(&out, TB_DOC_BYTES);
    tb_buf_adds(&text, "{\"password\":\"x\"}");
    for (int level = 0; level < 9; level++) {
        tb_buf_reset(&quoted);
        tb_buf_adds(&quoted, "\"");
        for (size_t i = 0; i < text.len; i++)
            tb_buf_addf(&quoted, strchr("\"\\", text.data[i]) != NULL ? "\\%c" : "%c",
                        text.data[i]);
        tb_buf_adds(&quoted, "\"");
        tb_buf_reset(&text);
        tb_buf_addf(&text, "[%s]", tb_buf_str(&quoted));
        assert_true(clean_with(&none, tb_buf_str(&text), text.len, &out) >= 1);
        assert_null(strchr(tb_buf_str(&out), 'x'));
    }
    tb_buf_done(&text);
    tb_buf_done(&quoted);
    tb_buf_done(&out);
}

static void patterns_share_the_time_of_an_item(void **state)
{
    static char pattern[] = "b+";
    char *patterns[] = {pattern};
    struct tb_scrub_patterns *p = NULL;
    struct tb_buf out;
    char why[TB_SCRUB_WHY];
    uint64_t spent_ns = 0;
    (void)state;
    tb_buf_init(&out, 1000);
    assert_int_equal(tb_scrub_patterns_new(patterns, 1, &p, why), 0);
    assert_int_equal(tb_scrub_patterns_apply(p, "abba", 4, &spent_ns, &out), 1);
    assert_string_equal(tb_buf_str(&out), "a" TB_SCRUB_MASK "a");
    assert_true(spent_ns > 0); /* what one text took the next ones do not have */
    spent_ns = TB_SCRUB_PATTERN_NS;
    assert_int_equal(tb_scrub_patterns_apply(p, "abba", 4, &spent_ns, &out), -EMSGSIZE);
    assert_int_equal(tb_scrub_patterns_apply(p, "", 0, &spent_ns, &out), -EMSGSIZE);
    tb_scrub_patterns_free(p);
    tb_buf_done(&out);
}

/* ---- patterns ---- */

static void patterns_mask_what_they_match_and_no_more(void **state)
{
    static struct {
        char pattern[32];
        const char *before, *after;
    } cases[] = {
        {"EMP-\\d{4}", "{\"a\":\"x EMP-1234 y EMP-5678\"}", "{\"a\":\"x ******** y ********\"}"},
        {"(?i)patient\\s+\\K\\w+", "{\"a\":\"Patient Smith left\"}",
         "{\"a\":\"Patient ******** left\"}"},
        {"\\p{Lu}\u00e9+", "{\"a\":\"x \u00c9\u00e9\u00e9 \\u00c9\\u00e9 y\"}",
         "{\"a\":\"x ******** ******** y\"}"},
        {"secret|a", "{\"a\":1,\"b\":\"bab\",\"n\":12}", "{\"a\":1,\"b\":\"b********b\",\"n\":12}"},
        {"[0-9a-f]{32}",
         "{\"uuid\":\"4bf92f3577b34da6a3ce929d0e0e4736\",\"custom\":{\"trace_id\":"
         "\"4bf92f3577b34da6a3ce929d0e0e4736\",\"x\":\"4bf92f3577b34da6a3ce929d0e0e4736\"}}",
         "{\"uuid\":\"4bf92f3577b34da6a3ce929d0e0e4736\",\"custom\":{\"trace_id\":"
         "\"4bf92f3577b34da6a3ce929d0e0e4736\",\"x\":\"********\"}}"},
        {"[0-9a-f]{16}",
         "{\"custom\":{\"trace\":{\"xray_parent_id\":\"4111111111111111\",\"xray_cause_id\":"
         "\"53995c3f42cd8ad8\",\"state\":\"a=4111111111111111\"}}}",
         "{\"custom\":{\"trace\":{\"xray_parent_id\":\"4111111111111111\",\"xray_cause_id\":"
         "\"53995c3f42cd8ad8\",\"state\":\"a=********\"}}}"},
        {"inner", "{\"a\":\"{\\\"b\\\": \\\"inner\\\"}\"}",
         "{\"a\":\"{\\\"b\\\": \\\"********\\\"}\"}"},
        {"(?<=a)b", "{\"a\":\"ab\"}", "{\"a\":\"a********\"}"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct tb_buf out;
        char *patterns[] = {cases[i].pattern};
        const struct tb_scrub_rules with = {.patterns = patterns, .n_patterns = 1};
        tb_buf_init(&out, TB_DOC_BYTES);
        (void)clean_with(&with, cases[i].before, strlen(cases[i].before), &out);
        assert_string_equal(tb_buf_str(&out), cases[i].after);
        tb_buf_done(&out);
    }
}

/* A text of several windows, with matches over their edges. */
static void matches_are_found_in_all_of_a_long_text(void **state)
{
    static char pattern[] = "Q{7}";
    char *patterns[] = {pattern};
    const struct tb_scrub_rules with = {.patterns = patterns, .n_patterns = 1};
    struct tb_buf item;
    struct tb_buf out;
    (void)state;
    tb_buf_init(&out, TB_DOC_BYTES);
    for (size_t lead = 240; lead < 270; lead++) {
        put_item(&item, "\u00e9", lead / 2);
        item.len -= strlen("\",\"b\":\"kept\"}");
        tb_buf_adds(&item, lead % 2 == 0 ? "QQQQQQQ" : ".QQQQQQQ");
        tb_buf_adds(&item, "\"}");
        assert_int_equal(clean_with(&with, tb_buf_str(&item), item.len, &out), 1);
        assert_null(strstr(tb_buf_str(&out), "QQQQQQQ"));
        assert_non_null(strstr(tb_buf_str(&out), TB_SCRUB_MASK "\"}"));
        tb_buf_done(&item);
    }
    tb_buf_done(&out);
}

static void a_bad_pattern_is_named_with_its_place(void **state)
{
    static const char *const cases[][2] = {
        {"a(b", "at offset 3"}, {"[z-a]", "at offset 3"},      {"a**(", "at offset"},
        {"\\C", "at offset"},   {"x*", "use + in place of *"}, {"\\b", "use + in place of *"},
        {"", "1 to 1024 bytes"}};
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char why[TB_SCRUB_WHY] = "";
        assert_int_equal(tb_scrub_pattern_check(cases[i][0], why), -EINVAL);
        if (strstr(why, cases[i][1]) == NULL)
            fail_msg("%s: %s", cases[i][0], why);
    }
}

static void known_forms_can_be_switched_off(void **state)
{
    static const char item[] = "{\"a\":\"AKIAIOSFODNN7EXAMPLE\",\"password\":\"x\"}";
    const struct tb_scrub_rules with = {.has_no_forms = 0};
    const struct tb_scrub_rules without = {.has_no_forms = 1};
    struct tb_buf out;
    (void)state;
    tb_buf_init(&out, TB_DOC_BYTES);
    assert_int_equal(clean_with(&with, item, sizeof(item) - 1, &out), 2);
    assert_string_equal(tb_buf_str(&out), "{\"a\":\"********\",\"password\":\"********\"}");
    assert_int_equal(clean_with(&without, item, sizeof(item) - 1, &out), 1);
    assert_string_equal(tb_buf_str(&out),
                        "{\"a\":\"AKIAIOSFODNN7EXAMPLE\",\"password\":\"********\"}");
    tb_buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_text_that_cannot_be_scrubbed_is_masked_and_the_item_stays),
        cmocka_unit_test(json_that_was_quoted_too_often_is_masked),
        cmocka_unit_test(patterns_share_the_time_of_an_item),
        cmocka_unit_test(patterns_mask_what_they_match_and_no_more),
        cmocka_unit_test(matches_are_found_in_all_of_a_long_text),
        cmocka_unit_test(a_bad_pattern_is_named_with_its_place),
        cmocka_unit_test(known_forms_can_be_switched_off),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
