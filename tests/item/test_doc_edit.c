#include "item/doc.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cJSON.h>
#include <cmocka.h>

#include "base/clock.h"

static struct tb_doc *parse(const char *text, size_t len)
{
    struct tb_doc *doc = NULL;
    char why[TB_DOC_WHY];
    if (tb_doc_new(text, len, &doc, why) < 0)
        fail_msg("%s: %s", text, why);
    return doc;
}

/* ---- a table ---- */

/* One edit in words: "- PATH" removes, "= PATH JSON" replaces, "+ PATH JSON" pushes to an array,
 * "+ PATH KEY JSON" adds to an object, ": PATH KEY JSON" sets. PATH "." is the root. */
static void edit(struct tb_doc *doc, const char *words)
{
    char copy[256];
    char *rest = NULL;
    (void)snprintf(copy, sizeof(copy), "%s", words);
    const char *verb = strtok_r(copy, " ", &rest);
    const char *path = strtok_r(NULL, " ", &rest);
    int node = tb_doc_find(doc, 0, strcmp(path, ".") == 0 ? "" : path);
    assert_true(node >= 0);
    const char *first = strtok_r(NULL, " ", &rest);
    const char *second = strtok_r(NULL, " ", &rest);
    int err = -1;
    if (verb[0] == '-')
        err = tb_doc_remove(doc, node);
    else if (verb[0] == '=')
        err = tb_doc_replace(doc, node, first, strlen(first));
    else if (verb[0] == ':')
        err = tb_doc_set(doc, node, first, second, strlen(second));
    else if (second)
        err = tb_doc_add(doc, node, first, second, strlen(second));
    else
        err = tb_doc_push(doc, node, first, strlen(first));
    assert_int_equal(err, 0);
}

static const struct row {
    const char *before;
    const char *edits[5];
    const char *after;
} rows[] = {
    {" {\"a\":9007199254740993,\"b\":1.0,\"c\":null } ",
     {0},
     " {\"a\":9007199254740993,\"b\":1.0,\"c\":null } "},
    {"{\"a\":9007199254740993,\"x\":\"\\u0000\\/\"}",
     {": . t 1"},
     "{\"a\":9007199254740993,\"x\":\"\\u0000\\/\",\"t\":1}"},
    {"{\"a\":1E2,\"b\":2}", {"= b 3"}, "{\"a\":1E2,\"b\":3}"},
    {"{\"a\":1,\"b\":2,\"c\":3}", {"- a"}, "{\"b\":2,\"c\":3}"},
    {"{\"a\":1,\"b\":2,\"c\":3}", {"- b"}, "{\"a\":1,\"c\":3}"},
    {"{\"a\":1,\"b\":2,\"c\":3}", {"- c"}, "{\"a\":1,\"b\":2}"},
    {"{\"a\":1,\"b\":2,\"c\":3}", {"- a", "- b"}, "{\"c\":3}"},
    {"{\"a\":1,\"b\":2,\"c\":3}", {"- c", "- b"}, "{\"a\":1}"},
    {"{\"a\":1,\"b\":2,\"c\":3}", {"- a", "- c"}, "{\"b\":2}"},
    {"{\"a\":1,\"b\":2,\"c\":3}", {"- b", "- a", "- c"}, "{}"},
    {"{\"a\":1,\"b\":2}", {"- a", "- b", "+ . n 1"}, "{\"n\":1}"},
    {"{ \"a\" : 1 , \"b\" : 2 }", {"- a"}, "{ \"b\" : 2 }"},
    {"{ \"a\" : 1 , \"b\" : 2 }", {"- b"}, "{ \"a\" : 1  }"},
    {"{ \"a\" : 1 }", {"- a"}, "{  }"},
    {"[1,2,3]", {"- 0", "- 2", "+ . 4"}, "[2,4]"},
    {"[1,[2,3]]", {"- 1.0", "- 1.1"}, "[1,[]]"},
    {"[[1]]", {"- 0.0", "- 0", "+ . 7"}, "[7]"},
    {"[]", {"+ . 1", "+ . 2"}, "[1,2]"},
    {"{}", {"+ . a 1", "+ . b 2"}, "{\"a\":1,\"b\":2}"},
    {"{\"o\":{\"p\":{}}}",
     {"+ o.p a 1", "+ o b 2", "+ . c 3"},
     "{\"o\":{\"p\":{\"a\":1},\"b\":2},\"c\":3}"},
    {"{\"o\":{\"p\":1}}", {"= o.p 2", "+ o q 3", "= o null"}, "{\"o\":null}"},
    {"{\"o\":{\"p\":1},\"x\":1}", {"- o.p", "+ o q 3", "- o"}, "{\"x\":1}"},
    {"{\"a\":1}", {"= a 2", "= a 3"}, "{\"a\":3}"},
    {"{\"a\":1}", {"- a", ": . a 3"}, "{\"a\":3}"},
    {"{\"a\":1}", {": . a 3", "- a"}, "{}"},
    {"{\"a\":1}", {": . b 1", ": . c 2", ": . b 3"}, "{\"a\":1,\"b\":3,\"c\":2}"},
    {"{\"a\":1,\"a\":2}", {": . a 3"}, "{\"a\":1,\"a\":3}"},
    {"{}", {": . k\"\n\x01 1"}, "{\"k\\\"\\n\\u0001\":1}"},
    {"[1]", {"= . {}"}, "{}"},
    {"5", {"= . 6"}, "6"},
    {"[1 ,\n\t2]", {"- 1", "+ . 3"}, "[1 ,3]"},
    {"{\"a\":[],\"b\":{}}", {"- a", "+ b c 1"}, "{\"b\":{\"c\":1}}"},
};

static void edits_change_only_what_they_name(void **state)
{
    (void)state;
    struct tb_buf out;
    tb_buf_init(&out, 4096);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct tb_doc *doc = parse(rows[i].before, strlen(rows[i].before));
        for (size_t k = 0; k < 5 && rows[i].edits[k]; k++)
            edit(doc, rows[i].edits[k]);
        tb_buf_reset(&out);
        assert_int_equal(tb_doc_render(doc, &out), 0);
        assert_string_equal(tb_buf_str(&out), rows[i].after);
        tb_doc_free(doc);
    }
    tb_buf_done(&out);
}

static void rendering_can_be_repeated_and_goes_on_behind_what_is_there(void **state)
{
    (void)state;
    struct tb_doc *doc = parse("{\"a\":1}", 7);
    struct tb_buf out;
    tb_buf_init(&out, 64);
    edit(doc, ": . b 2");
    tb_buf_adds(&out, "x");
    assert_int_equal(tb_doc_render(doc, &out), 0);
    assert_int_equal(tb_doc_render(doc, &out), 0);
    assert_string_equal(tb_buf_str(&out), "x{\"a\":1,\"b\":2}{\"a\":1,\"b\":2}");
    tb_doc_free(doc);
    tb_buf_done(&out);
}

static void an_edit_of_the_wrong_place_is_refused(void **state)
{
    (void)state;
    struct tb_doc *doc = parse("{\"a\":[1]}", 9);
    assert_int_equal(tb_doc_remove(doc, 0), -EINVAL);
    assert_int_equal(tb_doc_remove(doc, 3), -EINVAL);
    assert_int_equal(tb_doc_remove(doc, -1), -EINVAL);
    assert_int_equal(tb_doc_replace(doc, 3, "1", 1), -EINVAL);
    assert_int_equal(tb_doc_push(doc, 0, "1", 1), -EINVAL);
    assert_int_equal(tb_doc_push(doc, 2, "1", 1), -EINVAL);
    assert_int_equal(tb_doc_add(doc, 1, "k", "1", 1), -EINVAL);
    assert_int_equal(tb_doc_set(doc, 1, "k", "1", 1), -EINVAL);
    assert_int_equal(tb_doc_set(doc, -1, "k", "1", 1), -EINVAL);
    tb_doc_free(doc);
}

static void a_text_that_outgrows_its_buffer_says_so(void **state)
{
    (void)state;
    struct tb_doc *doc = parse("{\"a\":1}", 7);
    struct tb_buf out;
    tb_buf_init(&out, 10);
    edit(doc, ": . b 123456");
    assert_int_equal(tb_doc_render(doc, &out), -EMSGSIZE);
    tb_doc_free(doc);
    tb_buf_done(&out);
}

/* ---- many edits ---- */

static void removing_every_member_of_a_large_object_is_quick(void **state)
{
    (void)state;
    enum { N = TB_DOC_NODES - 1, EACH = 12 };
    char *text = malloc((size_t)N * EACH + 2);
    struct tb_buf out;
    assert_non_null(text);
    tb_buf_init(&out, TB_DOC_BYTES);
    for (int i = 0; i < N; i++)
        (void)snprintf(text + (size_t)i * EACH, EACH + 1, "%c\"k%06d\":1", i == 0 ? '{' : ',', i);
    text[(size_t)N * EACH] = '}';
    struct tb_doc *doc = parse(text, (size_t)N * EACH + 1);
    uint64_t before = tb_clock_mono_ns();
    for (int i = N; i > 0; i--)
        assert_int_equal(tb_doc_remove(doc, i), 0);
    assert_int_equal(tb_doc_render(doc, &out), 0);
    assert_true(tb_clock_mono_ns() - before < 5000000000);
    assert_string_equal(tb_buf_str(&out), "{}");
    tb_doc_free(doc);
    tb_buf_done(&out);
    free(text);
}

/* ---- random documents and edits, against a tree built with cJSON ---- */

enum { RUNS = 3000, TREE_DEPTH = 4, ADDED_MAX = 24 };

struct dice {
    uint64_t state;
};

/* xorshift64 (Marsaglia 2003). */
static unsigned roll(struct dice *dice, unsigned sides)
{
    dice->state ^= dice->state << 13;
    dice->state ^= dice->state >> 7;
    dice->state ^= dice->state << 17;
    return (unsigned)(dice->state >> 33) % sides;
}

static void write_blanks(struct dice *dice, struct tb_buf *out)
{
    static const char *const blanks[] = {"", "", "", " ", "\n", "\t ", "\r\n"};
    tb_buf_adds(out, blanks[roll(dice, 7)]);
}

static void write_scalar(struct dice *dice, struct tb_buf *out)
{
    static const char *const scalars[] = {"0",    "-17",   "2.5",          "true",
                                          "null", "false", "\"text, [}\"", "\"\\\"\\\\ \xc3\xa9\""};
    tb_buf_adds(out, scalars[roll(dice, 8)]);
}

static void write_value(struct dice *dice, struct tb_buf *out, int depth)
{
    unsigned kind = roll(dice, 4);
    write_blanks(dice, out);
    if (depth == 0 || kind < 2) {
        write_scalar(dice, out);
    } else {
        unsigned n = roll(dice, 5);
        tb_buf_adds(out, kind == 2 ? "[" : "{");
        for (unsigned i = 0; i < n; i++) {
            write_blanks(dice, out);
            if (kind == 3)
                tb_buf_addf(out, "\"m%u\" :", i);
            write_value(dice, out, depth - 1);
            tb_buf_adds(out, i + 1 < n ? "," : "");
        }
        write_blanks(dice, out);
        tb_buf_adds(out, kind == 2 ? "]" : "}");
    }
    write_blanks(dice, out);
}

/* What was asked for, in the plainest form. */
struct wish {
    int node;
    char key[8]; /* "" when pushed to an array */
    char json[16];
};
struct wishes {
    const char *replaced[TB_DOC_NODES]; /* JSON of each node, "" when it is removed */
    struct wish added[ADDED_MAX];
    int n_added;
};

static void wish_added(struct wishes *w, int node, const char *key, const char *json, bool again)
{
    for (int i = 0; again && i < w->n_added; i++) {
        if (w->added[i].node == node && strcmp(w->added[i].key, key) == 0) {
            (void)snprintf(w->added[i].json, sizeof(w->added[i].json), "%s", json);
            return;
        }
    }
    struct wish *wish = &w->added[w->n_added++];
    wish->node = node;
    (void)snprintf(wish->key, sizeof(wish->key), "%s", key);
    (void)snprintf(wish->json, sizeof(wish->json), "%s", json);
}

static void random_edit(struct dice *dice, struct tb_doc *doc, struct wishes *w)
{
    static const char *const values[] = {"1", "\"new\"", "[3,4]", "{\"z\":5}", "null"};
    const char *json = values[roll(dice, 5)];
    int node = (int)roll(dice, (unsigned)tb_doc_n_nodes(doc));
    int type = tb_doc_at(doc, node)->type;
    unsigned verb = roll(dice, 3);
    if (verb == 0) {
        assert_int_equal(tb_doc_replace(doc, node, json, strlen(json)), 0);
        w->replaced[node] = json;
    } else if (verb == 1 && node > 0) {
        assert_int_equal(tb_doc_remove(doc, node), 0);
        w->replaced[node] = "";
    } else if (type == TB_DOC_ARRAY) {
        assert_int_equal(tb_doc_push(doc, node, json, strlen(json)), 0);
        wish_added(w, node, "", json, false);
    } else if (type == TB_DOC_OBJECT) {
        char key[8];
        (void)snprintf(key, sizeof(key), "m%u", roll(dice, 7));
        int member = tb_doc_member(doc, node, key);
        assert_int_equal(tb_doc_set(doc, node, key, json, strlen(json)), 0);
        if (member >= 0)
            w->replaced[member] = json;
        else
            wish_added(w, node, key, json, true);
    }
}

/* The tree that is wished for, built anew. */
static cJSON *build(const struct tb_doc *doc, const char *text, const struct wishes *w, int node)
{
    const struct tb_doc_node *n = tb_doc_at(doc, node);
    if (w->replaced[node])
        return cJSON_Parse(w->replaced[node]);
    if (n->type != TB_DOC_ARRAY && n->type != TB_DOC_OBJECT)
        return cJSON_ParseWithLength(text + n->at, n->len);
    cJSON *tree = n->type == TB_DOC_ARRAY ? cJSON_CreateArray() : cJSON_CreateObject();
    for (int i = n->first; i >= 0; i = tb_doc_at(doc, i)->next) {
        const struct tb_doc_node *member = tb_doc_at(doc, i);
        char key[8];
        if (w->replaced[i] && w->replaced[i][0] == '\0')
            continue;
        (void)snprintf(key, sizeof(key), "%.*s", (int)member->key_len, text + member->key_at);
        if (n->type == TB_DOC_ARRAY)
            cJSON_AddItemToArray(tree, build(doc, text, w, i));
        else
            cJSON_AddItemToObject(tree, key, build(doc, text, w, i));
    }
    for (int i = 0; i < w->n_added; i++) {
        if (w->added[i].node == node && n->type == TB_DOC_ARRAY)
            cJSON_AddItemToArray(tree, cJSON_Parse(w->added[i].json));
        else if (w->added[i].node == node)
            cJSON_AddItemToObject(tree, w->added[i].key, cJSON_Parse(w->added[i].json));
    }
    return tree;
}

static void compare_one_run(uint64_t seed, struct wishes *w, struct tb_buf *text,
                            struct tb_buf *rendered)
{
    struct dice dice = {.state = seed * 0x9e3779b97f4a7c15u + 1};
    memset(w, 0, sizeof(*w));
    tb_buf_reset(text);
    tb_buf_reset(rendered);
    write_value(&dice, text, TREE_DEPTH);
    struct tb_doc *doc = parse(text->data, text->len);
    for (unsigned i = roll(&dice, ADDED_MAX); i > 0; i--)
        random_edit(&dice, doc, w);
    assert_int_equal(tb_doc_render(doc, rendered), 0);
    cJSON *got = cJSON_Parse(tb_buf_str(rendered));
    cJSON *want = build(doc, text->data, w, 0);
    if (!got)
        fail_msg("seed %ju: not JSON: %s", (uintmax_t)seed, tb_buf_str(rendered));
    char *got_text = cJSON_PrintUnformatted(got);
    char *want_text = cJSON_PrintUnformatted(want);
    if (strcmp(got_text, want_text) != 0)
        fail_msg("seed %ju: %s\nbecame %s\nnot %s", (uintmax_t)seed, tb_buf_str(text), got_text,
                 want_text);
    tb_doc_free(parse(rendered->data, rendered->len));
    cJSON_free(got_text);
    cJSON_free(want_text);
    cJSON_Delete(got);
    cJSON_Delete(want);
    tb_doc_free(doc);
}

static void random_edits_give_the_tree_that_was_asked_for(void **state)
{
    (void)state;
    struct wishes *w = calloc(1, sizeof(*w));
    struct tb_buf text;
    struct tb_buf rendered;
    assert_non_null(w);
    tb_buf_init(&text, 1 << 20);
    tb_buf_init(&rendered, 1 << 20);
    for (uint64_t seed = 1; seed <= RUNS; seed++)
        compare_one_run(seed, w, &text, &rendered);
    tb_buf_done(&text);
    tb_buf_done(&rendered);
    free(w);
}

/* ---- a part ---- */

static void compare_part(const struct tb_doc *doc, int node, const char *text)
{
    size_t len = tb_doc_at(doc, node)->len;
    struct tb_doc *part = NULL;
    struct tb_doc *read = parse(text, len);
    struct tb_buf rendered;
    tb_buf_init(&rendered, 1 << 20);
    assert_int_equal(tb_doc_part(doc, node, text, &part), 0);
    assert_int_equal(tb_doc_n_nodes(part), tb_doc_n_nodes(read));
    assert_memory_equal(tb_doc_at(part, 0), tb_doc_at(read, 0),
                        (size_t)tb_doc_n_nodes(read) * sizeof(struct tb_doc_node));
    assert_int_equal(tb_doc_render(part, &rendered), 0);
    assert_int_equal(rendered.len, len);
    assert_memory_equal(tb_buf_str(&rendered), text, len);
    tb_buf_done(&rendered);
    tb_doc_free(part);
    tb_doc_free(read);
}

static void a_part_is_the_document_that_its_text_makes(void **state)
{
    struct tb_buf text;
    (void)state;
    tb_buf_init(&text, 1 << 20);
    for (uint64_t seed = 1; seed <= 200; seed++) {
        struct dice dice = {.state = seed * 0x9e3779b97f4a7c15u + 1};
        tb_buf_reset(&text);
        write_value(&dice, &text, TREE_DEPTH);
        struct tb_doc *doc = parse(text.data, text.len);
        for (int node = 0; node < tb_doc_n_nodes(doc); node++)
            compare_part(doc, node, text.data + tb_doc_at(doc, node)->at);
        tb_doc_free(doc);
    }
    tb_buf_done(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(edits_change_only_what_they_name),
        cmocka_unit_test(rendering_can_be_repeated_and_goes_on_behind_what_is_there),
        cmocka_unit_test(an_edit_of_the_wrong_place_is_refused),
        cmocka_unit_test(a_text_that_outgrows_its_buffer_says_so),
        cmocka_unit_test(removing_every_member_of_a_large_object_is_quick),
        cmocka_unit_test(random_edits_give_the_tree_that_was_asked_for),
        cmocka_unit_test(a_part_is_the_document_that_its_text_makes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
