/* check.h - what the parts of `towbar check` share: the list, and one function for each thing.
 *
 * Nothing on the host is changed, and no item is sent. */
#ifndef TB_CLI_CHECK_H
#define TB_CLI_CHECK_H

#include "agent/config/config.h"
#include "cli/agent.h"

struct tb_check {
    const struct tb_config *config;
    const struct tb_agent_answer *agent;
    int is_json, is_offline;
    int n_failed;
};

enum tb_check_outcome { TB_CHECK_WELL, TB_CHECK_FAILED, TB_CHECK_NONE, TB_CHECK_WARNING };

/* One line of the list. */
void tb_check_line(struct tb_check *check, enum tb_check_outcome outcome, const char *what,
                   const char *format, ...) __attribute__((format(printf, 4, 5)));

/* A warning, with the command that mends it, "" for none. */
void tb_check_mend(struct tb_check *check, const char *what, const char *mend, const char *format,
                   ...) __attribute__((format(printf, 4, 5)));

/* What is off, where text says what would turn it on; a warning where the agent that answers has
 * the sink on all the same, since then these are not its settings. */
void tb_check_off(struct tb_check *check, const char *what, const char *sink, const char *text);

/* check_places.c */
void tb_check_spool(struct tb_check *check);
void tb_check_disk(struct tb_check *check);
void tb_check_state(struct tb_check *check);
void tb_check_socket(struct tb_check *check);
void tb_check_port(struct tb_check *check);
/* check_files.c: what the settings name. */
void tb_check_tls(struct tb_check *check);
void tb_check_files(struct tb_check *check);
void tb_check_unit(struct tb_check *check, const char *unit);
/* check_rollbar.c: what the agent sends to and asks. */
void tb_check_tokens(struct tb_check *check);
void tb_check_rollbar(struct tb_check *check);
void tb_check_debuginfod(struct tb_check *check);
/* check_sinks.c: what stands beside Rollbar. */
void tb_check_sinks(struct tb_check *check);
/* check_trace.c: what keeps an error from being found by its trace ID. */
void tb_check_traces(struct tb_check *check);
/* check_rules.c: sampling rules for services that were not seen. */
struct tb_seen;
void tb_check_rules(struct tb_check *check, const struct tb_seen *seen);
/* check_host.c */
void tb_check_unwind(struct tb_check *check);
void tb_check_symbols(struct tb_check *check);
void tb_check_clock(struct tb_check *check);
void tb_check_core(struct tb_check *check);

#endif
