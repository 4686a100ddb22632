/* chart.h - pictures of numbers as inline SVG: no script, no style but classes. */
#ifndef TB_WEB_CHART_H
#define TB_WEB_CHART_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "store/store.h"

/* The last 24 hours of one row of the list. */
void tb_chart_spark(struct tb_buf *out, const int64_t hours[TB_STORE_HOURS]);
/* A moment that is marked; text is its tooltip. */
struct tb_chart_mark {
    int64_t at_ms;
    const char *text;
};
/* The same, as wide as the page, with its times and n marks. */
void tb_chart_bars(struct tb_buf *out, const int64_t hours[TB_STORE_HOURS], int64_t now_ms,
                   const struct tb_chart_mark *marks, size_t n);
/* A bar of percent of the width. */
void tb_chart_share(struct tb_buf *out, int percent);

#endif
