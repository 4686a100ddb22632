/* chart.c - see chart.h. */
#include "web/chart.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "web/emit.h"

enum {
    SPARK_HEIGHT = 28,
    SPARK_STEP = 5,
    BARS_WIDTH = 860,
    BARS_HEIGHT = 90,
    MS_PER_S = 1000,
    S_PER_HOUR = 3600,
    CLOCK_TEXT = 24
};

static int64_t sum(const int64_t hours[TB_STORE_HOURS], int64_t *most)
{
    int64_t all = 0;
    *most = 1;
    for (int i = 0; i < TB_STORE_HOURS; i++) {
        all += hours[i];
        if (hours[i] > *most)
            *most = hours[i];
    }
    return all;
}

/* An hour without any is a line one pixel high, so that the eye finds the axis. */
void tb_chart_spark(struct tb_buf *out, const int64_t hours[TB_STORE_HOURS])
{
    int64_t most;
    int64_t all = sum(hours, &most);
    tb_emit(out,
            "<svg role=\"img\" aria-label=\"%n in the last 24 h\" width=\"120\" height=\"28\">",
            all);
    for (int i = 0; i < TB_STORE_HOURS; i++) {
        double height = (double)SPARK_HEIGHT * (double)hours[i] / (double)most;
        if (height < 1)
            height = 1;
        tb_buf_addf(out, "<rect class=\"bar1\" x=\"%d\" y=\"%.1f\" width=\"4\" height=\"%.1f\"/>",
                    i * SPARK_STEP, SPARK_HEIGHT - height, height);
    }
    tb_emit(out, "</svg>");
}

/* "24 Nov 19:00 UTC" */
static const char *clock_text(int64_t at_ms, char out[CLOCK_TEXT])
{
    time_t at = (time_t)(at_ms / MS_PER_S);
    struct tm parts;
    if (gmtime_r(&at, &parts) == NULL || strftime(out, CLOCK_TEXT, "%d %b %H:%M UTC", &parts) == 0)
        snprintf(out, CLOCK_TEXT, "a day ago");
    return out;
}

static void put_mark(struct tb_buf *out, const struct tb_chart_mark *mark, int64_t first_ms)
{
    static const double STEP = (double)BARS_WIDTH / TB_STORE_HOURS;
    char at[CLOCK_TEXT];
    double x = (double)(mark->at_ms - first_ms) / MS_PER_S / S_PER_HOUR * STEP;
    if (x < 0 || x > BARS_WIDTH)
        return;
    tb_buf_addf(out, "<line class=\"deploy\" x1=\"%.1f\" x2=\"%.1f\" y1=\"0\" y2=\"90\">", x, x);
    tb_emit(out, "<title>%h: %.200h</title></line>", clock_text(mark->at_ms, at), mark->text);
}

void tb_chart_bars(struct tb_buf *out, const int64_t hours[TB_STORE_HOURS], int64_t now_ms,
                   const struct tb_chart_mark *marks, size_t n)
{
    static const double STEP = (double)BARS_WIDTH / TB_STORE_HOURS;
    char from[CLOCK_TEXT];
    int64_t most;
    int64_t all = sum(hours, &most);
    int64_t hour_ms = (int64_t)S_PER_HOUR * MS_PER_S;
    int64_t first_ms = (now_ms / hour_ms - (TB_STORE_HOURS - 1)) * hour_ms;
    tb_emit(out,
            "<svg class=\"chart\" role=\"img\" aria-label=\"%n in the last 24 h, at most %n in an "
            "hour\" viewBox=\"0 0 %d 106\">",
            all, all > 0 ? most : (int64_t)0, BARS_WIDTH);
    for (int i = 0; i < TB_STORE_HOURS; i++) {
        double height = (double)BARS_HEIGHT * (double)hours[i] / (double)most;
        char at[CLOCK_TEXT];
        if (hours[i] == 0)
            continue;
        tb_buf_addf(out,
                    "<rect class=\"bar1\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\">",
                    i * STEP, BARS_HEIGHT - height, STEP - 2, height);
        tb_emit(out, "<title>%h: %n</title></rect>", clock_text(first_ms + i * hour_ms, at),
                hours[i]);
    }
    for (size_t i = 0; i < n; i++)
        put_mark(out, &marks[i], first_ms);
    tb_emit(out,
            "<line class=\"ax\" x1=\"0\" x2=\"%d\" y1=\"90\" y2=\"90\"/>"
            "<text x=\"0\" y=\"103\">%h</text>"
            "<text x=\"%d\" y=\"103\" text-anchor=\"end\">now</text></svg>",
            BARS_WIDTH, clock_text(first_ms, from), BARS_WIDTH);
}

void tb_chart_share(struct tb_buf *out, int percent)
{
    tb_emit(out,
            "<svg class=\"share\" aria-hidden=\"true\" width=\"100%%\" height=\"5\">"
            "<rect class=\"track\" width=\"100%%\" height=\"5\" rx=\"2.5\"/>"
            "<rect class=\"bar1\" width=\"%d%%\" height=\"5\" rx=\"2.5\"/></svg>",
            percent);
}
