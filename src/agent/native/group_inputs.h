/* group_inputs.h - what a fingerprint was made from, as JSON, with a sentence for people that says
 * why the occurrences of an item are together. Pure. */
#ifndef TB_AGENT_GROUP_INPUTS_H
#define TB_AGENT_GROUP_INPUTS_H

#include "agent/native/group_functions.h"
#include "base/buf.h"

enum { TB_GROUP_INPUTS_BYTES = 8 << 10 };

/* NULL or "" where it had no part. */
struct tb_group_inputs {
    const char *by; /* "functions", "end", "fingerprint", "trace", "trace_chain", "message" */
    const char *service, *class_;
    const struct tb_group_functions *functions;
    const char *cause;
    const char *text;
    const char *text_is; /* what the sentence has before it: "format: ", "system call: ", "" */
    const char *executable;
    int is_oom;
};

/* Appends the JSON object; its text may be cut. 0 or -ENOMEM. */
int tb_group_inputs_write(const struct tb_group_inputs *in, struct tb_buf *out);

#endif
