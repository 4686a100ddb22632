/* otlp_write.c - see otlp.h: texts and attributes in OTLP's JSON. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"
#include "sink/otlp.h"

enum { NUMBER_BYTES = 32 };

/* What the character at from is written as: as it is (NULL), or as the escape that is returned. */
static const char *escape_of(unsigned char c, char room[8])
{
    switch (c) {
    case '"':
        return "\\\"";
    case '\\':
        return "\\\\";
    case '\n':
        return "\\n";
    case '\t':
        return "\\t";
    case '\r':
        return "\\r";
    default:
        break;
    }
    if (c >= ' ')
        return NULL;
    (void)snprintf(room, 8, "\\u%04x", c);
    return room;
}

void tb_otlp_text_open(struct tb_otlp_text *text, struct tb_buf *out, size_t max)
{
    *text = (struct tb_otlp_text){.out = out, .left = max};
    tb_buf_add(out, "\"", 1);
}

/* The plain bytes from from on, with those of no other: as many as there is room for. */
static void add_plain(struct tb_otlp_text *text, const char *from, size_t len)
{
    size_t n = tb_utf8_cut(from, len, text->left);
    text->is_cut = n < len;
    tb_buf_add(text->out, from, n);
    text->left -= n;
}

void tb_otlp_text_add(struct tb_otlp_text *text, const char *part)
{
    char room[8];
    while (*part != '\0' && !text->is_cut) {
        size_t len = 0;
        while ((unsigned char)part[len] >= ' ' && part[len] != '"' && part[len] != '\\')
            len++;
        add_plain(text, part, len);
        part += len;
        const char *escape = *part != '\0' ? escape_of((unsigned char)*part, room) : NULL;
        if (!escape || text->is_cut)
            continue;
        len = strlen(escape);
        text->is_cut = len > text->left;
        if (text->is_cut)
            return;
        tb_buf_add(text->out, escape, len);
        text->left -= len;
        part++;
    }
}

void tb_otlp_text_close(struct tb_otlp_text *text)
{
    tb_buf_add(text->out, "\"", 1);
}

void tb_otlp_string(struct tb_buf *out, const char *text, size_t max)
{
    struct tb_otlp_text open;
    tb_otlp_text_open(&open, out, max);
    tb_otlp_text_add(&open, text);
    tb_otlp_text_close(&open);
}

/* ---- attributes ---- */

void tb_otlp_list_open(struct tb_otlp_list *list, struct tb_buf *out)
{
    *list = (struct tb_otlp_list){.out = out};
    tb_buf_add(out, "[", 1);
}

void tb_otlp_list_close(struct tb_otlp_list *list)
{
    tb_buf_add(list->out, "]", 1);
}

void tb_otlp_put_key(struct tb_otlp_list *list, const char *key)
{
    tb_buf_adds(list->out, list->has_some ? ",{\"key\":" : "{\"key\":");
    list->has_some = true;
    tb_otlp_string(list->out, key, TB_OTLP_TEXT_BYTES);
    tb_buf_adds(list->out, ",\"value\":");
}

void tb_otlp_put(struct tb_otlp_list *list, const char *key, const char *text, size_t max)
{
    if (text[0] == '\0')
        return;
    tb_otlp_put_key(list, key);
    tb_buf_adds(list->out, "{\"stringValue\":");
    tb_otlp_string(list->out, text, max);
    tb_buf_adds(list->out, "}}");
}

void tb_otlp_put_int(struct tb_otlp_list *list, const char *key, int64_t value)
{
    char number[NUMBER_BYTES];
    (void)snprintf(number, sizeof(number), "%" PRId64, value);
    tb_otlp_put_key(list, key);
    tb_buf_adds(list->out, "{\"intValue\":\"");
    tb_buf_adds(list->out, number);
    tb_buf_adds(list->out, "\"}}");
}

void tb_otlp_put_true(struct tb_otlp_list *list, const char *key)
{
    tb_otlp_put_key(list, key);
    tb_buf_adds(list->out, "{\"boolValue\":true}}");
}
