/* test_vectors.c - expressions against traces, and what must not parse: the folder named by
 * TOWBAR_VECTORS, else tests/data/vectors; and our own, over the traces of the latter. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "filter/filter.h"
#include "view_json.h"

enum { FILE_MAX_BYTES = 4 << 20, TRACES = 64, GROUPS = TB_FILTER_GROUPS };

struct vectors {
    char *text;
    struct tb_doc *doc;
    struct json_view *traces[TRACES];
    char *names[TRACES];
    size_t n_traces;
    struct tb_filter_group groups[GROUPS];
    struct tb_filter *filters[GROUPS];
    char *group_names[GROUPS];
    size_t n_groups;
};

static char *text_of(const struct tb_doc *doc, int node, bool is_key)
{
    struct tb_buf text;
    tb_buf_init(&text, 1 << 16);
    if (is_key)
        tb_doc_key(doc, node, &text);
    else
        tb_doc_string(doc, node, &text);
    char *copy = strdup(tb_buf_str(&text));
    tb_buf_done(&text);
    return copy;
}

static const char *vectors_folder(void)
{
    const char *folder = getenv("TOWBAR_VECTORS");
    return folder != NULL && folder[0] != '\0' ? folder : TEST_DATA "/vectors";
}

static char *read_file(const char *folder, const char *name)
{
    char path[4096];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *file = fopen(path, "rb");
    char *text = malloc(FILE_MAX_BYTES);
    assert_non_null(file);
    assert_non_null(text);
    size_t len = fread(text, 1, FILE_MAX_BYTES - 1, file);
    text[len] = '\0';
    fclose(file);
    return text;
}

static struct tb_filter *parsed(const char *text)
{
    char why[TB_FILTER_WHY];
    struct tb_filter *filter = NULL;
    if (tb_filter_parse(text, strlen(text), &filter, why) != 0)
        fail_msg("%s: %s", text, why);
    return filter;
}

static int first(const struct tb_doc *doc, int node)
{
    return node < 0 ? -1 : tb_doc_at(doc, node)->first;
}

static int open_vectors(const char *folder, struct vectors **out)
{
    struct vectors *v = calloc(1, sizeof(*v));
    char why[TB_DOC_WHY];
    assert_non_null(v);
    v->text = read_file(folder, "xray_filter.json");
    if (tb_doc_new(v->text, strlen(v->text), &v->doc, why) != 0)
        return -1;
    for (int m = first(v->doc, tb_doc_member(v->doc, 0, "groups")); m >= 0;
         m = tb_doc_at(v->doc, m)->next) {
        char *expression = text_of(v->doc, m, false);
        size_t at = v->n_groups++;
        v->filters[at] = parsed(expression);
        v->group_names[at] = text_of(v->doc, m, true);
        v->groups[at] = (struct tb_filter_group){v->group_names[at], v->filters[at]};
        free(expression);
    }
    for (int m = first(v->doc, tb_doc_member(v->doc, 0, "traces")); m >= 0;
         m = tb_doc_at(v->doc, m)->next) {
        v->traces[v->n_traces] = malloc(sizeof(struct json_view));
        json_view_init(v->traces[v->n_traces], v->doc, v->text, m);
        v->names[v->n_traces++] = text_of(v->doc, m, true);
    }
    *out = v;
    return v->n_traces > 0 && v->n_groups > 0 ? 0 : -1;
}

static void close_vectors(struct vectors *v)
{
    for (size_t i = 0; i < v->n_traces; i++) {
        json_view_done(v->traces[i]);
        free(v->traces[i]);
        free(v->names[i]);
    }
    for (size_t i = 0; i < v->n_groups; i++) {
        tb_filter_free(v->filters[i]);
        free(v->group_names[i]);
    }
    tb_doc_free(v->doc);
    free(v->text);
    free(v);
}

static int set_up(void **state)
{
    struct vectors *v = NULL;
    int err = open_vectors(vectors_folder(), &v);
    *state = v;
    return err;
}

static int tear_down(void **state)
{
    close_vectors(*state);
    return 0;
}

static void each_expression_matches_the_traces_that_it_should(void **state)
{
    const struct vectors *v = *state;
    size_t n_wrong = 0;
    size_t n = 0;
    for (int c = first(v->doc, tb_doc_member(v->doc, 0, "cases")); c >= 0;
         c = tb_doc_at(v->doc, c)->next) {
        char *expression = text_of(v->doc, tb_doc_member(v->doc, c, "expr"), false);
        int expect = tb_doc_member(v->doc, c, "expect");
        struct tb_filter *filter = parsed(expression);
        for (size_t t = 0; t < v->n_traces; t++) {
            int node = tb_doc_member(v->doc, expect, v->names[t]);
            if (node < 0 || tb_doc_at(v->doc, node)->type != TB_DOC_BOOL)
                fail_msg("%s: nothing is said of %s", expression, v->names[t]);
            bool wanted = v->text[tb_doc_at(v->doc, node)->at] == 't';
            n++;
            if (tb_filter_match(filter, v->groups, v->n_groups, &v->traces[t]->view) == wanted)
                continue;
            print_error("%s on %s: not %s\n", expression, v->names[t], wanted ? "true" : "false");
            n_wrong++;
        }
        tb_filter_free(filter);
        free(expression);
    }
    assert_true(n > 100);
    assert_int_equal(n_wrong, 0);
}

static void what_is_no_expression_is_refused_with_its_column(void **state)
{
    const struct vectors *v = *state;
    size_t n = 0;
    for (int c = first(v->doc, tb_doc_member(v->doc, 0, "error_cases")); c >= 0;
         c = tb_doc_at(v->doc, c)->next, n++) {
        char *expression = text_of(v->doc, tb_doc_member(v->doc, c, "expr"), false);
        char why[TB_FILTER_WHY];
        struct tb_filter *filter = NULL;
        if (tb_filter_parse(expression, strlen(expression), &filter, why) != -EINVAL)
            fail_msg("%s is taken", expression);
        size_t column = tb_filter_column(why);
        if (column == 0 || column > strlen(expression) + 1)
            fail_msg("%s: %s", expression, why);
        if (getenv("SHOW_WHY") != NULL)
            print_message("%s\n    %s\n", expression, why);
        free(expression);
    }
    assert_true(n > 10);
}

/* ---- our own cases ---- */

static bool is_listed(const struct tb_doc *doc, int list, const char *name)
{
    bool is_there = false;
    for (int m = first(doc, list); m >= 0 && !is_there; m = tb_doc_at(doc, m)->next) {
        char *one = text_of(doc, m, false);
        is_there = strcmp(one, name) == 0;
        free(one);
    }
    return is_there;
}

static size_t match_all(const struct vectors *v, const struct tb_doc *doc, int one)
{
    char *expression = text_of(doc, tb_doc_member(doc, one, "expr"), false);
    struct tb_filter *filter = parsed(expression);
    int list = tb_doc_member(doc, one, "match");
    size_t n_wrong = 0;
    for (size_t t = 0; t < v->n_traces; t++) {
        bool wanted = is_listed(doc, list, v->names[t]);
        if (tb_filter_match(filter, v->groups, v->n_groups, &v->traces[t]->view) == wanted)
            continue;
        print_error("%s on %s: not %s\n", expression, v->names[t], wanted ? "true" : "false");
        n_wrong++;
    }
    tb_filter_free(filter);
    free(expression);
    return n_wrong;
}

static size_t refuse(const struct tb_doc *doc, const char *all, int one)
{
    char *expression = text_of(doc, tb_doc_member(doc, one, "expr"), false);
    const double wanted = json_number(doc, all, tb_doc_member(doc, one, "column"), 0);
    char why[TB_FILTER_WHY] = "";
    struct tb_filter *filter = NULL;
    int err = tb_filter_parse(expression, strlen(expression), &filter, why);
    bool is_right = err == -EINVAL && tb_filter_column(why) == (size_t)wanted;
    if (!is_right)
        print_error("%s: %d %s\n", expression, err, why);
    free(expression);
    return is_right ? 0 : 1;
}

static void what_the_guide_says_holds_of_each_keyword(void **state)
{
    struct vectors *v = NULL;
    struct tb_doc *doc = NULL;
    char why[TB_DOC_WHY];
    size_t n_wrong = 0;
    (void)state;
    assert_int_equal(open_vectors(TEST_DATA "/vectors", &v), 0);
    char *text = read_file(TEST_DATA "/filter", "expressions.json");
    assert_int_equal(tb_doc_new(text, strlen(text), &doc, why), 0);
    for (int c = first(doc, tb_doc_member(doc, 0, "cases")); c >= 0; c = tb_doc_at(doc, c)->next)
        n_wrong += match_all(v, doc, c);
    for (int c = first(doc, tb_doc_member(doc, 0, "errors")); c >= 0; c = tb_doc_at(doc, c)->next)
        n_wrong += refuse(doc, text, c);
    assert_int_equal(n_wrong, 0);
    tb_doc_free(doc);
    free(text);
    close_vectors(v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_expression_matches_the_traces_that_it_should),
        cmocka_unit_test(what_is_no_expression_is_refused_with_its_column),
        cmocka_unit_test(what_the_guide_says_holds_of_each_keyword),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
