/* parse.c - a filter expression becomes terms, by recursive descent:
 *
 *   expr := and ("OR" and)*            and := unary (["AND"] unary)*
 *   unary := "!" unary | "(" expr ")" | term
 *
 * docs/filter.md has the whole grammar; parse_term.c the terms. */
#include "filter/parse.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"

enum { FIRST_TERMS = 8 };

int tb_parse_next(struct tb_parser *p)
{
    return tb_lex_next(&p->lexer, &p->token);
}

bool tb_parse_is(const struct tb_parser *p, const char *text)
{
    return tb_lex_is(&p->lexer, &p->token, text);
}

int tb_parse_expected(struct tb_parser *p, const char *what)
{
    char shown[TB_PARSE_SHOWN];
    tb_lex_show(&p->lexer, &p->token, shown, sizeof(shown));
    return tb_lex_fail(&p->lexer, p->token.at, "expected %s, not %s", what, shown);
}

int tb_parse_take(struct tb_parser *p, const char *text, const char *what)
{
    return tb_parse_is(p, text) ? tb_parse_next(p) : tb_parse_expected(p, what);
}

int tb_parse_string(struct tb_parser *p, const char **out)
{
    size_t len = p->token.len;
    char *to = p->filter->strings + p->strings_len;
    if (p->token.kind == TB_TOKEN_STRING) {
        len = tb_lex_string(&p->lexer, &p->token, to);
    } else {
        memcpy(to, p->lexer.text + p->token.at, len);
    }
    if (memchr(to, '\0', len) != NULL)
        return tb_lex_fail(&p->lexer, p->token.at, "a NUL stands in this string");
    to[len] = '\0';
    *out = to;
    p->strings_len += len + 1;
    return tb_parse_next(p);
}

int tb_parse_term_new(struct tb_parser *p, enum tb_term_kind kind, int *out)
{
    struct tb_filter *filter = p->filter;
    if (filter->n == TB_FILTER_TERMS)
        return tb_lex_fail(&p->lexer, p->token.at, "the expression has more than %d terms",
                           TB_FILTER_TERMS);
    if (filter->n == p->cap) {
        size_t cap = p->cap > 0 ? 2 * p->cap : FIRST_TERMS;
        struct tb_term *terms = realloc(filter->terms, cap * sizeof(*terms));
        if (terms == NULL)
            return -ENOMEM;
        filter->terms = terms;
        p->cap = cap;
    }
    filter->terms[filter->n] = (struct tb_term){.kind = kind, .left = -1, .right = -1, .text = ""};
    *out = (int)filter->n++;
    return 0;
}

static int enter(struct tb_parser *p)
{
    if (p->depth == TB_FILTER_DEPTH)
        return tb_lex_fail(&p->lexer, p->token.at, "more than %d levels", TB_FILTER_DEPTH);
    p->depth++;
    return 0;
}

/* A chain leans to the right, so that however long it is, it is walked in a loop: of its last link
 * the right side becomes a link. */
static int join(struct tb_parser *p, enum tb_term_kind kind, int more, int *chain, int *last)
{
    int link = -1;
    int err = tb_parse_term_new(p, kind, &link);
    if (err)
        return err;
    int *from = *last < 0 ? chain : &p->filter->terms[*last].right;
    p->filter->terms[link].left = *from;
    p->filter->terms[link].right = more;
    *from = link;
    *last = link;
    return 0;
}

static int unary(struct tb_parser *p, int *out)
{
    int err = enter(p);
    if (err)
        return err;
    if (tb_parse_is(p, "!")) {
        int what = -1;
        if ((err = tb_parse_next(p)) || (err = unary(p, &what)) ||
            (err = tb_parse_term_new(p, TB_TERM_NOT, out)))
            return err;
        p->filter->terms[*out].left = what;
    } else if (tb_parse_is(p, "(")) {
        if ((err = tb_parse_next(p)) || (err = tb_parse_expr(p, out)) ||
            (err = tb_parse_take(p, ")", "AND, OR or \")\"")))
            return err;
    } else if ((err = tb_parse_term(p, out))) {
        return err;
    }
    p->depth--;
    return 0;
}

static bool ends_and(const struct tb_parser *p)
{
    return p->token.kind == TB_TOKEN_END || tb_parse_is(p, ")") || tb_parse_is(p, "}") ||
           tb_parse_is(p, "OR");
}

static int and_chain(struct tb_parser *p, int *out)
{
    int last = -1;
    int err = unary(p, out);
    while (!err && !ends_and(p)) {
        int more = -1;
        if (tb_parse_is(p, "AND"))
            err = tb_parse_next(p);
        if (!err && !(err = unary(p, &more)))
            err = join(p, TB_TERM_AND, more, out, &last);
    }
    return err;
}

int tb_parse_expr(struct tb_parser *p, int *out)
{
    int last = -1;
    int err = and_chain(p, out);
    while (!err && tb_parse_is(p, "OR")) {
        int more = -1;
        if (!(err = tb_parse_next(p)) && !(err = and_chain(p, &more)))
            err = join(p, TB_TERM_OR, more, out, &last);
    }
    return err;
}

/* So that what why says of it is text. */
static int check_text(const struct tb_lexer *lexer)
{
    if (lexer->len > TB_FILTER_MAX_BYTES) {
        (void)snprintf(lexer->why, TB_FILTER_WHY, "the expression has more than %d bytes",
                       TB_FILTER_MAX_BYTES);
        return -EINVAL;
    }
    for (size_t i = 0; i < lexer->len;) {
        size_t n = tb_utf8_len(lexer->text + i, lexer->len - i);
        if (n == 0)
            return tb_lex_fail(lexer, i, "this is not UTF-8");
        i += n;
    }
    return 0;
}

static int parse(struct tb_parser *p)
{
    int err = check_text(&p->lexer);
    if (err || (err = tb_parse_next(p)) || (err = tb_parse_expr(p, &p->filter->root)))
        return err;
    return p->token.kind == TB_TOKEN_END ? 0 : tb_parse_expected(p, "AND or OR");
}

int tb_filter_parse(const char *text, size_t len, struct tb_filter **out, char why[TB_FILTER_WHY])
{
    struct tb_parser p = {.lexer = {.text = text, .len = len, .why = why}};
    why[0] = '\0';
    p.filter = calloc(1, sizeof(*p.filter));
    if (p.filter == NULL)
        return -ENOMEM;
    /* Each string has its NUL, and takes at least two bytes of the text, or its blank. */
    p.filter->strings = malloc(2 * (len < TB_FILTER_MAX_BYTES ? len : TB_FILTER_MAX_BYTES) + 1);
    int err = p.filter->strings != NULL ? parse(&p) : -ENOMEM;
    if (err) {
        tb_filter_free(p.filter);
        return err;
    }
    *out = p.filter;
    return 0;
}

void tb_filter_free(struct tb_filter *filter)
{
    if (filter == NULL)
        return;
    free(filter->terms);
    free(filter->strings);
    free(filter);
}

size_t tb_filter_column(const char *why)
{
    static const char COLUMN[] = "column ";
    if (strncmp(why, COLUMN, sizeof(COLUMN) - 1) != 0)
        return 0;
    unsigned long column = strtoul(why + sizeof(COLUMN) - 1, NULL, 10);
    return column <= TB_FILTER_MAX_BYTES + 1 ? (size_t)column : 0;
}
