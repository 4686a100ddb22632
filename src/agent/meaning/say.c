/* say.c - see say.h. */
#include "agent/meaning/say.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"

void tb_say_init(struct tb_say *say, char *mem, size_t cap)
{
    *say = (struct tb_say){.text = mem, .cap = cap};
    mem[0] = '\0';
}

static void cut(struct tb_say *say)
{
    say->len = tb_utf8_cut(say->text, say->cap - 1, say->cap - 1);
    say->text[say->len] = '\0';
}

void tb_say(struct tb_say *say, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    size_t room = say->cap - say->len;
    int n = vsnprintf(say->text + say->len, room, format, args);
    va_end(args);
    if (n > 0 && (size_t)n >= room)
        cut(say);
    else if (n > 0)
        say->len += (size_t)n;
}

void tb_say_text(struct tb_say *say, const char *text, size_t len)
{
    for (size_t i = 0; i < len && text[i] != '\0'; i++) {
        unsigned char c = (unsigned char)text[i];
        if (say->len + 1 >= say->cap) {
            cut(say);
            return;
        }
        say->text[say->len++] = c < ' ' || c == 0x7f ? ' ' : (char)c;
        say->text[say->len] = '\0';
    }
}
