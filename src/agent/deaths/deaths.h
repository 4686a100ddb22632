/* deaths.h - how the processes ended whose slots say nothing: holds a pidfd of each client that
 * lives, and looks once in a while.
 *
 * 1. A slot is a stranger's word: a process is his only when /proc shows the start time that the
 *    slot names, and the owner of the slot among its users. Nothing is ever sent to a process.
 * 2. What is not known is said to be unknown, never guessed.
 * 3. At most TB_DEATHS_MAX processes are watched, and an eighth of the descriptors used; further
 *    ones end unknown. Users share them: who has more gives up places for one who has fewer.
 * Nothing waits: who must, is told to ask again, for patience_ns. One thread calls it, that of the
 * pipeline. */
#ifndef TB_AGENT_DEATHS_H
#define TB_AGENT_DEATHS_H

#include <stdint.h>

#include "spool/reader.h"

enum { TB_DEATHS_MAX = 256 };

enum tb_death_how {
    TB_DEATH_UNKNOWN,
    TB_DEATH_EXITED,    /* it ended by itself, without a word */
    TB_DEATH_SIGNALED,  /* signo */
    TB_DEATH_EXEC,      /* none: it lives on under another program */
    TB_DEATH_OTHER_BOOT /* the machine was started since */
};

/* Why it is not known how. */
enum tb_death_why {
    TB_DEATH_UNSEEN,     /* the agent was away, or could not see it alive */
    TB_DEATH_OLD_KERNEL, /* which does not tell, or not this user */
    TB_DEATH_NOT_REAPED  /* it tells when the parent asks, which it did not in time */
};

struct tb_death {
    enum tb_death_how how;
    enum tb_death_why why; /* of TB_DEATH_UNKNOWN */
    int signo, has_core;
    int was_watched; /* the agent saw it live */
    /* The OOM killer had victims between the last but one time that it was seen alive and now: */
    int oom_in_cgroup, oom_on_host;
    uint64_t noticed_wall_ns; /* when it died, give or take a look; 0 where nobody saw that */
    uint64_t found_wall_ns;   /* when it was first known to be dead */
};

struct tb_deaths;

/* patience_ns: how long the kernel may take to tell how a process ended, which it does when its
 * parent asks. 0 or -ENOMEM. spool is borrowed. */
int tb_deaths_new(struct tb_spool *spool, uint64_t patience_ns, struct tb_deaths **out);
void tb_deaths_free(struct tb_deaths *deaths);
/* Finds new clients and who has died. It keeps itself to a twentieth of the time: 0 when it has
 * looked, else in how many milliseconds it would. */
int tb_deaths_look(struct tb_deaths *deaths);
/* How the process of a record that died unseen has ended: 0, or -EAGAIN when it may be known soon.
 */
int tb_deaths_ask(struct tb_deaths *deaths, const struct tb_spool_record *record,
                  struct tb_death *out);
/* How many are watched now. */
size_t tb_deaths_count(const struct tb_deaths *deaths);
/* Takes the host's count of the OOM killer's victims from another file than /proc/vmstat: for
 * tests. path is borrowed. */
void tb_deaths_count_victims_in(struct tb_deaths *deaths, const char *path);

#endif
