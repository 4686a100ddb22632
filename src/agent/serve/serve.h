/* serve.h - the loop thread: HTTP on both sockets, and the signals that end the agent or
 * have it read its settings again. */
#ifndef TB_AGENT_SERVE_H
#define TB_AGENT_SERVE_H

#include "agent/agent.h"
#include "agent/config/config.h"
#include "agent/engine.h"
#include "agent/reload.h"
#include "agent/serve/counts.h"
#include "http/listen.h"
#include "http/page.h"

struct tb_serve;

struct tb_serve_options {
    struct tb_engine *engine; /* borrowed, like all here */
    struct tb_reload *reload;
    const struct tb_agent_pages *shown; /* NULL: none */
};

/* Can the certificate of these settings be shown, if there is one? 0, or a negative errno with why.
 * Any thread. */
int tb_serve_check(const struct tb_config *config, char why[TB_CONFIG_WHY]);

/* config is borrowed until a reload has replaced it. Opens the sockets and the spool for ingest,
 * before any thread is started. 0, or a negative errno with why. */
int tb_serve_open(const struct tb_config *config, struct tb_serve **out, char why[TB_LISTEN_WHY]);
/* What was bound: "127.0.0.1:7070", or "". */
const char *tb_serve_address(const struct tb_serve *serve);
/* Answers until SIGTERM or SIGINT. 0, or a negative errno. */
int tb_serve_run(struct tb_serve *serve, const struct tb_serve_options *options);
/* What came in over HTTP so far. In the loop's thread. */
void tb_serve_counts(const struct tb_serve *serve, struct tb_ingest_counts *out);
/* Takes over what may change while it runs: the certificate with its key, ingest.token_file,
 * limits.sender_per_minute. In the loop's thread. 0: config is borrowed from now on in place of the
 * one before, and what was bound stays; or a negative errno with why, and all stays. */
int tb_serve_reload(struct tb_serve *serve, const struct tb_config *config,
                    char why[TB_LISTEN_WHY]);
/* Closes the sockets and removes the Unix socket's file, if it is still the one that was bound. */
void tb_serve_close(struct tb_serve *serve);

#endif
