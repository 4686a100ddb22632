/* wanted.h - which debug files a symbolizer's answer lacks. Pure: the answer is not trusted. */
#ifndef TB_AGENT_WANTED_H
#define TB_AGENT_WANTED_H

#include <stddef.h>

#include "agent/native/debuginfod_memory.h"

enum { TB_WANTED_MAX = 32 };

/* Build ids in hexadecimal digits, each once. */
struct tb_wanted {
    char ids[TB_WANTED_MAX][TB_DEBUGINFOD_HEX_MAX + 1];
    size_t n;
};

/* Of the modules that the frames are in, the innermost first: the build id of each that has no
 * DWARF data and no debug file, or that of the file dwz made, where that is missing. Where a
 * note says that something else stood in the way there are data, and more would not help. Threads
 * other than the one that crashed count for nothing here: often only the names of their functions
 * were looked for. */
void tb_wanted_read(const char *answer, size_t len, struct tb_wanted *out);
/* Of all modules that the frames are in. */
void tb_wanted_seen(const char *answer, size_t len, struct tb_wanted *out);
int tb_wanted_has(const struct tb_wanted *wanted, const char *hex);

#endif
