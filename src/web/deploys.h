/* deploys.h - deploys beside the errors: the last one, marks in a chart, and the one that may have
 * brought a bug. */
#ifndef TB_WEB_DEPLOYS_H
#define TB_WEB_DEPLOYS_H

#include "web/chart.h"
#include "web/pages.h"

enum { TB_DEPLOY_MARKS = 20 };

struct tb_deploy_marks {
    struct tb_chart_mark marks[TB_DEPLOY_MARKS];
    char texts[TB_DEPLOY_MARKS][160];
    size_t n;
};

/* "Last deploy: 1.4.2 to production, 3 min ago by andrew"; nothing where there was none. 0 or the
 * store's error. */
int tb_deploys_put_last(struct tb_view *view);
/* Those to the environment since then. */
int tb_deploys_marks(struct tb_view *view, const char *environment, int64_t since_ms,
                     struct tb_deploy_marks *out);
/* "4 min after 1.4.2" as a row of a list: the last deploy to the item's environment before it was
 * first seen, when that was within an hour, or within a day and of the version that the
 * occurrence shown names. Nothing else is known of whose fault it is. */
int tb_deploys_put_suspect(struct tb_item_view *item);

#endif
