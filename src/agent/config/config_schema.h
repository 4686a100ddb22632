/* config_schema.h - which keys a settings file may have, for libcyaml. Tables alone. */
#ifndef TB_AGENT_CONFIG_SCHEMA_H
#define TB_AGENT_CONFIG_SCHEMA_H

#include <cyaml/cyaml.h>
#include <stddef.h>

struct tb_config_section {
    const char *name; /* "" for the top */
    const cyaml_schema_field_t *fields;
};

extern const cyaml_schema_value_t tb_config_schema; /* of struct tb_config_file */
extern const struct tb_config_section tb_config_sections[];
extern const size_t tb_config_n_sections;

#endif
