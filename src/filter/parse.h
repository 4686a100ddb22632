/* parse.h - shared by parse.c and parse_term.c. Internal to src/filter. */
#ifndef TB_FILTER_PARSE_H
#define TB_FILTER_PARSE_H

#include "filter/lex.h"
#include "filter/terms.h"

enum { TB_PARSE_SHOWN = 96 };

/* All functions return 0, -EINVAL with why, or -ENOMEM. */
struct tb_parser {
    struct tb_lexer lexer;
    struct tb_token token; /* the next one */
    struct tb_filter *filter;
    size_t cap, strings_len;
    int depth;
    bool is_inside;               /* braces: about a service, an edge or a root cause */
    const struct tb_word *before; /* the last keyword without an operator, */
    size_t before_at;             /* and where the token behind it is */
};

int tb_parse_expr(struct tb_parser *p, int *out);
int tb_parse_term(struct tb_parser *p, int *out);

int tb_parse_next(struct tb_parser *p);
bool tb_parse_is(const struct tb_parser *p, const char *text);
/* Takes that token; what is what was expected when it is another. */
int tb_parse_take(struct tb_parser *p, const char *text, const char *what);
/* Takes a string or a word over as text. */
int tb_parse_string(struct tb_parser *p, const char **out);
int tb_parse_expected(struct tb_parser *p, const char *what);
int tb_parse_term_new(struct tb_parser *p, enum tb_term_kind kind, int *out);

#endif
