/* rows_request.h - an item's request as the sampling rules of X-Ray see it. Pure. */
#ifndef TB_AGENT_ROWS_REQUEST_H
#define TB_AGENT_ROWS_REQUEST_H

#include "agent/config/config.h"
#include "item/doc.h"
#include "sampling/sampling.h"

enum { TB_ROWS_URL = 2048, TB_ROWS_HOST = 256, TB_ROWS_METHOD = 32 };

struct tb_rows_request {
    struct tb_sampling_request request; /* points into here, or to what it was made from */
    char url[TB_ROWS_URL], host[TB_ROWS_HOST], method[TB_ROWS_METHOD];
};

/* service is the item's; a name of the settings, or a host that fits their pattern, goes before it,
 * as it does for the segment. */
void tb_rows_request(const struct tb_config_xray *xray, const struct tb_doc *item,
                     const char *service, struct tb_rows_request *out);

#endif
