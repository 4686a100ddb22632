/* config_sinks_load.h - the sinks' part of the settings from file and environment, checked. */
#ifndef TB_AGENT_CONFIG_SINKS_LOAD_H
#define TB_AGENT_CONFIG_SINKS_LOAD_H

#include "agent/config/config_file.h"

/* config->file and projects are there already; file may be NULL. What is wrong is told with the
 * variable, or with the file and its line, and the key. Warnings are added to config->warning. 0,
 * or a negative errno with why. */
int tb_config_sinks_load(struct tb_config *config, const struct tb_config_file *file,
                         char why[TB_CONFIG_WHY]);
/* As if nothing had been said of them. */
void tb_config_sinks_off(struct tb_config_sinks *sinks);
/* The value of a header of otlp.headers, of any case; NULL when it is not there. */
const char *tb_config_otlp_header(const struct tb_config_otlp *otlp, const char *name);
/* Adds a sentence to the warnings. */
void tb_config_warn(struct tb_config *config, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Is that the TOWBAR_ name of one of their keys? */
bool tb_config_sinks_variable(const char *name, size_t len);

#endif
