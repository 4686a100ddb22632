/* group_names.c - see group_names.h. */
#include "agent/native/group_names.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define N(table) (sizeof(table) / sizeof((table)[0]))

static const char UNNAMED[] = "(anonymous namespace)";

static const char *const suffixes[] = {".part.",   ".isra.",     ".constprop.", ".cold",
                                       ".llvm.",   ".lto_priv.", ".localalias", ".__uniq.",
                                       " [clone ", "[abi:"};

/* Whole names, without leading underscores. */
static const char *const noise_names[] = {"abort",
                                          "raise",
                                          "gsignal",
                                          "kill",
                                          "tgkill",
                                          "pthread_kill",
                                          "assert_fail",
                                          "assert_fail_base",
                                          "assert_perror_fail",
                                          "malloc",
                                          "calloc",
                                          "realloc",
                                          "free",
                                          "cfree",
                                          "memalign",
                                          "posix_memalign",
                                          "aligned_alloc",
                                          "reallocarray",
                                          "int_free",
                                          "int_malloc",
                                          "int_realloc",
                                          "malloc_printerr",
                                          "libc_message",
                                          "malloc_consolidate",
                                          "fortify_fail",
                                          "chk_fail",
                                          "stack_chk_fail",
                                          "stack_chk_fail_local",
                                          "libc_start_call_main",
                                          "start_thread",
                                          "clone",
                                          "clone3",
                                          "restore_rt",
                                          "kernel_rt_sigreturn",
                                          "rust_start_panic",
                                          "rust_begin_unwind",
                                          "rust_panic"};

/* The same, of names that begin with an underscore: "_start". */
static const char *const noise_reserved[] = {"assert",  "start",     "throw",
                                             "rethrow", "terminate", "unexpected"};

/* Beginnings of names, as they are. */
static const char *const noise_starts[] = {
    "__pthread_kill",  "__libc_start",   "__GI_",      "__libc_message", "operator new",
    "operator delete", "towbar_",        "tb_capture", "std::",          "core::panicking::",
    "core::option::",  "core::result::", "__cxa_",     "__cxxabiv1::",   "__gnu_cxx::"};

static const char *const noise_modules[] = {"libc.so",   "libc-",      "ld-linux", "libpthread",
                                            "libtowbar", "libstdc++",  "libgcc_s", "libunwind",
                                            "libc++",    "linux-vdso", "[vdso]"};

static int starts_with(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* An own abort() is one still. */
static int is_for_runtime_only(const char *method)
{
    return method[0] == '_' || starts_with(method, "rust_") || strcmp(method, "abort") == 0;
}

int tb_group_is_noise(const char *method, int has_line)
{
    for (size_t i = 0; i < N(noise_starts); i++)
        if (starts_with(method, noise_starts[i]))
            return 1;
    if (has_line && !is_for_runtime_only(method))
        return 0;
    int is_reserved = method[0] == '_';
    while (*method == '_')
        method++;
    for (size_t i = 0; is_reserved && i < N(noise_reserved); i++)
        if (strcmp(method, noise_reserved[i]) == 0)
            return 1;
    for (size_t i = 0; i < N(noise_names); i++)
        if (strcmp(method, noise_names[i]) == 0)
            return 1;
    return 0;
}

int tb_group_is_noise_module(const char *name)
{
    for (size_t i = 0; i < N(noise_modules); i++)
        if (starts_with(name, noise_modules[i]))
            return 1;
    return 0;
}

/* ---- names ---- */

static void cut_suffixes(char *name)
{
    for (size_t i = 0; i < N(suffixes); i++) {
        char *at = strstr(name, suffixes[i]);
        if (at != NULL && at != name)
            *at = '\0';
    }
}

/* "::h" and 16 hexadecimal digits. */
static void cut_hash(char *name)
{
    size_t len = strlen(name);
    if (len > 19 && starts_with(name + len - 19, "::h") &&
        strspn(name + len - 16, "0123456789abcdef") == 16)
        name[len - 19] = '\0';
}

/* Turns "f::{{closure}}" and "f::{closure#2}::g" into "f::{closure}". */
static int cut_closure(char *name, size_t cap)
{
    char *at = strstr(name, "{closure");
    if (at == NULL)
        return 0;
    if (at > name && at[-1] == '{')
        at--;
    snprintf(at, cap - (size_t)(at - name), "{closure}");
    return 1;
}

/* Where the part of a name that stands for a lambda begins, or NULL. */
static const char *lambda_in(const char *name)
{
    static const char *const marks[] = {"{lambda", "<lambda", "'lambda", "$_", "{unnamed type"};
    const char *first = NULL;
    for (size_t i = 0; i < N(marks); i++) {
        const char *at = strstr(name, marks[i]);
        if (at != NULL && (first == NULL || at < first))
            first = at;
    }
    return first;
}

/* And no argument of a template: that is a function which was given one. */
static int is_lambda(const char *name)
{
    const char *at = lambda_in(name);
    int depth = 0;
    for (const char *c = name; at != NULL && c < at; c++)
        depth += (*c == '<') - (*c == '>' && (c == name || c[-1] != '-'));
    return (at != NULL && depth <= 0) || strcmp(name, "operator()") == 0;
}

int tb_group_is_of_lambda(const char *method)
{
    const char *lambda = lambda_in(method);
    const char *open = strchr(method, '<');
    const char *scope = strstr(method, "::");
    if (lambda == NULL || open == NULL || open >= lambda)
        return 0;
    return starts_with(method, "std::") || starts_with(method, "__gnu_cxx::") ||
           (scope != NULL && open < scope);
}

/* The end of what open begins at at, which is closed by shut: behind it, or the end of the text. */
static const char *skip_pair(const char *at, char open, char shut)
{
    size_t depth = 0;
    for (; *at != '\0'; at++) {
        depth += *at == open;
        if (*at == shut && --depth == 0)
            return at + 1;
    }
    return at;
}

static int is_word(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

/* How many bytes of the text behind "operator" are its sign. */
static size_t sign_len(const char *text)
{
    static const char *const signs[] = {
        "<=>", "<<=", ">>=", "->*", "()", "[]", "->", "<<", ">>", "<=", ">=", "==", "!=", "&&",
        "||",  "++",  "--",  "+=",  "-=", "*=", "/=", "%=", "&=", "|=", "^=", "<",  ">"};
    for (size_t i = 0; i < N(signs); i++)
        if (starts_with(text, signs[i]))
            return strlen(signs[i]);
    return 0;
}

/* Copies name without the arguments of templates and without parameters. The signs in "operator<"
 * and "operator()" are names. */
static void cut_arguments(char *name)
{
    char *to = name;
    const char *from = name;
    while (*from != '\0') {
        if (starts_with(from, "operator") && (from == name || !is_word(from[-1])) &&
            !is_word(from[8])) {
            size_t n = strlen("operator");
            n += sign_len(from + n);
            memmove(to, from, n);
            to += n;
            from += n;
        } else if (*from == '<' && from != name) {
            from = skip_pair(from, '<', '>');
        } else if (*from == '(' && from != name && !starts_with(from, UNNAMED)) {
            break;
        } else {
            *to++ = *from++;
        }
    }
    while (to > name && to[-1] == ' ')
        to--;
    *to = '\0';
}

static void cut_namespace(char *name)
{
    if (strstr(name, UNNAMED) == NULL)
        return;
    const char *last = name;
    for (const char *at = strstr(name, "::"); at != NULL; at = strstr(at + 2, "::"))
        last = at + 2;
    memmove(name, last, strlen(last) + 1);
}

/* Where the name that ends at end begins: it may be an argument of a template. */
static const char *scope_start(const char *name, const char *end)
{
    int depth = 0;
    const char *at = end;
    while (at > name) {
        char c = at[-1];
        int is_arrow = c == '>' && at - 1 > name && at[-2] == '-';
        if ((c == ')' || c == '>' || c == '}') && !is_arrow)
            depth++;
        else if (depth == 0 && strchr(" ,(<{", c) != NULL)
            break;
        else if (c == '(' || c == '<' || c == '{')
            depth--;
        at--;
    }
    return at;
}

int tb_group_lambda_scope(const char *method, char *out, size_t cap)
{
    static const char between[] = "::";
    size_t len = strlen(between);
    const char *end = lambda_in(method);
    if (end == NULL || end < method + len + 1 || strncmp(end - len, between, len) != 0)
        return 0;
    end -= len;
    const char *start = scope_start(method, end);
    snprintf(out, cap, "%.*s", (int)(end - start), start);
    cut_suffixes(out);
    cut_arguments(out);
    cut_namespace(out);
    return out[0] != '\0' && !starts_with(out, "std::");
}

void tb_group_clean(const char *method, char *out, size_t cap)
{
    snprintf(out, cap, "%s", method);
    cut_suffixes(out);
    cut_hash(out);
    if (cut_closure(out, cap))
        return;
    if (is_lambda(out)) {
        char scope[TB_GROUP_NAME_BYTES];
        int has_scope = tb_group_lambda_scope(method, scope, sizeof(scope));
        snprintf(out, cap, "%s%s{lambda}", has_scope ? scope : "", has_scope ? "::" : "");
        return;
    }
    cut_arguments(out);
    cut_namespace(out);
    if (out[0] == '\0')
        snprintf(out, cap, "%s", method);
}

/* The "(" before the parameters, or the end. */
static size_t before_parameters(const char *signature)
{
    for (size_t i = 0; signature[i] != '\0'; i++) {
        if (signature[i] != '(' || starts_with(signature + i, UNNAMED))
            continue;
        if (i >= 8 && starts_with(signature + i - 8, "operator()"))
            i++;
        else
            return i;
    }
    return strlen(signature);
}

void tb_group_clean_signature(const char *signature, char *out, size_t cap)
{
    size_t end = before_parameters(signature);
    size_t start = end;
    int depth = 0; /* of the arguments of templates, which may have spaces */
    while (start > 0) {
        char c = signature[start - 1];
        depth += (c == '>') - (c == '<');
        if (depth == 0 && (c == ' ' || c == '*' || c == '&') &&
            !starts_with(signature + start, "namespace)"))
            break;
        start--;
    }
    char name[2 * TB_GROUP_NAME_BYTES];
    snprintf(name, sizeof(name), "%.*s", (int)(end - start), signature + start);
    tb_group_clean(name, out, cap);
}
