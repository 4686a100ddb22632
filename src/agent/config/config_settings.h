/* config_settings.h - settings of the sinks that have one value: rows of a table say where each may
 * come from and what it must be. Inner header of config_sinks.c and its kin.
 *
 * Whatever is wrong with a value is told with the place that it came from: the variable, or the
 * settings file with its line. */
#ifndef TB_AGENT_CONFIG_SETTINGS_H
#define TB_AGENT_CONFIG_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>

#include "agent/config/config.h"
#include "agent/config/config_file.h"

enum { TB_SETTING_BYTES = 4096, TB_SETTING_FAULT = 320 };

/* A value, and who said it. */
struct tb_setting_value {
    char text[TB_SETTING_BYTES + 1];
    const char *variable; /* NULL: file or default */
    bool is_set;          /* by anybody */
};

struct tb_setting;
/* Puts text into *field. 0, or -EINVAL with fault, which follows the key: "is ...". */
typedef int tb_setting_take(const struct tb_setting *setting, const struct tb_setting_value *value,
                            void *field, char fault[TB_SETTING_FAULT]);

struct tb_setting {
    const char *key;          /* "otlp.timeout_ms" */
    size_t section;           /* of struct tb_config_file: the pointer to the section's struct */
    size_t member;            /* of that one: its text */
    const char *variables[2]; /* after TOWBAR_...; the first that is there counts */
    const char *bases[2];     /* and after those: variables that lack suffix */
    const char *suffix;
    const char *initial; /* NULL is "" */
    tb_setting_take *take;
    size_t field; /* of struct tb_config_sinks */
    unsigned low, high;
    const char *const *words; /* ends with NULL */
};

extern const struct tb_setting tb_settings[];
extern const size_t tb_n_settings;

/* TOWBAR_OTLP_TIMEOUT_MS of "otlp.timeout_ms". */
void tb_setting_variable(const char *key, char out[80]);
/* What counts for that one; file may be NULL. */
void tb_setting_find(const struct tb_setting *setting, const struct tb_config_file *file,
                     struct tb_setting_value *out);
/* The same by key, which must be in the table. */
void tb_setting_get(const char *key, const struct tb_config_file *file,
                    struct tb_setting_value *out);
/* why from a fault: "VARIABLE (key) fault" or "file:line: key fault". variable NULL: the file. */
void tb_setting_explain(const struct tb_config *config, const char *key, const char *variable,
                        const char *fault, char why[TB_CONFIG_WHY]);

/* ---- what values may be (config_values.c) ---- */

tb_setting_take tb_take_text;    /* of high bytes at most, one line */
tb_setting_take tb_take_name;    /* the same, of letters, digits and words[0] */
tb_setting_take tb_take_number;  /* low to high */
tb_setting_take tb_take_days;    /* 0, or what CloudWatch Logs takes for retention */
tb_setting_take tb_take_flag;    /* a bool */
tb_setting_take tb_take_word;    /* an enum, the place in words */
tb_setting_take tb_take_either;  /* a bool: words[1] is true */
tb_setting_take tb_take_url;     /* http or https */
tb_setting_take tb_take_otlp;    /* the same with a path */
tb_setting_take tb_take_address; /* of the X-Ray daemon; checked only */
tb_setting_take tb_take_pem;     /* a file whose text holds words[0] */
tb_setting_take tb_take_rules;   /* a file of sampling rules, of high bytes at most */
tb_setting_take tb_take_stream;  /* a log stream's template */
tb_setting_take tb_take_nothing; /* is read elsewhere */

/* "h:p", or "tcp:h:p udp:h:p" in any order, into two owned texts. 0 or -EINVAL. */
int tb_setting_addresses(const char *text, char **udp, char **tcp);

/* ---- OTLP's headers, key and addresses (config_otlp.c) ---- */

int tb_config_otlp_finish(struct tb_config *config, const struct tb_config_file *file,
                          char why[TB_CONFIG_WHY]);
/* Warns of what works, and is not what somebody can have meant. The endpoint is there. */
void tb_config_otlp_warn(struct tb_config *config);
/* And when all single values are known to be well: do they go together? */
int tb_config_otlp_check(const struct tb_config *config, char why[TB_CONFIG_WHY]);

#endif
