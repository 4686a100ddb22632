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
/* Asks feedd for a feed: the HTTP status, or -ECONNRESET when it died of it. Says nothing. */
int tb_demo_ask(struct tb_demo *demo, const char *user, const char *traceparent);
/* Notes a request with a fresh trace; it must leave one error behind. */
struct tb_demo_request *tb_demo_request(struct tb_demo *demo, const char *user);

#endif
