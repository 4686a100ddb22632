/* scrub.c - items, and all that is JSON, without secrets; see scrub.h. One text: scrub_any.c. */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "agent/pipeline/scrub_names.h"
#include "agent/pipeline/scrub_patterns.h"
#include "base/json.h"
#include "base/utf8.h"

#define N(table) (sizeof(table) / sizeof((table)[0]))

enum { PATH_LEVELS = 3, PAIR_MEMBERS = 32 };

int tb_scrub_init(struct tb_scrub *scrub, const struct tb_scrub_rules *rules,
                  char why[TB_SCRUB_WHY])
{
    memset(scrub, 0, sizeof(*scrub));
    why[0] = '\0';
    scrub->has_no_forms = rules->has_no_forms;
    int err = tb_scrub_names_init(scrub, rules);
    if (!err && rules->n_patterns > 0)
        err = tb_scrub_patterns_new(rules->patterns, rules->n_patterns, &scrub->patterns, why);
    if (err)
        tb_scrub_done(scrub);
    return err;
}

void tb_scrub_done(struct tb_scrub *scrub)
{
    if (scrub == NULL)
        return;
    tb_scrub_names_done(scrub);
    tb_scrub_patterns_free(scrub->patterns);
    memset(scrub, 0, sizeof(*scrub));
}

/* ---- where a node stands ---- */

/* The keys above the node that is looked at, the root's first. Each is decoded once, when the walk
 * comes by, and only its end is kept: the members of an object with a long key cost no more. */
struct level {
    int node;
    size_t len; /* of the whole key */
    char tail[TB_SCRUB_TAIL + 1];
};

struct walk {
    struct tb_scrub_run *run;
    struct tb_doc *item;
    int level; /* TB_SCRUB_LEVELS: the item itself, not JSON in one of its texts */
    struct level levels[TB_DOC_DEPTH + 1];
    int depth; /* the last one in use; 0 is the root, with the key of the text that it stood in */
    struct tb_buf key;
    int after; /* the node that the one before has named, or -1 */
};

static void set_level(struct level *level, int node, const char *key, size_t len)
{
    size_t cut = len > TB_SCRUB_TAIL ? len - TB_SCRUB_TAIL : 0;
    level->node = node;
    level->len = len;
    memcpy(level->tail, key + cut, len - cut);
    level->tail[len - cut] = '\0';
}

/* Nodes come in the order of the text, so what is above the last one is still there. */
static int enter(struct walk *walk, int node)
{
    const struct tb_doc_node *at = tb_doc_at(walk->item, node);
    while (walk->depth > 0 && walk->levels[walk->depth].node != at->parent)
        walk->depth--;
    if (walk->depth >= TB_DOC_DEPTH)
        return -EMSGSIZE; /* tb_doc does not let it come to that */
    tb_buf_reset(&walk->key);
    if (at->key_len > 0)
        tb_doc_key(walk->item, node, &walk->key);
    set_level(&walk->levels[++walk->depth], node, tb_buf_str(&walk->key), walk->key.len);
    return walk->key.err;
}

/* up: 0 is the node itself, 1 its parent. */
static const struct level *above(const struct walk *walk, int up)
{
    return up <= walk->depth ? &walk->levels[walk->depth - up] : NULL;
}

static int key_is(const struct walk *walk, int up, const char *key)
{
    const struct level *level = above(walk, up);
    return level != NULL && level->len == strlen(key) && strcmp(level->tail, key) == 0;
}

/* The keys from the item down are these? */
static int is_below(const struct walk *walk, const char *first, const char *second)
{
    return walk->level == TB_SCRUB_LEVELS && walk->depth > 1 &&
           strcmp(walk->levels[1].tail, first) == 0 &&
           (second == NULL || (walk->depth > 2 && strcmp(walk->levels[2].tail, second) == 0));
}

/* Up to three levels of the nearest lists and objects: "headers" may hold pairs, or lists of them.
 */
static int is_in_headers(const struct walk *walk)
{
    for (int up = 1; up <= 3 && up <= walk->depth; up++) {
        const struct level *level = above(walk, up);
        if (tb_scrub_holds_headers(level->tail, strlen(level->tail)))
            return 1;
        if (level->len > 0)
            break; /* another name than that of a list's member */
    }
    return 0;
}

/* ---- names ---- */

static int is_secret_path(const struct walk *walk)
{
    char path[PATH_LEVELS * (TB_SCRUB_TAIL + 1)];
    size_t len = 0;
    int up = walk->depth + 1 < PATH_LEVELS ? walk->depth + 1 : PATH_LEVELS;
    while (up-- > 0) {
        const struct level *level = above(walk, up);
        size_t n = strlen(level->tail);
        memcpy(path + len, level->tail, n);
        len += n;
        if (up > 0)
            path[len++] = '.';
    }
    return tb_scrub_is_secret(walk->run->scrub, path, len);
}

/* A name beside a value. */
static int is_secret_name(const struct walk *walk, const char *name, int is_header)
{
    unsigned found = tb_scrub_judge(walk->run->scrub, name, strlen(name));
    return (found & (TB_SCRUB_SECRET | (is_header ? TB_SCRUB_HEADER : 0))) != 0;
}

static int is_secret_member(const struct walk *walk)
{
    const char *key = walk->levels[walk->depth].tail;
    unsigned found = tb_scrub_judge(walk->run->scrub, key, strlen(key));
    return (found & TB_SCRUB_SECRET) != 0 || ((found & TB_SCRUB_PATH) && is_secret_path(walk)) ||
           ((found & TB_SCRUB_HEADER) && is_in_headers(walk));
}

/* Rollbar's own IDs in data.attributes: they lead to its sessions and replays. */
static int is_rollbars_own(const struct walk *walk, const char *name)
{
    return is_below(walk, "attributes", NULL) && strcmp(name, "session_id") == 0;
}

/* Does the text have the name of a secret among its words: input[type="password"]? */
static int mentions_secret(const struct walk *walk, const char *text)
{
    while (*text != '\0') {
        size_t len = strcspn(text, " \"'=[]<>#.()");
        if (len > 0 && tb_scrub_is_secret(walk->run->scrub, text, len))
            return 1;
        text += len + (text[len] != '\0');
    }
    return 0;
}

/* {"name":"password","value":"x"}, {"element":"input[type=password]","value":"x"}: the value. */
static int is_named_beside(const struct walk *walk, int node)
{
    static const char *const names[] = {"key", "name", "field", "header", "element"};
    char name[TB_SCRUB_KEY];
    int parent = tb_doc_at(walk->item, node)->parent;
    if (!key_is(walk, 0, "value") || tb_doc_at(walk->item, parent)->n_members > PAIR_MEMBERS)
        return 0;
    for (size_t i = 0; i < N(names); i++) {
        int at = tb_doc_member(walk->item, parent, names[i]);
        if (at < 0 || !tb_doc_copy(walk->item, at, name, sizeof(name)))
            continue;
        if (strcmp(names[i], "element") == 0
                ? mentions_secret(walk, name)
                : is_secret_name(walk, name, 1) && !is_rollbars_own(walk, name))
            return 1;
    }
    return 0;
}

/* ["prog", "--password", "x"], and below headers ["Cookie", "x"]: the member after such a name.
 * Returns it, or -1. */
static int named_after(const struct walk *walk, int node)
{
    char name[TB_SCRUB_KEY];
    const struct tb_doc *item = walk->item;
    int next = tb_doc_at(item, node)->next;
    int parent = tb_doc_at(item, node)->parent;
    if (next < 0 || tb_doc_at(item, parent)->type != TB_DOC_ARRAY ||
        tb_doc_at(item, next)->type != TB_DOC_STRING ||
        !tb_doc_copy(item, node, name, sizeof(name)))
        return -1;
    int is_flag = strncmp(name, "--", 2) == 0 && strchr(name, '=') == NULL;
    if (!is_flag && !is_in_headers(walk))
        return -1;
    return is_secret_name(walk, name, !is_flag) ? next : -1;
}

/* ---- what a text is ---- */

static int is_id_name(const char *key)
{
    static const char *const names[] = {
        "trace_id", "span_id", "xray_trace_id", "session_id", "execution_scope_id", "replay_id"};
    for (size_t i = 0; i < N(names); i++)
        if (strcmp(key, names[i]) == 0)
            return 1;
    return 0;
}

/* The item's own IDs: nothing of an item may be found without them. */
static int is_id(const struct walk *walk, int node)
{
    char name[TB_SCRUB_KEY];
    if (walk->level != TB_SCRUB_LEVELS)
        return 0;
    if (walk->depth == 1)
        return key_is(walk, 0, "uuid") || key_is(walk, 0, "level");
    if (walk->depth == 2 && key_is(walk, 1, "custom"))
        return is_id_name(walk->levels[2].tail);
    if (walk->depth == 3 && is_below(walk, "custom", "trace"))
        return key_is(walk, 0, "xray_parent_id") || key_is(walk, 0, "xray_cause_id");
    if (is_below(walk, "attributes", NULL) && walk->depth == 3 && key_is(walk, 0, "value")) {
        int parent = tb_doc_at(walk->item, node)->parent;
        return tb_doc_copy(walk->item, tb_doc_member(walk->item, parent, "key"), name,
                           sizeof(name)) &&
               is_id_name(name);
    }
    return is_below(walk, "custom", "native") && key_is(walk, 1, "registers");
}

/* Program text: the code, names and context lines of a frame. */
static int is_code(const struct walk *walk)
{
    static const char *const keys[] = {"code",     "method",        "module",
                                       "build_id", "module_offset", "address"};
    if (!is_below(walk, "body", NULL) && !is_below(walk, "custom", "native"))
        return 0;
    if ((key_is(walk, 1, "pre") || key_is(walk, 1, "post")) && key_is(walk, 2, "context"))
        return key_is(walk, 4, "frames");
    if (!key_is(walk, 2, "frames"))
        return 0;
    for (size_t i = 0; i < N(keys); i++)
        if (key_is(walk, 0, keys[i]))
            return 1;
    return 0;
}

static int kind_of(const struct walk *walk, int node)
{
    if (is_id(walk, node))
        return TB_SCRUB_ID;
    if (is_code(walk))
        return TB_SCRUB_CODE;
    int is_fingerprint =
        walk->level == TB_SCRUB_LEVELS && walk->depth == 1 && key_is(walk, 0, "fingerprint");
    return is_fingerprint ? TB_SCRUB_MARK : TB_SCRUB_TEXT;
}

/* ---- edits ---- */

static int replace_string(struct tb_doc *item, int node, const struct tb_buf *text)
{
    size_t cap = text->len * 6 + 16; /* every byte may become \u00xx */
    char *mem = malloc(cap);
    if (mem == NULL)
        return -ENOMEM;
    struct tb_json j;
    tb_json_init(&j, mem, cap);
    tb_json_strn(&j, tb_buf_str(text), text->len);
    int err = tb_json_finish(&j);
    if (!err)
        err = tb_doc_replace(item, node, mem, j.len);
    free(mem);
    return err;
}

static int mask(struct walk *walk, int node)
{
    static const char masked[] = "\"" TB_SCRUB_MASK "\"";
    walk->run->n++;
    return tb_doc_replace(walk->item, node, masked, sizeof(masked) - 1);
}

/* A mask is longer than a short secret: Rollbar would refuse these texts for it. */
static size_t most_characters(const struct walk *walk)
{
    static const struct {
        const char *parent, *key; /* parent "": the item itself */
        size_t most;
    } caps[] = {{"", "title", 255},          {"", "environment", 255}, {"", "context", 255},
                {"", "framework", 255},      {"", "platform", 255},    {"", "language", 255},
                {"", "code_version", 40},    {"server", "host", 255},  {"person", "id", 40},
                {"person", "username", 255}, {"person", "email", 255}};
    for (size_t i = 0; i < N(caps) && walk->level == TB_SCRUB_LEVELS; i++)
        if (walk->depth == 1 + (caps[i].parent[0] != '\0') && key_is(walk, 0, caps[i].key) &&
            (walk->depth == 1 || key_is(walk, 1, caps[i].parent)))
            return caps[i].most;
    return SIZE_MAX;
}

static void cut(struct tb_buf *text, size_t most)
{
    const char *mem = tb_buf_str(text);
    size_t at = 0;
    for (size_t n = 0; n < most && at < text->len; n++) {
        size_t len = tb_utf8_len(mem + at, text->len - at);
        at += len > 0 ? len : 1;
    }
    text->len = at;
}

static int scrub_string(struct walk *walk, int node)
{
    struct tb_buf text;
    struct tb_buf clean;
    const char *key = walk->levels[walk->depth].tail;
    int kind = kind_of(walk, node);
    tb_buf_init(&text, TB_DOC_BYTES);
    tb_buf_init(&clean, (size_t)2 * TB_DOC_BYTES);
    tb_doc_string(walk->item, node, &text);
    int n = text.err ? text.err
                     : tb_scrub_any(walk->run, key, tb_buf_str(&text), text.len, kind, walk->level,
                                    &clean);
    int err = 0;
    if (n < 0) {
        err = mask(walk, node); /* what cannot be scrubbed is replaced whole */
    } else if (n > 0) {
        cut(&clean, most_characters(walk));
        err = replace_string(walk->item, node, &clean);
    }
    tb_buf_done(&text);
    tb_buf_done(&clean);
    return err;
}

static int scrub_node(struct walk *walk, int i)
{
    const struct tb_doc_node *node = tb_doc_at(walk->item, i);
    int err = i > 0 ? enter(walk, i) : 0;
    if (err == -ENOMEM)
        return err;
    if (err || i == walk->after ||
        (i > 0 && node->key_len > 0 && node->type != TB_DOC_NULL &&
         (is_secret_member(walk) || is_named_beside(walk, i))))
        return mask(walk, i);
    if (node->type != TB_DOC_STRING)
        return 0;
    int named = i > 0 ? named_after(walk, i) : -1;
    walk->after = named >= 0 ? named : walk->after;
    return scrub_string(walk, i);
}

/* The last node of those in the value of one. */
static int last_within(const struct tb_doc *doc, int node)
{
    uint32_t end = tb_doc_at(doc, node)->at + tb_doc_at(doc, node)->len;
    while (node + 1 < tb_doc_n_nodes(doc) && tb_doc_at(doc, node + 1)->at < end)
        node++;
    return node;
}

int tb_scrub_doc(struct tb_scrub_run *run, const char *key, struct tb_doc *doc, int level)
{
    int err = 0;
    struct walk *walk = calloc(1, sizeof(*walk));
    if (walk == NULL)
        return -ENOMEM;
    walk->run = run;
    walk->item = doc;
    walk->level = level;
    walk->after = -1;
    set_level(&walk->levels[0], 0, key, strlen(key));
    tb_buf_init(&walk->key, TB_DOC_BYTES);
    for (int i = 0; i < tb_doc_n_nodes(doc) && !err; i++) {
        size_t before = run->n;
        err = scrub_node(walk, i);
        if (run->n > before) /* what is masked whole is not looked into */
            i = last_within(doc, i);
    }
    tb_buf_done(&walk->key);
    free(walk);
    return err;
}

int tb_scrub_item(const struct tb_scrub *scrub, struct tb_doc *item, size_t *n_scrubbed)
{
    struct tb_scrub_run run = {.scrub = scrub};
    int err = tb_scrub_doc(&run, "", item, TB_SCRUB_LEVELS);
    if (!err)
        *n_scrubbed = run.n;
    return err;
}
