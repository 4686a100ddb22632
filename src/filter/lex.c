/* lex.c - see lex.h. */
#include "filter/lex.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/utf8.h"
#include "item/doc.h"

enum { SHOWN_BYTES = 40, NUMBER_BYTES = 64 };

static size_t column_of(const struct tb_lexer *lexer, size_t at)
{
    size_t column = 1;
    for (size_t i = 0; i < at && i < lexer->len; i++)
        column += ((unsigned char)lexer->text[i] & 0xc0) != 0x80;
    return column;
}

int tb_lex_fail(const struct tb_lexer *lexer, size_t at, const char *format, ...)
{
    va_list args;
    int len = snprintf(lexer->why, TB_FILTER_WHY, "column %zu: ", column_of(lexer, at));
    va_start(args, format);
    (void)vsnprintf(lexer->why + len, TB_FILTER_WHY - (size_t)len, format, args);
    va_end(args);
    /* Whatever was cut, no character is. */
    size_t whole = tb_utf8_cut(lexer->why, strlen(lexer->why), strlen(lexer->why));
    lexer->why[whole] = '\0';
    return -EINVAL;
}

void tb_lex_show(const struct tb_lexer *lexer, const struct tb_token *token, char *out, size_t cap)
{
    const char *text = lexer->text + token->at;
    if (token->kind == TB_TOKEN_END) {
        (void)snprintf(out, cap, "the end of the expression");
        return;
    }
    size_t len = tb_utf8_cut(text, token->len, token->len < SHOWN_BYTES ? token->len : SHOWN_BYTES);
    const char *cut = len < token->len ? "..." : "";
    if (token->kind == TB_TOKEN_STRING)
        (void)snprintf(out, cap, "the string %.*s%s", (int)len, text, cut);
    else
        (void)snprintf(out, cap, "\"%.*s%s\"", (int)len, text, cut);
}

bool tb_lex_is(const struct tb_lexer *lexer, const struct tb_token *token, const char *text)
{
    return (token->kind == TB_TOKEN_WORD || token->kind == TB_TOKEN_SIGN) &&
           strlen(text) == token->len &&
           strncasecmp(lexer->text + token->at, text, token->len) == 0;
}

size_t tb_lex_string(const struct tb_lexer *lexer, const struct tb_token *token, char *out)
{
    const char *text = lexer->text + token->at + 1;
    size_t len = token->len - 2;
    size_t n = 0;
    for (size_t i = 0; i < len; i++) {
        /* Other backslashes are what they are: a path may have them. */
        if (text[i] == '\\' && i + 1 < len && (text[i + 1] == '"' || text[i + 1] == '\\'))
            i++;
        out[n++] = text[i];
    }
    return n;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool is_word(char c)
{
    return isalnum((unsigned char)c) || strchr("_.-/@%+$*?~", c) != NULL ||
           ((unsigned char)c & 0x80) != 0;
}

static int take_string(struct tb_lexer *lexer, struct tb_token *out)
{
    size_t at = lexer->at + 1;
    while (at < lexer->len && lexer->text[at] != '"')
        at += lexer->text[at] == '\\' && at + 1 < lexer->len ? 2 : 1;
    if (at >= lexer->len)
        return tb_lex_fail(lexer, lexer->at,
                           "expected a closing quote for the string that begins "
                           "here, and the expression ends");
    out->kind = TB_TOKEN_STRING;
    out->len = at + 1 - lexer->at;
    return 0;
}

/* A list behind "#": its end is where its brackets are even, then it must be JSON. */
static int take_json(struct tb_lexer *lexer, struct tb_token *out)
{
    char why[TB_DOC_WHY];
    struct tb_doc *doc = NULL;
    size_t begin = lexer->at + 1;
    size_t at = begin;
    int depth = 0;
    bool in_string = false;
    for (; at < lexer->len; at++) {
        char c = lexer->text[at];
        if (in_string && c == '\\' && at + 1 < lexer->len)
            at++;
        else if (c == '"')
            in_string = !in_string;
        else if (!in_string && (c == '[' || c == '{'))
            depth++;
        else if (!in_string && (c == ']' || c == '}'))
            depth--;
        if (depth <= 0)
            break;
    }
    if (at == begin || at >= lexer->len)
        return tb_lex_fail(lexer, lexer->at, "expected a JSON list, #[ ... ]");
    int err = tb_doc_new(lexer->text + begin, at + 1 - begin, &doc, why);
    tb_doc_free(doc);
    if (err)
        return err == -ENOMEM
                   ? err
                   : tb_lex_fail(lexer, begin, "expected a JSON list, #[ ... ]: %.100s", why);
    out->kind = TB_TOKEN_JSON;
    out->len = at + 1 - lexer->at;
    return 0;
}

/* Decimal digits, with a point and an exponent or without. */
static bool is_number(const char *text, size_t len, double *out)
{
    char copy[NUMBER_BYTES];
    char *end = NULL;
    if (len == 0 || len >= sizeof(copy))
        return false;
    memcpy(copy, text, len);
    copy[len] = '\0';
    if (strspn(copy, "+-.0123456789eE") != len || strpbrk(copy, "0123456789") == NULL)
        return false;
    *out = strtod(copy, &end);
    return *end == '\0' && *out - *out == 0; /* finite */
}

static void take_word(struct tb_lexer *lexer, struct tb_token *out)
{
    size_t end = lexer->at;
    while (end < lexer->len && is_word(lexer->text[end]))
        end++;
    out->len = end - lexer->at;
    out->kind = is_number(lexer->text + lexer->at, out->len, &out->number) ? TB_TOKEN_NUMBER
                                                                           : TB_TOKEN_WORD;
}

static int refuse(const struct tb_lexer *lexer)
{
    char c = lexer->text[lexer->at];
    if (c == '\\')
        return tb_lex_fail(lexer, lexer->at,
                           "a backslash stands outside of a string: quotes need none here");
    if (c == '\'')
        return tb_lex_fail(lexer, lexer->at, "expected double quotes, not single ones");
    if (c == '&' || c == '|')
        return tb_lex_fail(lexer, lexer->at, "expected AND or OR, not \"%c\"", c);
    if ((unsigned char)c < ' ' || c == 0x7f)
        return tb_lex_fail(lexer, lexer->at, "a control character stands here");
    return tb_lex_fail(lexer, lexer->at, "expected a keyword, not \"%c\"", c);
}

int tb_lex_next(struct tb_lexer *lexer, struct tb_token *out)
{
    while (lexer->at < lexer->len && is_space(lexer->text[lexer->at]))
        lexer->at++;
    *out = (struct tb_token){.kind = TB_TOKEN_END, .at = lexer->at};
    if (lexer->at == lexer->len)
        return 0;
    char c = lexer->text[lexer->at];
    int err = 0;
    if (c == '"') {
        err = take_string(lexer, out);
    } else if (c == '#') {
        err = take_json(lexer, out);
    } else if (c != '\0' && strchr("(){}[],:!=<>", c) != NULL) {
        bool is_two = strchr("!<>", c) != NULL && lexer->at + 1 < lexer->len &&
                      lexer->text[lexer->at + 1] == '=';
        out->kind = TB_TOKEN_SIGN;
        out->len = is_two ? 2 : 1;
    } else if (c != '\0' && is_word(c)) {
        take_word(lexer, out);
    } else {
        err = refuse(lexer);
    }
    lexer->at += out->len;
    return err;
}
