/* scrub_patterns.h - the patterns of the settings, compiled once, and texts without what matches.
 * Pure.
 *
 * PCRE2 without its JIT, which systemd's MemoryDenyWriteExecute forbids; UTF-8. No pattern takes
 * more than TB_SCRUB_PATTERN_NS of an item's processor time, so much memory, and so much work at
 * one place of a text (match_limit, depth_limit, heap_limit); a text that needs more is not clean.
 */
#ifndef TB_AGENT_SCRUB_PATTERNS_H
#define TB_AGENT_SCRUB_PATTERNS_H

#include <stdint.h>

#include "agent/pipeline/scrub.h"

enum {
    TB_SCRUB_PATTERNS = 64,
    TB_SCRUB_PATTERN_BYTES = 1024,       /* a pattern */
    TB_SCRUB_PATTERN_TEXT = 256 << 10,   /* a text */
    TB_SCRUB_PATTERN_NS = 500000000,     /* all patterns, for one item */
    TB_SCRUB_PATTERN_MATCHES = 20000,    /* match_limit: steps from one place of a text */
    TB_SCRUB_PATTERN_HEAP_KIB = 4 << 10, /* heap_limit */
};

/* Is it a pattern that may be used? 0, or -EINVAL with a sentence that says where and what to do.
 */
int tb_scrub_pattern_check(const char *pattern, char why[TB_SCRUB_WHY]);

/* 0, -ENOMEM, or -EINVAL with why. */
int tb_scrub_patterns_new(char *const *patterns, size_t n, struct tb_scrub_patterns **out,
                          char why[TB_SCRUB_WHY]);
void tb_scrub_patterns_free(struct tb_scrub_patterns *patterns);
/* The number of matches that were masked; 0: out is untouched. -EMSGSIZE: a limit was met.
 * *spent_ns grows by the processor time. */
int tb_scrub_patterns_apply(const struct tb_scrub_patterns *patterns, const char *text, size_t len,
                            uint64_t *spent_ns, struct tb_buf *out);

#endif
