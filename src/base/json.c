/* json.c - see json.h.
 *
 * Room for the closing brackets and the NUL is always held back, so finish cannot run out. */
#include "base/json.h"

#include <errno.h>
#include <string.h>

#include "base/id.h"
#include "base/utf8.h"

void tb_json_init(struct tb_json *j, char *mem, size_t cap)
{
    memset(j, 0, sizeof(*j));
    j->mem = mem;
    j->cap = cap;
}

static void put(struct tb_json *j, const char *data, size_t len)
{
    if (j->err)
        return;
    size_t held_back = j->depth + 1;
    if (j->cap < held_back || len > j->cap - held_back - j->len) {
        j->err = -ENOSPC;
        return;
    }
    memcpy(j->mem + j->len, data, len);
    j->len += len;
}

static void before_value(struct tb_json *j)
{
    if (j->comma)
        put(j, ",", 1);
    j->comma = false;
}

static void after_value(struct tb_json *j)
{
    if (j->err)
        return;
    j->comma = true;
    j->whole = j->len;
    j->whole_depth = j->depth;
}

static void open_bracket(struct tb_json *j, const char *bracket, char closing)
{
    before_value(j);
    if (!j->err && j->depth == TB_JSON_DEPTH)
        j->err = -ENOSPC;
    put(j, bracket, 1);
    if (j->err)
        return;
    /* Its own closing bracket must fit as well. */
    if (j->cap - j->len < j->depth + 2) {
        j->err = -ENOSPC;
        return;
    }
    j->close[j->depth++] = closing;
    j->whole = j->len;
    j->whole_depth = j->depth;
    j->comma = false;
}

void tb_json_object(struct tb_json *j)
{
    open_bracket(j, "{", '}');
}

void tb_json_array(struct tb_json *j)
{
    open_bracket(j, "[", ']');
}

void tb_json_end(struct tb_json *j)
{
    if (j->err)
        return;
    if (j->depth == 0) {
        j->err = -EINVAL;
        return;
    }
    j->mem[j->len++] = j->close[--j->depth]; /* room was held back for it */
    after_value(j);
}

static void put_escape(struct tb_json *j, unsigned char c)
{
    static const char named[] = "\"\"\\\\\nn\rr\tt\bb\ff";
    for (size_t i = 0; i + 1 < sizeof(named); i += 2) {
        if ((unsigned char)named[i] == c) {
            char two[2] = {'\\', named[i + 1]};
            put(j, two, 2);
            return;
        }
    }
    char six[7] = "\\u00";
    tb_hex(&c, 1, six + 4);
    put(j, six, 6);
}

static bool is_plain(unsigned char c)
{
    return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

/* Are the eight bytes of word plain? Each test sets the top bit of a byte that fails it, and may
 * set those of bytes above it; 0x7f is taken for one that fails as well. */
static bool are_plain(uint64_t word)
{
    const uint64_t ones = 0x0101010101010101;
    uint64_t quote = word ^ ones * '"';
    uint64_t backslash = word ^ ones * '\\';
    uint64_t fails = (word - ones * 0x20) | (quote - ones) | (backslash - ones) | (word + ones);
    return ((fails | word) & ones * 0x80) == 0;
}

/* How many bytes from text on need nothing done to them. */
static size_t plain_len(const char *text, size_t len)
{
    size_t n = 0;
    uint64_t word;
    for (; len - n >= sizeof(word); n += sizeof(word)) {
        memcpy(&word, text + n, sizeof(word));
        if (!are_plain(word))
            break;
    }
    while (n < len && is_plain((unsigned char)text[n]))
        n++;
    return n;
}

static void put_text(struct tb_json *j, const char *text, size_t len)
{
    const unsigned char *p = (const unsigned char *)text;
    size_t i = 0;
    size_t plain = 0; /* start of the run not yet copied */
    put(j, "\"", 1);
    while (!j->err) {
        i += plain_len(text + i, len - i);
        if (i == len)
            break;
        size_t wide = p[i] >= 0x80 ? tb_utf8_len(text + i, len - i) : 0;
        bool is_c1 = wide == 2 && p[i] == 0xc2 && p[i + 1] < 0xa0;
        if (wide > 0 && !is_c1) {
            i += wide;
            continue;
        }
        put(j, text + plain, i - plain);
        if (is_c1)
            put_escape(j, p[++i]);
        else if (p[i] >= 0x80)
            put(j, "\xef\xbf\xbd", 3);
        else
            put_escape(j, p[i]);
        plain = ++i;
    }
    put(j, text + plain, i - plain);
    put(j, "\"", 1);
}

void tb_json_key(struct tb_json *j, const char *key)
{
    before_value(j);
    put_text(j, key, strlen(key));
    put(j, ":", 1);
}

void tb_json_strn(struct tb_json *j, const char *text, size_t len)
{
    before_value(j);
    put_text(j, text, len);
    after_value(j);
}

void tb_json_raw(struct tb_json *j, const char *json, size_t len)
{
    before_value(j);
    put(j, json, len);
    after_value(j);
}

void tb_json_str(struct tb_json *j, const char *text)
{
    if (text)
        tb_json_strn(j, text, strlen(text));
    else
        tb_json_raw(j, "null", 4);
}

void tb_json_int(struct tb_json *j, int64_t value)
{
    char text[24];
    size_t at = sizeof(text);
    uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    do {
        text[--at] = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest > 0);
    if (value < 0)
        text[--at] = '-';
    tb_json_raw(j, text + at, sizeof(text) - at);
}

void tb_json_bool(struct tb_json *j, bool value)
{
    tb_json_raw(j, value ? "true" : "false", value ? 4 : 5);
}

void tb_json_hex(struct tb_json *j, uint64_t value)
{
    char text[24];
    size_t at = sizeof(text);
    text[--at] = '"';
    do {
        text[--at] = "0123456789abcdef"[value & 15];
        value >>= 4;
    } while (value > 0);
    text[--at] = 'x';
    text[--at] = '0';
    text[--at] = '"';
    tb_json_raw(j, text + at, sizeof(text) - at);
}

void tb_json_hexstr(struct tb_json *j, const void *data, size_t len)
{
    const unsigned char *p = data;
    before_value(j);
    put(j, "\"", 1);
    for (size_t i = 0; i < len; i++) {
        char two[3];
        tb_hex(p + i, 1, two);
        put(j, two, 2);
    }
    put(j, "\"", 1);
    after_value(j);
}

void tb_json_kstr(struct tb_json *j, const char *key, const char *text)
{
    tb_json_key(j, key);
    tb_json_str(j, text);
}

void tb_json_kopt(struct tb_json *j, const char *key, const char *text)
{
    if (text && text[0])
        tb_json_kstr(j, key, text);
}

void tb_json_kint(struct tb_json *j, const char *key, int64_t value)
{
    tb_json_key(j, key);
    tb_json_int(j, value);
}

void tb_json_kbool(struct tb_json *j, const char *key, bool value)
{
    tb_json_key(j, key);
    tb_json_bool(j, value);
}

void tb_json_khex(struct tb_json *j, const char *key, uint64_t value)
{
    tb_json_key(j, key);
    tb_json_hex(j, value);
}

int tb_json_finish(struct tb_json *j)
{
    if (j->cap == 0)
        return -ENOSPC;
    if (j->err) {
        j->len = j->whole;
        j->depth = j->whole_depth;
    }
    while (j->depth > 0)
        j->mem[j->len++] = j->close[--j->depth];
    j->mem[j->len] = '\0';
    return j->err;
}
