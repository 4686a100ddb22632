/* test_vectors.c - expressions against traces, and what must not parse: the folder named by
 * TOWBAR_VECTORS, else tests/data/vectors. */
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

static char *read_file(const char *name)
{
    char path[4096];
    const char *folder = getenv("TOWBAR_VECTORS");
    snprintf(path, sizeof(path), "%s/%s",
             folder != NULL && folder[0] != '\0' ? folder : TEST_DATA "/vectors", name);
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

static int open_vectors(void **state)
{
    struct vectors *v = calloc(1, sizeof(*v));
    char why[TB_DOC_WHY];
    v->text = read_file("xray_filter.json");
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
    *state = v;
    return v->n_traces > 0 && v->n_groups > 0 ? 0 : -1;
}

static int close_vectors(void **state)
{
    struct vectors *v = *state;
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_expression_matches_the_traces_that_it_should),
        cmocka_unit_test(what_is_no_expression_is_refused_with_its_column),
    };
    return cmocka_run_group_tests(tests, open_vectors, close_vectors);
}
