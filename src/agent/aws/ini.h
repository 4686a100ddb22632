/* ini.h - the files of the AWS CLI, ~/.aws/config and ~/.aws/credentials: sections, names, values.
 * Pure; takes any bytes.
 *
 * As botocore reads them: "#" and ";" begin a comment at the beginning of a line alone; "=" or ":"
 * stands between name and value; a line that is further in than the name before it belongs to that
 * name's value, and is passed over: nested settings are not of interest. Names count in any case,
 * sections as they are written; of two the last one counts. */
#ifndef TB_AGENT_AWS_INI_H
#define TB_AGENT_AWS_INI_H

#include <stdbool.h>
#include <stddef.h>

enum { TB_INI_BYTES = 256 << 10, TB_INI_SECTION = 256 };

/* How a section of a profile is called: NAME, or "profile NAME" but for "default". */
enum tb_ini_form { TB_INI_CREDENTIALS, TB_INI_CONFIG };

struct tb_ini {
    const char *text; /* borrowed */
    size_t len;
    enum tb_ini_form form;
};

/* The value in the section of that profile. False when it is not there, or too long for cap. */
bool tb_ini_get(const struct tb_ini *ini, const char *profile, const char *name, char *out,
                size_t cap);
/* Is there such a section? */
bool tb_ini_has(const struct tb_ini *ini, const char *profile);

#endif
