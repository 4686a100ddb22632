/* test_sampling.c - rules of every form, and what they decide: by the vectors, and where those say
 * nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>

#include <cjson/cJSON.h>

#include "base/fd.h"
#include "base/wildcard.h"
#include "sampling/sampling.h"

static const char CLIENT[TB_SAMPLING_CLIENT] = "0123456789abcdef01234567";
static const double NEVER = 0.999999; /* a random number over any rate but 1 */

/* To be freed with cJSON_Delete; NULL where there is no such file. */
static cJSON *read_json(const char *folder, const char *name)
{
    char path[4096];
    struct tb_buf text;
    tb_buf_init(&text, 4 << 20);
    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    cJSON *json = tb_fd_slurp(-1, path, &text) == 0 ? cJSON_Parse(tb_buf_str(&text)) : NULL;
    tb_buf_done(&text);
    return json;
}

static cJSON *vectors(void)
{
    const char *folder = getenv("TOWBAR_VECTORS");
    return read_json(folder && folder[0] ? folder : TEST_DATA "/vectors", "xray_sampling.json");
}

static struct tb_sampling *new_sampling(void)
{
    struct tb_sampling *sampling = NULL;
    assert_int_equal(tb_sampling_new(&sampling), 0);
    return sampling;
}

static int load(struct tb_sampling *sampling, const char *text, char why[TB_SAMPLING_WHY])
{
    why[0] = '\0';
    return tb_sampling_rules(sampling, text, strlen(text), 0, why);
}

static struct tb_sampling *with_rules(const char *text)
{
    char why[TB_SAMPLING_WHY];
    struct tb_sampling *sampling = new_sampling();
    if (load(sampling, text, why) != 0)
        fail_msg("%s: %s", why, text);
    return sampling;
}

/* Rules as the service gives them. */
static void load_central(struct tb_sampling *sampling, const char *rules)
{
    char why[TB_SAMPLING_WHY];
    struct tb_buf page, next;
    tb_buf_init(&page, 1 << 20);
    tb_buf_init(&next, 1024);
    tb_buf_addf(&page, "{\"SamplingRuleRecords\":[%s]}", rules);
    assert_int_equal(tb_sampling_page(sampling, tb_buf_str(&page), page.len, true, &next, why), 0);
    assert_int_equal(next.len, 0);
    tb_buf_done(&page);
    tb_buf_done(&next);
}

#define RULE(name, priority, rate, size, service)                                                  \
    "{\"SamplingRule\":{\"RuleName\":\"" name "\",\"ResourceARN\":\"*\",\"Priority\":" priority    \
    ",\"FixedRate\":" rate ",\"ReservoirSize\":" size ",\"ServiceName\":\"" service                \
    "\",\"ServiceType\":\"*\",\"Host\":\"*\",\"HTTPMethod\":\"*\",\"URLPath\":\"*\","              \
    "\"Version\":1,\"Attributes\":{}}}"

static const char *rule_of(struct tb_sampling *sampling, const struct tb_sampling_request *request)
{
    const char *rule = NULL;
    (void)tb_sampling_decide(sampling, request, 0, 0, &rule);
    return rule;
}

static bool decide_at(struct tb_sampling *sampling, int64_t now_s, double random)
{
    static const struct tb_sampling_request any;
    return tb_sampling_decide(sampling, &any, now_s * 1000, random, NULL);
}

/* ---- the vectors ---- */

static void wildcards_fit_as_the_vectors_say(void **state)
{
    cJSON *json = vectors();
    const cJSON *one;
    (void)state;
    assert_non_null(json);
    cJSON_ArrayForEach(one, cJSON_GetObjectItem(json, "wildcard"))
    {
        const char *pattern = cJSON_GetStringValue(cJSON_GetObjectItem(one, "pattern"));
        const char *text = cJSON_GetStringValue(cJSON_GetObjectItem(one, "text"));
        bool expected = cJSON_IsTrue(cJSON_GetObjectItem(one, "match"));
        if (tb_wildcard_fits(pattern, text) != expected)
            fail_msg("%s on %s", pattern, text);
    }
    cJSON_Delete(json);
}

/* The rules of the vectors, as the service would give them. */
static struct tb_sampling *vector_rules(const cJSON *json)
{
    struct tb_sampling *sampling = new_sampling();
    struct tb_buf rules;
    const cJSON *one;
    tb_buf_init(&rules, 1 << 20);
    cJSON_ArrayForEach(one, cJSON_GetObjectItem(json, "rules"))
    {
        char *text = cJSON_PrintUnformatted(one);
        tb_buf_addf(&rules, "%s{\"SamplingRule\":%s}", rules.len > 0 ? "," : "", text);
        free(text);
    }
    load_central(sampling, tb_buf_str(&rules));
    tb_buf_done(&rules);
    return sampling;
}

static void the_usable_rules_are_those_of_the_vectors(void **state)
{
    cJSON *json = vectors();
    const cJSON *name;
    size_t n = 0;
    (void)state;
    assert_non_null(json);
    struct tb_sampling *sampling = vector_rules(json);
    const cJSON *usable = cJSON_GetObjectItem(json, "usable_rules");
    cJSON_ArrayForEach(name, usable)
    {
        bool is_there = false;
        for (size_t i = 0; tb_sampling_name(sampling, i) != NULL; i++)
            is_there |= strcmp(tb_sampling_name(sampling, i), cJSON_GetStringValue(name)) == 0;
        assert_true(is_there);
    }
    while (tb_sampling_name(sampling, n) != NULL)
        n++;
    assert_int_equal(n, cJSON_GetArraySize(usable));
    tb_sampling_free(sampling);
    cJSON_Delete(json);
}

static void the_rule_that_decides_is_the_vectors(void **state)
{
    cJSON *json = vectors();
    const cJSON *one;
    (void)state;
    assert_non_null(json);
    struct tb_sampling *sampling = vector_rules(json);
    cJSON_ArrayForEach(one, cJSON_GetObjectItem(json, "rule_cases"))
    {
        const cJSON *asked = cJSON_GetObjectItem(one, "request");
        struct tb_sampling_request request = {
            .service = cJSON_GetStringValue(cJSON_GetObjectItem(asked, "service")),
            .service_type = cJSON_GetStringValue(cJSON_GetObjectItem(asked, "service_type")),
            .host = cJSON_GetStringValue(cJSON_GetObjectItem(asked, "host")),
            .method = cJSON_GetStringValue(cJSON_GetObjectItem(asked, "method")),
            .path = cJSON_GetStringValue(cJSON_GetObjectItem(asked, "path"))};
        assert_string_equal(rule_of(sampling, &request),
                            cJSON_GetStringValue(cJSON_GetObjectItem(one, "rule")));
    }
    tb_sampling_free(sampling);
    cJSON_Delete(json);
}

/* A central rule with that quota, asked at those times. With a rate of 0 only the reservoir says
 * yes; whether it took or borrowed is in the report. */
static void run_reservoir_case(const cJSON *one)
{
    struct tb_sampling *sampling = new_sampling();
    const cJSON *quota = cJSON_GetObjectItem(one, "quota");
    const cJSON *ttl = cJSON_GetObjectItem(one, "quota_ttl");
    const cJSON *now = cJSON_GetObjectItem(one, "now");
    const cJSON *expected = cJSON_GetObjectItem(one, "decision");
    struct tb_buf targets, report;
    char why[TB_SAMPLING_WHY];
    char sums[128];
    int64_t changed_s;
    int n_taken = 0;
    int n_borrowed = 0;
    load_central(sampling, cJSON_IsTrue(cJSON_GetObjectItem(one, "can_borrow"))
                               ? RULE("r", "1", "0", "7", "*")
                               : RULE("r", "1", "0", "0", "*"));
    tb_buf_init(&targets, 4096);
    tb_buf_init(&report, 4096);
    tb_buf_adds(&targets, "{\"SamplingTargetDocuments\":[{\"RuleName\":\"r\",\"FixedRate\":0");
    if (cJSON_IsNumber(quota))
        tb_buf_addf(&targets, ",\"ReservoirQuota\":%d", quota->valueint);
    if (cJSON_IsNumber(ttl))
        tb_buf_addf(&targets, ",\"ReservoirQuotaTTL\":%d.0", ttl->valueint);
    tb_buf_adds(&targets, "}]}");
    assert_int_equal(
        tb_sampling_targets(sampling, tb_buf_str(&targets), targets.len, 0, &changed_s, why), 0);
    for (int i = 0; i < cJSON_GetArraySize(now); i++) {
        const char *word = cJSON_GetStringValue(cJSON_GetArrayItem(expected, i));
        bool is_sampled = decide_at(sampling, cJSON_GetArrayItem(now, i)->valueint, 0.0);
        if (is_sampled != (strcmp(word, "NO") != 0))
            fail_msg("%s: %d", cJSON_GetStringValue(cJSON_GetObjectItem(one, "name")), i);
        n_taken += strcmp(word, "TAKE") == 0;
        n_borrowed += strcmp(word, "BORROW") == 0;
    }
    assert_int_equal(tb_sampling_statistics(sampling, CLIENT, 1000000, &report), 1);
    (void)snprintf(sums, sizeof(sums),
                   "\"RequestCount\":%d,\"SampledCount\":%d,\"BorrowCount\":%d}",
                   cJSON_GetArraySize(now), n_taken, n_borrowed);
    assert_non_null(strstr(tb_buf_str(&report), sums));
    tb_buf_done(&report);
    tb_buf_done(&targets);
    tb_sampling_free(sampling);
}

static void the_reservoir_decides_as_the_vectors_say(void **state)
{
    cJSON *json = vectors();
    const cJSON *one;
    (void)state;
    assert_non_null(json);
    cJSON_ArrayForEach(one, cJSON_GetObjectItem(json, "reservoir_cases"))
    {
        run_reservoir_case(one);
    }
    cJSON_Delete(json);
}

static void the_seeds_rule_is_taken_as_it_is(void **state)
{
    cJSON *json = vectors();
    char why[TB_SAMPLING_WHY];
    struct tb_sampling *sampling = new_sampling();
    (void)state;
    assert_non_null(json);
    char *text = cJSON_Print(cJSON_GetObjectItem(json, "seed_rule_json"));
    assert_int_equal(load(sampling, text, why), 0);
    assert_string_equal(tb_sampling_name(sampling, 0), "Cruddur");
    assert_null(tb_sampling_name(sampling, 1));
    free(text);
    tb_sampling_free(sampling);
    cJSON_Delete(json);
}

/* ---- files ---- */

static void files_are_read_or_refused_with_the_cure(void **state)
{
    cJSON *cases = read_json(TEST_DATA, "sampling/files.json");
    const cJSON *one;
    (void)state;
    assert_non_null(cases);
    cJSON_ArrayForEach(one, cases)
    {
        struct tb_sampling *sampling = new_sampling();
        char why[TB_SAMPLING_WHY];
        const char *expected = cJSON_GetStringValue(cJSON_GetObjectItem(one, "why"));
        const cJSON *names = cJSON_GetObjectItem(one, "rules");
        char *text = cJSON_Print(cJSON_GetObjectItem(one, "file"));
        int err = load(sampling, text, why);
        assert_int_equal(err, expected ? -EINVAL : 0);
        if (expected)
            assert_string_equal(why, expected);
        for (int i = 0; i < cJSON_GetArraySize(names); i++)
            assert_string_equal(tb_sampling_name(sampling, (size_t)i),
                                cJSON_GetStringValue(cJSON_GetArrayItem(names, i)));
        assert_null(tb_sampling_name(sampling, (size_t)cJSON_GetArraySize(names)));
        free(text);
        tb_sampling_free(sampling);
    }
    cJSON_Delete(cases);
}

static void cruddurs_own_file_is_taken(void **state)
{
    struct tb_sampling *sampling = new_sampling();
    struct tb_buf text;
    char why[TB_SAMPLING_WHY];
    (void)state;
    tb_buf_init(&text, 1 << 20);
    assert_int_equal(tb_fd_slurp(-1, TEST_SOURCE "/samples/cruddur/aws/json/xray.json", &text), 0);
    assert_int_equal(load(sampling, tb_buf_str(&text), why), 0);
    const struct tb_sampling_request flask = {.service = "backend-flask"};
    const struct tb_sampling_request other = {.service = "other"};
    assert_string_equal(rule_of(sampling, &flask), "Cruddur");
    assert_string_equal(rule_of(sampling, &other), "default");
    tb_buf_done(&text);
    tb_sampling_free(sampling);
}

static void what_is_no_json_says_where(void **state)
{
    struct tb_sampling *sampling = new_sampling();
    char why[TB_SAMPLING_WHY];
    (void)state;
    assert_int_equal(load(sampling, "", why), -EINVAL);
    assert_string_equal(why, "it is no JSON, at line 1");
    assert_int_equal(load(sampling, "{\n \"SamplingRule\": {\n}", why), -EINVAL);
    assert_string_equal(why, "it is no JSON, at line 3");
    assert_int_equal(load(sampling, "{} x", why), -EINVAL);
    char *large = calloc(1, TB_SAMPLING_BYTES + 2);
    assert_non_null(large);
    memset(large, ' ', TB_SAMPLING_BYTES + 1);
    assert_int_equal(load(sampling, large, why), -EINVAL);
    assert_string_equal(why, "over 1048576 bytes");
    free(large);
    tb_sampling_free(sampling);
}

static void refused_rules_leave_the_former(void **state)
{
    char why[TB_SAMPLING_WHY];
    (void)state;
    struct tb_sampling *sampling = with_rules(RULE("a", "1", "1", "0", "*"));
    assert_int_equal(load(sampling, "{}", why), -EINVAL);
    assert_string_equal(tb_sampling_name(sampling, 0), "a");
    tb_sampling_free(sampling);
}

/* ---- decisions ---- */

static void without_rules_the_default_of_the_sdks_counts(void **state)
{
    struct tb_sampling *sampling = new_sampling();
    (void)state;
    assert_true(decide_at(sampling, 100, NEVER));
    assert_false(decide_at(sampling, 100, NEVER));
    assert_true(decide_at(sampling, 100, 0.05));
    assert_false(decide_at(sampling, 100, 0.0501));
    assert_true(decide_at(sampling, 101, NEVER));
    tb_sampling_free(sampling);
}

static void a_rule_of_a_file_has_its_reservoir_for_itself(void **state)
{
    (void)state;
    struct tb_sampling *sampling = with_rules(RULE("a", "1", "0", "3", "*"));
    for (int i = 0; i < 3; i++)
        assert_true(decide_at(sampling, 100, 0));
    assert_false(decide_at(sampling, 100, 0)); /* a rate of 0 is never */
    assert_true(decide_at(sampling, 101, 0));
    tb_sampling_free(sampling);
}

static void a_rate_of_one_is_always(void **state)
{
    (void)state;
    struct tb_sampling *sampling = with_rules(RULE("a", "1", "1", "0", "*"));
    for (int i = 0; i < 100; i++)
        assert_true(decide_at(sampling, 100, NEVER));
    tb_sampling_free(sampling);
}

static void what_was_taken_survives_other_rules(void **state)
{
    char why[TB_SAMPLING_WHY];
    (void)state;
    struct tb_sampling *sampling = with_rules(RULE("a", "1", "0", "1", "*"));
    assert_true(decide_at(sampling, 100, 0));
    assert_int_equal(load(sampling,
                          "[" RULE("b", "1", "0", "1", "x") "," RULE("a", "9", "0", "1", "*") "]",
                          why),
                     0);
    const struct tb_sampling_request other = {.service = "y"};
    assert_false(tb_sampling_decide(sampling, &other, 100000, 0, NULL));
    tb_sampling_free(sampling);
}

static void version_2_is_tried_in_the_files_order(void **state)
{
    (void)state;
    struct tb_sampling *sampling = with_rules(
        "{\"version\":2,\"default\":{\"fixed_target\":0,\"rate\":0},\"rules\":["
        "{\"description\":\"z\",\"host\":\"*\",\"http_method\":\"POST\",\"url_path\":\"/a*\","
        "\"fixed_target\":0,\"rate\":1},"
        "{\"description\":\"a\",\"host\":\"*.example.com\",\"http_method\":\"*\",\"url_path\":\"*"
        "\","
        "\"fixed_target\":0,\"rate\":1}]}");
    const struct tb_sampling_request requests[] = {
        {.host = "x.example.com", .method = "POST", .path = "/a"},
        {.host = "x.example.com", .method = "GET", .path = "/a"},
        {.host = "x.example.org", .method = "GET", .path = "/a", .service = "s"},
        {.method = "post"}};
    assert_string_equal(rule_of(sampling, &requests[0]), "z");
    assert_string_equal(rule_of(sampling, &requests[1]), "a");
    assert_string_equal(rule_of(sampling, &requests[2]), "default");
    assert_string_equal(rule_of(sampling, &requests[3]), "z");
    tb_sampling_free(sampling);
}

static void the_rate_is_kept_over_many(void **state)
{
    unsigned seed = 1;
    int n = 0;
    (void)state;
    struct tb_sampling *sampling = with_rules(RULE("a", "1", "0.25", "0", "*"));
    for (int i = 0; i < 100000; i++) {
        seed = seed * 1664525 + 1013904223;
        n += decide_at(sampling, 100, (double)(seed >> 8) / (1 << 24));
    }
    assert_in_range(n, 24000, 26000);
    tb_sampling_free(sampling);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wildcards_fit_as_the_vectors_say),
        cmocka_unit_test(the_usable_rules_are_those_of_the_vectors),
        cmocka_unit_test(the_rule_that_decides_is_the_vectors),
        cmocka_unit_test(the_reservoir_decides_as_the_vectors_say),
        cmocka_unit_test(the_seeds_rule_is_taken_as_it_is),
        cmocka_unit_test(files_are_read_or_refused_with_the_cure),
        cmocka_unit_test(cruddurs_own_file_is_taken),
        cmocka_unit_test(what_is_no_json_says_where),
        cmocka_unit_test(refused_rules_leave_the_former),
        cmocka_unit_test(without_rules_the_default_of_the_sdks_counts),
        cmocka_unit_test(a_rule_of_a_file_has_its_reservoir_for_itself),
        cmocka_unit_test(a_rate_of_one_is_always),
        cmocka_unit_test(what_was_taken_survives_other_rules),
        cmocka_unit_test(version_2_is_tried_in_the_files_order),
        cmocka_unit_test(the_rate_is_kept_over_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
