/* debuginfod_memory.h - whom not to ask again, for what, and for whom. Pure, and of one size.
 *
 * Build ids come from strangers' records: an id of which nobody knew is not asked for again for a
 * while, and each user may have some new ones asked for in a minute. Who fills the memory with ids
 * pushes out those that would have been forgotten soonest. */
#ifndef TB_AGENT_DEBUGINFOD_MEMORY_H
#define TB_AGENT_DEBUGINFOD_MEMORY_H

#include <stdint.h>
#include <sys/types.h>

enum {
    TB_DEBUGINFOD_IDS = 1024,
    TB_DEBUGINFOD_USERS = 32,
    TB_DEBUGINFOD_SERVERS = 8,
    TB_DEBUGINFOD_PER_MINUTE = 30, /* new build ids for each user */
    TB_DEBUGINFOD_NOT_FOUND_S = 3600,
    TB_DEBUGINFOD_NO_ANSWER_S = 300,
    TB_DEBUGINFOD_WAITS_S = 20, /* that all records together may wait in a minute */
    TB_DEBUGINFOD_HEX_MIN = 16, /* digits of a build id: 8 bytes, lld's shortest */
    TB_DEBUGINFOD_HEX_MAX = 64,
};

#define TB_DEBUGINFOD_ALL ((uid_t)-1) /* no user has it */

/* Zeroed: nothing is known. Times are monotonic. */
struct tb_debuginfod_memory {
    struct {
        char hex[TB_DEBUGINFOD_HEX_MAX + 1];
        uint64_t until_ns; /* 0: the place is free */
        uid_t uid;         /* for whom it is so; TB_DEBUGINFOD_ALL: for everybody */
    } ids[TB_DEBUGINFOD_IDS];
    struct {
        uid_t uid;
        unsigned n;       /* asked for since from_ns; 0: the place is free */
        uint64_t from_ns; /* when its minute began */
    } users[TB_DEBUGINFOD_USERS];
    uint64_t servers_until_ns[TB_DEBUGINFOD_SERVERS]; /* not asked before */
    uint64_t minute_ns, waited_ns; /* when a minute began, and what records waited since */
};

/* Is hex the lower-case hexadecimal form of a build id? */
int tb_debuginfod_is_id(const char *hex);
/* Is it known that uid need not ask for it? */
int tb_debuginfod_is_lacking(const struct tb_debuginfod_memory *memory, const char *hex, uid_t uid,
                             uint64_t now_ns);
/* Nobody has it, so that uid (or TB_DEBUGINFOD_ALL) need not ask for so many seconds. */
void tb_debuginfod_lacks(struct tb_debuginfod_memory *memory, const char *hex, uid_t uid,
                         unsigned seconds, uint64_t now_ns);
/* May one more be asked for, for uid? Counts it. */
int tb_debuginfod_admit(struct tb_debuginfod_memory *memory, uid_t uid, uint64_t now_ns);
/* May another record wait? For the first of a minute that is always so. */
int tb_debuginfod_may_wait(struct tb_debuginfod_memory *memory, uint64_t now_ns);
/* One has waited from begin_ns to now_ns. */
void tb_debuginfod_waited(struct tb_debuginfod_memory *memory, uint64_t begin_ns, uint64_t now_ns);

#endif
