/* tracestate.c - the members of tracestate; see formats.h. W3C Trace Context level 2. */
#include <errno.h>
#include <string.h>

#include "trace/formats.h"
#include "trace/text.h"

enum { MEMBERS = 32, PART_BYTES = 256, LONG_MEMBER = 128 };

static bool is_key(struct tb_slice key)
{
    return key.len > 0 && key.len <= PART_BYTES &&
           (tb_char_classes[(unsigned char)key.text[0]] & TB_CHAR_KEY_START) != 0 &&
           tb_slice_is(key, TB_CHAR_KEY);
}

int tb_tracestate_next(struct tb_slice *rest, struct tb_member *out)
{
    while (rest->text != NULL) {
        struct tb_slice member = tb_slice_trim(tb_slice_cut(rest, ','));
        if (member.len == 0)
            continue; /* empty ones are legal */
        struct tb_slice value = member;
        struct tb_slice key = tb_slice_cut(&value, '=');
        if (!is_key(key) || value.text == NULL || value.len == 0 || value.len > PART_BYTES ||
            !tb_slice_is(value, TB_CHAR_VALUE))
            return -EINVAL;
        *out = (struct tb_member){.key = key, .value = value, .whole = member};
        return 1;
    }
    return 0;
}

/* Whole members go: first those over 128 characters, then any, from the right. */
static void cut(struct tb_slice *members, size_t n, size_t *total)
{
    for (int any = 0; any < 2; any++) {
        for (size_t i = n; i-- > 0 && *total > TB_TRACESTATE_TEXT;) {
            if (members[i].len == 0 || (!any && members[i].len <= LONG_MEMBER))
                continue;
            *total -= members[i].len + 1;
            members[i].len = 0;
        }
    }
}

int tb_tracestate_parse(const struct tb_slice *headers, size_t n, char out[TB_TRACESTATE_TEXT])
{
    struct tb_slice members[MEMBERS];
    struct tb_member member;
    size_t n_members = 0;
    size_t total = 0; /* with a comma, or the NUL, behind each */
    for (size_t i = 0; i < n; i++) {
        struct tb_slice rest = headers[i];
        int found;
        while ((found = tb_tracestate_next(&rest, &member)) == 1) {
            if (n_members == MEMBERS)
                return -EINVAL;
            members[n_members++] = member.whole;
            total += member.whole.len + 1;
        }
        if (found < 0)
            return -EINVAL;
    }
    cut(members, n_members, &total);
    struct tb_line line = {.mem = out, .cap = TB_TRACESTATE_TEXT};
    out[0] = '\0';
    for (size_t i = 0; i < n_members; i++) {
        if (members[i].len == 0)
            continue;
        if (line.len > 0)
            tb_line_text(&line, ",");
        tb_line_add(&line, members[i].text, members[i].len);
    }
    return (int)n_members;
}
