/* test_filter.c - --filter of items and occurrences: groups, expressions, mistakes. */
#include "run.h"

#define FLASK                                                                                      \
    "{\"uuid\":\"flask\",\"level\":\"error\",\"body\":{\"trace\":{\"frames\":[],\"exception\":{"   \
    "\"class\":\"UpstreamError\",\"message\":\"m\"}}},\"custom\":{\"service\":\"backend-flask\"}}"
#define FEEDD                                                                                      \
    "{\"uuid\":\"feedd\",\"level\":\"critical\",\"body\":{\"trace\":{\"frames\":[],\"exception\":" \
    "{\"class\":\"SIGSEGV\",\"message\":\"m\"}}},\"custom\":{\"service\":\"cruddur-feedd\","       \
    "\"native\":{\"kind\":\"crash\",\"signal\":\"SIGSEGV\"}}}"
#define WARNING                                                                                    \
    "{\"uuid\":\"warning\",\"level\":\"warning\",\"body\":{\"message\":{\"body\":\"m\"}},"         \
    "\"custom\":{\"service\":\"maild\"}}"

static void add(struct tb_store *store, const char *uuid, const char *title, const char *trace_id,
                const char *xray_trace_id, const char *data)
{
    static uint64_t at_ns = 1790000000000000000;
    at_ns += 1000000000;
    const struct tb_occurrence one = {.uuid = uuid,
                                      .fingerprint = title,
                                      .environment = "test",
                                      .service = "",
                                      .title = title,
                                      .level = "error",
                                      .framework = "",
                                      .trace_id = trace_id,
                                      .xray_trace_id = xray_trace_id,
                                      .span_id = "",
                                      .group_inputs = "{}",
                                      .class_ = 1,
                                      .occurred_ns = at_ns,
                                      .received_ns = at_ns,
                                      .data = data,
                                      .data_len = strlen(data)};
    assert_int_equal(tb_store_add(store, &one, NULL, 0), 0);
}

/* Item 1 is Flask's, 2 the daemon's of the same trace, 3 a warning. */
static void fill(struct run *run)
{
    char why[TB_STORE_WHY] = "";
    struct tb_store *store = NULL;
    assert_int_equal(tb_store_open(run->state, TB_STORE_WRITE, &store, why), 0);
    add(store, "flask", "UpstreamError", TRACE_ID, OTHER_XRAY_ID, FLASK);
    add(store, "feedd", "SIGSEGV", "", OTHER_XRAY_ID, FEEDD);
    add(store, "warning", "disk", "", "", WARNING);
    add(store, "feedd2", "SIGSEGV", "", "", FEEDD);
    tb_store_close(store);
    FILE *config = fopen(run->config, "ae");
    assert_non_null(config);
    fputs("groups:\n"
          "  - { name: Cruddur, filter: 'service(\"backend-flask\") {fault OR error}' }\n"
          "  - { name: well, filter: 'ok' }\n",
          config);
    fclose(config);
}

static void items_are_those_whose_trace_matches(void **state)
{
    struct run *run = *state;
    fill(run);
    assert_int_equal(run_here(run, "items", "--filter", "service(\"cruddur-feedd\") {fault}"), 0);
    run_has(run->out, "SIGSEGV");
    run_has(run->out, "UpstreamError"); /* the same trace */
    run_has_not(run->out, "disk");
    /* Its latest occurrence is of no trace that Flask has a part in. */
    assert_int_equal(run_here(run, "items", "--filter", "Cruddur"), 0);
    run_has(run->out, "UpstreamError");
    run_has_not(run->out, "SIGSEGV");
    assert_int_equal(run_here(run, "items", "--filter", "group.name = \"well\""), 0);
    run_has(run->out, "disk");
    run_has_not(run->out, "SIGSEGV");
    assert_int_equal(run_here(run, "items", "--filter", "throttle"), 0);
    run_has(run->out, "No items that match.");
    assert_string_equal(run->err, "");
    assert_int_equal(run_here(run, "items", "--filter", "Crudur"), 2);
    run_has(run->err, "expected a keyword, not \"Crudur\"; nor is there a group of that name: "
                      "did you mean \"Cruddur\"?\n");
    assert_int_equal(run_here(run, "items", "--filter", "else"), 2);
    run_has(run->err, "not \"else\"; nor is there a group of that name\n");
}

static void max_counts_what_matches(void **state)
{
    struct run *run = *state;
    fill(run);
    assert_int_equal(run_here(run, "items", "--max", "1", "--filter", "!ok"), 0);
    run_has(run->out, "SIGSEGV");
    run_has_not(run->out, "UpstreamError");
    run_has(run->out, "The latest 1; --max N shows more.");
    assert_int_equal(run_here(run, "items", "--json", "--max", "1", "--filter", "ok"), 0);
    run_has(run->out, "\"title\":\"disk\"");
    assert_null(strchr(strchr(run->out, '\n') + 1, '{'));
}

static void occurrences_are_filtered_each(void **state)
{
    struct run *run = *state;
    fill(run);
    assert_int_equal(run_here(run, "occurrences", "--filter", "Cruddur"), 0);
    run_has(run->out, "  flask ");
    run_has(run->out, "  feedd ");
    run_has_not(run->out, "feedd2");
    assert_int_equal(run_here(run, "occurrences", "--item", "2", "--json", "--filter",
                              "annotation.signal = \"SIGSEGV\" !service(\"backend-flask\")"),
                     0);
    run_has(run->out, "\"uuid\":\"feedd\"");
    assert_null(strchr(strchr(run->out, '\n') + 1, '{'));
    assert_int_equal(run_here(run, "occurrences", "--max", "1", "--filter", "fault"), 0);
    run_has(run->out, "feedd2");
    run_has_not(run->out, "  flask ");
    assert_int_equal(run_here(run, "occurrences", "--filter", "throttle"), 0);
    run_has(run->out, "No occurrences that match.");
}

static void a_mistake_ends_it_with_2_and_the_column(void **state)
{
    struct run *run = *state;
    static const char *const verbs[] = {"items", "occurrences"};
    for (size_t i = 0; i < 2; i++) {
        /* Whether there is a database or not. */
        assert_int_equal(run_here(run, verbs[i], "--filter", "service(\"x\") {faults}"), 2);
        assert_string_equal(run->err,
                            "towbar: --filter: column 15: expected a keyword, not \"faults\"; did "
                            "you mean \"fault\"?\n"
                            "    service(\"x\") {faults}\n"
                            "                  ^\n");
        assert_string_equal(run->out, "");
        assert_int_equal(run_here(run, verbs[i], "--json", "--filter", ""), 2);
        run_has(run->err, "column 1: ");
        assert_string_equal(run->out, "");
        assert_int_equal(run_here(run, verbs[i], "--filter", "group.name = \"nosuch\""), 2);
        run_has(run->err, "the settings have no group \"nosuch\"");
    }
    assert_int_equal(run_here(run, "trace", TRACE_ID, "--filter", "ok"), 2);
}

static void groups_that_cannot_be_read_are_told_with_the_mistake(void **state)
{
    struct run *run = *state;
    FILE *config = fopen(run->config, "ae");
    assert_non_null(config);
    fputs("groups: [{name: Failed, filter: 'fault OR eror'}]\n", config);
    fclose(config);
    assert_int_equal(run_here(run, "items", "--filter", "Failed"), 2);
    run_has(run->err, "not \"Failed\"");
    run_has(run->err, "no group is known, as the settings have a mistake: ");
    run_has(run->err, "did you mean \"error\"?");
    assert_int_equal(run_here(run, "items", "--filter", "fault"), 0);
    assert_string_equal(run->err, "");
}

static void what_is_no_item_any_more_is_passed_over(void **state)
{
    struct run *run = *state;
    fill(run);
    char why[TB_STORE_WHY] = "";
    struct tb_store *store = NULL;
    assert_int_equal(tb_store_open(run->state, TB_STORE_WRITE, &store, why), 0);
    add(store, "odd", "odd", "", "", "[1]");
    tb_store_close(store);
    assert_int_equal(run_here(run, "items", "--filter", "!service()"), 0);
    run_has(run->out, "odd");
    assert_int_equal(run_here(run, "items", "--filter", "service()"), 0);
    run_has_not(run->out, "odd");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(items_are_those_whose_trace_matches, run_setup,
                                        run_teardown),
        cmocka_unit_test_setup_teardown(max_counts_what_matches, run_setup, run_teardown),
        cmocka_unit_test_setup_teardown(occurrences_are_filtered_each, run_setup, run_teardown),
        cmocka_unit_test_setup_teardown(a_mistake_ends_it_with_2_and_the_column, run_setup,
                                        run_teardown),
        cmocka_unit_test_setup_teardown(groups_that_cannot_be_read_are_told_with_the_mistake,
                                        run_setup, run_teardown),
        cmocka_unit_test_setup_teardown(what_is_no_item_any_more_is_passed_over, run_setup,
                                        run_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
