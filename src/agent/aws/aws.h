/* aws.h - the credentials and the region that the sinks of AWS use, from the usual chain:
 * environment, profile, web identity, container, IMDSv2. docs/how-to/cloudwatch.md.
 *
 * One thread uses an object. Calls ask files, programs and servers, and take some seconds at the
 * longest: never the loop's or the pipeline's thread. */
#ifndef TB_AGENT_AWS_H
#define TB_AGENT_AWS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "agent/config/config.h"

enum { TB_AWS_WHY = 256 };

struct tb_aws;

/* config is copied where needed. 0 or -ENOMEM. */
int tb_aws_new(const struct tb_config_aws *config, struct tb_aws **out);
void tb_aws_free(struct tb_aws *aws);
/* What is asked is given up within a second once *is_over; it must outlive aws. NULL: never. */
void tb_aws_watch(struct tb_aws *aws, const atomic_bool *is_over);
/* Those that hold now, new ones in time before the old ones end. is_refused: the last ones were
 * refused as expired or unknown. *out is borrowed until the next call. 0, or a negative errno with
 * why, for people, without a secret; asking again is put off by a back-off of its own, and the same
 * error comes back meanwhile. */
int tb_aws_credentials(struct tb_aws *aws, bool is_refused, struct tb_sink_credentials *out,
                       char why[TB_AWS_WHY]);
/* "ca-central-1", borrowed until tb_aws_free; or NULL with why. */
const char *tb_aws_region(struct tb_aws *aws, char why[TB_AWS_WHY]);
/* Where they come from, for people: "environment", "profile x", "container", "IMDS"; "" for not
 * asked yet. */
const char *tb_aws_source(const struct tb_aws *aws);

#endif
