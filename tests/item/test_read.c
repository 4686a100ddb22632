#include "base/library.h"
#include "item/read.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cJSON.h>
#include <cmocka.h>

#include "base/fd.h"

static cJSON *read_cases(const char *path)
{
    struct tb_buf text;
    tb_buf_init(&text, 1 << 20);
    if (tb_fd_slurp(-1, path, &text) < 0)
        fail_msg("cannot read %s", path);
    cJSON *cases = cJSON_ParseWithLength(text.data, text.len);
    tb_buf_done(&text);
    assert_true(cJSON_GetArraySize(cases) > 0);
    return cases;
}

/* The item of a case as text (owned) and its index. */
static struct tb_doc *index_item(const cJSON *row, char **text)
{
    struct tb_doc *doc = NULL;
    char why[TB_DOC_WHY];
    *text = cJSON_PrintUnformatted(cJSON_GetObjectItemCaseSensitive(row, "item"));
    if (tb_doc_new(*text, strlen(*text), &doc, why) < 0)
        fail_msg("%s", why);
    return doc;
}

static const struct {
    const char *name;
    size_t offset;
} texts[] = {
    {"uuid", offsetof(struct tb_item, uuid)},
    {"level", offsetof(struct tb_item, level)},
    {"title", offsetof(struct tb_item, title)},
    {"exception_class", offsetof(struct tb_item, exception_class)},
    {"message", offsetof(struct tb_item, message)},
    {"environment", offsetof(struct tb_item, environment)},
    {"context", offsetof(struct tb_item, context)},
    {"fingerprint", offsetof(struct tb_item, fingerprint)},
    {"framework", offsetof(struct tb_item, framework)},
    {"language", offsetof(struct tb_item, language)},
    {"platform", offsetof(struct tb_item, platform)},
    {"host", offsetof(struct tb_item, host)},
    {"root", offsetof(struct tb_item, root)},
    {"code_version", offsetof(struct tb_item, code_version)},
    {"trace_id", offsetof(struct tb_item, trace_id)},
    {"span_id", offsetof(struct tb_item, span_id)},
    {"xray_trace_id", offsetof(struct tb_item, xray_trace_id)},
};

static void check_text(const char *name, const cJSON *fact, const struct tb_item *item)
{
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        if (strcmp(texts[i].name, fact->string) != 0)
            continue;
        const char *got = (const char *)item + texts[i].offset;
        if (strcmp(got, cJSON_GetStringValue(fact)) != 0)
            fail_msg("%s: %s is %s", name, fact->string, got);
        return;
    }
    fail_msg("%s: no fact %s", name, fact->string);
}

static void check_facts(const char *name, const cJSON *facts, const struct tb_item *item)
{
    const cJSON *fact;
    cJSON_ArrayForEach(fact, facts)
    {
        int64_t number = (int64_t)cJSON_GetNumberValue(fact);
        if (strcmp(fact->string, "body") == 0)
            assert_int_equal(item->body, number);
        else if (strcmp(fact->string, "timestamp") == 0)
            assert_int_equal(item->timestamp, number);
        else if (strcmp(fact->string, "has_frames") == 0)
            assert_int_equal(item->frames_node >= 0, cJSON_IsTrue(fact));
        else
            check_text(name, fact, item);
    }
}

static void the_facts_of_every_case_are_read(void **state)
{
    (void)state;
    cJSON *cases = read_cases(TEST_DATA "/item/facts.json");
    const cJSON *row;
    cJSON_ArrayForEach(row, cases)
    {
        char *text;
        struct tb_item item;
        const char *name = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(row, "case"));
        struct tb_doc *doc = index_item(row, &text);
        tb_item_read(doc, tb_item_data(doc), &item);
        check_facts(name, cJSON_GetObjectItemCaseSensitive(row, "facts"), &item);
        tb_doc_free(doc);
        cJSON_free(text);
    }
    cJSON_Delete(cases);
}

static int64_t timestamp_of(const char *number)
{
    char text[160];
    char why[TB_DOC_WHY];
    struct tb_doc *doc;
    struct tb_item item;
    (void)snprintf(text, sizeof(text), "{\"data\":{\"timestamp\":%s,\"body\":{}}}", number);
    assert_int_equal(tb_doc_new(text, strlen(text), &doc, why), 0);
    tb_item_read(doc, tb_item_data(doc), &item);
    tb_doc_free(doc);
    return item.timestamp;
}

static void a_timestamp_beyond_a_double_is_read_exactly(void **state)
{
    (void)state;
    assert_true(timestamp_of("9007199254740993") == 9007199254740993);
}

static void a_timestamp_with_a_fraction_is_read_as_whole_seconds(void **state)
{
    (void)state;
    assert_true(timestamp_of("1.795679383447E9") == 1795679383);
    assert_true(timestamp_of("1795679383.999") == 1795679383);
    assert_true(timestamp_of("-1.5") == 0);
    assert_true(timestamp_of("1e400") == 0);
    assert_true(timestamp_of("1e25") == 0);
    assert_true(timestamp_of("0.1234567890123456789012345678901234567890") == 0);
}

static void files_of_installed_packages_are_known_by_their_folders(void **state)
{
    static const char *const packages[] = {"/usr/lib/python3/dist-packages/flask/app.py",
                                           "/srv/venv/lib/python3.11/site-packages/flask/app.py",
                                           "/usr/lib/python3.11/http/client.py",
                                           "/srv/node_modules/express/index.js",
                                           "node:internal/process/task_queues",
                                           "<frozen importlib._bootstrap>"};
    static const char *const own[] = {"/srv/app.py", "services/feedd.py", "queue.c", ""};
    (void)state;
    for (size_t i = 0; i < sizeof(packages) / sizeof(packages[0]); i++)
        assert_true(tb_library_is_package(packages[i], 0));
    for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
        assert_false(tb_library_is_package(own[i], 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_facts_of_every_case_are_read),
        cmocka_unit_test(a_timestamp_beyond_a_double_is_read_exactly),
        cmocka_unit_test(a_timestamp_with_a_fraction_is_read_as_whole_seconds),
        cmocka_unit_test(files_of_installed_packages_are_known_by_their_folders),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
