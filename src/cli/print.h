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
/* JSON from a report, whole as it is; on a terminal control characters in its texts become \u00XX,
 * which means the same. */
void tb_print_json(const char *text, size_t len);
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
/* What else is known of a death, a line for each: exception, system call, sender, mappings,
 * unloaded libraries. */
void tb_print_evidence(const cJSON *data);
/* "SIGSEGV: near-NULL read at 0x18 in queue_push()": class, meaning, and for a crash the function,
 * on one line without its end. */
void tb_print_what(const cJSON *data);
/* The class: "SIGSEGV", "ENOENT". "" for a message. Borrowed. */
const char *tb_print_class(const cJSON *data);
/* The frames of an item, oldest first; NULL when it has none. */
const cJSON *tb_print_frames(const cJSON *data);
/* The blamed frame (item/fold.h) of a list, or NULL. root: server.root of the item. */
const cJSON *tb_print_blamed(const cJSON *frames, const char *root);

enum tb_stack_form {
    TB_STACK_SHORT, /* a line for each frame of the program's own, the blamed one's source beside it
                     */
    TB_STACK_FOLDED, /* source too; runs of library frames and recursion are a line each */
    TB_STACK_WHOLE   /* all frames */
};
/* The stack, innermost first. Returns how many frames are folded. */
size_t tb_print_stack(const cJSON *data, const char *indent, enum tb_stack_form form);

/* The same of a stack that is not the main one, folded or whole. */
size_t tb_print_others(const cJSON *frames, const char *root, const char *indent, int is_whole);
/* A line for each module of the stack that lacks names, with what stood in the way. */
void tb_print_modules(const cJSON *data, const char *indent);
/* "src/queue.c:28", the server's root cut off, or "libc.so.6 +0x3bd90" where there is no line. */
const char *tb_print_place(const cJSON *frame, const char *root, char out[TB_PLACE_TEXT]);

enum tb_threads_form {
    TB_THREADS_LINES,  /* a line for those that stand alike */
    TB_THREADS_FOLDED, /* their stacks, folded */
    TB_THREADS_WHOLE
};
/* The other threads of a crash. Returns how many stacks there are to show; nothing is printed where
 * nothing is known of them. The frames that are folded are added to *n_folded. */
int tb_print_threads(const cJSON *data, const char *indent, enum tb_threads_form form,
                     size_t *n_folded);

#endif
