/* demo_verify.h - what the files that check the demo share. */
#ifndef TB_CLI_DEMO_VERIFY_H
#define TB_CLI_DEMO_VERIFY_H

#include <cjson/cJSON.h>

#include "cli/demo.h"

struct tb_demo_verifier {
    struct tb_demo *demo;
    int n_wrong;
    int64_t n_seen;
    int n_of_request[TB_DEMO_N_REQUESTS]; /* feedd's occurrences */
    int n_of_web;                         /* Flask's */
    int64_t crash_ns, web_ns;             /* when the two of the shown request happened */
    const char *subject;                  /* what is being looked at, for the messages */
};

/* Says on stderr what is wrong, and counts it. */
void tb_demo_wrong(struct tb_demo_verifier *v, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* The text at that path of the item must be this one. */
void tb_demo_want(struct tb_demo_verifier *v, const cJSON *data, const char *path,
                  const char *want);
/* A value of data.attributes; "" when it is not there. Borrowed. */
const char *tb_demo_attribute(const cJSON *data, const char *key);

/* ---- demo_check_web.c ---- */

/* Is it Flask's? */
int tb_demo_is_web(const cJSON *data);
/* Flask's occurrence of that request. */
void tb_demo_verify_web(struct tb_demo_verifier *v, const cJSON *data,
                        const struct tb_demo_request *request);
/* The pages of the running agent show both errors of the trace, feedd's first. */
void tb_demo_verify_pages(struct tb_demo_verifier *v);

#endif
