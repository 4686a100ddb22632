/* config_words.h - what libcyaml complains about, in words for people. Pure. */
#ifndef TB_AGENT_CONFIG_WORDS_H
#define TB_AGENT_CONFIG_WORDS_H

#include <stddef.h>

/* key is the full name, "rollbar.timeout_ms", or "" for the file as a whole; said is libcyaml's
 * line without its "Load: ". Writes a sentence without its place. Of the values only those of
 * numbers and switches are repeated: others may be secrets. */
void tb_config_words(const char *key, const char *said, char *out, size_t cap);

#endif
