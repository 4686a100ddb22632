/* Every form of a secret in every place of an item: nothing of it is left, and what comes out is
 * JSON. And what only looks like one stays byte for byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "agent/pipeline/scrub.h"
#include "base/fd.h"
#include "base/json.h"

enum { FILE_BYTES = 1 << 20, NAME_BYTES = 128, LEAST_PAIRS = 5000 };

static struct tb_scrub scrub;

/* A file of tests/data/scrub and its index. */
struct corpus {
    struct tb_buf text;
    struct tb_doc *doc;
};

static void read_corpus(const char *path, struct corpus *out)
{
    char why[TB_DOC_WHY];
    tb_buf_init(&out->text, FILE_BYTES);
    assert_int_equal(tb_fd_slurp(-1, path, &out->text), 0);
    if (tb_doc_new(tb_buf_str(&out->text), out->text.len, &out->doc, why) != 0)
        fail_msg("%s: %s", path, why);
}

static void drop_corpus(struct corpus *corpus)
{
    tb_doc_free(corpus->doc);
    tb_buf_done(&corpus->text);
}

static int first(const struct corpus *corpus, const char *list)
{
    int node = tb_doc_member(corpus->doc, 0, list);
    assert_true(node >= 0 && tb_doc_at(corpus->doc, node)->first >= 0);
    return tb_doc_at(corpus->doc, node)->first;
}

static int next(const struct corpus *corpus, int node)
{
    return tb_doc_at(corpus->doc, node)->next;
}

/* The member of a case as it stands in the file. */
static void raw(const struct corpus *corpus, int node, const char *key, struct tb_buf *out)
{
    int member = key != NULL ? tb_doc_member(corpus->doc, node, key) : node;
    assert_true(member >= 0);
    tb_buf_add(out, tb_buf_str(&corpus->text) + tb_doc_at(corpus->doc, member)->at,
               tb_doc_at(corpus->doc, member)->len);
}

/* The item of a place, with value in all the places of "@TEXT@" or "@OBJECT@". */
static void fill(const struct corpus *corpus, int place, const struct tb_buf *value,
                 struct tb_buf *out)
{
    struct tb_buf item;
    tb_buf_init(&item, FILE_BYTES);
    raw(corpus, place, "item", &item);
    const char *rest = tb_buf_str(&item);
    for (const char *hole; (hole = strstr(rest, "\"@")) != NULL;) {
        tb_buf_add(out, rest, (size_t)(hole - rest));
        tb_buf_adds(out, tb_buf_str(value));
        rest = strstr(hole + 2, "@\"") + 2;
    }
    tb_buf_adds(out, rest);
    tb_buf_done(&item);
}

static void clean(const char *item, size_t len, struct tb_buf *out)
{
    struct tb_doc *doc = NULL;
    char why[TB_DOC_WHY];
    size_t n = 0;
    if (tb_doc_new(item, len, &doc, why) != 0)
        fail_msg("%s: %s", item, why);
    assert_int_equal(tb_scrub_item(&scrub, doc, &n), 0);
    assert_int_equal(tb_doc_render(doc, out), 0);
    tb_doc_free(doc);
    if (tb_doc_new(tb_buf_str(out), out->len, &doc, why) != 0)
        fail_msg("%s became %s: %s", item, tb_buf_str(out), why);
    tb_doc_free(doc);
}

/* Is a part of the secret that was planted still there? */
static int is_left(const struct corpus *corpus, int planted, const char *text)
{
    int gone = tb_doc_member(corpus->doc, planted, "gone");
    char part[NAME_BYTES];
    if (gone < 0)
        return strstr(text, "Zq7") != NULL || strstr(text, "Zq8") != NULL;
    for (int i = tb_doc_at(corpus->doc, gone)->first; i >= 0; i = next(corpus, i)) {
        assert_true(tb_doc_copy(corpus->doc, i, part, sizeof(part)) && part[0] != '\0');
        if (strstr(text, part) != NULL)
            return 1;
    }
    return 0;
}

static int has(const struct corpus *corpus, int node, const char *flag)
{
    return tb_doc_member(corpus->doc, node, flag) >= 0;
}

/* One form in one place: 1 when it was still there. */
static int try_pair(const struct corpus *corpus, int place, int planted, const char *member)
{
    char where[NAME_BYTES];
    char what[NAME_BYTES];
    struct tb_buf value;
    struct tb_buf item;
    struct tb_buf out;
    tb_buf_init(&value, FILE_BYTES);
    tb_buf_init(&item, FILE_BYTES);
    tb_buf_init(&out, FILE_BYTES);
    raw(corpus, planted, member, &value);
    fill(corpus, place, &value, &item);
    assert_true(is_left(corpus, planted, tb_buf_str(&item))); /* it was planted */
    clean(tb_buf_str(&item), item.len, &out);
    int left = is_left(corpus, planted, tb_buf_str(&out));
    if (left) {
        (void)tb_doc_copy(corpus->doc, tb_doc_member(corpus->doc, place, "name"), where,
                          sizeof(where));
        (void)tb_doc_copy(corpus->doc, tb_doc_member(corpus->doc, planted, "name"), what,
                          sizeof(what));
        print_error("%s in %s: %s\n", what, where, tb_buf_str(&out));
    }
    tb_buf_done(&value);
    tb_buf_done(&item);
    tb_buf_done(&out);
    return left;
}

static void no_form_of_a_secret_is_left_in_any_place(void **state)
{
    struct corpus corpus;
    int n_left = 0;
    int n_pairs = 0;
    (void)state;
    read_corpus(TEST_DATA "/scrub/secrets.json", &corpus);
    for (int p = first(&corpus, "places"); p >= 0; p = next(&corpus, p)) {
        for (int f = first(&corpus, "forms"); f >= 0; f = next(&corpus, f)) {
            if ((has(&corpus, p, "code") && !has(&corpus, f, "token")) ||
                (has(&corpus, p, "no_patterns") && has(&corpus, f, "pattern")))
                continue;
            n_left += try_pair(&corpus, p, f, "text");
            n_pairs++;
        }
    }
    for (int p = first(&corpus, "object_places"); p >= 0; p = next(&corpus, p)) {
        for (int o = first(&corpus, "objects"); o >= 0; o = next(&corpus, o)) {
            n_left += try_pair(&corpus, p, o, "object");
            n_pairs++;
        }
    }
    drop_corpus(&corpus);
    assert_int_equal(n_left, 0);
    assert_true(n_pairs >= LEAST_PAIRS);
}

static int is_changed(const char *item, size_t len)
{
    struct tb_buf out;
    tb_buf_init(&out, FILE_BYTES);
    clean(item, len, &out);
    int changed = out.len != len || memcmp(item, tb_buf_str(&out), len) != 0;
    if (changed)
        print_error("%s\nbecame %s\n", item, tb_buf_str(&out));
    tb_buf_done(&out);
    return changed;
}

static void what_is_no_secret_stays_byte_for_byte(void **state)
{
    struct corpus places;
    struct corpus corpus;
    int n_changed = 0;
    (void)state;
    read_corpus(TEST_DATA "/scrub/secrets.json", &places);
    read_corpus(TEST_DATA "/scrub/innocent.json", &corpus);
    for (int t = first(&corpus, "texts"); t >= 0; t = next(&corpus, t)) {
        for (int p = first(&places, "places"); p >= 0; p = next(&places, p)) {
            struct tb_buf value;
            struct tb_buf item;
            tb_buf_init(&value, FILE_BYTES);
            tb_buf_init(&item, FILE_BYTES);
            raw(&corpus, t, NULL, &value);
            fill(&places, p, &value, &item);
            n_changed += is_changed(tb_buf_str(&item), item.len);
            tb_buf_done(&value);
            tb_buf_done(&item);
        }
    }
    for (int i = first(&corpus, "items"); i >= 0; i = next(&corpus, i)) {
        const struct tb_doc_node *node = tb_doc_at(corpus.doc, i);
        n_changed += is_changed(tb_buf_str(&corpus.text) + node->at, node->len);
    }
    drop_corpus(&corpus);
    drop_corpus(&places);
    assert_int_equal(n_changed, 0);
}

static int set_up(void **state)
{
    static char iban[] = "iban";
    static char path[] = "payment.code";
    static char pattern[] = "ZQ-[0-9]{5}";
    char *keys[] = {iban, path};
    char *patterns[] = {pattern};
    char why[TB_SCRUB_WHY];
    const struct tb_scrub_rules rules = {
        .keys = keys, .n_keys = 2, .patterns = patterns, .n_patterns = 1};
    (void)state;
    return tb_scrub_init(&scrub, &rules, why);
}

static int tear_down(void **state)
{
    (void)state;
    tb_scrub_done(&scrub);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_form_of_a_secret_is_left_in_any_place),
        cmocka_unit_test(what_is_no_secret_stays_byte_for_byte),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
