/* encode.c - what the sinks make of items, for tests that compare with other readers. A line is an
 * item: its uuid, a tab, its data. The answer is a line with tabs between: OTLP's log record, its
 * span, and X-Ray's document; "refused" where there is none. */
#include <stdio.h>
#include <string.h>

#include "sink/xray.h"

enum { LINE = 4 << 20 };

static const struct tb_sink_settings settings = {.host = "agent-host",
                                                 .is_plain = true,
                                                 .name_pattern = "",
                                                 .name = "",
                                                 .origin = "AWS::EC2::Instance",
                                                 .region = "ca-central-1",
                                                 .log_group = "cruddur"};
static const struct tb_sink_target target = {.endpoint = "http://127.0.0.1:4318/v1/logs",
                                             .token = "",
                                             .settings = &settings,
                                             .now_ms = 1795339662623};

static void otlp(const struct tb_sink_type *sink, struct tb_sink_item item)
{
    struct tb_sink_request request;
    int n = sink->encode(&target, &item, 1, &request);
    if (n == 1 && item.why == NULL)
        (void)fwrite(request.body.data, 1, request.body.len, stdout);
    else
        (void)fputs("refused", stdout);
    (void)putchar('\t');
    tb_sink_request_done(&request);
}

static void xray(const struct tb_sink_item *item)
{
    static char mem[TB_XRAY_DOCUMENT_BYTES + 1];
    size_t len = 0;
    (void)puts(tb_xray_document(&target, item, mem, sizeof(mem), &len) == 0 ? mem : "refused");
}

int main(void)
{
    static char line[LINE];
    while (fgets(line, sizeof(line), stdin) != NULL) {
        char *data = strchr(line, '\t');
        if (data == NULL)
            return 2;
        *data++ = '\0';
        data[strcspn(data, "\n")] = '\0';
        const struct tb_sink_item item = {.uuid = line, .data = data, .len = strlen(data)};
        otlp(&tb_sink_otlp, item);
        otlp(&tb_sink_otlp_spans, item);
        xray(&item);
    }
    return 0;
}
