/* sampling_impl.h - what the files of this folder share. */
#ifndef TB_SAMPLING_IMPL_H
#define TB_SAMPLING_IMPL_H

#include <cjson/cJSON.h>

#include "sampling/sampling.h"

/* Bytes, of four for each character that X-Ray allows. */
enum { NAME_BYTES = 4 * 32 + 1, SHORT_BYTES = 4 * 64 + 1, PATH_BYTES = 4 * 128 + 1 };
enum { PRIORITY_DEFAULT = 10000, INTERVAL_S = 10, MS_PER_S = 1000 };

struct tb_sampling_use {
    int64_t second;                             /* that these two are of */
    int64_t taken, borrowed;                    /* of the reservoir */
    int64_t quota;                              /* -1: none was given */
    int64_t quota_until_s;                      /* inclusive */
    uint64_t n_requests, n_sampled, n_borrowed; /* since the last report */
    int64_t reported_ms, interval_ms;
};

struct tb_sampling_rule {
    char name[NAME_BYTES];
    int64_t priority, reservoir;
    double rate;
    bool is_central, is_default; /* the default fits every request */
    char service[SHORT_BYTES], type[SHORT_BYTES], host[SHORT_BYTES], method[SHORT_BYTES],
        path[PATH_BYTES];
    struct tb_sampling_use use;
};

struct tb_sampling_list {
    struct tb_sampling_rule *rules; /* owned */
    size_t n, cap;
};

struct tb_sampling {
    struct tb_sampling_list now, coming; /* coming: pages of central rules until the last */
    struct tb_sampling_rule fallback;    /* where no rule fits */
};

void tb_sampling_rule_init(struct tb_sampling_rule *rule);
/* A rule like *rule at the end. 0, -EMSGSIZE over TB_SAMPLING_RULES, -ENOMEM. */
int tb_sampling_list_add(struct tb_sampling_list *list, const struct tb_sampling_rule *rule);
void tb_sampling_list_done(struct tb_sampling_list *list);
/* The list counts from now on, in order; what was taken of rules of the same name stays. The list
 * is empty afterwards. */
void tb_sampling_take(struct tb_sampling *sampling, struct tb_sampling_list *list);

/* NULL with why: it is no JSON, or too long. */
cJSON *tb_sampling_parse(const char *text, size_t len, char why[TB_SAMPLING_WHY]);
/* One rule as the API has it; is_strict: without members that are not known. 0; 1: it is none that
 * can be used here, with why; -EINVAL with why. */
int tb_sampling_read_rule(const cJSON *json, bool is_strict, struct tb_sampling_rule *out,
                          char why[TB_SAMPLING_WHY]);
/* All rules of a file of version 1 or 2. 0, -EINVAL with why, -EMSGSIZE, -ENOMEM. */
int tb_sampling_read_local(const cJSON *json, struct tb_sampling_list *out,
                           char why[TB_SAMPLING_WHY]);

/* "rule "Cruddur": " and the rest, in printf form. Returns -EINVAL. */
int tb_sampling_refuse(char why[TB_SAMPLING_WHY], const char *rule, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* A member that is none of the n known ones is refused, with what was likely meant. */
int tb_sampling_members(const cJSON *json, const char *const *known, size_t n, const char *rule,
                        char why[TB_SAMPLING_WHY]);

#endif
