/* aws_error.h - what a service of AWS says when it does not take a request: one table for all sinks
 * of AWS, and for the STS. Takes any reply. docs/how-to/cloudwatch.md has it for people. */
#ifndef TB_SINK_AWS_ERROR_H
#define TB_SINK_AWS_ERROR_H

#include "sink/sink.h"

enum tb_aws_class {
    TB_AWS_RETRY,     /* passes by itself, or it was not AWS that answered */
    TB_AWS_THROTTLED, /* too much at once */
    TB_AWS_RENEW,     /* the credentials have ended, or are unknown */
    TB_AWS_CLOCK,     /* the time of the request is too far from the service's */
    TB_AWS_CREATE,    /* what it goes into is not there */
    TB_AWS_THERE,     /* what is to be made or sent is there already */
    TB_AWS_NEVER,     /* never taken as it is */
    TB_AWS_DENIED,    /* nobody gave these credentials the right */
    TB_AWS_CONFIG     /* a person has to mend the settings */
};

enum { TB_AWS_NAME = 80, TB_AWS_SAID = 192 };

struct tb_aws_error {
    enum tb_aws_class class;
    char name[TB_AWS_NAME]; /* "AccessDeniedException"; "" where none is said */
    char said[TB_AWS_SAID]; /* the message, one line of ASCII, cut; without what is secret */
    int64_t clock_ms;       /* for CLOCK: the service's clock less ours, never 0 */
};

/* Reads a reply that is no success: JSON, XML, the header x-amzn-errortype, the status. The target
 * has the time of the request, and the credentials that may not be in what is said. */
void tb_aws_error_read(const struct tb_sink_target *target, const struct tb_sink_reply *reply,
                       struct tb_aws_error *out);
/* What a service says as one line of ASCII: what is of the credentials (NULL for none) becomes
 * "(secret)", before it is cut. */
void tb_aws_error_said(const char *text, const struct tb_sink_credentials *credentials,
                       char out[TB_AWS_SAID]);
/* The same as a verdict. action: the right that it needs, "logs:PutLogEvents", for people. */
void tb_aws_error_judge(const struct tb_sink_target *target, const struct tb_sink_reply *reply,
                        const char *action, struct tb_sink_judgement *out);

#endif
