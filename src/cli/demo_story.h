/* demo_story.h - the demo as it is told, step by step, and what its steps are made of. */
#ifndef TB_CLI_DEMO_STORY_H
#define TB_CLI_DEMO_STORY_H

#include "cli/demo.h"

/* ---- demo_story.c ---- */

/* Does everything and prints it: 0, or a negative errno that was said on stderr. */
int tb_demo_tell(struct tb_demo *demo);
/* Where to look and what to do next. */
void tb_demo_tell_next(struct tb_demo *demo, int is_check);

/* ---- cmd_demo.c; what fails is said on stderr ---- */

/* Starts towbard and waits until it answers. */
int tb_demo_start_agent(struct tb_demo *demo);
/* Starts feedd and waits until it listens. */
int tb_demo_start_daemon(struct tb_demo *demo);
/* DIR_OF_THIS_PROGRAM/relative, or a program of PATH, if it can be used so (X_OK, R_OK). 0 or
 * -ENOENT. */
int tb_demo_beside(const char *relative, int mode, char out[TB_DEMO_PATH]);
int tb_demo_in_path(const char *name, char out[TB_DEMO_PATH]);
/* The HTTP status of a request with that trace, or a negative errno. Says nothing. */
int tb_demo_get(const char *url, const char *traceparent);
/* Asks feedd for a feed: the HTTP status, or -ECONNRESET when it died of it. Says nothing. */
int tb_demo_ask(struct tb_demo *demo, const char *user, const char *traceparent);
/* Notes a request with a fresh trace; it must leave one error behind. */
struct tb_demo_request *tb_demo_request(struct tb_demo *demo, const char *user);

#endif
