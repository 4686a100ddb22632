/* fuzz_scrub.c - texts and items of strangers: what was JSON is JSON afterwards, and a secret under
 * "password" is gone, whatever stands around it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/pipeline/scrub.h"
#include "base/json.h"

#define SECRET "Zq7planted"

enum { MOST_BYTES = 1 << 20 };

static const struct tb_scrub *scrubber(void)
{
    static struct tb_scrub scrub;
    static char pattern[] = "(a+)+b|\\bQ\\w{3,}";
    static char key[] = "payment.code";
    char *keys[] = {key};
    char *patterns[] = {pattern};
    char why[TB_SCRUB_WHY];
    const struct tb_scrub_rules rules = {
        .keys = keys, .n_keys = 1, .patterns = patterns, .n_patterns = 1};
    if (scrub.names == NULL && tb_scrub_init(&scrub, &rules, why) != 0)
        abort();
    return &scrub;
}

/* An item that holds value at "x": it is JSON afterwards, without the secret beside it. */
static void try_item(const char *value, size_t len, int may_be_broken)
{
    struct tb_buf item;
    struct tb_buf out;
    struct tb_doc *doc = NULL;
    char why[TB_DOC_WHY];
    size_t n = 0;
    tb_buf_init(&item, MOST_BYTES);
    tb_buf_init(&out, (size_t)4 * MOST_BYTES);
    tb_buf_adds(&item, "{\"password\":\"" SECRET "\",\"custom\":{\"x\":");
    tb_buf_add(&item, value, len);
    tb_buf_adds(&item, ",\"y\":{\"dbPassword\":[1,\"" SECRET "\"]}}}");
    if (item.err)
        abort();
    if (tb_doc_new(tb_buf_str(&item), item.len, &doc, why) != 0) {
        if (!may_be_broken)
            abort();
        tb_buf_done(&item);
        return;
    }
    if (tb_scrub_item(scrubber(), doc, &n) != 0 || n < 2 || tb_doc_render(doc, &out) != 0)
        abort();
    tb_doc_free(doc);
    if (tb_doc_new(tb_buf_str(&out), out.len, &doc, why) != 0 ||
        strstr(tb_buf_str(&out), SECRET) != NULL)
        abort();
    tb_doc_free(doc);
    tb_buf_done(&item);
    tb_buf_done(&out);
}

/* The text as a value, with the secret on a line of its own behind it, and before it. */
static void try_text(const char *text, size_t len)
{
    static const char line[] = "\npassword=" SECRET "\n";
    size_t whole = len + 2 * sizeof(line);
    char *mem = malloc(6 * whole + 16);
    char *plain = malloc(whole);
    struct tb_json j;
    if (mem == NULL || plain == NULL)
        abort();
    for (int is_behind = 0; is_behind < 2; is_behind++) {
        size_t n = 0;
        if (!is_behind) {
            memcpy(plain, line, sizeof(line) - 1);
            n = sizeof(line) - 1;
        }
        memcpy(plain + n, text, len);
        n += len;
        if (is_behind) {
            memcpy(plain + n, line, sizeof(line) - 1);
            n += sizeof(line) - 1;
        }
        tb_json_init(&j, mem, 6 * whole + 16);
        tb_json_strn(&j, plain, n);
        if (tb_json_finish(&j) != 0)
            abort();
        try_item(mem, j.len, 0);
    }
    free(plain);
    free(mem);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    if (size > MOST_BYTES / 16 || memmem(data, size, SECRET, sizeof(SECRET) - 1) != NULL)
        return 0;
    try_item(text, size, 1);
    try_text(text, size);
    return 0;
}
