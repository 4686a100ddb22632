/* words.h - a command line cut into words as a shell does it, without being one: nothing is
 * expanded, nothing is run. Pure; takes any text. */
#ifndef TB_AGENT_AWS_WORDS_H
#define TB_AGENT_AWS_WORDS_H

#include <stddef.h>

enum { TB_WORDS = 64, TB_WORDS_BYTES = 4096 };

struct tb_words {
    char *argv[TB_WORDS + 1]; /* into text; ends with NULL */
    size_t n;
    char text[TB_WORDS_BYTES];
};

/* Blanks cut; single quotes keep all; double quotes keep all but a backslash before '"' or '\'; a
 * backslash outside keeps the next character. 0; -EINVAL: no word, or a quote that does not end;
 * -E2BIG. */
int tb_words_split(const char *line, struct tb_words *out);

#endif
