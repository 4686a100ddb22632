/* aws.c - see aws.h. Only the environment is asked yet. */
#include "agent/aws/aws.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct tb_aws {
    char *region;
};

int tb_aws_new(const struct tb_config_aws *config, struct tb_aws **out)
{
    const char *region = config->region && config->region[0] ? config->region : NULL;
    if (!region)
        region = getenv("AWS_REGION");
    if (!region)
        region = getenv("AWS_DEFAULT_REGION");
    struct tb_aws *aws = calloc(1, sizeof(*aws));
    if (aws)
        aws->region = strdup(region ? region : "");
    if (!aws || !aws->region) {
        free(aws);
        return -ENOMEM;
    }
    *out = aws;
    return 0;
}

void tb_aws_free(struct tb_aws *aws)
{
    if (!aws)
        return;
    free(aws->region);
    free(aws);
}

int tb_aws_credentials(struct tb_aws *aws, bool is_refused, struct tb_sink_credentials *out,
                       char why[TB_AWS_WHY])
{
    const char *key_id = getenv("AWS_ACCESS_KEY_ID");
    const char *secret = getenv("AWS_SECRET_ACCESS_KEY");
    const char *session = getenv("AWS_SESSION_TOKEN");
    (void)aws;
    (void)is_refused;
    if (!key_id || !secret) {
        (void)snprintf(why, TB_AWS_WHY, "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set");
        return -ENOENT;
    }
    *out = (struct tb_sink_credentials){key_id, secret, session ? session : ""};
    return 0;
}

const char *tb_aws_region(struct tb_aws *aws, char why[TB_AWS_WHY])
{
    if (aws->region[0])
        return aws->region;
    (void)snprintf(why, TB_AWS_WHY, "no region: set AWS_REGION or aws.region");
    return NULL;
}

const char *tb_aws_source(const struct tb_aws *aws)
{
    (void)aws;
    return "environment";
}
