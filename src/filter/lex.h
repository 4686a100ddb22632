/* lex.h - the words of a filter expression. Internal to src/filter. */
#ifndef TB_FILTER_LEX_H
#define TB_FILTER_LEX_H

#include "filter/filter.h"

enum tb_token_kind {
    TB_TOKEN_END,
    TB_TOKEN_WORD,   /* keyword, operator in letters, value without quotes */
    TB_TOKEN_NUMBER, /* number has its value */
    TB_TOKEN_STRING, /* at and len are with the quotes */
    TB_TOKEN_JSON,   /* at is that of the "#" */
    TB_TOKEN_SIGN    /* one of ( ) { } [ ] , : ! = != < <= > >= */
};

struct tb_token {
    enum tb_token_kind kind;
    size_t at, len;
    double number;
};

struct tb_lexer {
    const char *text;
    size_t len, at;
    char *why; /* TB_FILTER_WHY */
};

/* 0, or -EINVAL with why. After the end comes the end again. */
int tb_lex_next(struct tb_lexer *lexer, struct tb_token *out);
/* Is it that word, in any case, or that sign? */
bool tb_lex_is(const struct tb_lexer *lexer, const struct tb_token *token, const char *text);
/* The string without its quotes and escapes into out, which has room for its length: how many
 * bytes. */
size_t tb_lex_string(const struct tb_lexer *lexer, const struct tb_token *token, char *out);
/* Says "column N: " and the rest; -EINVAL. */
int tb_lex_fail(const struct tb_lexer *lexer, size_t at, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The token as people call it: "LIKE", a string, the end. */
void tb_lex_show(const struct tb_lexer *lexer, const struct tb_token *token, char *out, size_t cap);

#endif
