/* test_sampling_central.c - rules, quotas and reports as an SDK exchanges them with the service. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>

#include "sampling/sampling.h"

static const char CLIENT[TB_SAMPLING_CLIENT] = "0123456789abcdef01234567";

#define RULE(name, priority, rate, size, more)                                                     \
    "{\"SamplingRule\":{\"RuleName\":\"" name "\",\"ResourceARN\":\"*\",\"Priority\":" priority    \
    ",\"FixedRate\":" rate ",\"ReservoirSize\":" size ",\"ServiceName\":\"*\","                    \
    "\"ServiceType\":\"*\",\"Host\":\"*\",\"HTTPMethod\":\"*\",\"URLPath\":\"*\","                 \
    "\"Version\":1,\"Attributes\":{}" more "}}"
#define PAGE(rules, more) "{\"SamplingRuleRecords\":[" rules "]" more "}"

struct fixture {
    struct tb_sampling *sampling;
    struct tb_buf next, report;
    char why[TB_SAMPLING_WHY];
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    if (f == NULL || tb_sampling_new(&f->sampling) != 0)
        return -1;
    tb_buf_init(&f->next, 64);
    tb_buf_init(&f->report, 1 << 20);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    tb_sampling_free(f->sampling);
    tb_buf_done(&f->next);
    tb_buf_done(&f->report);
    free(f);
    return 0;
}

static int page(struct fixture *f, const char *text, bool is_first)
{
    return tb_sampling_page(f->sampling, text, strlen(text), is_first, &f->next, f->why);
}

static bool decide(struct fixture *f, int64_t now_s, double random)
{
    static const struct tb_sampling_request any;
    return tb_sampling_decide(f->sampling, &any, now_s * 1000, random, NULL);
}

static void rules_count_after_the_last_page(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(page(f, PAGE(RULE("b", "2", "0", "0", ""), ",\"NextToken\":\"t1\""), true), 0);
    assert_string_equal(tb_buf_str(&f->next), "t1");
    assert_null(tb_sampling_name(f->sampling, 0));
    assert_int_equal(page(f, PAGE(RULE("a", "1", "0", "0", ""), ",\"NextToken\":null"), false), 0);
    assert_string_equal(tb_sampling_name(f->sampling, 0), "a");
    assert_string_equal(tb_sampling_name(f->sampling, 1), "b");
    assert_null(tb_sampling_name(f->sampling, 2));
}

static void a_broken_page_leaves_the_former_rules(void **state)
{
    struct fixture *f = *state;
    static const char *const BROKEN[] = {"", "[]", "{}", "{\"SamplingRuleRecords\":7}", "{\"x\":"};
    assert_int_equal(page(f, PAGE(RULE("a", "1", "0", "0", ""), ""), true), 0);
    for (size_t i = 0; i < sizeof(BROKEN) / sizeof(BROKEN[0]); i++) {
        assert_int_equal(page(f, BROKEN[i], true), -EINVAL);
        assert_string_not_equal(f->why, "");
        assert_string_equal(tb_sampling_name(f->sampling, 0), "a");
    }
    /* A token that is too long for us is no token to send back. */
    static char LONG[] = PAGE("", ",\"NextToken\":\"0123456789012345678901234567890123456789"
                                  "0123456789012345678901234567890123456789\"");
    assert_int_equal(page(f, LONG, true), -EMSGSIZE);
    assert_string_equal(tb_sampling_name(f->sampling, 0), "a");
}

static void what_the_service_says_more_is_no_harm(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(page(f,
                          PAGE("7,{},{\"SamplingRule\":{\"RuleName\":\"broken\"}}," RULE(
                                   "a", "1", "0", "0",
                                   ",\"SamplingRateBoost\":{\"MaxRate\":1},\"NewMember\":[1]"),
                               ""),
                          true),
                     0);
    assert_string_equal(tb_sampling_name(f->sampling, 0), "a");
    assert_null(tb_sampling_name(f->sampling, 1));
}

static int targets(struct fixture *f, const char *text, int64_t *changed_s)
{
    return tb_sampling_targets(f->sampling, text, strlen(text), 0, changed_s, f->why);
}

/* Else the agent would go by a rule that the SDKs beside it do not know. */
static void a_rule_that_no_sdk_takes_is_left_out(void **state)
{
    struct fixture *f = *state;
    static const char *const cuts[] = {"\"Version\":1,", "\"ResourceARN\":\"*\",",
                                       "\"ServiceType\":\"*\","};
    for (size_t i = 0; i < sizeof(cuts) / sizeof(cuts[0]); i++) {
        char text[1024] = PAGE(RULE("a", "1", "1", "1", ""), "");
        assert_int_equal(page(f, text, true), 0);
        assert_string_equal(tb_sampling_name(f->sampling, 0), "a");
        char *at = strstr(text, cuts[i]);
        assert_non_null(at);
        memmove(at, at + strlen(cuts[i]), strlen(at + strlen(cuts[i])) + 1);
        assert_int_equal(page(f, text, true), 0);
        assert_null(tb_sampling_name(f->sampling, 0));
    }
}

static void a_target_sets_rate_and_quota(void **state)
{
    struct fixture *f = *state;
    int64_t changed_s = -1;
    assert_int_equal(page(f, PAGE(RULE("a", "1", "0", "9", ""), ""), true), 0);
    assert_int_equal(targets(f,
                             "{\"SamplingTargetDocuments\":[7,{},{\"RuleName\":\"other\"},"
                             "{\"RuleName\":\"a\",\"FixedRate\":0.5,\"ReservoirQuota\":2,"
                             "\"ReservoirQuotaTTL\":1.1e2,\"Interval\":20}],"
                             "\"LastRuleModification\":1.70000000E9,\"UnprocessedStatistics\":[]}",
                             &changed_s),
                     0);
    assert_true(changed_s == 1700000000);
    assert_true(decide(f, 100, 0.9));
    assert_true(decide(f, 100, 0.9));
    assert_false(decide(f, 100, 0.9));
    assert_true(decide(f, 100, 0.4));
    assert_true(decide(f, 111, 0.9)); /* borrowed: the quota has ended */
    assert_false(decide(f, 111, 0.9));
}

static void numbers_of_no_sense_are_passed_over(void **state)
{
    struct fixture *f = *state;
    int64_t changed_s = -1;
    assert_int_equal(page(f, PAGE(RULE("a", "1", "1", "0", ""), ""), true), 0);
    assert_int_equal(targets(f,
                             "{\"SamplingTargetDocuments\":[{\"RuleName\":\"a\",\"FixedRate\":-1,"
                             "\"ReservoirQuota\":-7,\"ReservoirQuotaTTL\":1e99,\"Interval\":-1}],"
                             "\"LastRuleModification\":\"x\"}",
                             &changed_s),
                     0);
    assert_int_equal(changed_s, 0);
    assert_true(decide(f, 100, 0.99));
    assert_int_equal(targets(f, "{}", &changed_s), -EINVAL);
    assert_int_equal(targets(f, "<html>", &changed_s), -EINVAL);
}

static int report(struct fixture *f, int64_t now_s)
{
    tb_buf_reset(&f->report);
    return tb_sampling_statistics(f->sampling, CLIENT, now_s * 1000, &f->report);
}

static void a_report_counts_and_begins_anew(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(page(f, PAGE(RULE("a", "1", "0.5", "1", ""), ""), true), 0);
    assert_int_equal(report(f, 100), 0);
    assert_int_equal(f->report.len, 0);
    assert_false(tb_sampling_is_used(f->sampling));
    (void)decide(f, 100, 0.9); /* borrowed */
    assert_true(tb_sampling_is_used(f->sampling));
    (void)decide(f, 100, 0.9);
    (void)decide(f, 100, 0.1);
    assert_int_equal(report(f, 101), 1);
    assert_string_equal(
        tb_buf_str(&f->report),
        "{\"SamplingStatisticsDocuments\":[{\"RuleName\":\"a\","
        "\"ClientID\":\"0123456789abcdef01234567\",\"Timestamp\":101,\"RequestCount\":3,"
        "\"SampledCount\":1,\"BorrowCount\":1}]}");
    assert_false(tb_sampling_is_used(f->sampling));
    (void)decide(f, 102, 0.9);
    assert_int_equal(report(f, 110), 0); /* every 10 s */
    assert_true(tb_sampling_is_used(f->sampling));
    assert_int_equal(report(f, 111), 1);
    assert_non_null(strstr(tb_buf_str(&f->report), "\"RequestCount\":1,"));
    (void)decide(f, 50, 0.9); /* the clock was set back */
    assert_int_equal(report(f, 51), 1);
}

static void a_report_is_of_25_rules_at_the_most(void **state)
{
    struct fixture *f = *state;
    struct tb_buf rules;
    tb_buf_init(&rules, 1 << 20);
    for (int i = 0; i < 30; i++) {
        char name[8];
        (void)snprintf(name, sizeof(name), "s%d", i);
        tb_buf_addf(&rules,
                    "%s{\"SamplingRule\":{\"RuleName\":\"%s\",\"Priority\":1,\"FixedRate\":0,"
                    "\"ReservoirSize\":0,\"ServiceName\":\"%s\",\"ServiceType\":\"*\","
                    "\"Host\":\"*\",\"HTTPMethod\":\"*\",\"URLPath\":\"*\",\"Version\":1,"
                    "\"ResourceARN\":\"*\"}}",
                    i ? "," : "{\"SamplingRuleRecords\":[", name, name);
    }
    tb_buf_adds(&rules, "]}");
    assert_int_equal(page(f, tb_buf_str(&rules), true), 0);
    tb_buf_done(&rules);
    for (int i = 0; i < 30; i++) {
        char name[8];
        (void)snprintf(name, sizeof(name), "s%d", i);
        const struct tb_sampling_request request = {.service = name};
        (void)tb_sampling_decide(f->sampling, &request, 0, 0, NULL);
    }
    assert_int_equal(report(f, 100), TB_SAMPLING_STATISTICS);
    assert_int_equal(report(f, 100), 30 - TB_SAMPLING_STATISTICS);
    assert_int_equal(report(f, 200), 0);
}

static void of_too_many_rules_none_count(void **state)
{
    struct fixture *f = *state;
    struct tb_buf rules;
    tb_buf_init(&rules, 1 << 20);
    for (int i = 0; i <= TB_SAMPLING_RULES; i++)
        tb_buf_addf(&rules,
                    "%s{\"SamplingRule\":{\"RuleName\":\"%d\",\"Priority\":1,\"FixedRate\":0,"
                    "\"ReservoirSize\":0,\"ServiceName\":\"*\",\"ServiceType\":\"*\","
                    "\"Host\":\"*\",\"HTTPMethod\":\"*\",\"URLPath\":\"*\",\"Version\":1,"
                    "\"ResourceARN\":\"*\"}}",
                    i ? "," : "{\"SamplingRuleRecords\":[", i);
    tb_buf_adds(&rules, "]}");
    assert_int_equal(page(f, tb_buf_str(&rules), true), -EMSGSIZE);
    assert_null(tb_sampling_name(f->sampling, 0));
    assert_int_equal(tb_sampling_rules(f->sampling, tb_buf_str(&rules), rules.len, 0, f->why),
                     -EMSGSIZE);
    assert_string_equal(f->why, "over 500 rules");
    tb_buf_done(&rules);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(rules_count_after_the_last_page, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_broken_page_leaves_the_former_rules, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_the_service_says_more_is_no_harm, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_rule_that_no_sdk_takes_is_left_out, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_target_sets_rate_and_quota, set_up, tear_down),
        cmocka_unit_test_setup_teardown(numbers_of_no_sense_are_passed_over, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_report_counts_and_begins_anew, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_report_is_of_25_rules_at_the_most, set_up, tear_down),
        cmocka_unit_test_setup_teardown(of_too_many_rules_none_count, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
