/* limit.h - which records are kept one by one, and which are only counted. docs/storms.md is
 * normative. Pure: it knows no database and no clock.
 *
 * 1. Of each window of burst_minutes, by the record's own time, an item and a service may have so
 *    many minutes' worth: in whatever order records are read, they are judged by when they were
 *    written.
 * 2. Bounded: TB_LIMIT_ITEMS items and TB_LIMIT_SERVICES services. A forgotten item begins anew;
 *    services beyond those of one window share one budget, so new names buy no room.
 * 3. The keys are hashed with a random seed: nobody can aim at the bucket of another. */
#ifndef TB_AGENT_LIMIT_H
#define TB_AGENT_LIMIT_H

#include <stdint.h>

enum { TB_LIMIT_ITEMS = 4096, TB_LIMIT_SERVICES = 256 };

enum tb_limit_verdict { TB_LIMIT_KEEP, TB_LIMIT_ITEM, TB_LIMIT_SERVICE };

struct tb_limit;

struct tb_limit_rates {
    unsigned item_per_minute, service_per_minute; /* 0: no limit */
    unsigned burst_minutes;
};

struct tb_limit_event {
    const char *environment, *fingerprint, *service; /* borrowed for the call */
    int is_crash;                                    /* has a budget of its own in its service */
    uint64_t time_ns;                                /* wall clock: when it was written */
};

/* What a record was given, to be given back when it is not stored after all. */
struct tb_limit_taken {
    enum tb_limit_verdict verdict;
    int is_first;  /* the first that is only counted in this window: worth a word in the log */
    int is_shared; /* by the budget that further services share */
    uint64_t item[2], service[2];
    int64_t window;
};

/* 0 or -ENOMEM. */
int tb_limit_new(struct tb_limit **out);
void tb_limit_free(struct tb_limit *limit);
enum tb_limit_verdict tb_limit_take(struct tb_limit *limit, const struct tb_limit_rates *rates,
                                    const struct tb_limit_event *event, struct tb_limit_taken *out);
/* As if it had never come. */
void tb_limit_give_back(struct tb_limit *limit, const struct tb_limit_taken *taken);

#endif
