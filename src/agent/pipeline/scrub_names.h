/* scrub_names.h - what the parts of the scrubber know about names; see scrub.h. */
#ifndef TB_AGENT_SCRUB_NAMES_H
#define TB_AGENT_SCRUB_NAMES_H

#include "agent/pipeline/scrub.h"

/* Is key a header that holds a secret? */
int tb_scrub_is_header(const char *key, size_t len);
/* Is it a secret's name that also stands before a colon in plain sentences: "error in auth:
 * refused"?
 */
int tb_scrub_is_prose(const char *name, size_t len);

#endif
