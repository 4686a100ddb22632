/* reload.h - SIGHUP: the settings are read again, and taken over whole or not at all.
 *
 * 1. What is wrong with them is said in the log and by tb_reload_counts; then the former count.
 * 2. Reading, checking and taking over happen beside the loop, in a thread that lives as long as
 *    that takes: no request waits for it, and no listener is closed.
 * 3. A signal that comes meanwhile is a reload of its own afterwards.
 * 4. Settings that were replaced are freed when no job of the loop can hold them any more.
 * 5. A hang-up of the terminal that the agent was started in is no reload: it ends the agent,
 * unless it was started with SIGHUP ignored (nohup). docs/operate.md 2 says which keys need a
 * restart. */
#ifndef TB_AGENT_RELOAD_H
#define TB_AGENT_RELOAD_H

#include <event2/event.h>
#include <stdint.h>

#include "agent/config/config.h"
#include "agent/engine.h"
#include "http/jobs.h"

struct tb_reload;

struct tb_reload_counts {
    int64_t taken, refused;  /* since start */
    int64_t last_ms;         /* wall clock; 0: there was none */
    char why[TB_CONFIG_WHY]; /* why the last one was refused, or "" */
};

/* While the loop runs. */
struct tb_reload_loop {
    struct event_base *base;
    struct tb_jobs *jobs; /* all that may hold settings */
    /* Beside the loop, before anything is taken over: 0, or a negative errno with why. May be NULL.
     */
    int (*check)(void *arg, const struct tb_config *config, char why[TB_CONFIG_WHY]);
    void (*taken)(void *arg, const struct tb_config *config); /* from now on this one counts */
    void (*hung_up)(void *arg);
    void *arg;
};

/* From here on a SIGHUP waits until tb_reload_begin, instead of ending the program. */
void tb_reload_hold(void);
/* flags, config (those that count now) and engine are borrowed; NULL engine: nothing is taken over
 * but by the loop. 0 or a negative errno. */
int tb_reload_new(const struct tb_config_flags *flags, const struct tb_config *config,
                  struct tb_engine *engine, struct tb_reload **out);
/* After the engine is closed: it may use settings that were read here. NULL is fine. */
void tb_reload_free(struct tb_reload *reload);
/* Listens for SIGHUP, also for one that was held. 0 or a negative errno. tb_reload_end waits for
 * one that runs. */
int tb_reload_begin(struct tb_reload *reload, const struct tb_reload_loop *loop);
void tb_reload_end(struct tb_reload *reload);
/* In the loop's thread. */
void tb_reload_counts(const struct tb_reload *reload, struct tb_reload_counts *out);

#endif
