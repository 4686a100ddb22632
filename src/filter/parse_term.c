/* parse_term.c - see parse.h: the terms of a filter expression.
 *
 *   term := keyword [op value] | annotation.KEY [op value] | annotation[KEY] [op value]
 *         | "service" "(" [node] ")" [braces] | "edge" "(" [node "," node] ")" [braces]
 *         | rootcause.CAUSE.PART braces | rootcause.json op #[ ... ] | group.name op value
 *   node := "name" | id(name: "", type: "", account.id: "")        braces := "{" expr "}" */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "filter/parse.h"

static const char ANNOTATION[] = "annotation";
static const char ROOTCAUSE[] = "rootcause";

static struct tb_term *term_at(struct tb_parser *p, int number)
{
    return &p->filter->terms[number];
}

static const char *token_text(const struct tb_parser *p)
{
    return p->lexer.text + p->token.at;
}

/* Does the word begin so, with a dot behind it? */
static bool begins_with(const struct tb_parser *p, const char *name)
{
    size_t len = strlen(name);
    return p->token.kind == TB_TOKEN_WORD && p->token.len > len && token_text(p)[len] == '.' &&
           strncasecmp(token_text(p), name, len) == 0;
}

/* ---- operators and values ---- */

static enum tb_op op_of(const struct tb_parser *p)
{
    for (enum tb_op op = TB_OP_IS; op < TB_OPS; op++) {
        if (tb_parse_is(p, tb_op_names[op]))
            return op;
    }
    return TB_OP_SET;
}

static bool is_joint(const struct tb_parser *p)
{
    return tb_parse_is(p, "AND") || tb_parse_is(p, "OR");
}

static int take_bool(struct tb_parser *p, struct tb_term *term)
{
    const struct tb_token *token = &p->token;
    bool is_string = token->kind == TB_TOKEN_STRING;
    const char *text = token_text(p) + is_string;
    size_t len = token->len - (is_string ? 2 : 0);
    bool is_true = len == 4 && strncasecmp(text, "true", len) == 0;
    bool is_false = len == 5 && strncasecmp(text, "false", len) == 0;
    if (!is_true && !is_false)
        return tb_parse_expected(p, "true or false");
    term->type = TB_FILTER_BOOL;
    term->number = is_true;
    return tb_parse_next(p);
}

static int take_number(struct tb_parser *p, struct tb_term *term)
{
    if (p->token.kind != TB_TOKEN_NUMBER)
        return tb_parse_expected(p, "a number");
    term->type = TB_FILTER_NUMBER;
    term->number = p->token.number;
    return tb_parse_next(p);
}

/* A word without quotes too, as in AWS's examples. */
static int take_text(struct tb_parser *p, struct tb_term *term)
{
    bool is_word = p->token.kind == TB_TOKEN_WORD && !is_joint(p);
    if (p->token.kind != TB_TOKEN_STRING && !is_word)
        return tb_parse_expected(p, "a string in double quotes");
    term->type = TB_FILTER_STRING;
    return tb_parse_string(p, &term->text);
}

/* Annotations are of any type. */
static int take_any(struct tb_parser *p, struct tb_term *term)
{
    if (p->token.kind == TB_TOKEN_NUMBER)
        return take_number(p, term);
    if (tb_parse_is(p, "true") || tb_parse_is(p, "false"))
        return take_bool(p, term);
    if (p->token.kind != TB_TOKEN_STRING && (p->token.kind != TB_TOKEN_WORD || is_joint(p)))
        return tb_parse_expected(p, "a string in double quotes, a number, true or false");
    return take_text(p, term);
}

static const char *ops_of(enum tb_word_type type)
{
    static const char *const OPS[] = {
        [TB_WORD_BOOL] = "= or !=",
        [TB_WORD_NUMBER] = "=, !=, <, <=, > or >=",
        [TB_WORD_STRING] = "=, !=, CONTAINS, BEGINSWITH or ENDSWITH",
    };
    return OPS[type];
}

static bool fits(enum tb_word_type type, enum tb_op op)
{
    bool is_order = op >= TB_OP_LESS && op <= TB_OP_MORE_OR_IS;
    bool is_part = op >= TB_OP_CONTAINS;
    return (type == TB_WORD_NUMBER || !is_order) && (type == TB_WORD_STRING || !is_part);
}

/* "==" and the like; a sign behind the operator is no value. */
static int after_op(struct tb_parser *p)
{
    int err = tb_parse_next(p);
    if (!err && tb_parse_is(p, "="))
        err = tb_parse_expected(p, "a value: equal is a single \"=\"");
    return err;
}

static int compare(struct tb_parser *p, int number)
{
    const struct tb_word *word = term_at(p, number)->word;
    enum tb_op op = op_of(p);
    if (op == TB_OP_SET) {
        p->before = word;
        p->before_at = p->token.at;
        return 0;
    }
    if (!fits(word->type, op))
        return tb_parse_expected(p, ops_of(word->type));
    term_at(p, number)->op = op;
    int err = after_op(p);
    if (err)
        return err;
    if (word->type == TB_WORD_BOOL)
        return take_bool(p, term_at(p, number));
    return word->type == TB_WORD_NUMBER ? take_number(p, term_at(p, number))
                                        : take_text(p, term_at(p, number));
}

/* ---- annotations ---- */

/* At "annotation.KEY" or "annotation" "[" KEY "]". */
static int take_key(struct tb_parser *p, const char **out)
{
    if (p->token.len == sizeof(ANNOTATION) - 1) {
        int err = tb_parse_next(p);
        if (err || (err = tb_parse_take(p, "[", "\".KEY\" or \"[KEY]\" behind annotation")))
            return err;
        if (p->token.kind != TB_TOKEN_STRING && p->token.kind != TB_TOKEN_WORD &&
            p->token.kind != TB_TOKEN_NUMBER)
            return tb_parse_expected(p, "the key of an annotation");
        err = tb_parse_string(p, out);
        return err ? err : tb_parse_take(p, "]", "\"]\" behind the key of the annotation");
    }
    struct tb_token *token = &p->token;
    token->at += sizeof(ANNOTATION);
    token->len -= sizeof(ANNOTATION);
    if (token->len == 0)
        return tb_lex_fail(&p->lexer, token->at,
                           "expected the key of an annotation behind "
                           "\"annotation.\"");
    return tb_parse_string(p, out);
}

static int refuse_inside(struct tb_parser *p, const char *what)
{
    return tb_lex_fail(&p->lexer, p->token.at,
                       "%s belongs to the whole trace, and cannot stand inside braces", what);
}

static int annotation(struct tb_parser *p, int *out)
{
    const char *key = NULL;
    if (p->is_inside)
        return refuse_inside(p, "an annotation");
    int err = tb_parse_term_new(p, TB_TERM_ANNOTATION, out);
    if (err || (err = take_key(p, &key)))
        return err;
    term_at(p, *out)->name = key;
    term_at(p, *out)->op = op_of(p);
    if (term_at(p, *out)->op == TB_OP_SET)
        return 0;
    err = after_op(p);
    return err ? err : take_any(p, term_at(p, *out));
}

/* ---- nodes ---- */

static int braces(struct tb_parser *p, int number)
{
    int inner = -1;
    if (!tb_parse_is(p, "{"))
        return 0;
    p->is_inside = true;
    int err = tb_parse_next(p);
    if (err || (err = tb_parse_expr(p, &inner)) ||
        (err = tb_parse_take(p, "}", "AND, OR or \"}\"")))
        return err;
    p->is_inside = false;
    term_at(p, number)->left = inner;
    return 0;
}

static int id_part(struct tb_parser *p, struct tb_filter_end *end)
{
    const struct {
        const char *name;
        const char **to;
    } parts[] = {{"name", &end->name}, {"type", &end->type}, {"account.id", &end->account_id}};
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        if (!tb_parse_is(p, parts[i].name))
            continue;
        if (*parts[i].to != NULL)
            return tb_parse_expected(p, "each of name, type and account.id once");
        int err = tb_parse_next(p);
        if (err || (err = tb_parse_take(p, ":", "\":\"")))
            return err;
        return p->token.kind == TB_TOKEN_STRING ? tb_parse_string(p, parts[i].to)
                                                : tb_parse_expected(p, "a string in double quotes");
    }
    return tb_parse_expected(p, "name, type or account.id");
}

static int node(struct tb_parser *p, struct tb_filter_end *end)
{
    if (p->token.kind == TB_TOKEN_STRING)
        return tb_parse_string(p, &end->name);
    if (!tb_parse_is(p, "id"))
        return tb_parse_expected(p, "the name of a service in double quotes, or id(...)");
    int err = tb_parse_next(p);
    if (err || (err = tb_parse_take(p, "(", "\"(\" behind id")))
        return err;
    while (!(err = id_part(p, end)) && tb_parse_is(p, ",")) {
        if ((err = tb_parse_next(p)))
            return err;
    }
    return err ? err : tb_parse_take(p, ")", "\",\" or \")\"");
}

static int service(struct tb_parser *p, int *out)
{
    struct tb_filter_end end = {0};
    if (p->is_inside)
        return refuse_inside(p, "service()");
    int err = tb_parse_term_new(p, TB_TERM_SERVICE, out);
    if (err || (err = tb_parse_next(p)) || (err = tb_parse_take(p, "(", "\"(\" behind service")))
        return err;
    if (!tb_parse_is(p, ")") && (err = node(p, &end)))
        return err;
    if ((err = tb_parse_take(p, ")", "\")\"")))
        return err;
    term_at(p, *out)->ends[0] = end;
    return braces(p, *out);
}

static int edge(struct tb_parser *p, int *out)
{
    struct tb_filter_end ends[2] = {{0}, {0}};
    if (p->is_inside)
        return refuse_inside(p, "edge()");
    int err = tb_parse_term_new(p, TB_TERM_EDGE, out);
    if (err || (err = tb_parse_next(p)) || (err = tb_parse_take(p, "(", "\"(\" behind edge")))
        return err;
    if (!tb_parse_is(p, ")") &&
        ((err = node(p, &ends[0])) ||
         (err = tb_parse_take(p, ",", "\",\": an edge goes from one service to another")) ||
         (err = node(p, &ends[1]))))
        return err;
    if ((err = tb_parse_take(p, ")", "\")\"")))
        return err;
    memcpy(term_at(p, *out)->ends, ends, sizeof(ends));
    return braces(p, *out);
}

/* ---- root causes and groups ---- */

static int name_in(const char *const *names, int n, const char *text, size_t len)
{
    for (int i = 0; i < n; i++) {
        if (strlen(names[i]) == len && strncasecmp(names[i], text, len) == 0)
            return i;
    }
    return -1;
}

static int equality(struct tb_parser *p, const char *of, enum tb_op *out)
{
    char what[64];
    *out = op_of(p);
    if (*out == TB_OP_IS || *out == TB_OP_IS_NOT)
        return after_op(p);
    (void)snprintf(what, sizeof(what), "= or != behind %s", of);
    return tb_parse_expected(p, what);
}

static int cause_json(struct tb_parser *p, int *out)
{
    enum tb_op op;
    int err = tb_parse_term_new(p, TB_TERM_CAUSE_JSON, out);
    if (err || (err = tb_parse_next(p)) || (err = equality(p, "rootcause.json", &op)))
        return err;
    if (p->token.kind != TB_TOKEN_JSON)
        return tb_parse_expected(p, "a JSON list, #[ ... ]");
    term_at(p, *out)->op = op;
    return tb_parse_next(p);
}

static int root_cause(struct tb_parser *p, int *out)
{
    const char *rest = token_text(p) + sizeof(ROOTCAUSE);
    size_t len = p->token.len - sizeof(ROOTCAUSE);
    const char *dot = memchr(rest, '.', len);
    size_t cause_len = dot != NULL ? (size_t)(dot - rest) : len;
    if (p->is_inside)
        return refuse_inside(p, "a root cause");
    if (dot == NULL && len == 4 && strncasecmp(rest, "json", len) == 0)
        return cause_json(p, out);
    int cause = name_in(tb_cause_names, TB_CAUSES, rest, cause_len);
    int part = dot != NULL ? name_in(tb_part_names, TB_PARTS, dot + 1, len - cause_len - 1) : -1;
    if (cause < 0)
        return tb_parse_expected(p, "rootcause.fault, .error or .responsetime, and .service, "
                                    ".entity or .exception behind it");
    if (part < 0)
        return tb_parse_expected(p, "a root cause that ends with .service, .entity or .exception");
    int err = tb_parse_term_new(p, TB_TERM_CAUSE, out);
    if (err || (err = tb_parse_next(p)))
        return err;
    term_at(p, *out)->cause = (enum tb_filter_cause)cause;
    term_at(p, *out)->part = (enum tb_filter_part)part;
    return tb_parse_is(p, "{") ? braces(p, *out)
                               : tb_parse_expected(p, "\"{\" behind the root cause");
}

static int group(struct tb_parser *p, int *out)
{
    enum tb_op op;
    if (p->is_inside)
        return refuse_inside(p, "a group");
    int err = tb_parse_term_new(p, TB_TERM_GROUP, out);
    if (err || (err = tb_parse_next(p)) || (err = equality(p, "a group", &op)))
        return err;
    term_at(p, *out)->op = op;
    if ((err = take_text(p, term_at(p, *out))))
        return err;
    term_at(p, *out)->name = term_at(p, *out)->text;
    return 0;
}

/* ---- which one it is ---- */

static int unknown(struct tb_parser *p)
{
    char shown[TB_PARSE_SHOWN];
    tb_lex_show(&p->lexer, &p->token, shown, sizeof(shown));
    if (p->token.kind == TB_TOKEN_WORD && p->before != NULL && p->before_at == p->token.at)
        return tb_lex_fail(&p->lexer, p->token.at,
                           "expected AND, OR, a keyword, or %s behind %s, not %s",
                           ops_of(p->before->type), p->before->name, shown);
    if (tb_parse_is(p, "NOT"))
        return tb_parse_expected(p, "\"!\" for not");
    const char *near =
        p->token.kind == TB_TOKEN_WORD ? tb_word_near(token_text(p), p->token.len) : NULL;
    if (near != NULL)
        return tb_lex_fail(&p->lexer, p->token.at,
                           "expected a keyword, not %s; did you mean \"%s\"?", shown, near);
    return tb_parse_expected(p, "a keyword");
}

int tb_parse_term(struct tb_parser *p, int *out)
{
    const struct tb_word *word =
        p->token.kind == TB_TOKEN_WORD ? tb_word_find(token_text(p), p->token.len) : NULL;
    if (word != NULL) {
        int err = tb_parse_term_new(p, TB_TERM_WORD, out);
        if (err || (err = tb_parse_next(p)))
            return err;
        term_at(p, *out)->word = word;
        return compare(p, *out);
    }
    int err;
    if (tb_parse_is(p, "service"))
        err = service(p, out);
    else if (tb_parse_is(p, "edge"))
        err = edge(p, out);
    else if (tb_parse_is(p, ANNOTATION) || begins_with(p, ANNOTATION))
        err = annotation(p, out);
    else if (begins_with(p, ROOTCAUSE))
        err = root_cause(p, out);
    else if (tb_parse_is(p, "group.name") || tb_parse_is(p, "group.arn"))
        err = group(p, out);
    else
        err = unknown(p);
    return err;
}
