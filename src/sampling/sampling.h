/* sampling.h - X-Ray's sampling rules: which traces that we begin are recorded. Pure but for the
 * clock and the random numbers that it is told; one thread at a time. docs/sampling.md.
 *
 * 1. Rules are tried by priority, then name; the first one that fits decides. Where none fits, the
 *    SDKs' default does: one a second, then 5 %.
 * 2. Whole seconds count. A rule of a file has its reservoir for itself. Of a central rule it has
 *    the quota that the service gave, while that holds; else it borrows one, where the rule has a
 *    reservoir at all. What is beyond is a matter of the rate.
 * 3. Texts that are no rules change nothing.
 *
 * Sources: AWS X-Ray developer guide, "Configuring sampling rules"; API reference, GetSamplingRules
 * and GetSamplingTargets; what aws-xray-sdk-python does with them (core/sampling). */
#ifndef TB_SAMPLING_SAMPLING_H
#define TB_SAMPLING_SAMPLING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

enum {
    TB_SAMPLING_WHY = 256,
    TB_SAMPLING_BYTES = 1 << 20, /* of one text */
    TB_SAMPLING_RULES = 500,
    TB_SAMPLING_STATISTICS = 25, /* rules in one report, by the API */
    TB_SAMPLING_CLIENT = 25      /* 24 hex digits and NUL */
};

/* What a request is like; NULL or "" where it is not known, which matches every rule. */
struct tb_sampling_request {
    const char *service, *service_type, *host, *method, *path;
};

struct tb_sampling; /* rules and what was taken of their reservoirs */

/* 0 or -ENOMEM; without rules, and with the default of the SDKs: one a second, then 5 %. */
int tb_sampling_new(struct tb_sampling **out);
void tb_sampling_free(struct tb_sampling *sampling);
/* Takes over the rules of a file: of version 1 or 2, the object that `aws xray
 * create-sampling-rule` takes, a list of such, or the answer of GetSamplingRules. What was taken of
 * rules with the same name stays. 0; -EINVAL with why: the rule, the member and the cure; -EMSGSIZE
 * with why; -ENOMEM. The former rules stay then. */
int tb_sampling_rules(struct tb_sampling *sampling, const char *text, size_t len, int64_t now_ms,
                      char why[TB_SAMPLING_WHY]);
/* Is a trace that begins with that request recorded? random is uniform in [0,1). rule gets the name
 * of the rule that decided, borrowed until the rules change; may be NULL. */
bool tb_sampling_decide(struct tb_sampling *sampling, const struct tb_sampling_request *request,
                        int64_t now_ms, double random, const char **rule);
/* The rules that count, in their order: their names; NULL from n on. */
const char *tb_sampling_name(const struct tb_sampling *sampling, size_t i);

/* ---- central rules: what an SDK asks a daemon ---- */

/* One page of the answer of GetSamplingRules. Rules that an SDK cannot use (of another version, for
 * a resource, with attributes) are left out, and so are broken ones. is_first: begins anew; the
 * rules count after the page without a NextToken. next gets the token, "" for none. 0, -EINVAL,
 * -EMSGSIZE or -ENOMEM; then the rules that counted before still do. */
int tb_sampling_page(struct tb_sampling *sampling, const char *text, size_t len, bool is_first,
                     struct tb_buf *next, char why[TB_SAMPLING_WHY]);
/* The answer of GetSamplingTargets. changed_s gets when the rules were last changed at the service,
 * 0 unknown. */
int tb_sampling_targets(struct tb_sampling *sampling, const char *text, size_t len, int64_t now_ms,
                        int64_t *changed_s, char why[TB_SAMPLING_WHY]);
/* Was a rule used that no report has told of yet? */
bool tb_sampling_is_used(const struct tb_sampling *sampling);
/* Appends the request for GetSamplingTargets: of each rule that was used and whose report is due,
 * how often; those counts begin anew. How many rules, 0: nothing is due, and nothing is appended;
 * or -ENOMEM. */
int tb_sampling_statistics(struct tb_sampling *sampling, const char client[TB_SAMPLING_CLIENT],
                           int64_t now_ms, struct tb_buf *out);

#endif
