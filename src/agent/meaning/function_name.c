/* function_name.c - see function_name.h. What is in brackets of any kind counts as one; "operator"
 * and the symbols behind it, and names in brackets such as "(anonymous namespace)", are names. */
#include "agent/meaning/function_name.h"

#include <stdio.h>
#include <string.h>

static const char OPERATOR[] = "operator";

static int is_word(char c)
{
    return c == '_' || c == '$' || c == '~' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
           (c >= 'A' && c <= 'Z') || (unsigned char)c >= 0x80;
}

/* Behind the bracket that closes the one at text, or the end. */
static const char *behind(const char *text, char open, char close)
{
    int depth = 0;
    for (; *text != '\0'; text++) {
        if (*text == open)
            depth++;
        else if (*text == close && text[-1] != '-' && --depth == 0)
            return text + 1;
    }
    return text;
}

static int is_operator(const char *text, const char *begin)
{
    size_t len = strlen(OPERATOR);
    return strncmp(text, OPERATOR, len) == 0 && !is_word(text[len]) &&
           (text == begin || !is_word(text[-1]));
}

/* "operator()", "operator<<", "operator bool": up to the parameters. */
static const char *behind_operator(const char *text)
{
    text += strlen(OPERATOR);
    if (strncmp(text, "()", 2) == 0)
        return text + 2;
    return text + strcspn(text, "(");
}

struct name {
    char *out;
    size_t len;
};

static void add(struct name *name, const char *text, size_t len)
{
    for (size_t i = 0; i < len && name->len + 1 < TB_FUNCTION_NAME_BYTES; i++)
        name->out[name->len++] = text[i];
    name->out[name->len] = '\0';
}

/* "(anonymous namespace)" and what is nested in a lambda or a function go on with "::"; any other
 * "(" begins the parameters. */
static int is_name_in_brackets(const char *open, const char *end)
{
    return strncmp(open, "(anonymous", 10) == 0 || strncmp(end, "::", 2) == 0;
}

void tb_function_name_short(const char *pretty, char out[TB_FUNCTION_NAME_BYTES])
{
    struct name name = {.out = out};
    out[0] = '\0';
    for (const char *at = pretty; *at != '\0';) {
        if (is_operator(at, pretty)) {
            const char *end = behind_operator(at);
            add(&name, at, (size_t)(end - at));
            return;
        }
        if (*at == '(') {
            const char *end = behind(at, '(', ')');
            if (!is_name_in_brackets(at, end))
                return;
            if (strncmp(at, "(anonymous", 10) == 0)
                add(&name, at, (size_t)(end - at));
            at = end;
        } else if (*at == '<') {
            if (strncmp(at, "<lambda", 7) == 0)
                add(&name, "<lambda>", 8);
            at = behind(at, '<', '>');
        } else if (*at == ' ' || *at == '*' || *at == '&') {
            name.len = 0; /* that was what it returns */
            out[0] = '\0';
            at++;
        } else {
            add(&name, at++, 1);
        }
    }
}

void tb_type_name_short(char *type)
{
    static const char *const longer[] = {
        "std::__cxx11::basic_string<char, std::char_traits<char>, std::allocator<char> >",
        "std::__cxx11::basic_string<char, std::char_traits<char>, std::allocator<char>>",
        "std::__1::basic_string<char, std::__1::char_traits<char>, std::__1::allocator<char> >",
        "std::__1::basic_string<char, std::__1::char_traits<char>, std::__1::allocator<char>>",
        "std::basic_string<char, std::char_traits<char>, std::allocator<char> >"};
    static const char shorter[] = "std::string";
    enum { LEN = sizeof(shorter) - 1 };
    for (size_t i = 0; i < sizeof(longer) / sizeof(longer[0]); i++) {
        for (char *at = strstr(type, longer[i]); at != NULL; at = strstr(at, longer[i])) {
            const char *rest = at + strlen(longer[i]);
            memcpy(at, shorter, LEN);
            memmove(at + LEN, rest, strlen(rest) + 1);
        }
    }
}
