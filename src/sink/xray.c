/* xray.c - the X-Ray daemon: one document for each datagram, which it answers with nothing.
 *
 * Source: aws-xray-daemon, pkg/tracesegment and cmd/tracing: a header, the first line end, a
 * document. A datagram that was sent is all that can be known: at most once. */
#include "sink/xray.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char header[] = "{\"format\":\"json\",\"version\":1}\n";

static int encode(const struct tb_sink_target *target, struct tb_sink_item *items, size_t n,
                  struct tb_sink_request *out)
{
    size_t len = 0;
    int err = tb_sink_request_init(out, target->endpoint, TB_XRAY_DATAGRAM_BYTES);
    if (err < 0 || n == 0 || strncmp(target->endpoint, "udp://", 6) != 0)
        return -EINVAL;
    char *mem = malloc(TB_XRAY_DOCUMENT_BYTES + 1);
    if (!mem)
        return -ENOMEM;
    err = tb_xray_document(target, items, mem, TB_XRAY_DOCUMENT_BYTES + 1, &len);
    if (err == 0) {
        tb_buf_add(&out->body, header, sizeof(header) - 1);
        tb_buf_add(&out->body, mem, len);
        err = out->body.err;
    } else if (err == -EINVAL) {
        items->why = "it is no JSON object";
        err = 0;
    }
    free(mem);
    if (err < 0)
        tb_buf_done(&out->body);
    return err < 0 ? err : 1;
}

static void judge(const struct tb_sink_target *target, const struct tb_sink_reply *reply,
                  const struct tb_sink_item *items, size_t n, struct tb_sink_judgement *out)
{
    (void)target;
    (void)items;
    memset(out, 0, n * sizeof(*out));
    for (size_t i = 0; i < n; i++) {
        out[i].verdict = reply->status == 200 ? TB_VERDICT_ACK : TB_VERDICT_RETRY;
        if (reply->status != 200)
            (void)snprintf(out[i].reason, sizeof(out[i].reason), "the X-Ray daemon: %.180s",
                           reply->error && reply->error[0] ? reply->error : "not sent");
    }
}

const struct tb_sink_type tb_sink_xray = {
    .name = "xray",
    .batch = 1,
    .max_bytes = TB_DOC_BYTES,
    .encode = encode,
    .judge = judge,
};
