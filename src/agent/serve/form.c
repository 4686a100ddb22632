/* form.c - see form.h. Source of the encoding: the URL standard, application/x-www-form-urlencoded.
 */
#include "agent/serve/form.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/id.h"

static const char FIELD[] = "payload=";
enum { FIELD_LEN = sizeof(FIELD) - 1 };

/* The field's value, or NULL. */
static const char *find(const char *body, size_t len, size_t *value_len)
{
    const char *end = body + len;
    for (const char *at = body; at < end;) {
        const char *next = memchr(at, '&', (size_t)(end - at));
        size_t n = (size_t)((next != NULL ? next : end) - at);
        if (n >= FIELD_LEN && memcmp(at, FIELD, FIELD_LEN) == 0) {
            *value_len = n - FIELD_LEN;
            return at + FIELD_LEN;
        }
        at += n + 1;
    }
    return NULL;
}

static int first_byte(const char *body, size_t len)
{
    size_t i = 0;
    while (i < len && strchr(" \t\r\n", body[i]) != NULL && body[i] != '\0')
        i++;
    return i < len ? body[i] : -1;
}

int tb_form_begins_object(const char *text, size_t len)
{
    return first_byte(text, len) == '{';
}

int tb_form_may_be_item(const char *body, size_t len)
{
    size_t n;
    return tb_form_begins_object(body, len) || find(body, len, &n) != NULL;
}

char *tb_form_payload(const char *body, size_t len, size_t *out_len, int *err)
{
    size_t n = 0;
    *err = 0;
    const char *value = tb_form_begins_object(body, len) ? NULL : find(body, len, &n);
    if (value == NULL)
        return NULL;
    char *out = malloc(n + 1);
    if (out == NULL) {
        *err = -ENOMEM;
        return NULL;
    }
    size_t used = 0;
    for (size_t i = 0; i < n; i++) {
        unsigned char byte = (unsigned char)(value[i] == '+' ? ' ' : value[i]);
        char digits[3] = {0};
        if (value[i] == '%' && n - i > 2) {
            memcpy(digits, value + i + 1, 2);
            if (tb_unhex(digits, &byte, 1) == 0)
                i += 2;
        }
        out[used++] = (char)byte;
    }
    out[used] = '\0';
    *out_len = used;
    return out;
}
