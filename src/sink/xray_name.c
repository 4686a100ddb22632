/* xray_name.c - see xray.h: what a document is called, and which colour it has.
 *
 * Source: AWS X-Ray developer guide, "X-Ray segment documents": names have Unicode letters, numbers
 * and white space, and _ . : / % & # = + \ - @. */
#include <string.h>

#include "base/utf8.h"
#include "base/wildcard.h"
#include "sink/xray.h"

enum { HTTP_CLIENT = 400, HTTP_MANY = 429, HTTP_SERVER = 500 };

/* The alphabets that names are likely in: what X-Ray does not take costs the document, a letter too
 * few is not missed. */
static bool is_letter(unsigned code)
{
    static const struct {
        unsigned from, to;
    } letters[] = {
        {0xaa, 0xaa},     {0xb5, 0xb5},     {0xba, 0xba},     {0xc0, 0xd6},     {0xd8, 0xf6},
        {0xf8, 0x2af},    {0x388, 0x38a},   {0x38e, 0x3a1},   {0x3a3, 0x3f5},   {0x400, 0x481},
        {0x48a, 0x52f},   {0x531, 0x556},   {0x561, 0x587},   {0x5d0, 0x5ea},   {0x620, 0x64a},
        {0x904, 0x939},   {0xe01, 0xe30},   {0x10d0, 0x10fa}, {0x1e00, 0x1eff}, {0x3041, 0x3096},
        {0x30a1, 0x30fa}, {0x3400, 0x4dbf}, {0x4e00, 0x9ffc}, {0xac00, 0xd7a3}, {0x20000, 0x2a6dd}};
    for (size_t i = 0; i < sizeof(letters) / sizeof(letters[0]); i++) {
        if (code >= letters[i].from && code <= letters[i].to)
            return true;
    }
    return false;
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
        bool is_good = len == 1 ? is_taken(*text) : len > 0 && is_letter(tb_utf8_code(text, len));
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
    bool has_framework = strcmp(facts->framework, "none") != 0; /* some notifiers say so */
    const char *const names[] = {is_host ? host : "",
                                 settings && settings->name ? settings->name : "",
                                 facts->service,
                                 facts->executable,
                                 has_framework ? facts->framework : "",
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
