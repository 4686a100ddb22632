/* words.h - numbers and times as people read them. Pure. */
#ifndef TB_WEB_WORDS_H
#define TB_WEB_WORDS_H

#include <stdint.h>

#include "base/buf.h"

enum { TB_WORDS = 40 };

/* "12 s", "9 min", "2 h", "3 d" from at to now, both wall clock in ms. */
const char *tb_words_age(int64_t now_ms, int64_t at_ms, char out[TB_WORDS]);
/* "2026-09-21 14:02:03 UTC". */
const char *tb_words_stamp(int64_t at_ms, char out[TB_WORDS]);
/* A distance with its sign: "+318 ms", "\u22122.1 ms", "+1.2 s", "+4 min". */
const char *tb_words_distance(int64_t ns, char out[TB_WORDS]);
/* The same without a sign: how long something took. */
const char *tb_words_duration(int64_t ns, char out[TB_WORDS]);
/* "critical", "error", "warning", "info" or "debug": a class of the stylesheet, whatever the level
 * says. */
const char *tb_words_level(const char *level);
/* "4bf92f35\u20260e4736" of an id; the id itself when it is short. */
const char *tb_words_short_id(const char *id, char out[TB_WORDS]);
/* The part behind the last slash. */
const char *tb_words_base(const char *path);

/* A <time> that the script keeps fresh: "12 s", with its stamp as a tooltip. suffix is said behind
 * it (" ago"). */
void tb_words_time(struct tb_buf *out, int64_t now_ms, int64_t at_ms, const char *suffix);

#endif
