/* baggage.c - W3C baggage; see formats.h. */
#include <errno.h>
#include <string.h>

#include "trace/formats.h"
#include "trace/text.h"

/* key[=value], of what follows a ";". */
static bool is_property(struct tb_slice text)
{
    struct tb_slice value = text;
    struct tb_slice key = tb_slice_trim(tb_slice_cut(&value, '='));
    return key.len > 0 && tb_slice_is(key, TB_CHAR_TOKEN) &&
           (value.text == NULL || tb_slice_is(tb_slice_trim(value), TB_CHAR_BAGGAGE));
}

static int read_member(struct tb_slice whole, struct tb_member *out)
{
    struct tb_slice properties = whole;
    struct tb_slice value = tb_slice_cut(&properties, ';');
    struct tb_slice key = tb_slice_trim(tb_slice_cut(&value, '='));
    if (key.len == 0 || !tb_slice_is(key, TB_CHAR_TOKEN) || value.text == NULL)
        return -EINVAL;
    value = tb_slice_trim(value);
    if (!tb_slice_is(value, TB_CHAR_BAGGAGE))
        return -EINVAL;
    while (properties.text != NULL) {
        struct tb_slice property = tb_slice_trim(tb_slice_cut(&properties, ';'));
        if (property.len > 0 && !is_property(property))
            return -EINVAL;
    }
    *out = (struct tb_member){.key = key, .value = value, .whole = whole};
    return 1;
}

int tb_baggage_next(struct tb_slice *rest, struct tb_member *out)
{
    while (rest->text != NULL) {
        struct tb_slice whole = tb_slice_trim(tb_slice_cut(rest, ','));
        if (whole.len > 0)
            return read_member(whole, out);
    }
    return 0;
}

int tb_baggage_value(struct tb_slice value, char *out, size_t cap)
{
    return tb_percent_parse(value, out, cap);
}

size_t tb_baggage_text(const struct tb_slice *headers, size_t n, char out[TB_BAGGAGE_BYTES + 1],
                       size_t *n_over)
{
    struct tb_line line = {.mem = out, .cap = TB_BAGGAGE_BYTES + 1};
    struct tb_member member;
    size_t n_members = 0;
    size_t over = 0;
    out[0] = '\0';
    for (size_t i = 0; i < n; i++) {
        struct tb_slice rest = headers[i];
        int found;
        while ((found = tb_baggage_next(&rest, &member)) != 0) {
            size_t comma = line.len > 0 ? 1 : 0;
            if (found < 0)
                continue;
            if (n_members == TB_BAGGAGE_MEMBERS ||
                line.cap - line.len <= member.whole.len + comma) {
                over++;
                continue;
            }
            tb_line_add(&line, ",", comma);
            tb_line_add(&line, member.whole.text, member.whole.len);
            n_members++;
        }
    }
    if (n_over != NULL)
        *n_over = over;
    return line.len;
}
