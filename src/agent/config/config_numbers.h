/* config_numbers.h - are the numbers of the settings file numbers to the end? libcyaml takes "90d"
 * for
 * 90. Pure. */
#ifndef TB_AGENT_CONFIG_NUMBERS_H
#define TB_AGENT_CONFIG_NUMBERS_H

#include "agent/config/config_file.h"

/* text is the file that file was read from. 0, or -EINVAL with why: file, line, key, and what is
 * wanted. */
int tb_config_numbers(const char *path, const char *text, const struct tb_config_file *file,
                      char why[TB_CONFIG_WHY]);

#endif
