/* log_rule.h - the pattern that says which lines of a log begin a message, and of what level.
 *
 * A line costs at most MATCH_LIMIT steps of PCRE2 and its first TB_LOG_LINE_BYTES bytes are looked
 * at, whatever the pattern. One thread uses a rule. */
#ifndef TB_AGENT_FILES_LOG_RULE_H
#define TB_AGENT_FILES_LOG_RULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TB_LOG_LINE_BYTES = 16 << 10, TB_LOG_WHY = 400 };
/* As in Rollbar, the least first. */
enum tb_log_severity {
    TB_SEVERITY_DEBUG,
    TB_SEVERITY_INFO,
    TB_SEVERITY_WARNING,
    TB_SEVERITY_ERROR,
    TB_SEVERITY_CRITICAL
};

struct tb_log_rule;

struct tb_log_match {
    bool begins;
    bool gave_up; /* the pattern needed too many steps */
    enum tb_log_severity level;
    const char *message; /* in the line */
    size_t message_len;
    int64_t time_ms; /* -1: none that can be read */
};

/* 0; -EINVAL with why: place and cure; -ENOMEM. pattern "" is the built-in one. */
int tb_log_rule_new(const char *pattern, struct tb_log_rule **out, char why[TB_LOG_WHY]);
void tb_log_rule_free(struct tb_log_rule *rule);
void tb_log_rule_match(struct tb_log_rule *rule, const char *line, size_t len,
                       struct tb_log_match *out);
/* The level that a name stands for, in any case; -1 when it is no name of one. */
int tb_log_severity(const char *name, size_t len);
/* "debug" to "critical". */
const char *tb_log_severity_name(enum tb_log_severity level);

#endif
