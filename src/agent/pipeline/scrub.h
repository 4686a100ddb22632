/* scrub.h - takes secrets out of an item before it is stored. Pure. docs/scrub.md is normative.
 *
 * 1. The value of a member whose key is a secret's name becomes "********", whole, whatever it is;
 *    below "headers" the names of secret headers count too, and so do the names that stand beside
 *    the value ({"name":..,"value":..}, an argument after "--password").
 * 2. In texts the values behind such names lose theirs, in the forms of scrub_text.c; a text that
 *    is JSON itself is scrubbed as an item is.
 * 3. Tokens and keys that tell what they are (scrub_forms.c), and what matches the configured
 *    patterns (scrub_patterns.h), are masked wherever they stand.
 * 4. All else stays. Of program text only 3 is looked for; IDs stay as they are.
 * 5. A text that cannot be scrubbed (too deep, too large, no memory, the limits of patterns) is
 *    masked whole: no item is refused for it, and nothing passes unseen.
 * 6. A text that Rollbar takes to a length (title, person.id, ...) is not longer than that with its
 *    masks: its end goes. */
#ifndef TB_AGENT_SCRUB_H
#define TB_AGENT_SCRUB_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "item/doc.h"

#define TB_SCRUB_MASK "********"

enum { TB_SCRUB_WHY = 400 };

/* What the settings say; borrowed during tb_scrub_init. */
struct tb_scrub_rules {
    char *const *keys; /* names beyond the built-in ones */
    size_t n_keys;
    char *const *patterns; /* PCRE2 */
    size_t n_patterns;
    int has_no_forms; /* 3 is for the patterns alone */
};

struct tb_scrub_name;
struct tb_scrub_patterns;

struct tb_scrub {
    struct tb_scrub_name *names; /* owned, sorted */
    size_t n_names;
    uint64_t lengths[256]; /* of the names, a bit each, by their first sign */
    char **paths;          /* owned: the names with dots */
    size_t n_paths;
    struct tb_scrub_patterns *patterns; /* owned */
    int has_no_forms;
};

/* 0, -ENOMEM, or -EINVAL with why: a pattern that is none. Free with tb_scrub_done. */
int tb_scrub_init(struct tb_scrub *scrub, const struct tb_scrub_rules *rules,
                  char why[TB_SCRUB_WHY]);
void tb_scrub_done(struct tb_scrub *scrub);

/* Is key the name of a secret? */
int tb_scrub_is_secret(const struct tb_scrub *scrub, const char *key, size_t len);
/* Copies text to out without the secrets in it; returns how many it took out. Sticky error in out.
 */
size_t tb_scrub_text(const struct tb_scrub *scrub, const char *text, size_t len,
                     struct tb_buf *out);
/* Edits the item: 0 with *n_scrubbed, or -ENOMEM: then the item must not be stored. */
int tb_scrub_item(const struct tb_scrub *scrub, struct tb_doc *item, size_t *n_scrubbed);

#endif
