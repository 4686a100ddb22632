/* deploy_form.h - what a deploy step sends: JSON, a form, or a form in parts (curl -F). Pure.
 *
 * Takes any bytes; what is too long is refused, and nothing is guessed. */
#ifndef TB_AGENT_DEPLOY_FORM_H
#define TB_AGENT_DEPLOY_FORM_H

#include <stddef.h>

enum {
    TB_DEPLOY_BODY_MAX = 256 << 10,
    TB_DEPLOY_TEXT = 256, /* of each text, with its NUL: Rollbar's limit */
    TB_DEPLOY_COMMENT = (64 << 10) + 1,
    TB_DEPLOY_MESSAGE = 256
};

struct tb_deploy_form {
    char environment[TB_DEPLOY_TEXT], revision[TB_DEPLOY_TEXT], status[TB_DEPLOY_TEXT];
    char local_username[TB_DEPLOY_TEXT], rollbar_username[TB_DEPLOY_TEXT];
    char token[TB_DEPLOY_TEXT];
    char comment[TB_DEPLOY_COMMENT];
    const char *too_long; /* the name of a value that is; or NULL */
};

/* Reads all of the names that are there. type: the Content-Type, or NULL. 0; -EBADMSG: neither JSON
 * nor a form; -ENOMEM. */
int tb_deploy_form_read(const char *body, size_t len, const char *type, struct tb_deploy_form *out);
/* Is it a deploy that can be taken (is_update: a status that can)? 0, or -EINVAL with what Rollbar
 * would say. A missing status becomes "succeeded". */
int tb_deploy_form_check(struct tb_deploy_form *form, int is_update,
                         char message[TB_DEPLOY_MESSAGE]);

#endif
