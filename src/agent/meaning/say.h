/* say.h - a sentence that grows in fixed memory: what does not fit is cut before a whole character.
 */
#ifndef TB_AGENT_SAY_H
#define TB_AGENT_SAY_H

#include <stddef.h>

struct tb_say {
    char *text; /* always NUL-terminated */
    size_t len, cap;
};

void tb_say_init(struct tb_say *say, char *mem, size_t cap);
void tb_say(struct tb_say *say, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* len bytes of somebody else's text: control characters become blanks. */
void tb_say_text(struct tb_say *say, const char *text, size_t len);

#endif
