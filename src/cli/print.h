/* print.h - what people read: safe text, times, stacks.
 *
 * Everything that came from a report is hostile: it goes through tb_print_clean before it meets a
 * terminal, so that no byte of it can steer one. */
#ifndef TB_CLI_PRINT_H
#define TB_CLI_PRINT_H

#include <stddef.h>
#include <stdint.h>

#include <cjson/cJSON.h>

enum { TB_AGE_TEXT = 32, TB_STAMP_TEXT = 32, TB_SHORT_ID_TEXT = 16, TB_PLACE_TEXT = 512 };

/* Colours: on only for a terminal, and not with NO_COLOR. */
enum tb_ink { TB_INK_NONE, TB_INK_BOLD, TB_INK_DIM, TB_INK_RED, TB_INK_GREEN, TB_INK_YELLOW };
/* The escape that turns ink on, or off for TB_INK_NONE; "" where there are no colours. */
const char *tb_ink(enum tb_ink ink);
/* The colour of a level's or a status's name. */
enum tb_ink tb_ink_of(const char *level);

/* Copies text, control characters replaced by '?', cut at a character with "..." to fit. Returns
 * out. NULL counts as "". */
const char *tb_print_clean(const char *text, char *out, size_t cap);
/* The same, printed. */
void tb_print_text(const char *text);
/* "12 s ago"; now and at in wall clock ms. */
const char *tb_print_age(int64_t now_ms, int64_t at_ms, char out[TB_AGE_TEXT]);
/* "2026-09-21 14:02:03 UTC". */
const char *tb_print_stamp(int64_t at_ms, char out[TB_STAMP_TEXT]);
/* "4bf92f35...0e4736" of a 32-digit id. */
const char *tb_print_short_id(const char *id, char out[TB_SHORT_ID_TEXT + 4]);

/* A value in an item by its path, "custom.native.signal"; NULL when it is not there. */
const cJSON *tb_json_at(const cJSON *from, const char *path);
/* The text at that path; "" when there is none. Borrowed. */
const char *tb_json_text(const cJSON *from, const char *path);

/* One sentence on what happened: "near-NULL read at 0x18". "" when not known. Borrowed. */
const char *tb_print_meaning(const cJSON *data);
/* "SIGSEGV: near-NULL read at 0x18 in queue_push()": class, meaning, and for a crash the function,
 * on one line without its end. */
void tb_print_what(const cJSON *data);
/* The class: "SIGSEGV", "ENOENT". "" for a message. Borrowed. */
const char *tb_print_class(const cJSON *data);
/* The frames of an item, oldest first; NULL when it has none. */
const cJSON *tb_print_frames(const cJSON *data);
/* The innermost frame of the program's own code (else the innermost), or NULL. */
const cJSON *tb_print_blamed(const cJSON *frames);

/* The stack, innermost first. Short: one line for each frame of the program's own, library frames
 * folded, the blamed line's source beside it. Otherwise all frames, and source around the blamed
 * one. */
void tb_print_stack(const cJSON *data, const char *indent, int is_short);

/* All frames of a stack that is not the main one, in the same form. */
void tb_print_others(const cJSON *frames, const char *root, const char *indent);
/* "src/queue.c:28", the server's root cut off, or "libc.so.6 +0x3bd90" where there is no line. */
const char *tb_print_place(const cJSON *frame, const char *root, char out[TB_PLACE_TEXT]);

/* The other threads of a crash: a line for those that stand alike, or in full their stacks. Returns
 * how many stacks there are to show; nothing is printed where nothing is known of them. */
int tb_print_threads(const cJSON *data, const char *indent, int in_full);

#endif
