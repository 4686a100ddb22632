/* xray_name.c - see xray.h: what a document is called, and which colour it has.
 *
 * Source: AWS X-Ray developer guide, "X-Ray segment documents": names have Unicode letters, numbers
 * and white space, and _ . : / % & # = + \ - @. */
#include <string.h>

#include "base/utf8.h"
#include "base/wildcard.h"
#include "sink/xray.h"

enum { HTTP_CLIENT = 400, HTTP_MANY = 429, HTTP_SERVER = 500 };

static unsigned code_point(const char *text, size_t len)
{
    static const unsigned char firsts[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    unsigned code = (unsigned char)text[0] & firsts[len];
    for (size_t i = 1; i < len; i++)
        code = code << 6 | ((unsigned char)text[i] & 0x3f);
    return code;
}

/* Blocks without letters: a letter too many costs the document, one too few is not missed. */
static bool is_letter(unsigned code)
{
    static const struct {
        unsigned from, to;
    } others[] = {{0x80, 0xa9},       {0xab, 0xb4},       {0xb6, 0xb9},     {0xbb, 0xbf},
                  {0xd7, 0xd7},       {0xf7, 0xf7},       {0x2b0, 0x36f},   {0x2000, 0x2bff},
                  {0x2e00, 0x2e7f},   {0x2ff0, 0x3004},   {0x3008, 0x3030}, {0xd800, 0xf8ff},
                  {0xfe00, 0xfe6f},   {0xff00, 0xff0f},   {0xffe0, 0xffff}, {0x1cf00, 0x1d3ff},
                  {0x1f000, 0x1ffff}, {0xe0000, 0x10ffff}};
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        if (code >= others[i].from && code <= others[i].to)
            return false;
    }
    return true;
}

static bool is_taken(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr(" _.:/%&#=+\\-@", c) != NULL);
}

void tb_xray_clean_name(const char *text, char out[TB_XRAY_NAME_BYTES])
{
    size_t left = strlen(text);
    size_t n = 0;
    for (unsigned chars = 0; left > 0 && chars < TB_XRAY_NAME_CHARS;) {
        size_t len = tb_utf8_len(text, left);
        bool is_good = len == 1 ? is_taken(*text) : len > 0 && is_letter(code_point(text, len));
        if (is_good) {
            memcpy(out + n, text, len);
            n += len;
            chars++;
        } else if (len == 1 && *text > 0 && *text < ' ' && n > 0 && out[n - 1] != ' ') {
            out[n++] = ' ';
            chars++;
        }
        len += len == 0 ? 1 : 0;
        text += len;
        left -= len;
    }
    while (n > 0 && out[n - 1] == ' ')
        n--;
    out[n] = '\0';
}

void tb_xray_name(const struct tb_sink_facts *facts, const struct tb_sink_settings *settings,
                  char out[TB_XRAY_NAME_BYTES])
{
    const char *host = facts->request_host;
    bool is_host = settings && host[0] != '\0' && settings->name_pattern &&
                   settings->name_pattern[0] != '\0' &&
                   tb_wildcard_fits(settings->name_pattern, host);
    const char *const names[] = {is_host ? host : "",
                                 settings && settings->name ? settings->name : "",
                                 facts->service,
                                 facts->executable,
                                 facts->framework,
                                 facts->host,
                                 "unknown"};
    out[0] = '\0';
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]) && out[0] == '\0'; i++)
        tb_xray_clean_name(names[i], out);
}

bool tb_xray_is_subsegment(const struct tb_sink_facts *facts)
{
    return facts->is_xray_local && facts->xray_parent_id[0] != '\0';
}

struct tb_xray_flags tb_xray_flags_of(const struct tb_sink_facts *facts)
{
    struct tb_xray_flags flags = {false, false, false};
    bool is_client = facts->http_status >= HTTP_CLIENT && facts->http_status < HTTP_SERVER;
    if (facts->level <= TB_FACTS_WARNING)
        return flags;
    flags.fault = facts->is_crash || !is_client;
    flags.error = !flags.fault;
    flags.throttle = flags.error && facts->http_status == HTTP_MANY;
    return flags;
}
