/* match.c - does a trace match an expression? A line is an expression, a trace as in
 * vectors/xray_filter.json, then groups, each a name and an expression; fields have 0x1f between.
 * The answer is 0, 1, or what is wrong with the expression. */
#include <stdio.h>
#include <string.h>

#include "../../filter/view_json.h"
#include "filter/filter.h"

enum { LINE = 1 << 20, FIELDS = 10, MARK = 0x1f };

static bool match(const char *text, const char *trace, const struct tb_filter_group *groups,
                  size_t n_groups, char why[TB_FILTER_WHY])
{
    static struct json_view view;
    struct tb_filter *filter = NULL;
    struct tb_doc *doc = NULL;
    bool is_match = false;
    if (tb_filter_parse(text, strlen(text), &filter, why) != 0)
        return false;
    if (tb_doc_new_large(trace, strlen(trace), &doc, why) == 0) {
        json_view_init(&view, doc, trace, 0);
        why[0] = '\0';
        is_match = tb_filter_match(filter, groups, n_groups, &view.view);
        json_view_done(&view);
    }
    tb_doc_free(doc);
    tb_filter_free(filter);
    return is_match;
}

static void answer(char *const *fields, size_t n)
{
    struct tb_filter_group groups[FIELDS];
    struct tb_filter *filters[FIELDS];
    char why[TB_FILTER_WHY] = "";
    size_t n_groups = 0;
    for (size_t i = 2; i + 1 < n; i += 2, n_groups++) {
        filters[n_groups] = NULL;
        if (tb_filter_parse(fields[i + 1], strlen(fields[i + 1]), &filters[n_groups], why) != 0)
            break;
        groups[n_groups] = (struct tb_filter_group){fields[i], filters[n_groups]};
    }
    bool is_match = why[0] == '\0' && match(fields[0], fields[1], groups, n_groups, why);
    (void)puts(why[0] != '\0' ? why : is_match ? "1" : "0");
    while (n_groups > 0)
        tb_filter_free(filters[--n_groups]);
}

int main(void)
{
    static char line[LINE];
    while (fgets(line, sizeof(line), stdin) != NULL) {
        char *fields[FIELDS];
        size_t n = 0;
        line[strcspn(line, "\n")] = '\0';
        for (char *at = line; at != NULL && n < FIELDS;) {
            fields[n++] = at;
            at = strchr(at, MARK);
            if (at != NULL)
                *at++ = '\0';
        }
        if (n < 2)
            return 2;
        answer(fields, n);
    }
    return 0;
}
