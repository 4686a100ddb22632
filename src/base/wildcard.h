/* wildcard.h - patterns as AWS X-Ray has them: * is any characters, ? is one, all else itself.
 * Without regard to the case of ASCII letters, the whole text. */
#ifndef TB_BASE_WILDCARD_H
#define TB_BASE_WILDCARD_H

#include <stdbool.h>

/* Takes len(pattern) * len(text) steps at the worst. ? is a character of UTF-8. */
bool tb_wildcard_fits(const char *pattern, const char *text);

#endif
