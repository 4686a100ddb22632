/* sampler.h - the agent's sampling rules: those of the file, and those that the X-Ray daemon passes
 * on, which count while they are fresh. docs/sampling.md.
 *
 * 1. A decision never waits for the network: a thread of its own asks the daemon, where the
 * settings want it.
 * 2. Rules of the service count for TB_SAMPLER_FRESH_S after they came; then the file's do, or the
 *    SDKs' default where there is no file.
 * 3. A daemon that does not answer is said once, and asked again with a back-off. What it answers
 *    costs 64 KiB a page and TB_SAMPLER_PAGES pages at most.
 * tb_sampler_decide and tb_sampler_look may be called from any thread, also while the settings
 * change; the others are for one thread. */
#ifndef TB_AGENT_SAMPLER_H
#define TB_AGENT_SAMPLER_H

#include "agent/config/config.h"
#include "sampling/sampling.h"

enum {
    TB_SAMPLER_WHY = 512,
    TB_SAMPLER_FRESH_S = 3600,
    TB_SAMPLER_RULES_S = 300,  /* how often rules are asked for, */
    TB_SAMPLER_TARGETS_S = 10, /* and quotas, of rules that were used */
    TB_SAMPLER_PAGES = 20
};

struct tb_sampler;

struct tb_sampler_state {
    const char *from; /* "service", "file" or "default"; static */
    size_t n_rules;
    char trouble[TB_SAMPLER_WHY]; /* why the daemon's do not come; "" when they do or need not */
};

/* Reads the file. 0; -ENOMEM; or a negative errno with why: the file, the rule, the cure. */
int tb_sampler_new(const struct tb_config *config, struct tb_sampler **out,
                   char why[TB_SAMPLER_WHY]);
/* Begins to ask the daemon, if the settings say so. */
void tb_sampler_start(struct tb_sampler *sampler);
/* Other settings; what was taken of reservoirs stays. 0, or a negative errno with why: the former
 * count then. */
int tb_sampler_take(struct tb_sampler *sampler, const struct tb_config *config,
                    char why[TB_SAMPLER_WHY]);
/* Gives up what is under way; NULL is fine. */
void tb_sampler_free(struct tb_sampler *sampler);
/* Is a trace that nobody has decided about recorded? As the pipeline's hook: sampler is a struct
 * tb_sampler. */
bool tb_sampler_decide(void *sampler, const struct tb_sampling_request *request);
void tb_sampler_look(struct tb_sampler *sampler, struct tb_sampler_state *out);

#endif
