/* reach.c - what an expression can match, without a trace: each term is true, false or either, of
 * every kind of error that there is; what comes out as false of all kinds is certain.
 *
 * A kind is an error alone in its trace: a fault, an error by its HTTP status, or a throttle. Its
 * trace has one service with any name, and what view_item.c makes of items. With others in it that
 * call and are called nothing but edges is asked differently. */
#include <string.h>

#include "filter/terms.h"
#include "filter/view.h"

enum truth { NO, MAYBE, YES };
enum state { NOT_ASKED, IS_ASKED, KNOWN };
enum { N_KINDS = 3, NAMES_MAX = 64, INSIDE_TRACE = 0, INSIDE_SERVICE, INSIDE_CAUSE };
static const uint32_t KINDS[N_KINDS] = {
    1U << TB_FILTER_FAULT,
    1U << TB_FILTER_ERROR,
    1U << TB_FILTER_ERROR | 1U << TB_FILTER_THROTTLE,
};

struct reach {
    const struct tb_filter *filter;
    const struct tb_filter_group *groups;
    size_t n_groups;
    uint32_t set;          /* the kind */
    const char *renamed;   /* no service has this name; NULL */
    bool has_others;       /* the trace has other services too */
    unsigned char *states; /* of each group: enum state, or KNOWN and its truth */
};

static enum truth reach_term(const struct reach *r, int number, int inside);

static enum truth opposite(enum truth truth)
{
    return (enum truth)(YES - truth);
}

static enum truth of_flag(const struct reach *r, const struct tb_term *term)
{
    uint32_t bit = UINT32_C(1) << term->word->offset;
    bool is_set = (r->set & bit) != 0; /* nothing is ever partial or inferred */
    if (term->op == TB_OP_SET)
        return is_set ? YES : NO;
    return (is_set == (term->number > 0)) == (term->op == TB_OP_IS) ? YES : NO;
}

/* What an item may say of it: nothing of the place where it ran, in AWS's words. */
static enum truth of_word(const struct reach *r, const struct tb_term *term, int inside)
{
    static const char *const NEVER[] = {"availabilityzone", "instance.id", "resource.arn",
                                        "coverage"};
    static const char *const OF_A_PART[] = {"name", "type",  "message", "first",
                                            "last", "index", "remote",  "root"};
    for (size_t i = 0; i < sizeof(NEVER) / sizeof(NEVER[0]); i++) {
        if (strcmp(term->word->name, NEVER[i]) == 0)
            return NO;
    }
    for (size_t i = 0; i < sizeof(OF_A_PART) / sizeof(OF_A_PART[0]); i++) {
        if (strcmp(term->word->name, OF_A_PART[i]) == 0)
            return inside == INSIDE_TRACE ? NO : MAYBE;
    }
    if (term->word->place == TB_AT_FLAG)
        return inside == INSIDE_CAUSE ? MAYBE : of_flag(r, term);
    return MAYBE;
}

static enum truth of_annotation(const struct tb_term *term)
{
    static const char *const KEYS[] = {"rollbar_uuid", "error_class", "signal", "crash",
                                       "service",      "environment", "pid"};
    for (size_t i = 0; i < sizeof(KEYS) / sizeof(KEYS[0]); i++) {
        if (strcmp(term->name, KEYS[i]) == 0)
            return MAYBE;
    }
    return NO;
}

static bool is_renamed(const struct reach *r, const struct tb_filter_end *end)
{
    return r->renamed != NULL && end->name != NULL && strcmp(end->name, r->renamed) == 0;
}

/* One service: what it is like is what the trace is like, as far as that is known. */
static enum truth of_node(const struct reach *r, const struct tb_term *term)
{
    const struct tb_filter_end *end = &term->ends[0];
    if (is_renamed(r, &term->ends[0]) || is_renamed(r, &term->ends[1]))
        return NO;
    if (end->account_id != NULL || term->ends[1].account_id != NULL)
        return NO;
    if (term->kind == TB_TERM_EDGE && !r->has_others)
        return NO;
    enum truth inner = term->left < 0 ? YES : reach_term(r, term->left, INSIDE_SERVICE);
    bool is_any = end->name == NULL && end->type == NULL;
    return inner == YES && (!is_any || term->kind == TB_TERM_EDGE) ? MAYBE : inner;
}

static enum truth of_cause(const struct reach *r, const struct tb_term *term)
{
    enum tb_filter_flag flag = term->cause == TB_CAUSE_FAULT ? TB_FILTER_FAULT : TB_FILTER_ERROR;
    if (term->cause == TB_CAUSE_RESPONSETIME || (r->set & 1U << flag) == 0)
        return NO;
    return reach_term(r, term->left, INSIDE_CAUSE) == NO ? NO : MAYBE;
}

static enum truth of_group(const struct reach *r, const struct tb_term *term)
{
    int at = tb_group_find(r->groups, r->n_groups, term->name);
    enum truth is_in = NO;
    if (at >= 0 && r->states[at] == NOT_ASKED) {
        struct reach inner = *r;
        inner.filter = r->groups[at].filter;
        r->states[at] = IS_ASKED;
        is_in = reach_term(&inner, inner.filter->root, INSIDE_TRACE);
        r->states[at] = (unsigned char)(KNOWN + is_in);
    } else if (at >= 0) {
        is_in = r->states[at] == IS_ASKED ? MAYBE : (enum truth)(r->states[at] - KNOWN);
    }
    return term->op == TB_OP_IS ? is_in : opposite(is_in);
}

static enum truth reach_one(const struct reach *r, const struct tb_term *term, int inside)
{
    switch (term->kind) {
    case TB_TERM_NOT:
        return opposite(reach_term(r, term->left, inside));
    case TB_TERM_WORD:
        return of_word(r, term, inside);
    case TB_TERM_ANNOTATION:
        return of_annotation(term);
    case TB_TERM_SERVICE:
    case TB_TERM_EDGE:
        return of_node(r, term);
    case TB_TERM_CAUSE:
        return of_cause(r, term);
    case TB_TERM_GROUP:
        return of_group(r, term);
    case TB_TERM_CAUSE_JSON:
    case TB_TERM_AND:
    case TB_TERM_OR:
        break;
    }
    return NO;
}

static enum truth joined(enum tb_term_kind kind, enum truth a, enum truth b)
{
    bool takes_a = kind == TB_TERM_OR ? a > b : a < b;
    return takes_a ? a : b;
}

static enum truth reach_term(const struct reach *r, int number, int inside)
{
    const struct tb_term *term = &r->filter->terms[number];
    enum tb_term_kind kind = term->kind;
    if (kind > TB_TERM_OR)
        return reach_one(r, term, inside);
    enum truth end = kind == TB_TERM_OR ? YES : NO; /* that settles it */
    enum truth so_far = opposite(end);
    while (so_far != end) {
        so_far = joined(kind, so_far, reach_term(r, term->left, inside));
        const struct tb_term *next = &r->filter->terms[term->right];
        if (next->kind != kind)
            return joined(kind, so_far, reach_term(r, term->right, inside));
        term = next;
    }
    return so_far;
}

/* ---- for all kinds ---- */

static bool can_match(const struct tb_filter *filter, const struct tb_filter_group *groups,
                      size_t n_groups, const char *renamed, bool has_others)
{
    for (size_t i = 0; i < N_KINDS; i++) {
        unsigned char states[TB_FILTER_GROUPS] = {NOT_ASKED};
        const struct reach r = {.filter = filter,
                                .groups = groups,
                                .n_groups = n_groups,
                                .set = KINDS[i],
                                .renamed = renamed,
                                .has_others = has_others,
                                .states = states};
        if (reach_term(&r, filter->root, INSIDE_TRACE) != NO)
            return true;
    }
    return false;
}

bool tb_filter_can_match_error(const struct tb_filter *filter, const struct tb_filter_group *groups,
                               size_t n_groups)
{
    return can_match(filter, groups, n_groups, NULL, false);
}

bool tb_filter_can_match_call(const struct tb_filter *filter, const struct tb_filter_group *groups,
                              size_t n_groups)
{
    return can_match(filter, groups, n_groups, NULL, true);
}

/* The names that an expression has, each once. */
struct names {
    const char *names[NAMES_MAX];
    size_t n;
};

static void add_names(const struct tb_filter *filter, struct names *out)
{
    for (size_t i = 0; i < filter->n; i++) {
        const char *name = filter->terms[i].ends[0].name;
        size_t at = 0;
        if (filter->terms[i].kind != TB_TERM_SERVICE || name == NULL)
            continue;
        while (at < out->n && strcmp(out->names[at], name) != 0)
            at++;
        if (at == out->n && out->n < NAMES_MAX)
            out->names[out->n++] = name;
    }
}

size_t tb_filter_services(const struct tb_filter *filter, const struct tb_filter_group *groups,
                          size_t n_groups, const char **out, size_t max)
{
    struct names all = {.n = 0};
    size_t n = 0;
    if (!can_match(filter, groups, n_groups, NULL, false))
        return 0;
    add_names(filter, &all);
    for (size_t i = 0; i < n_groups && i < TB_FILTER_GROUPS; i++)
        add_names(groups[i].filter, &all);
    for (size_t i = 0; i < all.n; i++) {
        if (can_match(filter, groups, n_groups, all.names[i], false))
            continue;
        if (n < max)
            out[n] = all.names[i];
        n++;
    }
    return n;
}

int tb_filter_named_groups(const struct tb_filter *filter, int (*row)(void *arg, const char *name),
                           void *arg)
{
    int result = 0;
    for (size_t i = 0; i < filter->n && result == 0; i++) {
        if (filter->terms[i].kind == TB_TERM_GROUP)
            result = row(arg, filter->terms[i].name);
    }
    return result;
}
