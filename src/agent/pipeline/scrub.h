/* scrub.h - takes secrets out of an item before it is stored. Pure.
 *
 * 1. The value of a member whose key is a secret's name becomes "********", whole, whatever it is.
 *    The names are the union of the official SDKs' default lists, plus the configured ones. Case,
 *    "-" for "_", and camelCase do not matter; the name may also be the end of the key after a "_":
 *    "accessToken", "X-Rollbar-Access-Token" and "db_password" all match. A name with dots matches
 *    the end of the path: "session.csrf".
 * 2. Below "headers" the secret headers count too.
 * 3. In strings: URL parameters, "user:password@" in URLs, key=value, "key": "value" and --key
 *    value lose their values by the same names, "Authorization: ..." its line. Source code of
 * frames is left as it is.
 * 4. A text that Rollbar takes to a length (title, person.id, ...) is not longer than that with its
 *    masks: its end goes.
 * 5. What cannot be scrubbed because it is too deep or too large is no item: tb_doc refuses it. */
#ifndef TB_AGENT_SCRUB_H
#define TB_AGENT_SCRUB_H

#include <stddef.h>

#include "base/buf.h"
#include "item/doc.h"

#define TB_SCRUB_MASK "********"

struct tb_scrub {
    char **names; /* configured ones, lower-case with "_"; owned */
    size_t n_names;
};

/* 0 or -ENOMEM. Free with tb_scrub_done. */
int tb_scrub_init(struct tb_scrub *scrub, char *const *keys, size_t n_keys);
void tb_scrub_done(struct tb_scrub *scrub);

/* Is key the name of a secret? */
int tb_scrub_is_secret(const struct tb_scrub *scrub, const char *key, size_t len);
/* Copies text to out without the secrets in it; returns how many it took out. Sticky error in out.
 */
size_t tb_scrub_text(const struct tb_scrub *scrub, const char *text, size_t len,
                     struct tb_buf *out);
/* Edits the item: 0 with *n_scrubbed, or a negative errno: then the item must not be stored. */
int tb_scrub_item(const struct tb_scrub *scrub, struct tb_doc *item, size_t *n_scrubbed);

#endif
