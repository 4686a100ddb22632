/* test_rows.c - which sinks an item goes to, and into which queue there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/deliver/route.h"
#include "agent/pipeline/rows.h"

#define BODY "\"body\":{\"message\":{\"body\":\"m\"}}"
#define TRACE "4bf92f3577b34da6a3ce929d0e0e4736"

static char ENDPOINT[] = "http://127.0.0.1:4318/v1/logs";
static char LOG_GROUP[] = "cruddur";
static char STREAM[] = "{host}/{service}";
static char NONE[] = "";
static char TOKEN[] = "agent-token-0001";

/* What the sampler was asked, and what it says. */
struct asked {
    int n;
    bool says;
    char service[64], host[64], method[16], path[64];
};

static bool sample(void *arg, const struct tb_sampling_request *request)
{
    struct asked *asked = arg;
    asked->n++;
    snprintf(asked->service, sizeof(asked->service), "%s", request->service);
    snprintf(asked->host, sizeof(asked->host), "%s", request->host);
    snprintf(asked->method, sizeof(asked->method), "%s", request->method);
    snprintf(asked->path, sizeof(asked->path), "%s", request->path);
    return asked->says;
}

struct scene {
    struct tb_config config;
    struct tb_rows_tools tools;
    struct asked asked;
    struct tb_groups *groups;
    struct tb_rows rows;
};

static int enter(void **state)
{
    struct scene *scene = calloc(1, sizeof(*scene));
    if (scene == NULL)
        return -1;
    scene->config.token = NONE;
    scene->tools = (struct tb_rows_tools){
        .config = &scene->config, .host = "host-1", .samples = sample, .arg = &scene->asked};
    scene->tools.seen = calloc(TB_ROWS_SEEN, sizeof(*scene->tools.seen));
    *state = scene;
    return scene->tools.seen == NULL ? -1 : 0;
}

static int leave(void **state)
{
    struct scene *scene = *state;
    free(scene->tools.seen);
    tb_groups_free(scene->groups);
    free(scene);
    return 0;
}

/* Decides for an item with that text; the rows as "sink=token sink=token". */
static const char *decided(struct scene *scene, const char *uuid, const char *item)
{
    static char text[1024];
    struct tb_work work = {0};
    tb_buf_init(&work.item, 1 << 20);
    tb_buf_adds(&work.item, item);
    struct tb_doc *doc;
    assert_int_equal(tb_work_doc(&work, &doc), 0);
    tb_item_read(doc, 0, &work.facts);
    assert_int_equal(tb_trace_ids_complete(doc, NULL, &work.ids), 0);
    (void)tb_doc_copy(doc, tb_doc_find(doc, 0, "custom.service"), work.service,
                      sizeof(work.service));
    snprintf(work.uuid, sizeof(work.uuid), "%s", uuid);
    assert_int_equal(tb_rows_decide(&scene->tools, &work, 1700000000000000000U, &scene->rows), 0);
    tb_work_done(&work);
    text[0] = '\0';
    for (size_t i = 0; i < scene->rows.n; i++)
        snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s=%s", i > 0 ? " " : "",
                 scene->rows.to[i].sink, scene->rows.to[i].token);
    return text;
}

static const char *left_out(const struct scene *scene)
{
    assert_true(scene->rows.n_counters <= 1);
    return scene->rows.n_counters == 1 ? scene->rows.counters[0] : "";
}

static void with_nothing_set_there_is_no_row(void **state)
{
    assert_string_equal(decided(*state, "u", "{" BODY "}"), "");
    assert_string_equal(left_out(*state), "");
}

static void each_sink_that_is_on_gets_a_row(void **state)
{
    struct scene *scene = *state;
    struct tb_config_sinks *sinks = &scene->config.sinks;
    scene->config.token = TOKEN;
    assert_string_equal(decided(scene, "u", "{" BODY "}"), "rollbar=");
    sinks->otlp.endpoint = ENDPOINT;
    sinks->xray.mode = TB_XRAY_DAEMON;
    sinks->cloudwatch.log_group = LOG_GROUP;
    sinks->cloudwatch.log_stream = STREAM;
    scene->asked.says = true;
    assert_string_equal(decided(scene, "u", "{" BODY ",\"custom\":{\"service\":\"feedd\"}}"),
                        "rollbar= otlp= xray= cloudwatch=host-1/feedd");
    sinks->otlp.form = TB_OTLP_SPAN;
    assert_string_equal(decided(scene, "u", "{" BODY ",\"server\":{\"host\":\"h\"}}"),
                        "rollbar= otlp-spans= xray= cloudwatch=h/unknown");
    sinks->otlp.form = TB_OTLP_BOTH;
    assert_string_equal(decided(scene, "u", "{" BODY "}"),
                        "rollbar= otlp= otlp-spans= xray= cloudwatch=host-1/unknown");
    assert_int_equal(scene->rows.n, TB_ROWS_MAX);
}

static void a_decision_that_came_with_the_trace_stands(void **state)
{
    struct scene *scene = *state;
    scene->config.sinks.xray.mode = TB_XRAY_API;
    static const char no[] = "{" BODY ",\"custom\":{\"trace\":{\"xray_sampled\":\"0\"}}}";
    assert_string_equal(decided(scene, "u", no), "");
    assert_string_equal(left_out(scene), "unsampled.xray");
    assert_string_equal(
        decided(scene, "u", "{" BODY ",\"custom\":{\"trace\":{\"xray_sampled\":\"1\"}}}"), "xray=");
    assert_string_equal(left_out(scene), "");
    assert_int_equal(scene->asked.n, 0);
    scene->config.sinks.xray.sends_unsampled = true;
    assert_string_equal(decided(scene, "u", no), "xray=");
}

static void what_nobody_decided_the_rules_decide(void **state)
{
    struct scene *scene = *state;
    scene->config.sinks.xray.mode = TB_XRAY_DAEMON;
    static const char *const items[] = {
        "{" BODY "}", "{" BODY ",\"custom\":{\"trace\":{\"xray_sampled\":\"?\"}}}",
        /* OpenTelemetry's decision is not X-Ray's. */
        "{" BODY ",\"custom\":{\"trace\":{\"flags\":\"00\"}}}",
        "{" BODY ",\"custom\":{\"trace\":{\"xray_sampled\":\"yes\"}}}"};
    char uuid[8];
    for (int i = 0; i < 8; i++) {
        scene->asked.says = i % 2 == 1;
        snprintf(uuid, sizeof(uuid), "u%d", i);
        assert_string_equal(decided(scene, uuid, items[i / 2]), i % 2 == 1 ? "xray=" : "");
        assert_string_equal(left_out(scene), i % 2 == 1 ? "" : "unsampled.xray");
        assert_int_equal(scene->asked.n, i + 1);
    }
    scene->tools.samples = NULL;
    assert_string_equal(decided(scene, "other", items[0]), "xray=");
}

static void all_errors_of_a_trace_are_sampled_alike(void **state)
{
    struct scene *scene = *state;
    static const char item[] = "{" BODY ",\"custom\":{\"trace_id\":\"" TRACE "\"}}";
    scene->config.sinks.xray.mode = TB_XRAY_DAEMON;
    scene->asked.says = true;
    assert_string_equal(decided(scene, "u1", item), "xray=");
    scene->asked.says = false;
    assert_string_equal(decided(scene, "u2", item), "xray=");
    assert_int_equal(scene->asked.n, 1);
    /* One without a trace is known by its uuid, when it is read again. */
    assert_string_equal(decided(scene, "u3", "{" BODY "}"), "");
    scene->asked.says = true;
    assert_string_equal(decided(scene, "u3", "{" BODY "}"), "");
    assert_int_equal(scene->asked.n, 2);
}

static void the_rules_see_the_request(void **state)
{
    struct scene *scene = *state;
    static char name[] = "cruddur";
    static char pattern[] = "*4567-*.gitpod.io*";
    static const struct {
        const char *item, *service, *host, *method, *path;
        char *name, *name_pattern;
    } CASES[] = {
        {"\"request\":{\"url\":\"https://api.cruddur.com:4567/api/x?y=1#z\",\"method\":\"POST\"}",
         "flask", "api.cruddur.com:4567", "POST", "/api/x", NULL, NULL},
        {"\"request\":{\"url\":\"https://a\",\"headers\":{\"HOST\":\"b\"}}", "flask", "b", "", "/",
         NULL, NULL},
        {"\"request\":{\"url\":\"/only/path\"}", "flask", "", "", "/only/path", NULL, NULL},
        {"\"request\":[]", "flask", "", "", "", NULL, NULL},
        {"\"request\":{\"headers\":[1],\"url\":{}}", "cruddur", "", "", "", name, NULL},
        {"\"request\":{\"url\":\"http://x/\",\"headers\":{\"Host\":\"4567-ws.eu.GITPOD.io\"}}",
         "4567-ws.eu.GITPOD.io", "4567-ws.eu.GITPOD.io", "", "/", name, pattern},
        {"\"request\":{\"headers\":{\"Host\":\"localhost:4567\"}}", "cruddur", "localhost:4567", "",
         "", name, pattern},
    };
    scene->config.sinks.xray.mode = TB_XRAY_DAEMON;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        char item[512];
        char uuid[8];
        snprintf(item, sizeof(item), "{" BODY ",\"custom\":{\"service\":\"flask\"},%s}",
                 CASES[i].item);
        snprintf(uuid, sizeof(uuid), "u%zu", i);
        scene->config.sinks.xray.name = CASES[i].name;
        scene->config.sinks.xray.name_pattern = CASES[i].name_pattern;
        (void)decided(scene, uuid, item);
        assert_string_equal(scene->asked.service, CASES[i].service);
        assert_string_equal(scene->asked.host, CASES[i].host);
        assert_string_equal(scene->asked.method, CASES[i].method);
        assert_string_equal(scene->asked.path, CASES[i].path);
    }
}

/* The groups of the test: "errors", "feedd". */
static void set_groups(struct scene *scene)
{
    static char names[2][8] = {"errors", "feedd"};
    static char filters[2][32] = {"fault OR error", "service(\"feedd\")"};
    static struct tb_config_group list[] = {{names[0], filters[0]}, {names[1], filters[1]}};
    char why[TB_CONFIG_WHY];
    scene->config.sinks.groups = list;
    scene->config.sinks.n_groups = 2;
    assert_int_equal(tb_groups_new(&scene->config, &scene->groups, why), 0);
    scene->tools.groups = scene->groups;
}

static void a_sink_with_a_group_gets_what_is_in_it(void **state)
{
    static char errors[] = "errors";
    static char feedd[] = "feedd";
    struct scene *scene = *state;
    struct tb_config_sinks *sinks = &scene->config.sinks;
    set_groups(scene);
    sinks->otlp.endpoint = ENDPOINT;
    sinks->otlp.form = TB_OTLP_BOTH;
    sinks->otlp.group = errors;
    sinks->xray.mode = TB_XRAY_API;
    sinks->xray.group = feedd;
    sinks->cloudwatch.log_group = LOG_GROUP;
    sinks->cloudwatch.log_stream = STREAM;
    sinks->cloudwatch.group = feedd;
    scene->asked.says = true;
    assert_string_equal(decided(scene, "a", "{" BODY ",\"level\":\"error\"}"), "otlp= otlp-spans=");
    assert_int_equal(scene->rows.n_counters, 2);
    assert_string_equal(scene->rows.counters[0], "not_routed.xray");
    assert_string_equal(scene->rows.counters[1], "not_routed.cloudwatch");
    assert_int_equal(scene->asked.n, 0);
    assert_string_equal(decided(scene, "b", "{" BODY ",\"custom\":{\"service\":\"feedd\"}}"),
                        "xray= cloudwatch=host-1/feedd");
    assert_int_equal(scene->rows.n_counters, 1);
    assert_string_equal(scene->rows.counters[0], "not_routed.otlp");
    assert_string_equal(
        decided(scene, "c", "{" BODY ",\"level\":\"critical\",\"custom\":{\"service\":\"feedd\"}}"),
        "otlp= otlp-spans= xray= cloudwatch=host-1/feedd");
    assert_int_equal(scene->rows.n_counters, 0);
}

static void a_project_with_a_group_gets_what_is_in_it(void **state)
{
    static char errors[] = "errors";
    static char tokens[2][8] = {"t1", "t2"};
    static struct tb_config_project projects[] = {
        {.service = NONE, .environment = NONE, .token = tokens[0], .group = errors},
        {.service = NONE, .environment = NONE, .token = tokens[1], .group = NONE}};
    struct scene *scene = *state;
    set_groups(scene);
    scene->config.projects = projects;
    scene->config.n_projects = 2;
    (void)decided(scene, "a", "{" BODY ",\"level\":\"error\"}");
    assert_string_equal(tb_route_token(&scene->config, scene->rows.token), "t1");
    (void)decided(scene, "a", "{" BODY ",\"level\":\"info\"}");
    assert_string_equal(tb_route_token(&scene->config, scene->rows.token), "t2");
    assert_int_equal(scene->rows.n_counters, 0);
}

static void a_stream_has_a_name_that_cloudwatch_takes(void **state)
{
    static const struct tb_rows_stream OF = {.host = "h:1*2",
                                             .service = "feedd",
                                             .environment = "",
                                             .version = "v\x01\x7f\xc2\x85\xff",
                                             .pid = 42,
                                             .now_ns = 1700000000000000000U};
    static const struct {
        const char *template, *name;
    } CASES[] = {
        {"{host}/{service}/{pid}", "h-1-2/feedd/42"},
        {"", "h-1-2/feedd"},
        {NULL, "h-1-2/feedd"},
        {"{environment} {date}", "unknown 2023-11-14"},
        {"{version}", "v----"},
        {"{other}{host", "{other}{host"},
        {"{}{{service}}", "{}{feedd}"},
        {"a:b*c\n\xc3\xa4", "a-b-c-\xc3\xa4"},
    };
    char out[TB_ROWS_STREAM];
    (void)state;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        tb_rows_stream(CASES[i].template, &OF, out);
        assert_string_equal(out, CASES[i].name);
    }
    struct tb_rows_stream unknown = {0};
    tb_rows_stream("{host}-{pid}", &unknown, out);
    assert_string_equal(out, "unknown-unknown");
}

static void long_names_stay_apart_and_are_cut_between_characters(void **state)
{
    char text[400] = "";
    char one[TB_ROWS_STREAM];
    char two[TB_ROWS_STREAM];
    struct tb_rows_stream of = {.service = text};
    (void)state;
    for (int i = 0; i < 63; i++)
        memcpy(text + strlen(text), "\xc3\xa4", 3);
    tb_rows_stream("{service}.", &of, one);
    assert_int_equal(strlen(one), 127);
    tb_rows_stream("{service}.1", &of, one);
    tb_rows_stream("{service}.2", &of, two);
    assert_in_range(strlen(one), 125, 127);
    assert_string_not_equal(one, two);
    assert_memory_equal(one, text, 116);
    assert_int_equal(one[strlen(one) - 9], '-');
    tb_rows_stream("{service}{service}{service}", &of, one);
    assert_in_range(strlen(one), 1, 127);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(with_nothing_set_there_is_no_row, enter, leave),
        cmocka_unit_test_setup_teardown(each_sink_that_is_on_gets_a_row, enter, leave),
        cmocka_unit_test_setup_teardown(a_decision_that_came_with_the_trace_stands, enter, leave),
        cmocka_unit_test_setup_teardown(what_nobody_decided_the_rules_decide, enter, leave),
        cmocka_unit_test_setup_teardown(all_errors_of_a_trace_are_sampled_alike, enter, leave),
        cmocka_unit_test_setup_teardown(the_rules_see_the_request, enter, leave),
        cmocka_unit_test_setup_teardown(a_sink_with_a_group_gets_what_is_in_it, enter, leave),
        cmocka_unit_test_setup_teardown(a_project_with_a_group_gets_what_is_in_it, enter, leave),
        cmocka_unit_test(a_stream_has_a_name_that_cloudwatch_takes),
        cmocka_unit_test(long_names_stay_apart_and_are_cut_between_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
