/* spool.h - what the parts of `towbar spool` share. Each returns an exit code. */
#ifndef TB_CLI_SPOOL_H
#define TB_CLI_SPOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/json.h"
#include "cli/verb.h"
#include "spool/peek.h"

enum { TB_SPOOL_TEXT = 1024, TB_SPOOL_USER = 40 };

/* A look at the spool of the command line. */
struct tb_look {
    struct tb_cli *cli;
    const char *path; /* of the spool */
    struct tb_peek *peek;
};

int tb_spool_ls(struct tb_look *look);
int tb_spool_cat(struct tb_look *look);
int tb_spool_verify(struct tb_look *look);
int tb_spool_show(struct tb_look *look);
int tb_spool_retry(struct tb_look *look);
int tb_spool_rm(struct tb_look *look);

/* The files that the words name, in the spool's order: each is walked by the callback. Without
 * words all, or those of in/ alone. A name that is not there is said. Returns the exit code: the
 * worst of what each returned. */
typedef int tb_spool_each(struct tb_look *look, struct tb_peek_file *file, void *arg);
int tb_spool_select(struct tb_look *look, bool with_quarantine, tb_spool_each *each, void *arg);

/* A name as one line of plain text: what could steer a terminal as \x1b. Returns out. */
const char *tb_spool_escape(const char *name, char out[TB_SPOOL_TEXT]);
const char *tb_spool_class_word(int class_);
const char *tb_spool_kind_word(int kind);
/* "andrew", "4711" for one without a name. Returns out. */
const char *tb_spool_user(uid_t uid, char out[TB_SPOOL_USER]);
/* One word for what it is: live, complete, waiting, empty, damaged, refused, quarantined. */
const char *tb_spool_state(const struct tb_peek_file *file);
/* A short sentence beside it; "" when there is nothing to say. Returns out. */
const char *tb_spool_note(const struct tb_peek *peek, const struct tb_peek_file *file,
                          char out[TB_SPOOL_TEXT]);
/* When it was made, as far as is known. */
int64_t tb_spool_born_ms(const struct tb_peek_file *file);
/* Name, place, class, owner, sizes, counts and state as members of the open object. */
void tb_spool_file_json(struct tb_json *j, const struct tb_peek *peek,
                        const struct tb_peek_file *file);
/* Says on stderr when it could not be read which records are acknowledged. */
void tb_spool_say_unknown_acks(const struct tb_look *look);
/* segment, slot or threads. */
const char *tb_spool_file_word(const struct tb_peek_file *file);
/* Is there damage in it? After the walk. */
bool tb_spool_is_damaged(const struct tb_peek_file *file);
/* One line of people's text on what the record says. Returns out. */
const char *tb_spool_message(const struct tb_peek_part *part, char out[TB_SPOOL_TEXT]);
/* The service of a process record. Returns out. */
const char *tb_spool_service(const struct tb_peek_part *part, char out[TB_SPOOL_USER]);

#endif
