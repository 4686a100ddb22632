/* group_forwarded.c - see group_forwarded.h. */
#include "agent/native/group_forwarded.h"

#include <ctype.h>
#include <string.h>

enum { NAME_BYTES = 4096, MESSAGE_BYTES = 64 << 10 };
enum { SHA_DIGITS_MIN = 7, SHA_DIGITS_MAX = 40, HEX_DIGITS_MIN = 4, INTEGER_DIGITS_MIN = 2 };

/* ---- what may differ: each returns how many bytes of it text begins with ---- */

static size_t digits(const char *text)
{
    return strspn(text, "0123456789");
}

static int has_digit(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (isdigit((unsigned char)text[i]))
            return 1;
    return 0;
}

static int is_word(char c)
{
    return isalnum((unsigned char)c);
}

/* n digits, whatever follows. */
static size_t exactly(const char *text, size_t n)
{
    return digits(text) >= n ? n : 0;
}

static size_t one_of(const char *text, const char *set)
{
    return *text != '\0' && strchr(set, *text) != NULL ? 1 : 0;
}

/* 20240501, 2024-05-01, 2024_05_01, and 2024-05-01T120000. A number of another length is none. */
static size_t date(const char *text)
{
    size_t n = exactly(text, 4);
    if (n == 0)
        return 0;
    n += one_of(text + n, "-_.");
    if (exactly(text + n, 2) == 0)
        return 0;
    n += 2;
    n += one_of(text + n, "-_.");
    if (exactly(text + n, 2) == 0)
        return 0;
    n += 2;
    size_t mark = one_of(text + n, "-_.T");
    size_t time = digits(text + n + mark);
    return time == 4 || time == 6 ? n + mark + time : n;
}

/* Of a commit or a build: small hexadecimal digits, among them a decimal one. */
static size_t sha(const char *text)
{
    size_t n = strspn(text, "0123456789abcdef");
    if (n < SHA_DIGITS_MIN || n > SHA_DIGITS_MAX || is_word(text[n]) || !has_digit(text, n))
        return 0;
    return n;
}

/* "12:30", "12:30:05", "12:30:05.123", then perhaps a zone. */
static size_t time_of_day(const char *text)
{
    size_t n = 0;
    if (digits(text) != 2 || text[2] != ':' || digits(text + 3) != 2)
        return 0;
    n = 5;
    if (text[n] == ':' && exactly(text + n + 1, 2) > 0) {
        n += 3;
        if (one_of(text + n, ".,") > 0)
            n += digits(text + n + 1) > 0 ? 1 + digits(text + n + 1) : 0;
    }
    if (text[n] == 'Z')
        return n + 1;
    size_t zone = one_of(text + n, "+-");
    if (zone > 0 && exactly(text + n + 1, 2) > 0) {
        zone += 2;
        zone += text[n + zone] == ':' ? 1 : 0;
        n += exactly(text + n + zone, 2) > 0 ? zone + 2 : 0;
    }
    return n;
}

static size_t timestamp(const char *text)
{
    size_t n = 10;
    if (digits(text) != 4 || text[4] != '-' || digits(text + 5) != 2 || text[7] != '-' ||
        exactly(text + 8, 2) == 0)
        return time_of_day(text);
    if (one_of(text + n, "T ") > 0) {
        size_t time = time_of_day(text + n + 1);
        n += time > 0 ? time + 1 : 0;
    }
    return n;
}

static size_t decimal(const char *text)
{
    size_t n = digits(text);
    if (n == 0 || text[n] != '.' || digits(text + n + 1) == 0)
        return 0;
    return n + 1 + digits(text + n + 1);
}

/* 0x and any, or four and more with a decimal digit among them; one word. */
static size_t hexadecimal(const char *text)
{
    size_t start = text[0] == '0' && (text[1] == 'x' || text[1] == 'X') ? 2 : 0;
    size_t n = strspn(text + start, "0123456789abcdefABCDEF");
    if (n < HEX_DIGITS_MIN || is_word(text[start + n]))
        return 0;
    return start > 0 || has_digit(text, n) ? start + n : 0;
}

static size_t integer(const char *text)
{
    size_t n = digits(text);
    return n >= INTEGER_DIGITS_MIN ? n : 0;
}

/* ---- names and messages ---- */

/* Where a file name of a package begins: at the last of its manager's folders. */
static const char *package_part(const char *name)
{
    static const char *const folders[] = {"/site-packages/", "/dist-packages/", "/node_modules/"};
    const char *found = NULL;
    for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
        for (const char *at = strstr(name, folders[i]); at != NULL; at = strstr(at + 1, folders[i]))
            if (found == NULL || at > found)
                found = at;
    }
    return found != NULL ? found + 1 : NULL;
}

static const char *below(const char *name, const char *root)
{
    size_t len = strlen(root);
    while (len > 0 && root[len - 1] == '/')
        len--;
    return len > 0 && strncmp(name, root, len) == 0 && name[len] == '/' ? name + len : NULL;
}

void tb_group_plain_file(const char *name, const char *root, struct tb_buf *out)
{
    const char *package = package_part(name);
    const char *rest = package != NULL ? NULL : below(name, root);
    if (rest != NULL)
        tb_buf_adds(out, "ROOT");
    const char *start = package != NULL ? package : rest != NULL ? rest : name;
    for (const char *c = start; *c != '\0';) {
        size_t n = c == start || !isdigit((unsigned char)c[-1]) ? date(c) : 0;
        if (n == 0 && (c == start || !is_word(c[-1])))
            n = sha(c);
        if (n == 0)
            tb_buf_add(out, c, 1);
        c += n > 0 ? n : 1;
    }
}

void tb_group_plain_method(const char *name, struct tb_buf *out)
{
    for (const char *c = name; *c != '\0';) {
        size_t n = integer(c);
        if (n == 0)
            tb_buf_add(out, c, 1);
        c += n > 0 ? n : 1;
    }
}

void tb_group_plain_message(const char *text, struct tb_buf *out)
{
    static size_t (*const kinds[])(const char *) = {timestamp, decimal, hexadecimal, integer};
    for (const char *c = text; *c != '\0';) {
        /* A number begins where no other one goes on; hexadecimal ones where no word does. */
        int may_begin = c == text || !isdigit((unsigned char)c[-1]);
        int is_new_word = c == text || !is_word(c[-1]);
        size_t n = 0;
        for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]) && n == 0; i++)
            if (kinds[i] == hexadecimal ? is_new_word : may_begin)
                n = kinds[i](c);
        if (n == 0)
            tb_buf_add(out, c, 1);
        c += n > 0 ? n : 1;
    }
}

/* ---- items ---- */

static void add_trace(const struct tb_doc *item, int trace, const char *root, struct tb_buf *text)
{
    char name[NAME_BYTES];
    int frames = tb_doc_member(item, trace, "frames");
    const struct tb_doc_node *list = frames >= 0 ? tb_doc_at(item, frames) : NULL;
    if (list != NULL && list->type == TB_DOC_ARRAY) {
        for (int f = list->first; f >= 0; f = tb_doc_at(item, f)->next) {
            if (tb_doc_copy(item, tb_doc_member(item, f, "filename"), name, sizeof(name)))
                tb_group_plain_file(name, root, text);
            if (tb_doc_copy(item, tb_doc_member(item, f, "method"), name, sizeof(name)))
                tb_group_plain_method(name, text);
        }
    }
    int exception = tb_doc_member(item, trace, "exception");
    if (exception >= 0 &&
        tb_doc_copy(item, tb_doc_member(item, exception, "class"), name, sizeof(name)))
        tb_buf_adds(text, name);
}

static void add_text(const struct tb_doc *item, struct tb_buf *text)
{
    struct tb_buf message;
    int node = tb_doc_find(item, 0, "body.message.body");
    if (node < 0)
        node = tb_doc_find(item, 0, "body.crash_report.raw");
    if (node < 0 || tb_doc_at(item, node)->type != TB_DOC_STRING)
        return;
    tb_buf_init(&message, TB_DOC_BYTES);
    tb_doc_string(item, node, &message);
    if (message.len > MESSAGE_BYTES)
        message.data[MESSAGE_BYTES] = '\0';
    tb_group_plain_message(tb_buf_str(&message), text);
    tb_buf_done(&message);
}

enum tb_group_by tb_group_forwarded_text(const struct tb_doc *item, struct tb_buf *out)
{
    char root[NAME_BYTES];
    int trace = tb_doc_find(item, 0, "body.trace");
    int chain = tb_doc_find(item, 0, "body.trace_chain");
    (void)tb_doc_copy(item, tb_doc_find(item, 0, "server.root"), root, sizeof(root));
    if (trace >= 0) {
        add_trace(item, trace, root, out);
        return TB_GROUP_BY_TRACE;
    }
    if (chain >= 0 && tb_doc_at(item, chain)->type == TB_DOC_ARRAY) {
        for (int t = tb_doc_at(item, chain)->first; t >= 0; t = tb_doc_at(item, t)->next)
            add_trace(item, t, root, out);
        return TB_GROUP_BY_CHAIN;
    }
    add_text(item, out);
    return TB_GROUP_BY_MESSAGE;
}
