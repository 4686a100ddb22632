/* match.c - does a trace match? Semantics: docs/filter.md.
 *
 * What the trace does not say satisfies no comparison, "!=" neither; without an operator it is not
 * set, and "!" of it is true. */
#include <math.h>
#include <string.h>

#include "filter/terms.h"
#include "filter/view.h"

enum group_state { NOT_ASKED, IS_ASKED, IS_IN, IS_NOT_IN };

/* What a term is asked of. */
struct scope {
    const struct tb_filter_subject *subject;
    size_t index, n; /* of a list of root causes; n is 0 elsewhere */
};

struct matching {
    const struct tb_filter *filter;
    const struct tb_filter_group *groups;
    size_t n_groups;
    const struct tb_filter_view *view;
    unsigned char *states; /* enum group_state of each group */
};

static bool match_term(const struct matching *m, int number, const struct scope *scope);

struct tb_filter_subject tb_filter_subject(void)
{
    static const double none = (double)NAN;
    return (struct tb_filter_subject){
        .responsetime = none, .duration = none, .coverage = none, .status = none};
}

/* ---- values ---- */

static bool compare_texts(const char *text, enum tb_op op, const char *value)
{
    size_t len = strlen(text);
    size_t value_len = strlen(value);
    switch (op) {
    case TB_OP_IS:
        return strcmp(text, value) == 0;
    case TB_OP_IS_NOT:
        return strcmp(text, value) != 0;
    case TB_OP_CONTAINS:
        return strstr(text, value) != NULL;
    case TB_OP_BEGINS:
        return strncmp(text, value, value_len) == 0;
    case TB_OP_ENDS:
        return len >= value_len && strcmp(text + len - value_len, value) == 0;
    case TB_OP_SET:
    case TB_OP_LESS:
    case TB_OP_LESS_OR_IS:
    case TB_OP_MORE:
    case TB_OP_MORE_OR_IS:
    case TB_OPS:
        break;
    }
    return op == TB_OP_SET;
}

static bool compare_numbers(double number, enum tb_op op, double value)
{
    switch (op) {
    case TB_OP_IS:
        return number >= value && number <= value;
    case TB_OP_IS_NOT:
        return number < value || number > value;
    case TB_OP_LESS:
        return number < value;
    case TB_OP_LESS_OR_IS:
        return number <= value;
    case TB_OP_MORE:
        return number > value;
    case TB_OP_MORE_OR_IS:
        return number >= value;
    case TB_OP_SET:
    case TB_OP_CONTAINS:
    case TB_OP_BEGINS:
    case TB_OP_ENDS:
    case TB_OPS:
        break;
    }
    return op == TB_OP_SET;
}

/* One of several: "!=" wants all of them to differ, anything else one that fits. */
static bool compare_list(const char *const *texts, size_t n, enum tb_op op, const char *value)
{
    for (size_t i = 0; i < n; i++) {
        if (compare_texts(texts[i], op, value) != (op == TB_OP_IS_NOT))
            return op != TB_OP_IS_NOT;
    }
    return op == TB_OP_IS_NOT && n > 0;
}

static bool compare_bool(bool is_known, bool is_set, const struct tb_term *term)
{
    if (term->op == TB_OP_SET)
        return is_known && is_set;
    bool is_same = is_set == (term->number > 0);
    return is_known && is_same == (term->op == TB_OP_IS);
}

/* ---- keywords ---- */

/* A flag of the trace is its root's, or one of any of its services; root and remote are not asked
 * of a trace: every one has a root. */
static bool flag_of_trace(const struct tb_filter_view *view, unsigned flag, bool *is_known)
{
    uint32_t bit = UINT32_C(1) << flag;
    bool is_any_s = flag != TB_FILTER_ROOT && flag != TB_FILTER_REMOTE;
    bool is_root_s = flag == TB_FILTER_OK || flag == TB_FILTER_ERROR || flag == TB_FILTER_FAULT;
    const struct tb_filter_subject *root = NULL;
    bool is_set = (view->trace.set & bit) != 0;
    *is_known = (view->trace.known & bit) != 0;
    for (size_t i = 0; i < view->n_services && is_any_s && !is_root_s; i++) {
        *is_known |= (view->services[i].known & bit) != 0;
        is_set |= (view->services[i].set & bit) != 0;
    }
    for (size_t i = 0; i < view->n_services && root == NULL; i++) {
        if ((view->services[i].set & UINT32_C(1) << TB_FILTER_ROOT) != 0)
            root = &view->services[i];
    }
    if (!is_root_s)
        return is_set;
    if (root == NULL && view->n_services > 0)
        root = &view->services[0]; /* the root has not told anything yet */
    *is_known = root != NULL && (root->known & bit) != 0;
    return root != NULL && (root->set & bit) != 0;
}

static bool match_flag(const struct matching *m, const struct tb_term *term,
                       const struct scope *scope)
{
    unsigned flag = (unsigned)term->word->offset;
    uint32_t bit = UINT32_C(1) << flag;
    bool is_known = (scope->subject->known & bit) != 0;
    bool is_set = (scope->subject->set & bit) != 0;
    if (scope->subject == &m->view->trace)
        is_set = flag_of_trace(m->view, flag, &is_known);
    return compare_bool(is_known, is_set, term);
}

static bool match_field(const struct tb_term *term, const struct scope *scope)
{
    const char *field = (const char *)scope->subject + term->word->offset;
    if (term->word->type == TB_WORD_NUMBER) {
        double number;
        memcpy(&number, field, sizeof(number));
        return !isnan(number) && compare_numbers(number, term->op, term->number);
    }
    const char *text;
    memcpy(&text, field, sizeof(text));
    return text != NULL && compare_texts(text, term->op, term->text);
}

static bool match_list(const struct tb_term *term, const struct scope *scope)
{
    const char *const *texts;
    size_t n;
    memcpy(&texts, (const char *)scope->subject + term->word->offset, sizeof(texts));
    memcpy(&n, (const char *)scope->subject + term->word->n_offset, sizeof(n));
    return compare_list(texts, n, term->op, term->text);
}

static bool match_word(const struct matching *m, const struct tb_term *term,
                       const struct scope *scope)
{
    bool is_listed = scope->n > 0;
    switch (term->word->place) {
    case TB_AT_FLAG:
        return match_flag(m, term, scope);
    case TB_AT_FIELD:
        return match_field(term, scope);
    case TB_AT_LIST:
        return match_list(term, scope);
    case TB_AT_FIRST:
        return compare_bool(is_listed, scope->index == 0, term);
    case TB_AT_LAST:
        return compare_bool(is_listed, scope->index + 1 == scope->n, term);
    case TB_AT_INDEX:
        return is_listed && compare_numbers((double)scope->index, term->op, term->number);
    }
    return false;
}

/* ---- annotations ---- */

/* Of another type than the value it satisfies nothing. */
static bool compare_annotation(const struct tb_filter_annotation *a, const struct tb_term *term)
{
    if (term->op == TB_OP_SET)
        return a->type != TB_FILTER_BOOL || a->number > 0;
    if (a->type != term->type)
        return false;
    if (a->type == TB_FILTER_STRING)
        return compare_texts(a->text, term->op, term->text);
    if (a->type == TB_FILTER_NUMBER)
        return compare_numbers(a->number, term->op, term->number);
    return (term->op == TB_OP_IS || term->op == TB_OP_IS_NOT) &&
           compare_bool(true, a->number > 0, term);
}

/* A key may have several values in one trace: as compare_list. */
static bool match_annotation(const struct tb_filter_view *view, const struct tb_term *term)
{
    bool is_not = term->op == TB_OP_IS_NOT;
    bool is_there = false;
    for (size_t i = 0; i < view->n_annotations; i++) {
        const struct tb_filter_annotation *a = &view->annotations[i];
        if (strcmp(a->key, term->name) != 0)
            continue;
        if (compare_annotation(a, term) != is_not)
            return !is_not;
        is_there = true;
    }
    return is_not && is_there;
}

/* ---- services, edges, root causes ---- */

static bool is_named(const char *wanted, const char *text)
{
    return wanted == NULL || (text != NULL && strcmp(wanted, text) == 0);
}

static bool is_end(const struct tb_filter_end *wanted, const char *name, const char *type,
                   const char *account_id)
{
    return is_named(wanted->name, name) && is_named(wanted->type, type) &&
           is_named(wanted->account_id, account_id);
}

static bool match_inside(const struct matching *m, const struct tb_term *term,
                         const struct scope *scope)
{
    return term->left < 0 || match_term(m, term->left, scope);
}

static bool match_service(const struct matching *m, const struct tb_term *term)
{
    for (size_t i = 0; i < m->view->n_services; i++) {
        const struct tb_filter_subject *s = &m->view->services[i];
        const struct scope scope = {.subject = s};
        if (is_end(&term->ends[0], s->name, s->type, s->account_id) &&
            match_inside(m, term, &scope))
            return true;
    }
    return false;
}

static bool match_edge(const struct matching *m, const struct tb_term *term)
{
    for (size_t i = 0; i < m->view->n_edges; i++) {
        const struct tb_filter_edge *e = &m->view->edges[i];
        const struct scope scope = {.subject = &e->what};
        if (is_end(&term->ends[0], e->from.name, e->from.type, e->from.account_id) &&
            is_end(&term->ends[1], e->to.name, e->to.type, e->to.account_id) &&
            match_inside(m, term, &scope))
            return true;
    }
    return false;
}

static bool match_cause(const struct matching *m, const struct tb_term *term)
{
    const struct tb_filter_list *list = &m->view->causes[term->cause][term->part];
    for (size_t i = 0; i < list->n; i++) {
        const struct scope scope = {.subject = &list->members[i], .index = i, .n = list->n};
        if (match_inside(m, term, &scope))
            return true;
    }
    return false;
}

/* ---- groups ---- */

int tb_group_find(const struct tb_filter_group *groups, size_t n_groups, const char *name)
{
    static const char MARK[] = ":group/";
    const char *in_arn = strncmp(name, "arn:", 4) == 0 ? strstr(name, MARK) : NULL;
    const char *from = in_arn != NULL ? in_arn + sizeof(MARK) - 1 : name;
    size_t len = in_arn != NULL ? strcspn(from, "/") : strlen(from);
    for (size_t i = 0; i < n_groups && i < TB_FILTER_GROUPS; i++) {
        if (strlen(groups[i].name) == len && memcmp(groups[i].name, from, len) == 0)
            return (int)i;
    }
    return -1;
}

static bool match_group(const struct matching *m, const struct tb_term *term)
{
    int at = tb_group_find(m->groups, m->n_groups, term->name);
    if (at >= 0 && m->states[at] == NOT_ASKED) {
        struct matching inner = *m;
        const struct scope scope = {.subject = &m->view->trace};
        inner.filter = m->groups[at].filter;
        m->states[at] = IS_ASKED;
        m->states[at] = match_term(&inner, inner.filter->root, &scope) ? IS_IN : IS_NOT_IN;
    }
    bool is_in = at >= 0 && m->states[at] == IS_IN;
    return is_in == (term->op == TB_OP_IS);
}

/* ---- all of it ---- */

static bool match_term(const struct matching *m, int number, const struct scope *scope)
{
    const struct tb_term *term = &m->filter->terms[number];
    for (; term->kind <= TB_TERM_OR; term = &m->filter->terms[term->right]) {
        if (match_term(m, term->left, scope) == (term->kind == TB_TERM_OR))
            return term->kind == TB_TERM_OR;
    }
    switch (term->kind) {
    case TB_TERM_AND:
    case TB_TERM_OR:
        break;
    case TB_TERM_NOT:
        return !match_term(m, term->left, scope);
    case TB_TERM_WORD:
        return match_word(m, term, scope);
    case TB_TERM_ANNOTATION:
        return match_annotation(m->view, term);
    case TB_TERM_SERVICE:
        return match_service(m, term);
    case TB_TERM_EDGE:
        return match_edge(m, term);
    case TB_TERM_CAUSE:
        return match_cause(m, term);
    case TB_TERM_CAUSE_JSON:
        return false;
    case TB_TERM_GROUP:
        return match_group(m, term);
    }
    return false;
}

bool tb_filter_match(const struct tb_filter *filter, const struct tb_filter_group *groups,
                     size_t n_groups, const struct tb_filter_view *view)
{
    unsigned char states[TB_FILTER_GROUPS] = {NOT_ASKED};
    const struct matching m = {
        .filter = filter, .groups = groups, .n_groups = n_groups, .view = view, .states = states};
    const struct scope scope = {.subject = &view->trace};
    return match_term(&m, filter->root, &scope);
}
