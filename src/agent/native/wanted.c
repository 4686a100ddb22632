/* wanted.c - see wanted.h. */
#include "agent/native/wanted.h"

#include <string.h>

#include "item/doc.h"
#include "symbol/worker.h"

static size_t find(const struct tb_wanted *wanted, const char *hex)
{
    size_t i = 0;
    while (i < wanted->n && strcmp(wanted->ids[i], hex) != 0)
        i++;
    return i;
}

int tb_wanted_has(const struct tb_wanted *wanted, const char *hex)
{
    return find(wanted, hex) < wanted->n;
}

static void remove_at(struct tb_wanted *wanted, size_t i)
{
    memmove(wanted->ids[i], wanted->ids[i + 1], (wanted->n - i - 1) * sizeof(wanted->ids[0]));
    wanted->n--;
}

/* At the end of the list, where it is alone. Of too many the first goes. */
static void add_last(struct tb_wanted *wanted, const char *hex)
{
    size_t at = find(wanted, hex);
    if (at < wanted->n)
        remove_at(wanted, at);
    else if (wanted->n == TB_WANTED_MAX)
        remove_at(wanted, 0);
    memcpy(wanted->ids[wanted->n++], hex, strlen(hex) + 1);
}

/* Has the node a build id by that name? */
static int id_of(const struct tb_doc *doc, int node, const char *key,
                 char hex[TB_DEBUGINFOD_HEX_MAX + 2])
{
    return tb_doc_copy(doc, tb_doc_member(doc, node, key), hex, TB_DEBUGINFOD_HEX_MAX + 2) &&
           tb_debuginfod_is_id(hex);
}

static int first_of(const struct tb_doc *doc, const char *key)
{
    int list = tb_doc_member(doc, 0, key);
    return list >= 0 ? tb_doc_at(doc, list)->first : -1;
}

/* Nothing stood in the way that another file would not make good. */
static bool may_help(const char *note)
{
    return note[0] == '\0' || strcmp(note, TB_SYMBOL_NOTE_DAMAGED) == 0 ||
           strcmp(note, TB_SYMBOL_NOTE_NO_MINI) == 0;
}

/* What module m lacks, by what is said of it, or 0. */
static int lacks_data(const struct tb_doc *doc, int m, char out[TB_DEBUGINFOD_HEX_MAX + 2])
{
    static const char *const words[] = {"symtab", "exported", "none", "debug"};
    char symbols[16];
    char note[128];
    (void)tb_doc_copy(doc, tb_doc_member(doc, m, "symbols"), symbols, sizeof(symbols));
    (void)tb_doc_copy(doc, tb_doc_member(doc, m, "note"), note, sizeof(note));
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (strcmp(symbols, words[i]) == 0)
            return id_of(doc, m, "missing", out) ||
                   (strcmp(symbols, "debug") != 0 && may_help(note) &&
                    id_of(doc, m, "build_id", out));
    return 0;
}

/* What the module whose build id is hex lacks, or 0. */
static int lacks(const struct tb_doc *doc, const char *hex, char out[TB_DEBUGINFOD_HEX_MAX + 2])
{
    char own[TB_DEBUGINFOD_HEX_MAX + 2];
    for (int m = first_of(doc, "modules"); m >= 0; m = tb_doc_at(doc, m)->next) {
        if (!id_of(doc, m, "build_id", own) || strcmp(own, hex) != 0)
            continue;
        if (lacks_data(doc, m, out))
            return 1;
    }
    return 0;
}

/* Those of the frames, the outermost first. */
static void read_frames(const struct tb_doc *doc, struct tb_wanted *out)
{
    char hex[TB_DEBUGINFOD_HEX_MAX + 2];
    for (int f = first_of(doc, "frames"); f >= 0; f = tb_doc_at(doc, f)->next)
        if (id_of(doc, f, "build_id", hex))
            add_last(out, hex);
}

void tb_wanted_seen(const char *answer, size_t len, struct tb_wanted *out)
{
    struct tb_doc *doc = NULL;
    char why[TB_DOC_WHY];
    out->n = 0;
    if (tb_doc_new(answer, len, &doc, why) != 0)
        return;
    read_frames(doc, out);
    tb_doc_free(doc);
}

void tb_wanted_read(const char *answer, size_t len, struct tb_wanted *out)
{
    struct tb_doc *doc = NULL;
    struct tb_wanted seen = {.n = 0};
    char why[TB_DOC_WHY];
    char hex[TB_DEBUGINFOD_HEX_MAX + 2];
    out->n = 0;
    if (tb_doc_new(answer, len, &doc, why) != 0)
        return;
    read_frames(doc, &seen);
    while (seen.n > 0) {
        if (lacks(doc, seen.ids[--seen.n], hex) && !tb_wanted_has(out, hex))
            add_last(out, hex);
    }
    tb_doc_free(doc);
}
