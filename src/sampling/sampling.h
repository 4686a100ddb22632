/* sampling.h - X-Ray's sampling rules: which traces that we begin are recorded. Pure but for the
 * clock and the random numbers that it is told. docs/sampling.md.
 *
 * Sources: AWS X-Ray developer guide, "Configuring sampling rules"; what the SDKs do with
 * GetSamplingRules and SamplingTargets (reference: aws-xray-sdk-python,
 * aws_xray_sdk/core/sampling). */
#ifndef TB_SAMPLING_SAMPLING_H
#define TB_SAMPLING_SAMPLING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TB_SAMPLING_WHY = 256 };

/* What a request is like; NULL or "" where it is not known, which matches every rule. */
struct tb_sampling_request {
    const char *service, *service_type, *host, *method, *path;
};

struct tb_sampling; /* rules and what was taken of their reservoirs */

/* 0 or -ENOMEM; without rules, and with the default of the SDKs: one a second, then 5 %. */
int tb_sampling_new(struct tb_sampling **out);
void tb_sampling_free(struct tb_sampling *sampling);
/* Takes over the rules of a text: a local file of version 1 or 2, the object that `aws xray
 * create-sampling-rule` takes, a list of such, or the answer of GetSamplingRules. What was taken of
 * rules with the same name stays. 0, or -EINVAL with why, and the former rules stay. */
int tb_sampling_rules(struct tb_sampling *sampling, const char *text, size_t len, int64_t now_ms,
                      char why[TB_SAMPLING_WHY]);
/* Is a trace that begins with that request recorded? random is uniform in [0,1). rule gets the name
 * of the rule that decided, borrowed until the rules change; may be NULL. */
bool tb_sampling_decide(struct tb_sampling *sampling, const struct tb_sampling_request *request,
                        int64_t now_ms, double random, const char **rule);

#endif
