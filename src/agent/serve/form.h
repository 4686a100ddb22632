/* form.h - the JSON of a body: as it is, or in the form field "payload" that old senders use. Pure.
 *
 * Content-Type says nothing: Rollbar's PHP and Ruby SDKs call JSON a form. */
#ifndef TB_AGENT_FORM_H
#define TB_AGENT_FORM_H

#include <stddef.h>

/* Is the first byte that is not blank a '{'? */
int tb_form_begins_object(const char *text, size_t len);
/* May it be an item at all: does it begin as an object, or is it a form with that field? */
int tb_form_may_be_item(const char *body, size_t len);
/* The value of the field "payload", decoded, in memory that the caller frees; NULL when the body is
 * no form with that field (then it has to be JSON itself), or with *err = -ENOMEM. */
char *tb_form_payload(const char *body, size_t len, size_t *out_len, int *err);

#endif
